/*
 * writer.c - a batch of commits in one transaction, each in a savepoint of its own, with one COMMIT; and what its errors mean.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/writer.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* 8 MiB of new pages in the log: pages written often are copied once; from 4,062 pages on the -shm file would have to grow,
     * which a full disk refuses at the worst moment, after the commit record */
    CHECKPOINT_PAGES = 2048,
    SETTLE_PAGES = 128, /* few enough to be copied between two transactions */
    ROUNDS_MAX = 4,
};

static const char *const texts[WRITER_STATEMENTS] = {
    [WRITE_BEGIN] = "BEGIN IMMEDIATE",
    [WRITE_COMMIT] = "COMMIT",
    [WRITE_ROLLBACK] = "ROLLBACK",
    [WRITE_SAVEPOINT] = "SAVEPOINT request",
    [WRITE_RELEASE] = "RELEASE request",
    [WRITE_ROLLBACK_TO] = "ROLLBACK TO request",
    [WRITE_INSERT] = "INSERT INTO certificate (authority, serial, not_before, not_after, issued_at, requester_uid, purposes,"
                     " name, label, profile, service, request_id, subject, sans, fingerprint, der)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
                     " ON CONFLICT (authority, serial) DO NOTHING",
    [WRITE_STATUS] = "SELECT c.not_after, r.status, r.reason, r.revoked_at FROM certificate c" ROW_STATUS_JOIN
                     " WHERE c.authority = ?1 AND c.serial = ?2",
    /* live: a new row; held: overridden by a revocation; revoked: never changed again */
    [WRITE_REVOKE] = "INSERT INTO revocation (authority, serial, status, reason, revoked_at, not_after)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (authority, serial) DO UPDATE SET"
                     " status = excluded.status, reason = excluded.reason, revoked_at = excluded.revoked_at"
                     " WHERE status = 2 AND excluded.status = 1",
    [WRITE_RESUME] = "DELETE FROM revocation WHERE authority = ?1 AND serial = ?2 AND status = 2"
                     " RETURNING reason, revoked_at, not_after",
    [WRITE_SETTING] = "INSERT INTO setting (authority, name, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (authority, name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
    [WRITE_AUDIT] = "INSERT INTO audit (sequence, time, body, hash) VALUES (?1, ?2, ?3, ?4)",
    [WRITE_IS_ALARM] = "SELECT json_extract(?1, '$.outcome') IS 'alarm'",
    [WRITE_TOTALS] = "UPDATE authority SET issued = ?2, revoked = ?3, held = ?4, past = ?5, past_until = ?6, crl_count = ?7,"
                     " crl_length = ?8, crl_from = ?9, alarms = ?10, revision = ?11 WHERE id = ?1",
    [WRITE_PAST_BETWEEN] = "SELECT count(*) FROM certificate c INDEXED BY certificate_not_after WHERE c.authority = ?1"
                           " AND c.not_after >= ?2 AND c.not_after < ?3 AND NOT EXISTS"
                           " (SELECT 1 FROM revocation r WHERE r.authority = c.authority AND r.serial = c.serial)",
    [WRITE_CRL_ENTRIES] = "SELECT serial, revoked_at, reason FROM revocation WHERE authority = ?1 AND not_after >= ?2",
    [READ_VERSION] = "PRAGMA data_version",
    [READ_TOTALS] = "SELECT issued, revoked, held, past, past_until, crl_count, crl_length, crl_from, alarms, revision"
                    " FROM authority WHERE id = ?1",
    [READ_HEAD] = "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1",
};

enum { TOTALS_FIELDS = 10 };

static void totals_fields(struct totals *totals, int64_t *fields[static TOTALS_FIELDS])
{
    int64_t *const all[TOTALS_FIELDS] = {&totals->issued, &totals->revoked, &totals->held, &totals->past, &totals->past_until,
                              &totals->crl_count, &totals->crl_length, &totals->crl_from, &totals->alarms, &totals->revision};
    memcpy(fields, all, sizeof all);
}

int writer_step(struct writer *writer, enum writer_statement statement)
{
    int rc = sqlite3_step(writer->statements[statement]);
    sqlite3_reset(writer->statements[statement]);
    return rc;
}

/* --- opening ------------------------------------------------------------------------------------------------- */

static int read_state(struct writer *writer, struct state *state)
{
    sqlite3_stmt *row = writer->statements[READ_TOTALS];
    int64_t *fields[TOTALS_FIELDS];
    totals_fields(&state->totals, fields);
    sqlite3_bind_int64(row, 1, writer->authority);
    int rc = sqlite3_step(row);
    for (int i = 0; rc == SQLITE_ROW && i < TOTALS_FIELDS; i++)
        *fields[i] = sqlite3_column_int64(row, i);
    sqlite3_reset(row);
    if (rc != SQLITE_ROW)
        return -1;
    row = writer->statements[READ_HEAD];
    rc = sqlite3_step(row);
    memset(&state->head, 0, sizeof state->head);
    if (rc == SQLITE_ROW && sqlite3_column_bytes(row, 1) == CHAIN_HASH_SIZE) {
        state->head.sequence = (uint64_t)sqlite3_column_int64(row, 0);
        memcpy(state->head.hash, sqlite3_column_blob(row, 1), CHAIN_HASH_SIZE);
    }
    sqlite3_reset(row);
    return rc == SQLITE_DONE || state->head.sequence > 0 ? 0 : -1;
}

/* What is held in memory is the truth as long as nobody else has written; an offline tool may have. */
static int refresh(struct writer *writer)
{
    sqlite3_stmt *row = writer->statements[READ_VERSION];
    int rc = sqlite3_step(row);
    int64_t version = rc == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
    sqlite3_reset(row);
    if (rc != SQLITE_ROW)
        return -1;
    if (version == writer->version)
        return 0;
    if (read_state(writer, &writer->durable))
        return -1;
    writer->version = version;
    return 0;
}

static int count_pages(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db, (void)name;
    ((struct writer *)context)->log_pages = pages;
    return SQLITE_OK;
}

int writer_open(const char *path, const uint8_t authority[static FINGERPRINT_SIZE], struct writer *writer, struct failure *failure)
{
    memset(writer, 0, sizeof *writer);
    writer->version = -1;
    writer->path = strdup(path);
    if (!writer->path)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory opening the index %s", path);
    if (database_open(path, DATABASE_WRITE, &writer->db, failure) ||
        database_authority(writer->db, path, authority, true, &writer->authority, failure) ||
        database_prepare(writer->db, path, texts, WRITER_STATEMENTS, writer->statements, failure))
        goto failed;
    if (refresh(writer)) {
        database_failure(writer->db, path, "cannot read the counters and the audit head of the index", failure);
        goto failed;
    }
    writer->syncs = sync_count_begin(writer->db);
    if (!writer->syncs) {
        failure_set(failure, FAILURE_INTERNAL, NULL, "cannot watch the write-ahead log of %s", path);
        goto failed;
    }
    sqlite3_wal_hook(writer->db, count_pages, writer);
    writer->selector = (struct selector){.db = writer->db, .path = writer->path, .authority = writer->authority};
    if (checkpointer_start(path, &writer->checkpointer, failure))
        goto failed;
    return 0;
failed:
    writer_close(writer);
    return -1;
}

void writer_close(struct writer *writer)
{
    checkpointer_stop(writer->checkpointer); /* before the last connection of all, which moves what is left */
    selector_clear(&writer->selector);
    database_finalize(writer->statements, WRITER_STATEMENTS);
    if (writer->broken) /* leave log and database as they are for the next start to judge */
        sqlite3_db_config(writer->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(writer->db);
    sync_count_free(writer->syncs);
    free(writer->path);
    memset(writer, 0, sizeof *writer);
}

/* --- one transaction ------------------------------------------------------------------------------------------ */

static void set_all(struct commit *list, enum commit_outcome outcome, const struct failure *failure)
{
    for (; list; list = list->next) {
        list->outcome = outcome;
        list->failure = *failure;
        list->affected = 0;
        list->audit_sequence = 0;
    }
}

/* Why nothing was stored. To be asked before the next call on the connection, which forgets it. */
static void refusal(struct writer *writer, struct failure *failure)
{
    switch (sqlite3_errcode(writer->db) & 0xff) {
    case SQLITE_FULL:
        failure_set(failure, FAILURE_BUSY, NULL, "the disk is full (%s): nothing was stored", writer->path);
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        failure_set(failure, FAILURE_BUSY, NULL, "another program is writing to the index (%s): nothing was stored", writer->path);
        break;
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
        database_failure(writer->db, writer->path, "the index cannot be written: nothing was stored", failure);
        failure->code = FAILURE_BUSY;
        break;
    default:
        database_failure(writer->db, writer->path, "the index refuses this change: nothing was stored", failure);
    }
}

static void unknown(struct writer *writer, struct commit *list)
{
    struct failure failure;
    writer->broken = true;
    database_failure(writer->db, writer->path, "a COMMIT failed and may or may not be there after the next start", &failure);
    set_all(list, COMMIT_UNKNOWN, &failure);
}

/* Leave the transaction, whose COMMIT was not tried or is known not to have written. */
static void refuse(struct writer *writer, struct commit *list)
{
    struct failure failure;
    refusal(writer, &failure);
    if (!sqlite3_get_autocommit(writer->db)) /* after some errors SQLite has rolled back itself */
        writer_step(writer, WRITE_ROLLBACK);
    if (sqlite3_get_autocommit(writer->db))
        set_all(list, COMMIT_REFUSED, &failure);
    else
        unknown(writer, list);
}

static enum change_result write_audit(struct writer *writer, struct commit *commit, int64_t now, struct state *state)
{
    int length = (int)strlen(commit->audit);
    sqlite3_stmt *statement = writer->statements[WRITE_IS_ALARM];
    sqlite3_bind_text(statement, 1, commit->audit, length, SQLITE_STATIC);
    bool is_json = sqlite3_step(statement) == SQLITE_ROW;
    bool is_alarm = is_json && sqlite3_column_int(statement, 0);
    sqlite3_reset(statement);
    if (!is_json) {
        commit->outcome = COMMIT_REFUSED;
        failure_set(&commit->failure, FAILURE_INTERNAL, NULL, "the audit record is no JSON: nothing was stored");
        return CHANGE_STOPPED;
    }
    chain_append(&state->head, now, commit->audit, (size_t)length);
    state->totals.alarms += is_alarm;
    statement = writer->statements[WRITE_AUDIT];
    sqlite3_bind_int64(statement, 1, (int64_t)state->head.sequence);
    sqlite3_bind_int64(statement, 2, now);
    sqlite3_bind_text(statement, 3, commit->audit, length, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 4, state->head.hash, CHAIN_HASH_SIZE, SQLITE_STATIC);
    if (writer_step(writer, WRITE_AUDIT) != SQLITE_DONE)
        return CHANGE_BROKEN;
    commit->audit_sequence = (int64_t)state->head.sequence;
    return CHANGE_DONE;
}

/* Values that the schema refuses concern one request; any other error concerns the database, and so the whole batch. */
static bool is_its_own_fault(struct writer *writer)
{
    int code = sqlite3_errcode(writer->db) & 0xff;
    return (code == SQLITE_CONSTRAINT || code == SQLITE_TOOBIG) && !sqlite3_get_autocommit(writer->db);
}

/* One request's changes: all of them, or none and the savepoint is as it was. */
static enum change_result run_commit(struct writer *writer, struct commit *commit, int64_t now, struct state *state)
{
    struct state after = *state;
    enum change_result result = CHANGE_DONE;
    commit->outcome = COMMIT_WAITING;
    commit->affected = commit->audit_sequence = 0;
    memset(&commit->failure, 0, sizeof commit->failure);
    if (writer_step(writer, WRITE_SAVEPOINT) != SQLITE_DONE)
        return CHANGE_BROKEN;
    for (size_t i = 0; i < commit->change_count && result == CHANGE_DONE; i++)
        result = change_apply(writer, &commit->changes[i], commit, &after.totals);
    if (result == CHANGE_DONE && commit->audit)
        result = write_audit(writer, commit, now, &after);
    if (result == CHANGE_BROKEN && is_its_own_fault(writer)) {
        database_failure(writer->db, writer->path, "the index does not take this row: nothing was stored", &commit->failure);
        commit->outcome = COMMIT_REFUSED;
        result = CHANGE_STOPPED;
    }
    if (result == CHANGE_BROKEN)
        return CHANGE_BROKEN;
    if (result == CHANGE_STOPPED) {
        commit->affected = commit->audit_sequence = 0;
        if (writer_step(writer, WRITE_ROLLBACK_TO) != SQLITE_DONE)
            return CHANGE_BROKEN;
    }
    if (writer_step(writer, WRITE_RELEASE) != SQLITE_DONE)
        return CHANGE_BROKEN;
    if (result == CHANGE_DONE)
        *state = after;
    return result;
}

static int write_totals(struct writer *writer, struct totals *totals)
{
    sqlite3_stmt *statement = writer->statements[WRITE_TOTALS];
    int64_t *fields[TOTALS_FIELDS];
    totals_fields(totals, fields);
    sqlite3_bind_int64(statement, 1, writer->authority);
    for (int i = 0; i < TOTALS_FIELDS; i++)
        sqlite3_bind_int64(statement, 2 + i, *fields[i]);
    return writer_step(writer, WRITE_TOTALS) == SQLITE_DONE ? 0 : -1;
}

/* Errors at COMMIT: FULL and BUSY are known to have written nothing; after any other one a row can come back with the next start,
 * even after a failed fsync (the kernel may have written the pages all the same). */
static void finish(struct writer *writer, struct commit *list, const struct state *state)
{
    uint64_t syncs = sync_count_read(writer->syncs);
    atomic_store_explicit(&writer->committing, true, memory_order_release);
    int rc = writer_step(writer, WRITE_COMMIT);
    atomic_store_explicit(&writer->committing, false, memory_order_release);
    writer->counters.syncs += sync_count_read(writer->syncs) - syncs;
    if (rc != SQLITE_DONE && (rc & 0xff) != SQLITE_FULL && (rc & 0xff) != SQLITE_BUSY) {
        unknown(writer, list);
        return;
    }
    if (rc != SQLITE_DONE) {
        refuse(writer, list);
        return;
    }
    writer->durable = *state;
    writer->counters.transactions++;
    for (; list; list = list->next) {
        if (list->outcome != COMMIT_WAITING)
            continue;
        list->outcome = COMMIT_DONE;
        writer->counters.commits++;
    }
}

void writer_run(struct writer *writer, struct commit *list, int64_t now)
{
    if (writer->broken) {
        struct failure failure;
        failure_set(&failure, FAILURE_INTERNAL, NULL, "nothing more is written to %s after a COMMIT of unknown outcome", writer->path);
        set_all(list, COMMIT_UNKNOWN, &failure);
        return;
    }
    if (writer_step(writer, WRITE_BEGIN) != SQLITE_DONE || refresh(writer)) {
        refuse(writer, list);
        return;
    }
    struct state state = writer->durable;
    bool any = false;
    for (struct commit *commit = list; commit; commit = commit->next) {
        enum change_result result = run_commit(writer, commit, now, &state);
        if (result == CHANGE_BROKEN) {
            refuse(writer, list);
            return;
        }
        any = any || result == CHANGE_DONE;
    }
    if (!any) { /* each has its outcome, and there is nothing to make durable */
        if (writer_step(writer, WRITE_ROLLBACK) != SQLITE_DONE)
            unknown(writer, list);
        return;
    }
    if (marks_move(writer, now, &state.totals) ||
        (memcmp(&state.totals, &writer->durable.totals, sizeof state.totals) != 0 && write_totals(writer, &state.totals))) {
        refuse(writer, list);
        return;
    }
    finish(writer, list, &state);
}

/* The checkpointer copies the bulk beside us; while it does, the log grows, by less in each round. The rest we copy here, so that for
 * one instant all of the log is in the database: that is when SQLite begins it anew instead of letting it grow. */
void writer_checkpoint(struct writer *writer)
{
    if (writer->log_pages < writer->settled_pages) /* the log has begun anew */
        writer->settled_pages = 0;
    int pages = writer->log_pages - writer->settled_pages;
    if (writer->broken || checkpointer_is_working(writer->checkpointer) || (!writer->checkpoint_rounds && pages < CHECKPOINT_PAGES))
        return;
    writer->settled_pages = writer->log_pages;
    if (!writer->checkpoint_rounds || (pages > SETTLE_PAGES && writer->checkpoint_rounds < ROUNDS_MAX)) {
        writer->checkpoint_rounds++;
        checkpointer_wake(writer->checkpointer);
        return;
    }
    /* An error (a full disk) leaves everything in the log, and the next round comes one step later. */
    if (sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK)
        writer->counters.checkpoints++;
    writer->checkpoint_rounds = 0;
}
