/*
 * common.h - what several operations share: rows to wire structs, finding "the" certificate, terms of a call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_OPS_COMMON_H
#define MTLSD_AGENT_OPS_COMMON_H

#include "agent/ops/operation.h"

/* A service name as it may stand in a call: NULL means "default". NULL with BAD_REQUEST("service") otherwise. */
const char *request_service(const char *service, struct failure *failure);

/* Which one is meant: by serial, or by name (and label) among those that `which` says. Exactly one hit: 0 with *row in the arena. None is
 * NOT_FOUND, several CONFLICT with the serials, both after noting every hit as a subject. -1 with *failure. */
struct which_certificate {
    const char *serial, *name, *label;
    int which;      /* of struct certificate_filter */
    bool with_der;
};
int find_one(const struct world *world, struct request *request, const struct which_certificate *which,
             struct certificate_row *row, struct failure *failure);

/* Copy a row into the arena (DER only where it has one). */
void arena_row(struct arena *arena, const struct certificate_row *from, struct certificate_row *to);
/* Note that this row's certificate must be permitted. */
void subject_of_row(struct request *request, const struct certificate_row *row);

struct wire_certificate *row_to_wire(struct arena *arena, const struct world *world, const struct certificate_row *row);
struct text_list sans_to_list(struct arena *arena, const char *sans);
const char *arena_instant(struct arena *arena, int64_t seconds);
const char *arena_serial(struct arena *arena, const struct serial *serial);
const char *arena_pem(struct arena *arena, const uint8_t *der, size_t length);

/* SANs of names, one a line, as the index keeps them; and back. */
const char *names_to_lines(struct arena *arena, const struct names *names);
int names_from_lines(const char *common_name, const char *lines, struct names *out, struct failure *failure);
/* "DNS:x" or "DNS:x and 3 more", for a refusal. */
const char *names_summary(struct arena *arena, const struct names *names);

/* An optional term of a call: 0 where absent. */
int call_term(const char *text, const char *field, int64_t *seconds, struct failure *failure);

/* CRLReason by its RFC 5280 name ("keyCompromise"), and back; -1 and NULL where there is none. */
int reason_from_name(const char *name);
const char *reason_name(int reason);

/* The status word of the .varlink file. */
const char *row_status(const struct certificate_row *row, int64_t now);

#endif
