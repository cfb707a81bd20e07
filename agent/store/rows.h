/*
 * rows.h - certificate rows out of statements, and selecting them by filter, for reader and writer alike. Inside agent/store/ only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_STORE_ROWS_H
#define MTLSD_AGENT_STORE_ROWS_H

#include "agent/store/database.h"
#include "agent/store/store.h"

/* The columns of a row in the order that row_point and row_copy read them; c certificate, r revocation, s sighting. */
#define ROW_COLUMNS(der)                                                                                            \
    "c.serial, c.fingerprint, " der ", c.name, c.subject, c.sans, c.label, c.profile, c.service, c.request_id,"    \
    " c.not_before, c.not_after, c.issued_at, c.requester_uid, c.purposes, r.status, r.reason, r.revoked_at,"      \
    " s.last_seen, s.last_service, s.last_address"
#define ROW_STATUS_JOIN " LEFT JOIN revocation r ON r.authority = c.authority AND r.serial = c.serial"
#define ROW_SEEN_JOIN " LEFT JOIN sighting s ON s.certificate = c.id"

/* Pointers into the statement: they live until its next step or reset. */
void row_point(sqlite3_stmt *statement, struct certificate_row *row);
/* The same in one block of memory of its own. -1 when memory ran out. */
int row_copy(sqlite3_stmt *statement, struct certificate_row *row);

/* Statements for filters, prepared on first use. */
enum { SELECTOR_STATEMENTS = 12 };
struct selector {
    sqlite3 *db;
    const char *path;
    int64_t authority;
    size_t next;
    struct {
        unsigned shape;
        sqlite3_stmt *statement;
    } cache[SELECTOR_STATEMENTS];
};
void selector_clear(struct selector *selector);

/* As store_select. */
int64_t selector_run(struct selector *selector, const struct certificate_filter *filter, const struct serial *after,
                     int64_t limit, bool with_der, certificate_visit *visit, void *context, struct failure *failure);

#endif
