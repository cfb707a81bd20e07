/*
 * crl.h - a CRL (RFC 5280 section 5) signed while it streams by: never as a whole in memory, but for Ed25519.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Number of entries and their encoded length are announced first, because DER puts lengths in front; any difference
 * from what then comes ends it.
 */
#ifndef MTLSD_KEEPER_CRL_H
#define MTLSD_KEEPER_CRL_H

#include <stddef.h>
#include <stdint.h>

#include "agent/keeper/authority.h"
#include "proto/grant.h"

enum { CRL_PART_MAX = 2048, CRL_TIME_SLACK = 3600 };
#define CRL_LENGTH_MAX (UINT64_C(1) << 30) /* bytes of all entries; libcrypto's lengths are ints */

struct crl_plan {
    uint64_t number;                  /* CRLNumber */
    int64_t this_update, next_update;
    uint64_t count, length;
};

struct crl_part {
    size_t length;
    uint8_t data[CRL_PART_MAX];
};

struct crl_stream;

/* *head: from the header of the tbsCertList to the header of revokedCertificates, which is left out where count is
 * 0.
 * */
int crl_stream_begin(struct authority *authority, const struct crl_plan *plan, int64_t now, struct crl_stream **out,
                     struct crl_part *head, struct failure *failure);
int crl_stream_add(struct crl_stream *stream, const struct crl_entry *entries, size_t count, struct failure *failure);
/* The rest of the tbsCertList, and the signature as a BIT STRING, DER. Frees the stream, on success and on failure.
 * */
int crl_stream_finish(struct crl_stream *stream, struct crl_part *tail, struct crl_part *signature,
                      struct failure *failure);
void crl_stream_abort(struct crl_stream *stream); /* NULL is fine */

#endif
