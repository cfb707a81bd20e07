/*
 * changes.c - what each change writes, with its precondition, and what it does to the counters.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "agent/store/writer.h"
#include "proto/grant.h"

enum { REASON_HOLD = 6 /* certificateHold, RFC 5280 section 5.3.1 */ };

/* A row of revocation, as far as the counters mind. */
struct status {
    enum certificate_status status;
    int reason;
    int64_t revoked_at, not_after;
};

/* Add (sign 1) or take away (-1) what a certificate of this status counts for. */
static void count_status(struct totals *totals, const struct serial *serial, const struct status *status, int sign)
{
    if (status->status == STATUS_LIVE) {
        totals->past += status->not_after < totals->past_until ? sign : 0;
        return;
    }
    *(status->status == STATUS_HELD ? &totals->held : &totals->revoked) += sign;
    if (status->not_after < totals->crl_from)
        return;
    uint8_t der[CRL_ENTRY_DER_MAX];
    const struct crl_entry entry = {.serial = *serial, .revoked_at = status->revoked_at, .reason = (uint8_t)status->reason};
    totals->crl_count += sign;
    totals->crl_length += sign * (int64_t)crl_entry_encode(&entry, der);
}

static enum change_result stop(struct commit *commit, const struct serial *serial, const char *why)
{
    char text[SERIAL_TEXT_SIZE];
    serial_format(serial, text);
    commit->outcome = COMMIT_CONFLICT;
    failure_set(&commit->failure, FAILURE_CONFLICT, NULL, "certificate %s %s; look again, then repeat the call", text, why);
    commit->failure.serial_count = 1;
    memcpy(commit->failure.serials[0], text, sizeof text);
    return CHANGE_STOPPED;
}

static void bind_text(sqlite3_stmt *statement, int parameter, const char *text)
{
    sqlite3_bind_text(statement, parameter, text ? text : "", -1, SQLITE_STATIC);
}

/* Write a status; `changed` is false where the row has one already that this one does not override. */
static enum change_result write_status(struct writer *writer, const struct serial *serial, const struct status *status,
                                       bool *changed)
{
    sqlite3_stmt *statement = writer->statements[WRITE_REVOKE];
    sqlite3_bind_int64(statement, 1, writer->authority);
    database_bind_serial(statement, 2, serial);
    sqlite3_bind_int(statement, 3, status->status);
    sqlite3_bind_int(statement, 4, status->reason);
    sqlite3_bind_int64(statement, 5, status->revoked_at);
    sqlite3_bind_int64(statement, 6, status->not_after);
    if (writer_step(writer, WRITE_REVOKE) != SQLITE_DONE)
        return CHANGE_BROKEN;
    *changed = sqlite3_changes(writer->db) == 1;
    return CHANGE_DONE;
}

static enum change_result insert(struct writer *writer, const struct certificate_row *row, struct commit *commit,
                                 struct totals *totals)
{
    sqlite3_stmt *statement = writer->statements[WRITE_INSERT];
    const char *const texts[] = {row->name, row->label, row->profile, row->service, row->request_id, row->subject, row->sans};
    const int64_t numbers[] = {row->not_before, row->not_after, row->issued_at, row->requester_uid, row->purposes};
    sqlite3_bind_int64(statement, 1, writer->authority);
    database_bind_serial(statement, 2, &row->serial);
    for (int i = 0; i < 5; i++)
        sqlite3_bind_int64(statement, 3 + i, numbers[i]);
    for (int i = 0; i < 7; i++)
        bind_text(statement, 8 + i, texts[i]);
    sqlite3_bind_blob(statement, 15, row->fingerprint, FINGERPRINT_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob64(statement, 16, row->der ? row->der : (const uint8_t *)"", row->der_length, SQLITE_STATIC);
    if (writer_step(writer, WRITE_INSERT) != SQLITE_DONE)
        return CHANGE_BROKEN;
    if (sqlite3_changes(writer->db) != 1)
        return stop(commit, &row->serial, "is in the index already");
    const struct status status = {row->status, row->reason, row->revoked_at, row->not_after};
    bool changed = true;
    if (status.status != STATUS_LIVE && write_status(writer, &row->serial, &status, &changed) != CHANGE_DONE)
        return CHANGE_BROKEN;
    totals->issued++;
    totals->revision += status.status != STATUS_LIVE;
    count_status(totals, &row->serial, &status, 1);
    commit->affected++;
    return CHANGE_DONE;
}

static enum change_result revoke_one(struct writer *writer, const struct change *change, const struct serial *serial,
                                     struct commit *commit, struct totals *totals)
{
    sqlite3_stmt *statement = writer->statements[WRITE_STATUS];
    sqlite3_bind_int64(statement, 1, writer->authority);
    database_bind_serial(statement, 2, serial);
    int rc = sqlite3_step(statement);
    struct status before = {0};
    if (rc == SQLITE_ROW)
        before = (struct status){.not_after = sqlite3_column_int64(statement, 0),
                                 .status = (enum certificate_status)sqlite3_column_int(statement, 1),
                                 .reason = sqlite3_column_int(statement, 2), .revoked_at = sqlite3_column_int64(statement, 3)};
    sqlite3_reset(statement);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? stop(commit, serial, "is not in the index") : CHANGE_BROKEN;
    const struct status after = {.status = change->u.revoke.reason == REASON_HOLD ? STATUS_HELD : STATUS_REVOKED,
                                 .reason = change->u.revoke.reason, .revoked_at = change->u.revoke.at, .not_after = before.not_after};
    bool changed = false;
    if (write_status(writer, serial, &after, &changed) != CHANGE_DONE)
        return CHANGE_BROKEN;
    if (changed) {
        count_status(totals, serial, &before, -1);
        count_status(totals, serial, &after, 1);
        commit->affected++;
    }
    return CHANGE_DONE;
}

/* --- is there one more than was authorised? ------------------------------------------------------------------ */

struct comparison {
    const struct serial **listed; /* ascending */
    size_t count, next;
    int64_t now;
    bool hold;
    bool found_more;
};

static int compare_pointers(const void *a, const void *b)
{
    return database_compare_serials(*(const struct serial *const *)a, *(const struct serial *const *)b);
}

/* Rows come in ascending order too: both lists are walked once. */
static int compare_row(const struct certificate_row *row, void *context)
{
    struct comparison *comparison = context;
    if (row->status == STATUS_REVOKED || (row->status == STATUS_HELD && comparison->hold) || row->not_after < comparison->now)
        return 0;
    while (comparison->next < comparison->count &&
           database_compare_serials(comparison->listed[comparison->next], &row->serial) < 0)
        comparison->next++;
    comparison->found_more = comparison->next == comparison->count ||
                             database_compare_serials(comparison->listed[comparison->next], &row->serial) != 0;
    return comparison->found_more;
}

static enum change_result select_again(struct writer *writer, const struct change *change, struct commit *commit)
{
    struct certificate_filter filter = *change->u.revoke.filter;
    size_t count = change->u.revoke.count;
    if (!filter.now)
        filter.now = change->u.revoke.at;
    if (filter.which == WHICH_ANY)
        filter.which = WHICH_REVOCABLE;
    const struct serial **listed = calloc(count ? count : 1, sizeof(const struct serial *));
    struct comparison comparison = {listed, count, 0, filter.now, change->u.revoke.reason == REASON_HOLD, false};
    bool ascending = true;
    if (!listed) {
        commit->outcome = COMMIT_REFUSED;
        failure_set(&commit->failure, FAILURE_BUSY, NULL, "out of memory for a revocation of %zu certificates: nothing was stored",
                    count);
        return CHANGE_STOPPED;
    }
    for (size_t i = 0; i < count; i++) {
        listed[i] = &change->u.revoke.serials[i];
        ascending = ascending && (i == 0 || database_compare_serials(listed[i - 1], listed[i]) <= 0);
    }
    if (!ascending)
        qsort(listed, count, sizeof(const struct serial *), compare_pointers);
    int64_t selected = selector_run(&writer->selector, &filter, NULL, -1, false, compare_row, &comparison, NULL);
    free(listed);
    if (selected < 0)
        return CHANGE_BROKEN;
    if (!comparison.found_more)
        return CHANGE_DONE;
    commit->outcome = COMMIT_REPLAN;
    failure_set(&commit->failure, FAILURE_CONFLICT, NULL,
                "another certificate that this call means was issued in the meantime; look again, then repeat the call");
    return CHANGE_STOPPED;
}

static enum change_result revoke(struct writer *writer, const struct change *change, struct commit *commit, struct totals *totals)
{
    enum change_result result = change->u.revoke.filter ? select_again(writer, change, commit) : CHANGE_DONE;
    int64_t before = commit->affected;
    for (size_t i = 0; i < change->u.revoke.count && result == CHANGE_DONE; i++)
        result = revoke_one(writer, change, &change->u.revoke.serials[i], commit, totals);
    totals->revision += commit->affected > before;
    return result;
}

static enum change_result resume(struct writer *writer, const struct serial *serial, struct commit *commit, struct totals *totals)
{
    sqlite3_stmt *statement = writer->statements[WRITE_RESUME];
    sqlite3_bind_int64(statement, 1, writer->authority);
    database_bind_serial(statement, 2, serial);
    int rc = sqlite3_step(statement);
    struct status before = {.status = STATUS_HELD};
    if (rc == SQLITE_ROW) {
        before.reason = sqlite3_column_int(statement, 0);
        before.revoked_at = sqlite3_column_int64(statement, 1);
        before.not_after = sqlite3_column_int64(statement, 2);
    }
    sqlite3_reset(statement); /* a RETURNING that stays open makes COMMIT say BUSY */
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? stop(commit, serial, "is not held") : CHANGE_BROKEN;
    const struct status after = {.status = STATUS_LIVE, .not_after = before.not_after};
    count_status(totals, serial, &before, -1);
    count_status(totals, serial, &after, 1);
    totals->revision++;
    commit->affected++;
    return CHANGE_DONE;
}

static enum change_result set(struct writer *writer, const char *name, int64_t value, struct commit *commit)
{
    sqlite3_stmt *statement = writer->statements[WRITE_SETTING];
    sqlite3_bind_int64(statement, 1, writer->authority);
    bind_text(statement, 2, name);
    sqlite3_bind_int64(statement, 3, value);
    if (writer_step(writer, WRITE_SETTING) != SQLITE_DONE)
        return CHANGE_BROKEN;
    commit->affected += sqlite3_changes(writer->db);
    return CHANGE_DONE;
}

enum change_result change_apply(struct writer *writer, const struct change *change, struct commit *commit, struct totals *totals)
{
    switch (change->kind) {
    case CHANGE_INSERT:
        return insert(writer, &change->u.insert, commit, totals);
    case CHANGE_REVOKE:
        return revoke(writer, change, commit, totals);
    case CHANGE_RESUME:
        return resume(writer, &change->u.resume.serial, commit, totals);
    case CHANGE_SETTING:
        return set(writer, change->u.setting.name, change->u.setting.value, commit);
    }
    return CHANGE_BROKEN;
}
