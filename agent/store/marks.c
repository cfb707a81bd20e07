/*
 * marks.c - counters that depend on the clock, kept with a mark of the instant that they hold for.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * `past` counts the live rows with not_after < past_until: readers count only what ended since. The CRL's number and length are those of
 * the revocations with not_after >= crl_from. Both are right wherever the marks stand, also after the clock was set back; moving them is
 * what keeps readers quick and the CRL short.
 */
#include "agent/store/writer.h"
#include "proto/grant.h"

enum { PAST_STEP = 60, CRL_STEP = 86400 };

static bool is_due(int64_t mark, int64_t wanted, int64_t step)
{
    return wanted >= mark + step || wanted <= mark - step;
}

static int move_past(struct writer *writer, int64_t now, struct totals *totals)
{
    sqlite3_stmt *statement = writer->statements[WRITE_PAST_BETWEEN];
    int64_t from = totals->past_until;
    bool backwards = now < from;
    sqlite3_bind_int64(statement, 1, writer->authority);
    sqlite3_bind_int64(statement, 2, backwards ? now : from);
    sqlite3_bind_int64(statement, 3, backwards ? from : now);
    int rc = sqlite3_step(statement);
    int64_t count = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    if (rc != SQLITE_ROW)
        return -1;
    totals->past += backwards ? -count : count;
    totals->past_until = now;
    return 0;
}

/* Once a day, one pass over all revocations (some 0.3 s for a million): counted from nothing, so that no error could last. */
static int move_crl(struct writer *writer, int64_t from, struct totals *totals)
{
    sqlite3_stmt *statement = writer->statements[WRITE_CRL_ENTRIES];
    struct crl_entry entry;
    uint8_t der[CRL_ENTRY_DER_MAX];
    int64_t count = 0, length = 0;
    int rc;
    sqlite3_bind_int64(statement, 1, writer->authority);
    sqlite3_bind_int64(statement, 2, from);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        database_column_serial(statement, 0, &entry.serial);
        entry.revoked_at = sqlite3_column_int64(statement, 1);
        entry.reason = (uint8_t)sqlite3_column_int(statement, 2);
        count++;
        length += (int64_t)crl_entry_encode(&entry, der);
    }
    totals->crl_count = count;
    totals->crl_length = length;
    totals->crl_from = from;
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? 0 : -1;
}

int marks_move(struct writer *writer, int64_t now, struct totals *totals)
{
    if (is_due(totals->past_until, now, PAST_STEP) && move_past(writer, now, totals))
        return -1;
    if (is_due(totals->crl_from, now - STORE_CRL_GRACE, CRL_STEP) && move_crl(writer, now - STORE_CRL_GRACE, totals))
        return -1;
    return 0;
}
