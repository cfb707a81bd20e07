/*
 * epoch.h - the layout of the epoch page: one shared counter that moves whenever a verdict may have changed.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A file of EPOCH_PAGE_SIZE bytes, written by the agent alone (agent/epoch.h), mapped read-only by whoever caches verdicts. A cached verdict
 * is valid while the counter equals (compare with !=, it may wrap) the one loaded before the question was asked, and the page id is the one
 * that came with the answer (`page` of Verify, as lower-case hex).
 */
#ifndef MTLSD_PROTO_EPOCH_H
#define MTLSD_PROTO_EPOCH_H

#include <stdatomic.h>
#include <stdint.h>

enum { EPOCH_PAGE_SIZE = 4096, EPOCH_ID_SIZE = 16 };
#define EPOCH_MAGIC "MTLSDEP1" /* 8 bytes, not terminated */

struct epoch_page {
    char magic[8];
    uint8_t id[EPOCH_ID_SIZE]; /* random, new where the page is made anew */
    _Atomic uint64_t counter;  /* starts at a random value; native byte order (one machine) */
};

#endif
