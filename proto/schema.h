/*
 * schema.h - one table of fields for a typed struct, and from it both directions of the JSON codec.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The agent decodes calls and encodes replies, the client does the reverse, with the same tables
 * (proto/calls.c). tests/unit/test_calls.c holds every table against io.mtlsd.Agent.varlink.
 */
#ifndef MTLSD_PROTO_SCHEMA_H
#define MTLSD_PROTO_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"

/* An absent optional integer. */
#define ABSENT INT64_MIN

struct text_list {
    const char **items;
    size_t count;
};

struct struct_list {
    void *items; /* array of count structs of the child schema's size */
    size_t count;
};

enum field_type {
    FIELD_TEXT,      /* const char *: NULL where absent. Points into the JSON value after decoding. */
    FIELD_INT,       /* int64_t: ABSENT where absent */
    FIELD_BOOL,      /* bool: false where absent */
    FIELD_TEXT_LIST, /* struct text_list: count 0 where absent */
    FIELD_STRUCT,    /* pointer to the child struct: NULL where absent */
    FIELD_STRUCT_LIST, /* struct struct_list */
};

struct field {
    const char *name; /* camelCase, as in the .varlink file */
    enum field_type type;
    bool required;    /* else ?type in the .varlink file: may be absent or null */
    bool secret;      /* private keys, passphrases: the frame that carries it is wiped */
    size_t offset;
    size_t max_bytes; /* longest text accepted, in bytes; applies to each item of a list */
    size_t max_items; /* lists */
    const struct schema *child;
};

struct schema {
    const char *name;
    size_t size;
    size_t field_count;
    const struct field *fields;
};

/* Decode a JSON object into *out (schema->size bytes, overwritten). Strict: an unknown member, a
 * wrong type, or null for a required field is FAILURE_INVALID_PARAMETER naming it; a text over
 * max_bytes, a list over max_items or an embedded NUL is FAILURE_BAD_REQUEST naming the field. A field inside another
 * is named with its way there, "certificates[2].sans[0]". The texts point into `object`, which must outlive *out. Returns 0, or -1 with *failure set and *out empty.
 * `lenient` (the client reading a reply of a newer agent) ignores unknown members. */
int schema_decode(const struct schema *schema, const json_t *object, bool lenient, void *out,
                  struct failure *failure);

/* A new JSON object (the caller owns it). Whatever is absent is left out: NULL texts and structs and ABSENT integers always,
 * false and empty lists where they are optional. NULL when memory ran out or a text is not UTF-8. */
json_t *schema_encode(const struct schema *schema, const void *in);

/* Free what schema_decode allocated inside *out (not the texts, not *out) and zero it. */
void schema_clear(const struct schema *schema, void *out);

/* Does a decoded or to-be-encoded value hold a secret field that is set? */
bool schema_has_secret(const struct schema *schema, const void *value);

#endif
