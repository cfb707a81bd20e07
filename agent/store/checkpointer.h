/*
 * checkpointer.h - moves the write-ahead log into the database on a thread and a connection of its own. Inside agent/store/ only.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Writing back a few megabytes of pages all over a large file takes tens of milliseconds of fsync. Done between two transactions it is the
 * p99 of every request; a passive checkpoint may as well run beside them, and leaves to the writer what was added meanwhile.
 */
#ifndef MTLSD_AGENT_STORE_CHECKPOINTER_H
#define MTLSD_AGENT_STORE_CHECKPOINTER_H

#include <stdbool.h>

#include "proto/failure.h"

struct checkpointer;

/* The database is open for writing by the caller, and stays so until checkpointer_stop. */
int checkpointer_start(const char *path, struct checkpointer **out, struct failure *failure);
/* Begin a round, unless one is under way. Never blocks for the disk. */
void checkpointer_wake(struct checkpointer *checkpointer);
bool checkpointer_is_working(struct checkpointer *checkpointer);
/* Waits for the round under way. Frees. */
void checkpointer_stop(struct checkpointer *checkpointer);

#endif
