/*
 * store.c - reading the index: look-ups, counts, settings.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/store.h"

#include <stdlib.h>
#include <string.h>

#include "agent/store/rows.h"

enum statement {
    BEGIN, COMMIT, FIND, FIND_REQUEST, COUNTERS, PAST_BETWEEN, NEXT_EXPIRY, REVISION, SETTING, STATEMENTS
};

#define FIND_FROM " FROM certificate c" ROW_STATUS_JOIN ROW_SEEN_JOIN

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN",
    [COMMIT] = "COMMIT",
    [FIND] = "SELECT " ROW_COLUMNS("c.der") FIND_FROM " WHERE c.authority = ?1 AND c.serial = ?2",
    /* an id used twice means the latest request */
    [FIND_REQUEST] = "SELECT " ROW_COLUMNS("c.der") FIND_FROM
                     " WHERE c.authority = ?1 AND c.requester_uid = ?2 AND c.request_id = ?3 AND c.request_id <> ''"
                     " ORDER BY c.id DESC LIMIT 1",
    [COUNTERS] = "SELECT issued, revoked, held, past, past_until, alarms, revision FROM authority WHERE id = ?1",
    [PAST_BETWEEN] = "SELECT count(*) FROM certificate c INDEXED BY certificate_not_after WHERE c.authority = ?1"
                     " AND c.not_after >= ?2 AND c.not_after < ?3 AND NOT EXISTS"
                     " (SELECT 1 FROM revocation r WHERE r.authority = c.authority AND r.serial = c.serial)",
    [NEXT_EXPIRY] = "SELECT min(not_after) FROM certificate WHERE authority = ?1 AND not_after >= ?2",
    [REVISION] = "SELECT revision FROM authority WHERE id = ?1",
    [SETTING] = "SELECT value FROM setting WHERE authority = ?1 AND name = ?2",
};

/* How many live rows were past their end at some instant, and what that holds for: as long as no certificate was added and no status
 * changed (issued, revision), and until the next one ends. */
struct past {
    bool known;
    int64_t issued, revision;
    int64_t from, until; /* holds for now in [from, until] */
    int64_t count;
};

struct store {
    sqlite3 *db;
    char *path;
    int64_t authority;
    sqlite3_stmt *statements[STATEMENTS];
    struct selector selector;
    struct past past;
};

void store_close(struct store *store)
{
    if (!store)
        return;
    selector_clear(&store->selector);
    database_finalize(store->statements, STATEMENTS);
    sqlite3_close(store->db);
    free(store->path);
    free(store);
}

int store_open(const char *path, const uint8_t authority[static FINGERPRINT_SIZE], struct store **out, struct failure *failure)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store || !(store->path = strdup(path))) {
        free(store);
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory opening the index %s", path);
    }
    if (database_open(path, DATABASE_READ, &store->db, failure) ||
        database_authority(store->db, store->path, authority, false, &store->authority, failure) ||
        database_prepare(store->db, store->path, texts, STATEMENTS, store->statements, failure)) {
        store_close(store);
        return -1;
    }
    store->selector.db = store->db;
    store->selector.path = store->path;
    store->selector.authority = store->authority;
    *out = store;
    return 0;
}

int store_snapshot_begin(struct store *store, struct failure *failure)
{
    sqlite3_stmt *statement = store->statements[BEGIN];
    int rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? 0 : database_failure(store->db, store->path, "cannot begin reading the index", failure);
}

void store_snapshot_end(struct store *store)
{
    if (sqlite3_get_autocommit(store->db)) /* SQLite itself ends a transaction after some errors */
        return;
    sqlite3_step(store->statements[COMMIT]);
    sqlite3_reset(store->statements[COMMIT]);
}

bool store_is_idle(const struct store *store)
{
    return sqlite3_get_autocommit(store->db) && sqlite3_txn_state(store->db, NULL) == SQLITE_TXN_NONE;
}

static int find(struct store *store, sqlite3_stmt *statement, struct certificate_row *row, struct failure *failure)
{
    int rc = sqlite3_step(statement);
    int result = rc == SQLITE_DONE ? 0 : 1;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        result = database_failure(store->db, store->path, "cannot look up a certificate in the index", failure);
    else if (rc == SQLITE_ROW && row_copy(statement, row))
        result = failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory reading the index");
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

int store_find(struct store *store, const struct serial *serial, struct certificate_row *row, struct failure *failure)
{
    sqlite3_stmt *statement = store->statements[FIND];
    sqlite3_bind_int64(statement, 1, store->authority);
    database_bind_serial(statement, 2, serial);
    return find(store, statement, row, failure);
}

int store_find_request(struct store *store, int64_t uid, const char *request_id, struct certificate_row *row, struct failure *failure)
{
    sqlite3_stmt *statement = store->statements[FIND_REQUEST];
    sqlite3_bind_int64(statement, 1, store->authority);
    sqlite3_bind_int64(statement, 2, uid);
    sqlite3_bind_text(statement, 3, request_id, -1, SQLITE_STATIC);
    return find(store, statement, row, failure);
}

int64_t store_select(struct store *store, const struct certificate_filter *filter, const struct serial *after, int64_t limit,
                     bool with_der, certificate_visit *visit, void *context, struct failure *failure)
{
    return selector_run(&store->selector, filter, after, limit, with_der, visit, context, failure);
}

/* One number; `fallback` where there is none. */
static int read_number(sqlite3_stmt *statement, int64_t fallback, int64_t *out)
{
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && sqlite3_column_type(statement, 0) == SQLITE_INTEGER)
        *out = sqlite3_column_int64(statement, 0);
    else if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        *out = fallback;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

/* Live rows with from <= not_after < until; negative where until lies before from. */
static int past_between(struct store *store, int64_t from, int64_t until, int64_t *out)
{
    sqlite3_stmt *statement = store->statements[PAST_BETWEEN];
    bool backwards = until < from;
    int64_t count = 0;
    sqlite3_bind_int64(statement, 1, store->authority);
    sqlite3_bind_int64(statement, 2, backwards ? until : from);
    sqlite3_bind_int64(statement, 3, backwards ? from : until);
    if (read_number(statement, 0, &count))
        return -1;
    *out = backwards ? -count : count;
    return 0;
}

/* Start from what is known already (of this call's predecessor, or of the committer) and count only what has ended since. */
static int count_past(struct store *store, int64_t now, const struct past *stored, int64_t *out)
{
    struct past *past = &store->past;
    bool same = past->known && past->issued == stored->issued && past->revision == stored->revision;
    if (!same || now < past->from || now > past->until) {
        const struct past base = same ? *past : *stored;
        int64_t more = 0, next = 0;
        sqlite3_stmt *statement = store->statements[NEXT_EXPIRY];
        sqlite3_bind_int64(statement, 1, store->authority);
        sqlite3_bind_int64(statement, 2, now);
        past->known = false;
        if (past_between(store, base.from, now, &more) || read_number(statement, INT64_MAX, &next))
            return -1;
        *past = (struct past){.known = true, .issued = stored->issued, .revision = stored->revision, .from = now, .until = next,
                              .count = base.count + more};
    }
    *out = past->count;
    return 0;
}

static int count_in_snapshot(struct store *store, int64_t now, struct store_counts *out)
{
    sqlite3_stmt *statement = store->statements[COUNTERS];
    sqlite3_bind_int64(statement, 1, store->authority);
    if (sqlite3_step(statement) != SQLITE_ROW) {
        sqlite3_reset(statement);
        return -1;
    }
    int64_t issued = sqlite3_column_int64(statement, 0), expired = 0;
    struct store_counts counts = {.revoked = sqlite3_column_int64(statement, 1), .held = sqlite3_column_int64(statement, 2),
                                  .alarms = sqlite3_column_int64(statement, 5)};
    const struct past stored = {.issued = issued, .revision = sqlite3_column_int64(statement, 6),
                                .from = sqlite3_column_int64(statement, 4), .count = sqlite3_column_int64(statement, 3)};
    sqlite3_reset(statement);
    if (count_past(store, now, &stored, &expired))
        return -1;
    counts.expired = expired;
    counts.live = issued - counts.revoked - counts.held - expired;
    *out = counts;
    return 0;
}

int store_count(struct store *store, int64_t now, struct store_counts *out, struct failure *failure)
{
    bool own = sqlite3_get_autocommit(store->db);
    if (own && store_snapshot_begin(store, failure))
        return -1;
    int result = count_in_snapshot(store, now, out);
    if (result)
        database_failure(store->db, store->path, "cannot count the certificates in the index", failure);
    if (own)
        store_snapshot_end(store);
    return result;
}

int64_t store_revision(struct store *store)
{
    int64_t revision = 0;
    sqlite3_bind_int64(store->statements[REVISION], 1, store->authority);
    return read_number(store->statements[REVISION], 0, &revision) ? -1 : revision;
}

int64_t store_setting(struct store *store, const char *name, int64_t fallback)
{
    int64_t value = fallback;
    sqlite3_stmt *statement = store->statements[SETTING];
    sqlite3_bind_int64(statement, 1, store->authority);
    sqlite3_bind_text(statement, 2, name, -1, SQLITE_STATIC);
    return read_number(statement, fallback, &value) ? fallback : value;
}
