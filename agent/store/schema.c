/*
 * schema.c - the tables of the index, one migration a version.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A step that has been released is never edited: the next change is a new step at the end.
 */
#include "agent/store/schema.h"

#include <stdio.h>

/*
 * certificate is a rowid table because its rows are about 1 KiB: as WITHOUT ROWID they would lie in an index b-tree, whose cells
 * spill into overflow pages beyond 1,002 bytes (page size 4096), and which has no fast path for appending. Status is a
 * table of its own, so that revoking half a million certificates writes 25 MB and not every page of the index, and the CRL is one
 * pass over it that touches no certificate. authority carries the counters of Status: a count(*) takes 100 ms at a million rows.
 *
 * certificate_serial    the one unique index; serials begin with the time, so it grows at its right end
 * certificate_name      revoke and renew by name; the serial in it gives List its order without sorting
 * certificate_not_after what expires, and the count of it; grows almost in order
 * certificate_request   "what became of my request?"; only rows that have an id
 *
 * past counts the live rows with not_after < past_until; crl_count and crl_length are the entries of a CRL and their DER length, of those
 * revoked or held with not_after >= crl_from. The committer moves both marks along with the clock.
 */
static const char *const steps[SCHEMA_VERSION] = {
    /* 1 */
    "CREATE TABLE authority ("
    " id INTEGER PRIMARY KEY,"
    " fingerprint BLOB NOT NULL UNIQUE,"
    " issued INTEGER NOT NULL DEFAULT 0,"
    " revoked INTEGER NOT NULL DEFAULT 0,"
    " held INTEGER NOT NULL DEFAULT 0,"
    " past INTEGER NOT NULL DEFAULT 0,"
    " past_until INTEGER NOT NULL DEFAULT 0,"
    " crl_count INTEGER NOT NULL DEFAULT 0,"
    " crl_length INTEGER NOT NULL DEFAULT 0,"
    " crl_from INTEGER NOT NULL DEFAULT 0,"
    " alarms INTEGER NOT NULL DEFAULT 0,"
    " revision INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE TABLE certificate ("
    " id INTEGER PRIMARY KEY,"
    " authority INTEGER NOT NULL,"
    " serial BLOB NOT NULL CHECK (length(serial) BETWEEN 1 AND 20),"
    " not_before INTEGER NOT NULL,"
    " not_after INTEGER NOT NULL,"
    " issued_at INTEGER NOT NULL,"
    " requester_uid INTEGER NOT NULL,"
    " purposes INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " label TEXT NOT NULL,"
    " profile TEXT NOT NULL,"
    " service TEXT NOT NULL,"
    " request_id TEXT NOT NULL,"
    " fingerprint BLOB NOT NULL,"
    " subject TEXT NOT NULL,"
    " sans TEXT NOT NULL,"
    " der BLOB NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX certificate_serial ON certificate (authority, serial);"
    "CREATE INDEX certificate_name ON certificate (authority, name, serial);"
    "CREATE INDEX certificate_not_after ON certificate (authority, not_after, serial);"
    "CREATE INDEX certificate_request ON certificate (authority, requester_uid, request_id) WHERE request_id <> '';"
    "CREATE TABLE revocation ("
    " authority INTEGER NOT NULL,"
    " serial BLOB NOT NULL,"
    " status INTEGER NOT NULL CHECK (status IN (1, 2)),"
    " reason INTEGER NOT NULL,"
    " revoked_at INTEGER NOT NULL,"
    " not_after INTEGER NOT NULL,"
    " PRIMARY KEY (authority, serial)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE audit ("
    " sequence INTEGER PRIMARY KEY,"
    " time INTEGER NOT NULL,"
    " body TEXT NOT NULL,"
    " hash BLOB NOT NULL"
    ") STRICT;"
    "CREATE TABLE setting ("
    " authority INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " value INTEGER NOT NULL,"
    " PRIMARY KEY (authority, name)"
    ") STRICT, WITHOUT ROWID;",
    /* 2: when and where a certificate was last seen; beside the certificate, because it is written far more often */
    "CREATE TABLE sighting ("
    " certificate INTEGER PRIMARY KEY,"
    " last_seen INTEGER NOT NULL,"
    " last_service TEXT NOT NULL,"
    " last_address TEXT NOT NULL"
    ") STRICT;",
};

static int read_number(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? 0 : -1;
}

int schema_check(sqlite3 *db, const char *path, int *version, struct failure *failure)
{
    int64_t application = 0, user_version = 0, objects = 0;
    if (read_number(db, "PRAGMA application_id", &application) || read_number(db, "PRAGMA user_version", &user_version) ||
        read_number(db, "SELECT count(*) FROM sqlite_schema", &objects)) {
        if ((sqlite3_errcode(db) & 0xff) == SQLITE_NOTADB)
            return failure_set(failure, FAILURE_INTERNAL, NULL, "%s is no SQLite database; move it away, or name another state directory",
                               path);
        return database_failure(db, path, "cannot read the index", failure);
    }
    if (application == 0 && user_version == 0 && objects == 0)
        return 0;
    if (application != DATABASE_APPLICATION_ID)
        return failure_set(failure, FAILURE_INTERNAL, NULL,
                           "%s is the database of another program (application_id 0x%llx, ours is 0x%x); name another state directory",
                           path, (unsigned long long)application, DATABASE_APPLICATION_ID);
    if (user_version < 1)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s has the impossible schema version %lld; restore a backup", path,
                           (long long)user_version);
    if (user_version > SCHEMA_VERSION)
        return failure_set(failure, FAILURE_INTERNAL, NULL,
                           "%s has schema version %lld and this program knows up to %d; install the newer program again or restore a backup",
                           path, (long long)user_version, SCHEMA_VERSION);
    *version = (int)user_version;
    return 1;
}

int schema_migrate(sqlite3 *db, const char *path, int target, struct failure *failure)
{
    int version = 0;
    if (schema_check(db, path, &version, failure) < 0)
        return -1;
    for (; version < target && version < SCHEMA_VERSION; version++) {
        char number[128];
        snprintf(number, sizeof number, "PRAGMA application_id=%d; PRAGMA user_version=%d", DATABASE_APPLICATION_ID, version + 1);
        int rc = database_execute(db, "BEGIN IMMEDIATE");
        if (rc == SQLITE_OK)
            rc = database_execute(db, steps[version]);
        if (rc == SQLITE_OK)
            rc = database_execute(db, number);
        if (rc == SQLITE_OK)
            rc = database_execute(db, "COMMIT");
        if (rc != SQLITE_OK) {
            char what[96];
            snprintf(what, sizeof what, "cannot bring the index from schema version %d to %d", version, version + 1);
            database_failure(db, path, what, failure);
            if (!sqlite3_get_autocommit(db))
                database_execute(db, "ROLLBACK");
            return -1;
        }
    }
    return 0;
}
