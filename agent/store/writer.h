/*
 * writer.h - the one writing connection: a batch of commits in one transaction. Inside agent/store/ only; knows nothing of threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_STORE_WRITER_H
#define MTLSD_AGENT_STORE_WRITER_H

#include <stdatomic.h>

#include "agent/store/audit_chain.h"
#include "agent/store/checkpointer.h"
#include "agent/store/committer.h"
#include "agent/store/rows.h"
#include "agent/store/sync_count.h"

enum writer_statement {
    WRITE_BEGIN, WRITE_COMMIT, WRITE_ROLLBACK, WRITE_SAVEPOINT, WRITE_RELEASE, WRITE_ROLLBACK_TO,
    WRITE_INSERT, WRITE_STATUS, WRITE_REVOKE, WRITE_RESUME, WRITE_SETTING,
    WRITE_AUDIT, WRITE_IS_ALARM, WRITE_TOTALS, WRITE_PAST_BETWEEN, WRITE_CRL_ENTRIES,
    READ_VERSION, READ_TOTALS, READ_HEAD,
    WRITER_STATEMENTS
};

/* The counters of the authority, in the order of the columns that WRITE_TOTALS and READ_TOTALS name. */
struct totals {
    int64_t issued, revoked, held, past, past_until, crl_count, crl_length, crl_from, alarms, revision;
};

/* What each COMMIT makes durable beside the rows. */
struct state {
    struct totals totals;
    struct chain_head head;
};

struct writer {
    sqlite3 *db;
    char *path;
    int64_t authority;
    sqlite3_stmt *statements[WRITER_STATEMENTS];
    struct selector selector;
    struct sync_count *syncs;
    struct state durable;          /* as of the last COMMIT */
    int64_t version;               /* PRAGMA data_version: changes when another connection has written */
    struct committer_counters counters;
    struct checkpointer *checkpointer;
    unsigned checkpoint_rounds;    /* of the checkpointer, not yet finished here */
    int log_pages, settled_pages;  /* pages in the write-ahead log, and how many of them the last checkpoint round had before it */
    bool broken;                   /* a COMMIT ended with its outcome unknown: nothing is written any more */
    atomic_bool committing;
};

int writer_open(const char *path, const uint8_t authority[static FINGERPRINT_SIZE], struct writer *writer, struct failure *failure);
void writer_close(struct writer *writer);
/* Set the outcome of each commit of the list. `now`: seconds since 1970, for the audit records and the marks of the counters. */
void writer_run(struct writer *writer, struct commit *list, int64_t now);
/* Between transactions: see that the log moves into the database once it has grown. */
void writer_checkpoint(struct writer *writer);

/* changes.c: CHANGE_DONE, or CHANGE_STOPPED with the commit's outcome and failure set, or CHANGE_BROKEN after an SQLite error. */
enum change_result { CHANGE_DONE, CHANGE_STOPPED, CHANGE_BROKEN };
enum change_result change_apply(struct writer *writer, const struct change *change, struct commit *commit, struct totals *totals);
/* marks.c: move the marks of the counters to where `now` wants them. 0 or -1 (an SQLite error). */
int marks_move(struct writer *writer, int64_t now, struct totals *totals);
/* Step a statement that answers no rows and make it ready again. */
int writer_step(struct writer *writer, enum writer_statement statement);

#endif
