/*
 * sync_count.c - counts the fsyncs of a write-ahead log, by putting one method of ours before SQLite's own.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * SQLite reports no syncs. sqlite3_file's first member, pMethods, is public (sqlite.org/c3ref/file.html): the log's file gets a copy of the
 * table in which xSync counts. The copy leads back to the counter, because it is the counter's first member.
 */
#include "agent/store/sync_count.h"

#include <stddef.h>
#include <stdlib.h>

struct sync_count {
    sqlite3_io_methods methods;
    const sqlite3_io_methods *original;
    uint64_t count;
};

static int counted_sync(sqlite3_file *file, int flags)
{
    struct sync_count *count = (struct sync_count *)((char *)file->pMethods - offsetof(struct sync_count, methods));
    count->count++;
    return count->original->xSync(file, flags);
}

struct sync_count *sync_count_begin(sqlite3 *db)
{
    sqlite3_file *log = NULL;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK || !log || !log->pMethods ||
        log->pMethods->iVersion < 3) /* an older table would be shorter than what is copied */
        return NULL;
    struct sync_count *count = calloc(1, sizeof *count);
    if (!count)
        return NULL;
    count->original = log->pMethods;
    count->methods = *log->pMethods;
    count->methods.xSync = counted_sync;
    log->pMethods = &count->methods;
    return count;
}

uint64_t sync_count_read(const struct sync_count *count)
{
    return count->count;
}

void sync_count_free(struct sync_count *count)
{
    free(count);
}
