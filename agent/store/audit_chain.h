/*
 * audit_chain.h - how audit records hang together: each hash covers the one before. Inside agent/store/ only.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * hash(n) = BLAKE2b-256(hash(n-1) || n, 8 bytes LE || time, 8 bytes LE || body); hash(0) is 32 zero bytes.
 */
#ifndef MTLSD_AGENT_STORE_AUDIT_CHAIN_H
#define MTLSD_AGENT_STORE_AUDIT_CHAIN_H

#include <stddef.h>
#include <stdint.h>

enum { CHAIN_HASH_SIZE = 32 };

struct chain_head {
    uint64_t sequence; /* 0: no record yet */
    uint8_t hash[CHAIN_HASH_SIZE];
};

/* The head after one more record. */
void chain_append(struct chain_head *head, int64_t time, const void *body, size_t length);

#endif
