/*
 * unlock.h - the keeper's end of unlock.sock (proto/unlock.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_UNLOCK_H
#define MTLSD_KEEPER_UNLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/keeper/keeper.h"
#include "proto/unlock.h"

enum { UNLOCK_CONNECTIONS = 8, UNLOCK_FREE_FAILURES = 3, UNLOCK_DELAY_MAX = 30 };

struct unlock {
    int connections[UNLOCK_CONNECTIONS]; /* -1: free */
    unsigned failures;                   /* in a row */
    int64_t wait_until;                  /* CLOCK_BOOTTIME, seconds */
    uint8_t *request;                    /* one packet, in locked memory: it may hold a passphrase */
};

/* -1 where no locked memory is left. */
int unlock_init(struct unlock *unlock);
/* A new connection, non-blocking; closed at once where the peer is neither root nor `owner`, or where there are too
 * many. */
void unlock_accept(struct unlock *unlock, int fd, uid_t owner);
/* One packet of one connection: answered, or the connection closed. */
void unlock_run(struct unlock *unlock, size_t index, struct keeper *keeper);
void unlock_clear(struct unlock *unlock);

/* The answer to one packet: verb and passphrase in, first byte and sentence out; returns the answer's length.
 * `now`: seconds of a clock that does not go back. */
size_t unlock_answer(struct unlock *unlock, struct keeper *keeper, const uint8_t *request, size_t length, int64_t now,
                     char out[static UNLOCK_ANSWER_MAX + 1]);

#endif
