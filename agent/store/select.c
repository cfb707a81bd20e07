/*
 * select.c - certificates by filter: which index leads, and the statement for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The leading index is named in the statement: without statistics SQLite guesses, and a wrong guess reads a million rows.
 */
#include <string.h>

#include "agent/store/rows.h"

enum { SORTABLE_MAX = 5000 }; /* rows in a span of not_after that are worth sorting; from there on the order of serials leads */

/* What a statement looks like: one bit for each part of a filter. Names and numbers of parameters are those of `parts`. */
enum shape {
    SHAPE_SERIAL = 1 << 0, SHAPE_NAME = 1 << 1, SHAPE_LABEL = 1 << 2, SHAPE_PROFILE = 1 << 3, SHAPE_SERVICE = 1 << 4, SHAPE_UID = 1 << 5,
    SHAPE_BEFORE = 1 << 6, SHAPE_AFTER = 1 << 7, SHAPE_EXPIRING = 1 << 8, SHAPE_LIVE = 1 << 9, SHAPE_REVOKED = 1 << 10,
    SHAPE_HELD = 1 << 11, SHAPE_EXPIRED = 1 << 12, SHAPE_REVOCABLE = 1 << 13, SHAPE_PAGE = 1 << 14, SHAPE_DER = 1 << 15,
    SHAPE_BY_NOT_AFTER = 1 << 16
};
enum parameter {
    PARAMETER_AUTHORITY = 1, PARAMETER_LIMIT, PARAMETER_NOW, PARAMETER_PAGE, PARAMETER_SERIAL, PARAMETER_NAME, PARAMETER_LABEL,
    PARAMETER_PROFILE, PARAMETER_SERVICE, PARAMETER_UID, PARAMETER_BEFORE, PARAMETER_AFTER, PARAMETER_EXPIRING
};

static const struct {
    unsigned shape;
    const char *condition;
} parts[] = {
    {SHAPE_PAGE, " AND c.serial > ?4"},
    {SHAPE_SERIAL, " AND c.serial = ?5"},
    {SHAPE_NAME, " AND c.name = ?6"},
    {SHAPE_LABEL, " AND c.label = ?7"},
    {SHAPE_PROFILE, " AND c.profile = ?8"},
    {SHAPE_SERVICE, " AND c.service = ?9"},
    {SHAPE_UID, " AND c.requester_uid = ?10"},
    {SHAPE_BEFORE, " AND c.issued_at < ?11"},
    {SHAPE_AFTER, " AND c.issued_at > ?12"},
    {SHAPE_EXPIRING, " AND c.not_after < ?13"},
    {SHAPE_LIVE, " AND r.serial IS NULL AND c.not_before <= ?3 AND c.not_after >= ?3"},
    {SHAPE_REVOKED, " AND r.status = 1"},
    {SHAPE_HELD, " AND r.status = 2"},
    {SHAPE_EXPIRED, " AND r.serial IS NULL AND c.not_after < ?3"},
    {SHAPE_REVOCABLE, " AND (r.serial IS NULL OR r.status = 2) AND c.not_after >= ?3"},
};

static unsigned shape_of(const struct certificate_filter *filter, bool page, bool with_der)
{
    static const unsigned which[] = {[WHICH_ANY] = 0, [WHICH_LIVE] = SHAPE_LIVE, [WHICH_REVOKED] = SHAPE_REVOKED,
                                     [WHICH_HELD] = SHAPE_HELD, [WHICH_EXPIRED] = SHAPE_EXPIRED, [WHICH_REVOCABLE] = SHAPE_REVOCABLE};
    return (filter->serial ? SHAPE_SERIAL : 0) | (filter->name ? SHAPE_NAME : 0) | (filter->label ? SHAPE_LABEL : 0) |
           (filter->profile ? SHAPE_PROFILE : 0) | (filter->service ? SHAPE_SERVICE : 0) |
           (filter->requester_uid != -1 ? SHAPE_UID : 0) | (filter->issued_before ? SHAPE_BEFORE : 0) |
           (filter->issued_after ? SHAPE_AFTER : 0) | (filter->expiring_before ? SHAPE_EXPIRING : 0) | which[filter->which] |
           (page ? SHAPE_PAGE : 0) | (with_der ? SHAPE_DER : 0);
}

static void append(char *sql, size_t size, const char *text)
{
    size_t used = strlen(sql);
    strncat(sql, text, size - used - 1);
}

static void write_statement(unsigned shape, char *sql, size_t size)
{
    const char *from = "certificate c INDEXED BY certificate_serial" ROW_STATUS_JOIN;
    if (shape & SHAPE_SERIAL)
        ;
    else if (shape & SHAPE_NAME)
        from = "certificate c INDEXED BY certificate_name" ROW_STATUS_JOIN;
    else if (shape & (SHAPE_REVOKED | SHAPE_HELD)) /* CROSS JOIN: SQLite keeps this order */
        from = "revocation r CROSS JOIN certificate c ON c.authority = r.authority AND c.serial = r.serial";
    else if (shape & SHAPE_BY_NOT_AFTER)
        from = "certificate c INDEXED BY certificate_not_after" ROW_STATUS_JOIN;
    bool by_status = strstr(from, "CROSS") != NULL;
    sql[0] = '\0';
    append(sql, size, shape & SHAPE_DER ? "SELECT " ROW_COLUMNS("c.der") " FROM " : "SELECT " ROW_COLUMNS("NULL") " FROM ");
    append(sql, size, from);
    append(sql, size, ROW_SEEN_JOIN);
    append(sql, size, by_status ? " WHERE r.authority = ?1" : " WHERE c.authority = ?1");
    if (by_status && (shape & SHAPE_PAGE))
        append(sql, size, " AND r.serial > ?4");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (shape & parts[i].shape)
            append(sql, size, parts[i].condition);
    append(sql, size, by_status ? " ORDER BY r.serial LIMIT ?2" : " ORDER BY c.serial LIMIT ?2");
}

static sqlite3_stmt *statement_for(struct selector *selector, unsigned shape, struct failure *failure)
{
    for (size_t i = 0; i < SELECTOR_STATEMENTS; i++)
        if (selector->cache[i].statement && selector->cache[i].shape == shape)
            return selector->cache[i].statement;
    char sql[2048];
    const char *text = sql;
    sqlite3_stmt *statement = NULL;
    write_statement(shape, sql, sizeof sql);
    if (database_prepare(selector->db, selector->path, &text, 1, &statement, failure))
        return NULL;
    size_t slot = selector->next++ % SELECTOR_STATEMENTS;
    sqlite3_finalize(selector->cache[slot].statement);
    selector->cache[slot].statement = statement;
    selector->cache[slot].shape = shape;
    return statement;
}

void selector_clear(struct selector *selector)
{
    for (size_t i = 0; i < SELECTOR_STATEMENTS; i++) {
        sqlite3_finalize(selector->cache[i].statement);
        selector->cache[i].statement = NULL;
    }
}

static void bind_filter(sqlite3_stmt *statement, unsigned shape, const struct certificate_filter *filter)
{
    const struct {
        unsigned shape;
        int parameter;
        const char *text;
    } texts[] = {{SHAPE_NAME, PARAMETER_NAME, filter->name}, {SHAPE_LABEL, PARAMETER_LABEL, filter->label},
                 {SHAPE_PROFILE, PARAMETER_PROFILE, filter->profile}, {SHAPE_SERVICE, PARAMETER_SERVICE, filter->service}};
    const struct {
        unsigned shape;
        int parameter;
        int64_t number;
    } numbers[] = {{SHAPE_UID, PARAMETER_UID, filter->requester_uid}, {SHAPE_BEFORE, PARAMETER_BEFORE, filter->issued_before},
                   {SHAPE_AFTER, PARAMETER_AFTER, filter->issued_after}, {SHAPE_EXPIRING, PARAMETER_EXPIRING, filter->expiring_before}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (shape & texts[i].shape)
            sqlite3_bind_text(statement, texts[i].parameter, texts[i].text, -1, SQLITE_STATIC);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (shape & numbers[i].shape)
            sqlite3_bind_int64(statement, numbers[i].parameter, numbers[i].number);
    if (shape & SHAPE_SERIAL)
        database_bind_serial(statement, PARAMETER_SERIAL, filter->serial);
    if (shape & (SHAPE_LIVE | SHAPE_EXPIRED | SHAPE_REVOCABLE))
        sqlite3_bind_int64(statement, PARAMETER_NOW, filter->now);
}

/* Where the filter leaves few rows by not_after, they are cheaper to sort than a million serials are to walk. */
static bool span_is_small(struct selector *selector, unsigned shape, const struct certificate_filter *filter)
{
    if (!(shape & (SHAPE_EXPIRING | SHAPE_EXPIRED)) || (shape & (SHAPE_SERIAL | SHAPE_NAME | SHAPE_REVOKED | SHAPE_HELD)))
        return false;
    const char *sql = "SELECT count(*) FROM (SELECT 1 FROM certificate INDEXED BY certificate_not_after"
                      " WHERE authority = ?1 AND not_after >= ?2 AND not_after < ?3 LIMIT ?4)";
    sqlite3_stmt *statement = NULL;
    struct failure ignored;
    if (database_prepare(selector->db, selector->path, &sql, 1, &statement, &ignored))
        return false;
    int64_t until = shape & SHAPE_EXPIRING ? filter->expiring_before : filter->now;
    if ((shape & SHAPE_EXPIRED) && filter->now < until)
        until = filter->now;
    sqlite3_bind_int64(statement, 1, selector->authority);
    sqlite3_bind_int64(statement, 2, shape & (SHAPE_LIVE | SHAPE_REVOCABLE) ? filter->now : INT64_MIN);
    sqlite3_bind_int64(statement, 3, until);
    sqlite3_bind_int64(statement, 4, SORTABLE_MAX + 1);
    bool small = sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0) <= SORTABLE_MAX;
    sqlite3_finalize(statement);
    return small;
}

int64_t selector_run(struct selector *selector, const struct certificate_filter *filter, const struct serial *after,
                     int64_t limit, bool with_der, certificate_visit *visit, void *context, struct failure *failure)
{
    unsigned shape = shape_of(filter, after && after->length, with_der);
    if (span_is_small(selector, shape, filter))
        shape |= SHAPE_BY_NOT_AFTER;
    sqlite3_stmt *statement = statement_for(selector, shape, failure);
    if (!statement)
        return -1;
    bind_filter(statement, shape, filter);
    sqlite3_bind_int64(statement, PARAMETER_AUTHORITY, selector->authority);
    sqlite3_bind_int64(statement, PARAMETER_LIMIT, limit);
    if (shape & SHAPE_PAGE)
        database_bind_serial(statement, PARAMETER_PAGE, after);
    int64_t visited = 0;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct certificate_row row;
        row_point(statement, &row);
        visited++;
        if (visit(&row, context)) {
            rc = SQLITE_DONE;
            break;
        }
    }
    if (rc != SQLITE_DONE)
        visited = database_failure(selector->db, selector->path, "cannot read certificates from the index", failure);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement); /* they point into the caller's memory */
    return visited;
}
