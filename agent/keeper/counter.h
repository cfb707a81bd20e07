/*
 * counter.h - the one small file that the keeper writes while it runs: how many signatures, and the newest audit
 * head.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two slots, written in turn and synced, each with a checksum: a write that was torn leaves the other. The file
 * stays locked while a keeper runs, so two keepers cannot count beside each other.
 */
#ifndef MTLSD_KEEPER_COUNTER_H
#define MTLSD_KEEPER_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/failure.h"
#include "proto/grant.h"

#define COUNTER_FILE "counter"
enum { COUNTER_STEP = 1000, COUNTER_SLOT_SIZE = 512 };

struct counter {
    int fd;
    uint64_t generation;      /* of the slot written last */
    uint64_t reserved, used;  /* signatures */
    bool has_head;
    uint64_t sequence;
    uint8_t head[AUDIT_HEAD_HASH_SIZE];
};

/* The first file, at init. -1 where one is there. */
int counter_create(int directory, struct failure *failure);
/* Open and lock it. -1 where it is damaged, or another keeper holds it. */
int counter_open(int directory, struct counter *out, struct failure *failure);
void counter_close(struct counter *counter);

/* Count one signature that is about to be made; writes and syncs once in COUNTER_STEP. -1: then it must not be
 * made.
 * */
int counter_take(struct counter *counter, struct failure *failure);
/* May this audit head be signed? Only one that is newer than the newest, or that one again. Synced before it
 * returns. -1 with CONFLICT. */
int counter_advance_head(struct counter *counter, uint64_t sequence, const uint8_t head[static AUDIT_HEAD_HASH_SIZE],
                         struct failure *failure);

#endif
