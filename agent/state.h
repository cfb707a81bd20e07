/*
 * state.h - the state directory: one agent at a time, and no index that vanished unnoticed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_STATE_H
#define MTLSD_AGENT_STATE_H

#include "proto/failure.h"

/* Lock the directory for as long as *fd is open: another agent's epoch page and CRL would not follow what this one revokes. One that is
 * about to end is waited for, two seconds. */
int state_lock(const char *directory, int *fd, struct failure *failure);

/* Where the CA has been in use: the index must be there. An empty one in its place would let in everybody who was ever revoked. */
int state_expect_index(const char *directory, const char *database, struct failure *failure);

#endif
