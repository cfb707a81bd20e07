/*
 * test_store.c - reading the index: look-ups, filters, counts, snapshots.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/store.h"
#include "tests/unit/store_fixture.h"

START_TEST(what_was_written_is_what_is_read)
{
    struct fixture fixture;
    fixture_path(&fixture);
    fixture_start(&fixture);
    struct certificate_row row = sample_row(1, "J\xc3\xb6rg 100%_'"), found;
    row.label = "MacBook";
    row.request_id = "r-1";
    insert_row(&fixture, &row);

    ck_assert_int_eq(store_find(fixture.store, &row.serial, &found, &fixture.failure), 1);
    ck_assert(serial_equal(&found.serial, &row.serial));
    ck_assert_mem_eq(found.fingerprint, row.fingerprint, FINGERPRINT_SIZE);
    ck_assert_uint_eq(found.der_length, row.der_length);
    ck_assert_mem_eq(found.der, row.der, row.der_length);
    ck_assert_str_eq(found.name, row.name);
    ck_assert_str_eq(found.subject, row.subject);
    ck_assert_str_eq(found.sans, row.sans);
    ck_assert_str_eq(found.label, "MacBook");
    ck_assert_str_eq(found.profile, "client");
    ck_assert_str_eq(found.service, "default");
    ck_assert_str_eq(found.request_id, "r-1");
    ck_assert_int_eq(found.not_before, row.not_before);
    ck_assert_int_eq(found.not_after, row.not_after);
    ck_assert_int_eq(found.issued_at, row.issued_at);
    ck_assert_int_eq(found.requester_uid, 1000);
    ck_assert_uint_eq(found.purposes, 5);
    ck_assert_int_eq(found.status, STATUS_LIVE);
    ck_assert_int_eq(found.reason, -1);
    ck_assert_int_eq(found.revoked_at, 0);
    ck_assert_int_eq(found.last_seen, 0);
    ck_assert_str_eq(found.last_service, "");
    ck_assert_str_eq(found.last_address, "");
    certificate_row_clear(&found);

    struct serial unknown = serial_number(2);
    ck_assert_int_eq(store_find(fixture.store, &unknown, &found, &fixture.failure), 0);
    ck_assert(store_is_idle(fixture.store));
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_request_is_found_by_its_id_and_its_uid)
{
    struct fixture fixture;
    struct certificate_row found, row = sample_row(1, "alice");
    fixture_path(&fixture);
    fixture_start(&fixture);
    row.request_id = "r-1";
    insert_row(&fixture, &row);
    struct certificate_row other = sample_row(2, "alice"); /* no id */
    insert_row(&fixture, &other);
    ck_assert_int_eq(store_find_request(fixture.store, 1000, "r-1", &found, &fixture.failure), 1);
    ck_assert(serial_equal(&found.serial, &row.serial));
    certificate_row_clear(&found);
    ck_assert_int_eq(store_find_request(fixture.store, 1001, "r-1", &found, &fixture.failure), 0);
    ck_assert_int_eq(store_find_request(fixture.store, 1000, "r-2", &found, &fixture.failure), 0);
    ck_assert_int_eq(store_find_request(fixture.store, 1000, "", &found, &fixture.failure), 0);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(one_file_keeps_authorities_apart)
{
    struct fixture fixture, other = {0};
    const uint8_t their_authority[FINGERPRINT_SIZE] = {0xcb};
    struct certificate_row found, row = sample_row(1, "alice");
    struct store_counts counts;
    fixture_path(&fixture);
    fixture_start(&fixture);
    insert_row(&fixture, &row);
    ck_assert_int_eq(store_open(fixture.path, their_authority, &other.store, &fixture.failure), -1);
    ck_assert_ptr_nonnull(strstr(fixture.failure.reason, "another CA"));
    fixture_stop(&fixture);

    ck_assert_int_eq(committer_start(fixture.path, their_authority, &other.committer, &other.failure), 0);
    ck_assert_int_eq(store_open(fixture.path, their_authority, &other.store, &other.failure), 0);
    ck_assert_int_eq(store_find(other.store, &row.serial, &found, &other.failure), 0);
    insert_row(&other, &row); /* the same serial under another authority */
    ck_assert_int_eq(store_count(other.store, NOW, &counts, &other.failure), 0);
    ck_assert_int_eq(counts.live, 1);
    fixture_stop(&other);
    fixture_remove(&fixture);
}
END_TEST

/* --- filters ---------------------------------------------------------------------------------------------------- */

struct seen {
    size_t count;
    struct serial serials[3000];
    size_t stop_at;
};

static int remember(const struct certificate_row *row, void *context)
{
    struct seen *seen = context;
    ck_assert_uint_lt(seen->count, 3000);
    seen->serials[seen->count++] = row->serial;
    return seen->count == seen->stop_at;
}

static const struct certificate_filter everything = {.requester_uid = -1};

static const char *const some_names[] = {"alice", "bob", "Alice", "al", "alice%"};
static const char *const some_labels[] = {"", "phone", "laptop"};

static void vary(uint64_t n, struct certificate_row *row)
{
    row->name = some_names[n % 5];
    row->label = some_labels[n % 3];
    row->profile = n % 2 ? "client" : "server";
    row->service = n % 7 ? "default" : "web";
    row->requester_uid = (int64_t)(n % 4);
    row->issued_at = NOW - DAY + (int64_t)n;
    row->not_before = n % 11 ? NOW - DAY : NOW + DAY;
    row->not_after = NOW + ((int64_t)(n * 37 % 100) - 20) * DAY;
}

/* The same question in the simplest SQL there is. */
static int64_t count_by_sql(const char *path, const char *condition)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM (SELECT c.*, coalesce(r.status, 0) AS status FROM certificate c LEFT JOIN revocation r"
             " ON r.authority = c.authority AND r.serial = c.serial) WHERE %s", condition);
    return query_number(path, sql);
}

static void fill_varied(struct fixture *fixture, size_t count)
{
    insert_rows(fixture, 0, count, vary);
    for (uint64_t n = 0; n < count; n += 6)
        ck_assert_int_eq(revoke_number(fixture->committer, n, n % 4 ? 1 : 6).outcome, COMMIT_DONE);
}

START_TEST(each_filter_selects_what_plain_sql_does)
{
    struct fixture fixture;
    struct serial serial = serial_number(17), absent = serial_number(100000);
    fixture_path(&fixture);
    fixture_start(&fixture);
    fill_varied(&fixture, 400);
    char live[160], expired[160], revocable[160];
    snprintf(live, sizeof live, "status = 0 AND not_before <= %lld AND not_after >= %lld", (long long)NOW, (long long)NOW);
    snprintf(expired, sizeof expired, "status = 0 AND not_after < %lld", (long long)NOW);
    snprintf(revocable, sizeof revocable, "status IN (0, 2) AND not_after >= %lld AND profile = 'server'", (long long)NOW);
    const struct {
        struct certificate_filter filter;
        const char *condition;
    } cases[] = {
        {{.requester_uid = -1}, "1"},
        {{.requester_uid = -1, .serial = &serial}, "serial = x'190000000000001181af155173f23d66'"},
        {{.requester_uid = -1, .serial = &absent}, "0"},
        {{.requester_uid = -1, .name = "alice"}, "name = 'alice'"},
        {{.requester_uid = -1, .name = "al%"}, "0"},
        {{.requester_uid = -1, .label = "phone"}, "label = 'phone'"},
        {{.requester_uid = -1, .label = ""}, "label = ''"},
        {{.requester_uid = -1, .name = "bob", .label = "phone", .profile = "client"}, "name = 'bob' AND label = 'phone' AND profile = 'client'"},
        {{.requester_uid = -1, .profile = "server"}, "profile = 'server'"},
        {{.requester_uid = -1, .service = "web"}, "service = 'web'"},
        {{.requester_uid = 0}, "requester_uid = 0"},
        {{.requester_uid = 3, .name = "Alice"}, "requester_uid = 3 AND name = 'Alice'"},
        {{.requester_uid = -1, .issued_before = NOW - DAY + 50}, "issued_at < 1799913650"},
        {{.requester_uid = -1, .issued_after = NOW - DAY + 50}, "issued_at > 1799913650"},
        {{.requester_uid = -1, .expiring_before = NOW + 30 * DAY}, "not_after < 1802592000"},
        {{.requester_uid = -1, .now = NOW, .which = WHICH_LIVE}, live},
        {{.requester_uid = -1, .now = NOW, .which = WHICH_REVOKED}, "status = 1"},
        {{.requester_uid = -1, .now = NOW, .which = WHICH_HELD}, "status = 2"},
        {{.requester_uid = -1, .now = NOW, .which = WHICH_HELD, .name = "alice"}, "status = 2 AND name = 'alice'"},
        {{.requester_uid = -1, .now = NOW, .which = WHICH_EXPIRED}, expired},
        {{.requester_uid = -1, .now = NOW, .which = WHICH_REVOCABLE, .profile = "server"}, revocable},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen seen = {0};
        int64_t visited = store_select(fixture.store, &cases[i].filter, NULL, -1, false, remember, &seen, &fixture.failure);
        ck_assert_msg(visited == count_by_sql(fixture.path, cases[i].condition), "case %zu (%s): %lld", i, cases[i].condition,
                      (long long)visited);
        for (size_t j = 1; j < seen.count; j++)
            ck_assert_int_lt(memcmp(seen.serials[j - 1].bytes, seen.serials[j].bytes, 16), 0);
    }
    ck_assert(store_is_idle(fixture.store));
    fixture_remove(&fixture);
}
END_TEST

START_TEST(pages_follow_one_another_without_gap_or_repetition)
{
    static const struct certificate_filter filters[] = {
        {.requester_uid = -1}, {.requester_uid = -1, .name = "alice"}, {.requester_uid = -1, .which = WHICH_REVOKED},
        {.requester_uid = -1, .now = NOW, .which = WHICH_LIVE, .expiring_before = NOW + 20 * DAY},
        {.requester_uid = -1, .now = NOW, .which = WHICH_EXPIRED}};
    struct fixture fixture;
    fixture_path(&fixture);
    fixture_start(&fixture);
    fill_varied(&fixture, 400);
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        struct seen whole = {0}, paged = {0};
        int64_t all = store_select(fixture.store, &filters[i], NULL, -1, false, remember, &whole, &fixture.failure), page;
        do {
            const struct serial *after = paged.count ? &paged.serials[paged.count - 1] : NULL;
            page = store_select(fixture.store, &filters[i], after, 7, false, remember, &paged, &fixture.failure);
            ck_assert_int_ge(page, 0);
            ck_assert_int_le(page, 7);
        } while (page == 7);
        ck_assert_int_gt(all, 7);
        ck_assert_uint_eq(paged.count, (size_t)all);
        ck_assert_mem_eq(paged.serials, whole.serials, (size_t)all * sizeof whole.serials[0]);
    }
    struct seen stopped = {.stop_at = 3};
    ck_assert_int_eq(store_select(fixture.store, &everything, NULL, -1, false, remember, &stopped, &fixture.failure), 3);
    fixture_remove(&fixture);
}
END_TEST

static int check_der(const struct certificate_row *row, void *context)
{
    const bool *wanted = context;
    ck_assert_uint_eq(row->der_length, *wanted ? sizeof sample_der : 0);
    ck_assert_str_eq(row->sans, "DNS:a.example.com\nIP:192.0.2.1");
    return 0;
}

START_TEST(der_comes_only_where_it_is_asked_for)
{
    struct fixture fixture;
    bool wanted = true, unwanted = false;
    fixture_path(&fixture);
    fixture_start(&fixture);
    insert_rows(&fixture, 1, 3, NULL);
    ck_assert_int_eq(store_select(fixture.store, &everything, NULL, -1, true, check_der, &wanted, &fixture.failure), 3);
    ck_assert_int_eq(store_select(fixture.store, &everything, NULL, -1, false, check_der, &unwanted, &fixture.failure), 3);
    fixture_remove(&fixture);
}
END_TEST

/* --- counts ----------------------------------------------------------------------------------------------------- */

static void check_counts(struct fixture *fixture, int64_t now)
{
    struct store_counts counts;
    char live[80], expired[80];
    snprintf(live, sizeof live, "status = 0 AND not_after >= %lld", (long long)now);
    snprintf(expired, sizeof expired, "status = 0 AND not_after < %lld", (long long)now);
    ck_assert_int_eq(store_count(fixture->store, now, &counts, &fixture->failure), 0);
    ck_assert_int_eq(counts.live, count_by_sql(fixture->path, live));
    ck_assert_int_eq(counts.expired, count_by_sql(fixture->path, expired));
    ck_assert_int_eq(counts.revoked, count_by_sql(fixture->path, "status = 1"));
    ck_assert_int_eq(counts.held, count_by_sql(fixture->path, "status = 2"));
}

/* At every instant of the clock, forwards and backwards, with changes in between that also touch what has ended. */
START_TEST(counts_equal_a_full_count_whatever_happened)
{
    struct fixture fixture;
    unsigned random = 12345;
    fixture_path(&fixture);
    fixture_start(&fixture);
    insert_rows(&fixture, 0, 200, vary);
    for (int i = 0; i < 300; i++) {
        random = random * 1103515245 + 12345;
        uint64_t n = random >> 8 & 255;
        struct change resume = {.kind = CHANGE_RESUME, .u.resume.serial = serial_number(n)};
        if (random >> 16 & 1)
            (void)commit_one(fixture.committer, &resume, NULL); /* mostly a conflict, which must count nothing */
        else
            (void)revoke_number(fixture.committer, n, random >> 17 & 1 ? 6 : 4);
        if (i % 10 == 0) {
            struct certificate_row row = sample_row(1000 + (uint64_t)i, "carol");
            row.not_after = NOW + ((int64_t)(random >> 4 & 127) - 60) * DAY;
            insert_row(&fixture, &row);
        }
        check_counts(&fixture, NOW + ((int64_t)(random >> 20 & 127) - 64) * DAY + i % 2);
        check_counts(&fixture, NOW + i);
    }
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_certificate_expires_after_its_last_second)
{
    struct fixture fixture;
    struct store_counts counts;
    struct certificate_row row = sample_row(1, "alice");
    fixture_path(&fixture);
    fixture_start(&fixture);
    row.not_after = NOW;
    insert_row(&fixture, &row);
    const struct {
        int64_t now, live;
    } cases[] = {{NOW - 1, 1}, {NOW, 1}, {NOW + 1, 0}, {NOW, 1}, {NOW + 1000, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(store_count(fixture.store, cases[i].now, &counts, &fixture.failure), 0);
        ck_assert_int_eq(counts.live, cases[i].live);
        ck_assert_int_eq(counts.expired, 1 - cases[i].live);
    }
    fixture_remove(&fixture);
}
END_TEST

START_TEST(alarms_are_counted_by_their_outcome_and_not_by_their_text)
{
    struct fixture fixture;
    struct store_counts counts;
    fixture_path(&fixture);
    fixture_start(&fixture);
    static const char *const records[] = {
        "{\"operation\":\"verify\",\"outcome\":\"alarm\"}",
        "{\"operation\":\"issue\",\"outcome\":\"done\",\"name\":\"\\\"outcome\\\":\\\"alarm\\\"\"}",
        "{\"operation\":\"issue\",\"outcome\":\"done\",\"deep\":{\"outcome\":\"alarm\"}}",
    };
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(commit_one(fixture.committer, NULL, records[i]).outcome, COMMIT_DONE);
    ck_assert_int_eq(store_count(fixture.store, NOW, &counts, &fixture.failure), 0);
    ck_assert_int_eq(counts.alarms, 1);
    fixture_remove(&fixture);
}
END_TEST

/* --- snapshots -------------------------------------------------------------------------------------------------- */

START_TEST(a_snapshot_holds_still_and_ends)
{
    struct fixture fixture;
    struct certificate_row found, row = sample_row(1, "alice");
    fixture_path(&fixture);
    fixture_start(&fixture);
    ck_assert_int_eq(store_snapshot_begin(fixture.store, &fixture.failure), 0);
    ck_assert_int_eq(store_find(fixture.store, &row.serial, &found, &fixture.failure), 0);
    ck_assert(!store_is_idle(fixture.store));
    insert_row(&fixture, &row);
    ck_assert_int_eq(store_find(fixture.store, &row.serial, &found, &fixture.failure), 0);
    store_snapshot_end(fixture.store);
    ck_assert(store_is_idle(fixture.store));
    ck_assert_int_eq(store_find(fixture.store, &row.serial, &found, &fixture.failure), 1);
    certificate_row_clear(&found);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(settings_and_revision_survive_a_restart)
{
    struct fixture fixture;
    struct change change = {.kind = CHANGE_SETTING, .u.setting = {"crl-number", 41}};
    fixture_path(&fixture);
    fixture_start(&fixture);
    ck_assert_int_eq(store_setting(fixture.store, "crl-number", -7), -7);
    int64_t revision = store_revision(fixture.store);
    ck_assert_int_eq(commit_one(fixture.committer, &change, NULL).affected, 1);
    ck_assert_int_eq(commit_one(fixture.committer, &change, NULL).affected, 0); /* the same value */
    change.u.setting.value = 42;
    ck_assert_int_eq(commit_one(fixture.committer, &change, NULL).affected, 1);
    insert_rows(&fixture, 1, 3, NULL);
    ck_assert_int_eq(store_revision(fixture.store), revision); /* the CRL is none the staler */
    (void)revoke_number(fixture.committer, 1, 1);
    ck_assert_int_eq(store_revision(fixture.store), revision + 1);
    (void)revoke_number(fixture.committer, 1, 1);
    ck_assert_int_eq(store_revision(fixture.store), revision + 1); /* nothing changed */
    fixture_stop(&fixture);
    fixture_start(&fixture);
    ck_assert_int_eq(store_setting(fixture.store, "crl-number", -7), 42);
    ck_assert_int_eq(store_revision(fixture.store), revision + 1);
    fixture_remove(&fixture);
}
END_TEST

UNIT_MAIN("store", what_was_written_is_what_is_read, a_request_is_found_by_its_id_and_its_uid, one_file_keeps_authorities_apart,
          each_filter_selects_what_plain_sql_does, pages_follow_one_another_without_gap_or_repetition,
          der_comes_only_where_it_is_asked_for, counts_equal_a_full_count_whatever_happened,
          a_certificate_expires_after_its_last_second, alarms_are_counted_by_their_outcome_and_not_by_their_text,
          a_snapshot_holds_still_and_ends, settings_and_revision_survive_a_restart)
