/*
 * database.c - opening the SQLite file of the index: ours, whole, private to its owner.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/schema.h"

enum { BUSY_MILLISECONDS = 250 };

int database_failure(sqlite3 *db, const char *path, const char *what, struct failure *failure)
{
    int code = db ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM;
    int error = code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? sqlite3_system_errno(db) : 0;
    return failure_set(failure, FAILURE_INTERNAL, NULL, "%s (%s): %s%s%s", what, path, db ? sqlite3_errmsg(db) : "out of memory",
                       error ? ": " : "", error ? strerrordesc_np(error) : "");
}

int database_execute(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int database_prepare(sqlite3 *db, const char *path, const char *const *sql, size_t count, sqlite3_stmt **out,
                     struct failure *failure)
{
    for (size_t i = 0; i < count; i++)
        if (sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &out[i], NULL) != SQLITE_OK)
            return database_failure(db, path, "cannot prepare a statement on the index", failure);
    return 0;
}

void database_finalize(sqlite3_stmt **statements, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sqlite3_finalize(statements[i]);
        statements[i] = NULL;
    }
}

int database_bind_serial(sqlite3_stmt *statement, int index, const struct serial *serial)
{
    return sqlite3_bind_blob(statement, index, serial->bytes, serial->length, SQLITE_STATIC);
}

void database_column_serial(sqlite3_stmt *statement, int column, struct serial *out)
{
    const void *bytes = sqlite3_column_blob(statement, column);
    int length = sqlite3_column_bytes(statement, column);
    memset(out, 0, sizeof *out);
    if (!bytes || length < 1 || length > SERIAL_MAX)
        return;
    memcpy(out->bytes, bytes, (size_t)length);
    out->length = (uint8_t)length;
}

int database_compare_serials(const struct serial *a, const struct serial *b)
{
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->bytes, b->bytes, shorter);
    return order ? (order > 0) - (order < 0) : (a->length > b->length) - (a->length < b->length);
}

/* SQLite counts every allocation under one lock by default; nobody reads those numbers, and two threads would meet there. */
static void configure_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* SQLite would make the file by the umask; -wal and -shm take over the mode that they find here. A file that is there is not
 * opened for the check: closing it would drop the POSIX locks that other connections of this process hold on it. */
static int make_private(const char *path, struct failure *failure)
{
    struct stat status;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    if (errno != EEXIST)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "cannot create the index %s: %s", path, strerrordesc_np(errno));
    if (lstat(path, &status) || !S_ISREG(status.st_mode))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "the index %s is not a regular file", path);
    if ((status.st_mode & 077) && chmod(path, 0600))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "the index %s is open to others (mode %04o) and cannot be closed to them: %s",
                           path, (unsigned)status.st_mode & 07777, strerrordesc_np(errno));
    return 0;
}

#define COMMON_PRAGMAS "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; "

/* temp_store=MEMORY: the sandbox has no directory for temporary files. wal_autocheckpoint=0: it would run inside COMMIT. mmap_size: a
 * look-up among a million rows touches nine pages, and every commit empties a reader's page cache; mapped, they cost no
 * system call. A read error of the disk is then a SIGBUS instead of SQLITE_IOERR: the agent ends either way. */
static const char *const pragmas[] = {
    [DATABASE_WRITE] = COMMON_PRAGMAS "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-16384",
    [DATABASE_READ] = COMMON_PRAGMAS "PRAGMA query_only=ON; PRAGMA cache_size=-8192; PRAGMA mmap_size=2147418112",
    [DATABASE_CHECKPOINT] = COMMON_PRAGMAS "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-64",
    [DATABASE_STREAM] = COMMON_PRAGMAS "PRAGMA query_only=ON; PRAGMA cache_size=-256",
};

/* PRAGMA journal_mode answers with the mode that is really in force. */
static int enter_wal(sqlite3 *db, const char *path, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &statement, NULL);
    bool entered = rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW &&
                   !strcmp((const char *)sqlite3_column_text(statement, 0), "wal");
    sqlite3_finalize(statement);
    return entered ? 0 : database_failure(db, path, "the index cannot use a write-ahead log here; put the state directory on a local file system",
                                          failure);
}

static int prepare_connection(sqlite3 *db, const char *path, enum database_use use, struct failure *failure)
{
    int version = 0;
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_MILLISECONDS);
    /* A file of ours that somebody else has written may hold anything: no double-quoted strings, no extensions, no tricks in views. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    if (schema_check(db, path, &version, failure) < 0)
        return -1;
    if (database_execute(db, pragmas[use]) != SQLITE_OK)
        return database_failure(db, path, "cannot set up the index", failure);
    if (use == DATABASE_WRITE)
        return enter_wal(db, path, failure) ? -1 : schema_migrate(db, path, SCHEMA_VERSION, failure);
    if (version != SCHEMA_VERSION)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s has schema version %d, not %d; start mtlsd once, which brings it up to date",
                           path, version, SCHEMA_VERSION);
    return 0;
}

int database_open(const char *path, enum database_use use, sqlite3 **out, struct failure *failure)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_library);
    if (use == DATABASE_WRITE && make_private(path, failure))
        return -1;
    /* "./" keeps a relative name from being taken for one of SQLite's own (":memory:", "file:..."). */
    char *name = NULL;
    if (asprintf(&name, "%s%s", path[0] == '/' ? "" : "./", path) < 0)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory opening the index %s", path);
    sqlite3 *db = NULL;
    bool writes = use == DATABASE_WRITE || use == DATABASE_CHECKPOINT;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int rc = sqlite3_open_v2(name, &db, flags | (writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY), NULL);
    free(name);
    if (rc != SQLITE_OK)
        database_failure(db, path, "cannot open the index", failure);
    if (rc != SQLITE_OK || prepare_connection(db, path, use, failure)) {
        sqlite3_close(db);
        return -1;
    }
    *out = db;
    return 0;
}

int database_authority(sqlite3 *db, const char *path, const uint8_t fingerprint[static FINGERPRINT_SIZE], bool create,
                       int64_t *id, struct failure *failure)
{
    const char *const sql[] = {
        "SELECT id FROM authority WHERE fingerprint = ?1",
        "INSERT INTO authority (fingerprint) SELECT ?1 WHERE NOT EXISTS"
        " (SELECT 1 FROM authority WHERE fingerprint = ?1)",
    };
    for (int i = create ? 1 : 0; i >= 0; i--) {
        sqlite3_stmt *statement = NULL;
        if (database_prepare(db, path, &sql[i], 1, &statement, failure))
            return -1;
        sqlite3_bind_blob(statement, 1, fingerprint, FINGERPRINT_SIZE, SQLITE_STATIC);
        int rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
            *id = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        if (rc == SQLITE_ROW)
            return 0;
        if (rc != SQLITE_DONE)
            return database_failure(db, path, "cannot look up the CA in the index", failure);
    }
    return failure_set(failure, FAILURE_INTERNAL, NULL, "the index %s does not know this CA certificate; is it the index of another CA?",
                       path);
}
