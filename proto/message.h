/*
 * message.h - one varlink message: JSON text to a parsed call or reply, and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Knows JSON and varlink's envelope (varlink.org/Method-Call), nothing of what a method means.
 */
#ifndef MTLSD_PROTO_MESSAGE_H
#define MTLSD_PROTO_MESSAGE_H

#include <jansson.h>

#include "proto/failure.h"
#include "proto/schema.h"

enum {
    MESSAGE_MAX = 256 * 1024, /* bytes of one message, without the NUL: default of frame-max= */
    MESSAGE_DEPTH_MAX = 8,    /* nesting of objects and arrays */
    MESSAGE_METHOD_MAX = 128,
};

/* Set jansson's allocator to one that wipes on free, and its hash seed from the kernel. Call once at
 * the start of a program that handles secrets in JSON, before any other JSON call. */
void message_use_wiping_allocator(void);

struct message_call {
    json_t *root;           /* owned; everything below points into it */
    const char *method;     /* full name, "io.mtlsd.Agent.Issue" */
    const json_t *parameters; /* an object; an empty one where the call had none */
    bool more, oneway, upgrade;
};

struct message_reply {
    json_t *root;
    const json_t *parameters;
    const char *error;      /* full error name, NULL for success */
    bool continues;
};

/* Parse one message of `length` bytes at `text` (not NUL-terminated). Refused, with a named reason: not UTF-8,
 * an embedded NUL, duplicate members, nesting over MESSAGE_DEPTH_MAX, trailing bytes, unknown members of the envelope,
 * wrong types in it (null counts as absent): BAD_REQUEST with the member as field. What the JSON library refuses is BAD_REQUEST with an empty field and offset.
 * Returns 0 or -1 with *failure. Free with message_call_clear. */
int message_parse_call(const char *text, size_t length, struct message_call *out, struct failure *failure);
int message_parse_reply(const char *text, size_t length, struct message_reply *out, struct failure *failure);
void message_call_clear(struct message_call *call);
void message_reply_clear(struct message_reply *reply);

/* Text of one message, without the NUL, in memory to be freed with message_text_free (which wipes it). NULL when memory
 * ran out. The json_t arguments are borrowed; parameters may be NULL. */
char *message_format_call(const char *method, const json_t *parameters, bool more, bool oneway, size_t *length);
char *message_format_reply(const json_t *parameters, bool continues, size_t *length);
char *message_format_failure(const struct failure *failure, size_t *length);
void message_text_free(char *text, size_t length);

/* A reply's error name and parameters as a struct failure (the client's side). */
void message_failure(const struct message_reply *reply, struct failure *out);

#endif
