/*
 * crl_rows.c - what a CRL lists, as one snapshot on a connection of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * One read transaction from open to close: the keeper is told number and length of the entries first, so what follows must be exactly
 * those. Checkpoints of the writer cannot pass it, and go on when it is closed.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/database.h"
#include "agent/store/store.h"
#include "proto/grant.h"

struct store_crl {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *entries;
    uint64_t count, length; /* still to come */
};

/* A pass over the primary key of one narrow table: no certificate row is read, nothing is sorted. */
static const char *const entries_text = "SELECT serial, revoked_at, reason FROM revocation"
                                        " WHERE authority = ?1 AND not_after >= ?2 ORDER BY serial";
static const char *const counters_text = "SELECT crl_count, crl_length, crl_from FROM authority WHERE id = ?1";

/* Set when a pass found something else than the counters say; from then on this process counts for itself. */
static atomic_bool counters_doubted;

void store_crl_close(struct store_crl *crl)
{
    if (!crl)
        return;
    sqlite3_finalize(crl->entries);
    sqlite3_close(crl->db); /* ends the transaction */
    free(crl->path);
    free(crl);
}

static int read_entry(struct store_crl *crl, struct crl_entry *entry, struct failure *failure)
{
    int rc = sqlite3_step(crl->entries);
    if (rc == SQLITE_DONE)
        return 0;
    if (rc != SQLITE_ROW)
        return database_failure(crl->db, crl->path, "cannot read the revocations", failure);
    int reason = sqlite3_column_int(crl->entries, 2);
    database_column_serial(crl->entries, 0, &entry->serial);
    entry->revoked_at = sqlite3_column_int64(crl->entries, 1);
    entry->reason = (uint8_t)reason;
    if (entry->serial.length == 0 || reason < 0 || reason > 10)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "the index %s holds a revocation that is none; restore a backup", crl->path);
    return 1;
}

/* By the encoder itself: what is announced and what is streamed cannot differ. */
static int measure(struct store_crl *crl, struct failure *failure)
{
    struct crl_entry entry;
    uint8_t der[CRL_ENTRY_DER_MAX];
    int found;
    crl->count = crl->length = 0;
    while ((found = read_entry(crl, &entry, failure)) == 1) {
        crl->count++;
        crl->length += crl_entry_encode(&entry, der);
    }
    sqlite3_reset(crl->entries);
    return found;
}

/* Number, length and mark as the committer keeps them; the first read of the transaction, which fixes the snapshot. */
static int read_counters(struct store_crl *crl, int64_t authority, int64_t *from, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    if (database_prepare(crl->db, crl->path, &counters_text, 1, &statement, failure))
        return -1;
    sqlite3_bind_int64(statement, 1, authority);
    bool found = sqlite3_step(statement) == SQLITE_ROW;
    if (found) {
        crl->count = (uint64_t)sqlite3_column_int64(statement, 0);
        crl->length = (uint64_t)sqlite3_column_int64(statement, 1);
        *from = sqlite3_column_int64(statement, 2);
    }
    sqlite3_finalize(statement);
    return found ? 0 : database_failure(crl->db, crl->path, "cannot read the counters of the CRL", failure);
}

static int begin(struct store_crl *crl, const uint8_t *authority, struct failure *failure)
{
    int64_t id = 0, from = 0;
    if (database_open(crl->path, DATABASE_STREAM, &crl->db, failure) ||
        database_authority(crl->db, crl->path, authority, false, &id, failure) ||
        database_prepare(crl->db, crl->path, &entries_text, 1, &crl->entries, failure))
        return -1;
    if (database_execute(crl->db, "BEGIN") != SQLITE_OK)
        return database_failure(crl->db, crl->path, "cannot begin reading the index", failure);
    if (read_counters(crl, id, &from, failure))
        return -1;
    sqlite3_bind_int64(crl->entries, 1, id);
    sqlite3_bind_int64(crl->entries, 2, from);
    return atomic_load(&counters_doubted) ? measure(crl, failure) : 0;
}

int store_crl_open(const char *path, const uint8_t authority[static FINGERPRINT_SIZE], int64_t now, struct store_crl **out,
                   uint64_t *count, uint64_t *length, struct failure *failure)
{
    (void)now; /* the mark that the committer keeps decides, so that number, length and entries are of one mind */
    struct store_crl *crl = calloc(1, sizeof *crl);
    if (!crl || !(crl->path = strdup(path))) {
        free(crl);
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory opening the index %s", path);
    }
    if (begin(crl, authority, failure)) {
        store_crl_close(crl);
        return -1;
    }
    *out = crl;
    *count = crl->count;
    *length = crl->length;
    return 0;
}

static int doubt(struct store_crl *crl, struct failure *failure)
{
    atomic_store(&counters_doubted, true);
    return failure_set(failure, FAILURE_INTERNAL, NULL,
                       "the revocations in %s are not as many or as long as its counters say; the next CRL counts them anew", crl->path);
}

int store_crl_next(struct store_crl *crl, struct crl_entry *entries, size_t room, struct failure *failure)
{
    uint8_t der[CRL_ENTRY_DER_MAX];
    size_t n = 0;
    int found = 1;
    /* A statement that has answered "done" would start again at the next step. */
    if (!crl->entries)
        return 0;
    while (n < room && (found = read_entry(crl, &entries[n], failure)) == 1) {
        size_t length = crl_entry_encode(&entries[n++], der);
        if (crl->count == 0 || crl->length < length)
            return doubt(crl, failure);
        crl->count--;
        crl->length -= length;
    }
    if (found != 1) {
        sqlite3_finalize(crl->entries);
        crl->entries = NULL;
    }
    if (found == 0 && (crl->count || crl->length))
        return doubt(crl, failure);
    return found < 0 ? -1 : (int)n;
}
