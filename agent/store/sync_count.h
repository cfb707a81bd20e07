/*
 * sync_count.h - counts the fsyncs of a connection's write-ahead log where they happen. Inside agent/store/ only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_STORE_SYNC_COUNT_H
#define MTLSD_AGENT_STORE_SYNC_COUNT_H

#include <sqlite3.h>
#include <stdint.h>

struct sync_count;

/* Begin counting: the connection is in WAL mode and has read something. NULL where its file methods are not as expected. Free after
 * the connection is closed. One thread. */
struct sync_count *sync_count_begin(sqlite3 *db);
uint64_t sync_count_read(const struct sync_count *count);
void sync_count_free(struct sync_count *count);

#endif
