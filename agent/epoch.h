/*
 * epoch.h - the writer's side of the epoch page (proto/epoch.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Opened in place, never renamed or unlinked: a reader that has it mapped keeps seeing every bump, across restarts of the agent.
 */
#ifndef MTLSD_AGENT_EPOCH_H
#define MTLSD_AGENT_EPOCH_H

#include <stdint.h>

#include "proto/epoch.h"
#include "proto/failure.h"

struct epoch;

/* Open or make the page (mode 0644) and bump it. */
int epoch_open(const char *path, struct epoch **out, struct failure *failure);
/* Store-release: after COMMIT, before the reply. */
void epoch_bump(struct epoch *epoch);
uint64_t epoch_read(const struct epoch *epoch);
/* The page id as lower-case hex. */
const char *epoch_page_id(const struct epoch *epoch);
void epoch_close(struct epoch *epoch);

#endif
