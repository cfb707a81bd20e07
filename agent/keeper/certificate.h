/*
 * certificate.h - from a grant to a signed certificate: what the keeper is for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_CERTIFICATE_H
#define MTLSD_KEEPER_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/keeper/authority.h"
#include "proto/grant.h"

enum { SIGNED_DER_MAX = GRANT_PACKET_MAX - 64 }; /* so that it fits its packet */

struct signed_certificate {
    bool clamped;
    struct serial serial;
    size_t length;
    uint8_t der[SIGNED_DER_MAX];
};

/* A serial that nobody can guess and that sorts by time: 64 bits of nanoseconds since 1970, always higher than the
 * one before, then 64 random bits. */
void serial_draw(struct serial *out);

/* Hold the grant against the floor, build, sign. 0, or -1 with the reason (FAILURE_LOCKED where the authority is).
 * `now`: seconds since 1970. Counts nothing and writes nothing; not thread-safe for one authority. */
int keeper_sign_grant(struct authority *authority, const struct grant *grant, int64_t now,
                      struct signed_certificate *out, struct failure *failure);

#endif
