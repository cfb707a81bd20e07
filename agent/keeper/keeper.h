/*
 * keeper.h - the keeper while it is up: the CA, open or locked, and what it needs to be opened.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Knows nothing of sockets.
 */
#ifndef MTLSD_KEEPER_KEEPER_H
#define MTLSD_KEEPER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/keeper/authority.h"
#include "agent/keeper/counter.h"
#include "agent/keeper/vault.h"

struct keeper {
    struct authority authority;
    struct counter counter;
    enum seal_method method;
    uint8_t *sealed;          /* ca.key as it was read before the jail */
    size_t sealed_length;
    struct secret secret;     /* of SEAL_SECRET: kept, so that a locked CA can be opened again without a path */
    uid_t owner;              /* of the state directory: may unlock, as root may */
    char walls[KEEPER_WALLS_SIZE];
    uint64_t changes; /* of what KEEPER_STATE says: counted, so that each connection knows what it has not told yet */
};

/* Read ca.crt, ca.key and counter. Nothing is opened yet. */
int keeper_load(struct keeper *keeper, int directory, struct failure *failure);
/* Open the key: with this passphrase, or by what the keeper has (passphrase empty) where it is sealed by a secret
 * or not at all. */
int keeper_unlock(struct keeper *keeper, const struct secret *passphrase, struct failure *failure);
void keeper_lock(struct keeper *keeper);
bool keeper_is_open(const struct keeper *keeper);
void keeper_describe(const struct keeper *keeper, struct keeper_state *out);
void keeper_clear(struct keeper *keeper);

#endif
