/*
 * test_store_crl.c - what a CRL lists: number, length and entries of one mind, in one snapshot.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/store.h"
#include "proto/grant.h"
#include "tests/unit/store_fixture.h"

static void open_crl(struct fixture *fixture, struct store_crl **crl, uint64_t *count, uint64_t *length)
{
    int result = store_crl_open(fixture->path, our_authority, NOW, crl, count, length, &fixture->failure);
    ck_assert_msg(result == 0, "%s", fixture->failure.reason);
}

/* Reads all entries in slices of `room` and holds them against what was announced. */
static size_t read_crl(struct fixture *fixture, size_t room, struct crl_entry *last)
{
    struct store_crl *crl;
    struct crl_entry entries[50];
    uint8_t der[CRL_ENTRY_DER_MAX];
    uint64_t count, length, found = 0, bytes = 0;
    int n;
    open_crl(fixture, &crl, &count, &length);
    while ((n = store_crl_next(crl, entries, room, &fixture->failure)) > 0) {
        for (int i = 0; i < n; i++) {
            ck_assert(found == 0 || memcmp(last->serial.bytes, entries[i].serial.bytes, 16) < 0);
            *last = entries[i];
            bytes += crl_entry_encode(&entries[i], der);
            found++;
        }
    }
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(store_crl_next(crl, entries, room, &fixture->failure), 0); /* and stays at the end */
    ck_assert_uint_eq(found, count);
    ck_assert_uint_eq(bytes, length);
    store_crl_close(crl);
    return count;
}

START_TEST(a_crl_lists_what_is_revoked_or_held_in_order_of_serial)
{
    struct fixture fixture;
    struct crl_entry last = {0};
    fixture_path(&fixture);
    fixture_start(&fixture);
    ck_assert_uint_eq(read_crl(&fixture, 50, &last), 0);
    insert_rows(&fixture, 0, 200, NULL);
    for (uint64_t n = 198; n >= 100; n -= 2)
        (void)revoke_number(fixture.committer, n, n % 3 ? 0 : 4);
    (void)revoke_number(fixture.committer, 199, 6);
    ck_assert_uint_eq(read_crl(&fixture, 7, &last), 51);
    struct serial expected = serial_number(199);
    ck_assert(serial_equal(&last.serial, &expected));
    ck_assert_int_eq(last.reason, 6);
    ck_assert_int_eq(last.revoked_at, NOW);

    struct change resume = {.kind = CHANGE_RESUME, .u.resume.serial = expected};
    ck_assert_int_eq(commit_one(fixture.committer, &resume, NULL).outcome, COMMIT_DONE);
    ck_assert_uint_eq(read_crl(&fixture, 50, &last), 50);
    fixture_remove(&fixture);
}
END_TEST

/* The mark follows the real clock here, because the committer reads it itself. */
START_TEST(an_entry_stays_some_days_after_its_certificate_has_ended)
{
    struct fixture fixture;
    struct crl_entry last = {0};
    int64_t now = (int64_t)time(NULL);
    fixture_path(&fixture);
    fixture_start(&fixture);
    for (uint64_t n = 1; n <= 3; n++) {
        struct certificate_row row = sample_row(n, "alice");
        row.not_after = n == 1 ? now - 20 * DAY : n == 2 ? now - 3 * DAY : now + DAY;
        insert_row(&fixture, &row);
        (void)revoke_number(fixture.committer, n, 1);
    }
    ck_assert_uint_eq(read_crl(&fixture, 50, &last), 2);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_crl_pass_sees_one_instant_and_holds_up_nobody)
{
    struct fixture fixture;
    struct store_crl *crl;
    struct crl_entry entries[50];
    uint64_t count, length;
    fixture_path(&fixture);
    fixture_start(&fixture);
    insert_rows(&fixture, 0, 40, NULL);
    for (uint64_t n = 0; n < 10; n++)
        (void)revoke_number(fixture.committer, n, 1);
    open_crl(&fixture, &crl, &count, &length);
    ck_assert_uint_eq(count, 10);
    for (uint64_t n = 10; n < 20; n++)
        ck_assert_int_eq(revoke_number(fixture.committer, n, 1).outcome, COMMIT_DONE);
    ck_assert_int_eq(store_crl_next(crl, entries, 50, &fixture.failure), 10);
    ck_assert_int_eq(store_crl_next(crl, entries, 50, &fixture.failure), 0);
    store_crl_close(crl);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(counters_that_do_not_fit_end_the_pass_and_are_counted_anew)
{
    struct fixture fixture;
    struct store_crl *crl;
    struct crl_entry entries[50], last = {0};
    uint64_t count, length;
    fixture_path(&fixture);
    fixture_start(&fixture);
    insert_rows(&fixture, 0, 10, NULL);
    for (uint64_t n = 0; n < 5; n++)
        (void)revoke_number(fixture.committer, n, 1);
    fixture_stop(&fixture);
    execute_sql(fixture.path, "UPDATE authority SET crl_length = crl_length + 1");
    open_crl(&fixture, &crl, &count, &length);
    ck_assert_int_eq(store_crl_next(crl, entries, 5, &fixture.failure), 5);
    ck_assert_int_eq(store_crl_next(crl, entries, 5, &fixture.failure), -1);
    ck_assert_ptr_nonnull(strstr(fixture.failure.reason, "counters"));
    store_crl_close(crl);
    ck_assert_uint_eq(read_crl(&fixture, 50, &last), 5);
    fixture_remove(&fixture);
}
END_TEST

UNIT_MAIN("store_crl", a_crl_lists_what_is_revoked_or_held_in_order_of_serial, an_entry_stays_some_days_after_its_certificate_has_ended,
          a_crl_pass_sees_one_instant_and_holds_up_nobody, counters_that_do_not_fit_end_the_pass_and_are_counted_anew)
