/*
 * audit_chain.c - the hash chain of audit records: one link, and the check of all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/audit_chain.h"

#include <sodium.h>
#include <string.h>

#include "agent/store/committer.h"
#include "agent/store/database.h"

static void store_le64(uint8_t out[static 8], uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

void chain_append(struct chain_head *head, int64_t time, const void *body, size_t length)
{
    uint8_t number[8];
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, CHAIN_HASH_SIZE);
    crypto_generichash_update(&state, head->hash, CHAIN_HASH_SIZE);
    head->sequence++;
    store_le64(number, head->sequence);
    crypto_generichash_update(&state, number, sizeof number);
    store_le64(number, (uint64_t)time);
    crypto_generichash_update(&state, number, sizeof number);
    crypto_generichash_update(&state, body, length);
    crypto_generichash_final(&state, head->hash, CHAIN_HASH_SIZE);
}

/* One stored record against the head of those before it: 0 it follows, 1 it does not. */
static int check_record(sqlite3_stmt *statement, struct chain_head *head, uint64_t *sequence, struct failure *failure)
{
    int64_t number = sqlite3_column_int64(statement, 0);
    uint64_t expected = head->sequence + 1;
    if ((uint64_t)number != expected) {
        *sequence = expected;
        failure_set(failure, FAILURE_INTERNAL, NULL, "audit record %llu is missing: the next one there is %lld",
                    (unsigned long long)expected, (long long)number);
        return 1;
    }
    chain_append(head, sqlite3_column_int64(statement, 1), sqlite3_column_blob(statement, 2),
                 (size_t)sqlite3_column_bytes(statement, 2));
    const void *hash = sqlite3_column_blob(statement, 3);
    if (hash && sqlite3_column_bytes(statement, 3) == CHAIN_HASH_SIZE && !memcmp(hash, head->hash, CHAIN_HASH_SIZE))
        return 0;
    *sequence = expected;
    failure_set(failure, FAILURE_INTERNAL, NULL,
                "audit record %llu is not what was written: its hash does not follow from its text and the record before it",
                (unsigned long long)expected);
    return 1;
}

int audit_chain_verify(const char *path, uint64_t *sequence, struct failure *failure)
{
    static const char *const sql = "SELECT sequence, time, body, hash FROM audit ORDER BY sequence";
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    if (database_open(path, DATABASE_STREAM, &db, failure))
        return -1;
    int result = database_prepare(db, path, &sql, 1, &statement, failure);
    struct chain_head head = {0};
    int rc = SQLITE_DONE;
    while (!result && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        result = check_record(statement, &head, sequence, failure);
    if (!result && rc != SQLITE_DONE)
        result = database_failure(db, path, "cannot read the audit trail", failure);
    if (!result)
        *sequence = head.sequence;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return result;
}
