/*
 * floor.h - what no policy and no agent can lift: the rules that a grant must keep, set at init, sealed with the
 * key.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * CA:TRUE and keyCertSign are not among them: a grant has no way to say them. Pure: no clock, no file.
 */
#ifndef MTLSD_KEEPER_FLOOR_H
#define MTLSD_KEEPER_FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/grant.h"

enum {
    FLOOR_EKU_MAX = 16,
    FLOOR_PERMIT_MAX = 16,
    FLOOR_DNS_SIZE = 254,
    FLOOR_ENCODED_MAX = 8 * 1024,
    FLOOR_PAST_MAX =
        3600, /* seconds by which notBefore may lie behind the keeper's clock: a grant is planned and signed at once */
};
#define FLOOR_MAX_LIFE_DEFAULT (INT64_C(825) * 86400) /* what Apple's and Google's clients accept of a private CA at most */

struct floor {
    int64_t max_life;      /* seconds */
    bool refuse_past_end;  /* past the CA's own end: refuse; else clamp and report */
    size_t eku_count;
    char eku[FLOOR_EKU_MAX][GRANT_OID_SIZE]; /* dotted decimal */
    size_t permit_count;   /* the CA's name constraints; none: any name */
    char permit_dns[FLOOR_PERMIT_MAX][FLOOR_DNS_SIZE];
};

/* What the floor needs to know of the CA. */
struct floor_authority {
    int64_t not_before, not_after;
    const struct public_key *key;
};

/* The times that the certificate gets. */
struct floor_times {
    int64_t not_before, not_after;
    bool clamped;
};

/* clientAuth, serverAuth, emailProtection; 825 days; clamp; any name. */
void floor_default(struct floor *floor);
/* Allow one more EKU, by dotted OID or by the words clientAuth, serverAuth, emailProtection. -1 with
 * BAD_REQUEST("allow-eku"). */
int floor_allow_eku(struct floor *floor, const char *text, struct failure *failure);
/* Permit names at and under a domain. -1 with BAD_REQUEST("permit-dns"). */
int floor_permit_dns(struct floor *floor, const char *text, struct failure *failure);

/* Hold a grant against the floor at `now`. 0 with the times, or -1 with the field at fault. */
int floor_judge(const struct floor *floor, const struct floor_authority *authority, const struct grant *grant,
                int64_t now, struct floor_times *out, struct failure *failure);

/* The floor as bytes, for the sealed file. -1 where it does not fit, or is not one. */
long floor_write(const struct floor *floor, uint8_t out[static FLOOR_ENCODED_MAX]);
int floor_read(const uint8_t *data, size_t length, struct floor *out);

#endif
