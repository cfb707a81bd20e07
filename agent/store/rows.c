/*
 * rows.c - a certificate row out of a statement.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/rows.h"

#include <stdlib.h>
#include <string.h>

enum column {
    COLUMN_SERIAL, COLUMN_FINGERPRINT, COLUMN_DER, COLUMN_NAME, COLUMN_SUBJECT, COLUMN_SANS, COLUMN_LABEL, COLUMN_PROFILE,
    COLUMN_SERVICE, COLUMN_REQUEST_ID, COLUMN_NOT_BEFORE, COLUMN_NOT_AFTER, COLUMN_ISSUED_AT, COLUMN_REQUESTER_UID, COLUMN_PURPOSES, COLUMN_STATUS,
    COLUMN_REASON, COLUMN_REVOKED_AT, COLUMN_LAST_SEEN, COLUMN_LAST_SERVICE, COLUMN_LAST_ADDRESS
};

/* The texts of a row and where they come from. */
static const struct {
    enum column column;
    size_t offset;
} texts[] = {
    {COLUMN_NAME, offsetof(struct certificate_row, name)},
    {COLUMN_SUBJECT, offsetof(struct certificate_row, subject)},
    {COLUMN_SANS, offsetof(struct certificate_row, sans)},
    {COLUMN_LABEL, offsetof(struct certificate_row, label)},
    {COLUMN_PROFILE, offsetof(struct certificate_row, profile)},
    {COLUMN_SERVICE, offsetof(struct certificate_row, service)},
    {COLUMN_REQUEST_ID, offsetof(struct certificate_row, request_id)},
    {COLUMN_LAST_SERVICE, offsetof(struct certificate_row, last_service)},
    {COLUMN_LAST_ADDRESS, offsetof(struct certificate_row, last_address)},
};
enum { TEXTS = sizeof texts / sizeof texts[0] };

static const char **text_of(struct certificate_row *row, size_t i)
{
    return (const char **)((char *)row + texts[i].offset);
}

void row_point(sqlite3_stmt *statement, struct certificate_row *row)
{
    memset(row, 0, sizeof *row);
    database_column_serial(statement, COLUMN_SERIAL, &row->serial);
    const void *fingerprint = sqlite3_column_blob(statement, COLUMN_FINGERPRINT);
    if (fingerprint && sqlite3_column_bytes(statement, COLUMN_FINGERPRINT) == FINGERPRINT_SIZE)
        memcpy(row->fingerprint, fingerprint, FINGERPRINT_SIZE);
    row->der = sqlite3_column_blob(statement, COLUMN_DER);
    row->der_length = (size_t)sqlite3_column_bytes(statement, COLUMN_DER);
    for (size_t i = 0; i < TEXTS; i++) {
        const char *text = (const char *)sqlite3_column_text(statement, texts[i].column);
        *text_of(row, i) = text ? text : "";
    }
    row->not_before = sqlite3_column_int64(statement, COLUMN_NOT_BEFORE);
    row->not_after = sqlite3_column_int64(statement, COLUMN_NOT_AFTER);
    row->issued_at = sqlite3_column_int64(statement, COLUMN_ISSUED_AT);
    row->requester_uid = sqlite3_column_int64(statement, COLUMN_REQUESTER_UID);
    row->purposes = (uint32_t)sqlite3_column_int64(statement, COLUMN_PURPOSES);
    row->status = (enum certificate_status)sqlite3_column_int(statement, COLUMN_STATUS); /* no revocation row: NULL reads as 0 */
    row->reason = row->status == STATUS_LIVE ? -1 : sqlite3_column_int(statement, COLUMN_REASON);
    row->revoked_at = sqlite3_column_int64(statement, COLUMN_REVOKED_AT);
    row->last_seen = sqlite3_column_int64(statement, COLUMN_LAST_SEEN);
}

int row_copy(sqlite3_stmt *statement, struct certificate_row *row)
{
    struct certificate_row found;
    row_point(statement, &found);
    size_t lengths[TEXTS], total = found.der_length;
    for (size_t i = 0; i < TEXTS; i++) {
        lengths[i] = strlen(*text_of(&found, i)) + 1;
        total += lengths[i];
    }
    char *p = malloc(total);
    if (!p)
        return -1;
    found.memory = p;
    for (size_t i = 0; i < TEXTS; i++) {
        memcpy(p, *text_of(&found, i), lengths[i]);
        *text_of(&found, i) = p;
        p += lengths[i];
    }
    if (found.der_length)
        memcpy(p, found.der, found.der_length);
    found.der = (const uint8_t *)p;
    *row = found;
    return 0;
}

void certificate_row_clear(struct certificate_row *row)
{
    free(row->memory);
    memset(row, 0, sizeof *row);
}
