/*
 * store_fixture.h - an index in a directory of its own, and how the tests of the store fill it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_TESTS_UNIT_STORE_FIXTURE_H
#define MTLSD_TESTS_UNIT_STORE_FIXTURE_H

#include <dirent.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/committer.h"
#include "tests/unit/unit.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)

static const uint8_t our_authority[FINGERPRINT_SIZE] = {0xca};

struct fixture {
    char directory[64], path[96];
    struct committer *committer;
    struct store *store;
    struct failure failure;
};

static inline void fixture_path(struct fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/mtlsd-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/index", fixture->directory);
}

static inline void fixture_start(struct fixture *fixture)
{
    int result = committer_start(fixture->path, our_authority, &fixture->committer, &fixture->failure);
    ck_assert_msg(result == 0, "%s", fixture->failure.reason);
    result = store_open(fixture->path, our_authority, &fixture->store, &fixture->failure);
    ck_assert_msg(result == 0, "%s", fixture->failure.reason);
}

static inline void fixture_stop(struct fixture *fixture)
{
    store_close(fixture->store);
    if (fixture->committer)
        committer_stop(fixture->committer);
    committer_free(fixture->committer);
    fixture->store = NULL;
    fixture->committer = NULL;
}

static inline void fixture_remove(struct fixture *fixture)
{
    fixture_stop(fixture);
    DIR *directory = opendir(fixture->directory);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", fixture->directory, entry->d_name);
        unlink(path);
    }
    if (directory)
        closedir(directory);
    rmdir(fixture->directory);
}

/* As the keeper draws them: 64 bits of time, then bits without order. */
static inline struct serial serial_number(uint64_t n)
{
    uint64_t high = UINT64_C(0x1900000000000000) + n, low = n * UINT64_C(0x9e3779b97f4a7c15) + 1;
    struct serial serial = {.length = 16};
    for (int i = 0; i < 8; i++) {
        serial.bytes[i] = (uint8_t)(high >> (56 - 8 * i));
        serial.bytes[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    return serial;
}

static const uint8_t sample_der[64] = {0x30, 0x3e, 1, 2, 3};

static inline struct certificate_row sample_row(uint64_t n, const char *name)
{
    return (struct certificate_row){
        .serial = serial_number(n), .fingerprint = {(uint8_t)n, (uint8_t)(n >> 8), 7}, .der = sample_der, .der_length = sizeof sample_der,
        .name = name, .subject = "CN=somebody", .sans = "DNS:a.example.com\nIP:192.0.2.1", .label = "", .profile = "client",
        .service = "default", .request_id = "", .not_before = NOW - DAY, .not_after = NOW + 90 * DAY, .issued_at = NOW - DAY,
        .requester_uid = 1000, .purposes = 5, .reason = -1, .last_service = "", .last_address = ""};
}

/* Submit a list and wait until all of it is finished. */
static inline void commit_and_wait(struct committer *committer, struct commit *list, size_t count)
{
    committer_submit(committer, list);
    for (size_t finished = 0; finished < count;) {
        struct pollfd ready = {.fd = committer_fd(committer), .events = POLLIN};
        ck_assert_int_eq(poll(&ready, 1, 30000), 1);
        for (struct commit *commit = committer_take(committer); commit; commit = commit->next)
            finished++;
    }
}

static inline struct commit commit_one(struct committer *committer, struct change *change, const char *audit)
{
    struct commit commit = {.changes = change, .change_count = change ? 1 : 0, .audit = audit};
    commit_and_wait(committer, &commit, 1);
    commit.next = NULL;
    return commit;
}

static inline void insert_row(struct fixture *fixture, const struct certificate_row *row)
{
    struct change change = {.kind = CHANGE_INSERT, .u.insert = *row};
    struct commit commit = commit_one(fixture->committer, &change, NULL);
    ck_assert_msg(commit.outcome == COMMIT_DONE, "%s", commit.failure.reason);
}

/* Many at once: `fill` (may be NULL) changes the sample row number n. */
static inline void insert_rows(struct fixture *fixture, uint64_t from, size_t count, void (*fill)(uint64_t n, struct certificate_row *row))
{
    struct change *changes = calloc(count, sizeof *changes);
    struct commit commit = {.changes = changes, .change_count = count};
    for (size_t i = 0; i < count; i++) {
        changes[i] = (struct change){.kind = CHANGE_INSERT, .u.insert = sample_row(from + i, "alice")};
        if (fill)
            fill(from + i, &changes[i].u.insert);
    }
    commit_and_wait(fixture->committer, &commit, 1);
    ck_assert_msg(commit.outcome == COMMIT_DONE, "%s", commit.failure.reason);
    ck_assert_int_eq(commit.affected, (int64_t)count);
    free(changes);
}

static inline struct commit revoke_listed(struct committer *committer, const struct serial *serials, size_t count, int reason, int64_t at,
                                          const struct certificate_filter *filter)
{
    struct change change = {.kind = CHANGE_REVOKE, .u.revoke = {serials, count, filter, reason, at}};
    return commit_one(committer, &change, NULL);
}

static inline struct commit revoke_number(struct committer *committer, uint64_t n, int reason)
{
    struct serial serial = serial_number(n);
    return revoke_listed(committer, &serial, 1, reason, NOW, NULL);
}

static inline bool is_there(struct fixture *fixture, uint64_t n)
{
    struct serial serial = serial_number(n);
    struct certificate_row row;
    int found = store_find(fixture->store, &serial, &row, &fixture->failure);
    ck_assert_int_ge(found, 0);
    if (found)
        certificate_row_clear(&row);
    return found;
}

static inline struct commit insert_commit(struct change *change, uint64_t n)
{
    *change = (struct change){.kind = CHANGE_INSERT, .u.insert = sample_row(n, "alice")};
    return (struct commit){.changes = change, .change_count = 1, .audit = "{\"outcome\":\"done\"}"};
}

/* Straight into the file, past the store: what an attacker or an older program would have done. */
static inline void execute_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *error = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK, "%s", error);
    sqlite3_close(db);
}

static inline int64_t query_number(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

#endif
