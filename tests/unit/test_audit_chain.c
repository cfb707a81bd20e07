/*
 * test_audit_chain.c - the audit trail: whole where nobody touched it, and where it is broken, the place is named.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sodium.h>

#include "agent/store/audit_chain.h"
#include "tests/unit/store_fixture.h"

static void write_records(struct fixture *fixture, int count)
{
    fixture_path(fixture);
    fixture_start(fixture);
    for (int i = 1; i <= count; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"operation\":\"issue\",\"outcome\":\"done\",\"n\":%d}", i);
        ck_assert_int_eq(commit_one(fixture->committer, NULL, body).audit_sequence, i);
    }
}

static void check_broken(const char *sql, uint64_t expected, const char *words)
{
    struct fixture fixture;
    uint64_t sequence = 0;
    write_records(&fixture, 6);
    fixture_stop(&fixture);
    execute_sql(fixture.path, sql);
    ck_assert_int_eq(audit_chain_verify(fixture.path, &sequence, &fixture.failure), 1);
    ck_assert_msg(sequence == expected, "%s: found at %llu", sql, (unsigned long long)sequence);
    ck_assert_msg(strstr(fixture.failure.reason, words) != NULL, "%s", fixture.failure.reason);
    fixture_remove(&fixture);
}

START_TEST(a_trail_that_nobody_touched_is_whole)
{
    struct fixture fixture;
    uint64_t sequence = 99, head_sequence;
    uint8_t head[32];
    write_records(&fixture, 5);
    ck_assert_int_eq(audit_chain_verify(fixture.path, &sequence, &fixture.failure), 0); /* also beside a running agent */
    ck_assert_uint_eq(sequence, 5);
    committer_audit_head(fixture.committer, &head_sequence, head);
    ck_assert_uint_eq(head_sequence, 5);

    /* and it goes on where it stood */
    fixture_stop(&fixture);
    fixture_start(&fixture);
    ck_assert_int_eq(commit_one(fixture.committer, NULL, "{}").audit_sequence, 6);
    ck_assert_int_eq(audit_chain_verify(fixture.path, &sequence, &fixture.failure), 0);
    ck_assert_uint_eq(sequence, 6);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(an_empty_trail_is_whole)
{
    struct fixture fixture;
    uint64_t sequence = 99;
    write_records(&fixture, 0);
    ck_assert_int_eq(audit_chain_verify(fixture.path, &sequence, &fixture.failure), 0);
    ck_assert_uint_eq(sequence, 0);
    fixture_remove(&fixture);
}
END_TEST

/* The hash is what the header says it is, computed here in one piece. */
START_TEST(a_link_is_blake2b_over_head_sequence_time_and_body)
{
    struct chain_head head = {.sequence = 0x0102, .hash = {0xaa, 0xbb}};
    static const char body[] = "{\"a\":1}";
    uint8_t input[32 + 8 + 8 + sizeof body - 1] = {0xaa, 0xbb}, expected[32];
    input[32] = 0x03;
    input[33] = 0x01;
    memcpy(input + 40, (const uint8_t[8]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 8); /* time -1 */
    memcpy(input + 48, body, sizeof body - 1);
    crypto_generichash(expected, sizeof expected, input, sizeof input, NULL, 0);
    chain_append(&head, -1, body, sizeof body - 1);
    ck_assert_uint_eq(head.sequence, 0x0103);
    ck_assert_mem_eq(head.hash, expected, 32);
}
END_TEST

START_TEST(an_altered_body_is_found)
{
    check_broken("UPDATE audit SET body = replace(body, 'done', 'Done') WHERE sequence = 3", 3, "record 3 is not what was written");
}
END_TEST

START_TEST(an_altered_time_is_found)
{
    check_broken("UPDATE audit SET time = time + 1 WHERE sequence = 1", 1, "record 1 is not");
}
END_TEST

START_TEST(an_altered_hash_is_found)
{
    check_broken("UPDATE audit SET hash = zeroblob(32) WHERE sequence = 6", 6, "record 6 is not");
}
END_TEST

START_TEST(a_hash_of_another_length_is_found)
{
    check_broken("UPDATE audit SET hash = x'' WHERE sequence = 2", 2, "record 2 is not");
}
END_TEST

START_TEST(a_dropped_record_is_found)
{
    check_broken("DELETE FROM audit WHERE sequence = 4", 4, "record 4 is missing");
}
END_TEST

START_TEST(a_dropped_first_record_is_found)
{
    check_broken("DELETE FROM audit WHERE sequence = 1", 1, "record 1 is missing");
}
END_TEST

START_TEST(a_gap_that_was_closed_is_found)
{
    check_broken("DELETE FROM audit WHERE sequence = 4; UPDATE audit SET sequence = 4 WHERE sequence = 5;"
                 "UPDATE audit SET sequence = 5 WHERE sequence = 6", 4, "record 4 is not");
}
END_TEST

START_TEST(two_records_changed_over_are_found)
{
    check_broken("UPDATE audit SET sequence = 100 WHERE sequence = 2; UPDATE audit SET sequence = 2 WHERE sequence = 3;"
                 "UPDATE audit SET sequence = 3 WHERE sequence = 100", 2, "record 2 is not");
}
END_TEST

START_TEST(an_inserted_record_is_found)
{
    check_broken("INSERT INTO audit SELECT 0, time, body, hash FROM audit WHERE sequence = 1", 1, "record 1 is missing");
}
END_TEST

START_TEST(a_tail_cut_off_shows_only_in_the_last_number)
{
    struct fixture fixture;
    uint64_t sequence = 0;
    write_records(&fixture, 6);
    fixture_stop(&fixture);
    execute_sql(fixture.path, "DELETE FROM audit WHERE sequence > 4");
    ck_assert_int_eq(audit_chain_verify(fixture.path, &sequence, &fixture.failure), 0);
    ck_assert_uint_eq(sequence, 4);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error_and_no_verdict)
{
    struct fixture fixture;
    uint64_t sequence = 0;
    fixture_path(&fixture);
    ck_assert_int_eq(audit_chain_verify(fixture.path, &sequence, &fixture.failure), -1);
    ck_assert_ptr_nonnull(strstr(fixture.failure.reason, fixture.path));
    ck_assert_int_eq(access(fixture.path, F_OK), -1); /* and is not made by looking at it */
    fixture_remove(&fixture);
}
END_TEST

UNIT_MAIN("audit_chain", a_trail_that_nobody_touched_is_whole, an_empty_trail_is_whole,
          a_link_is_blake2b_over_head_sequence_time_and_body, an_altered_body_is_found, an_altered_time_is_found, an_altered_hash_is_found,
          a_hash_of_another_length_is_found, a_dropped_record_is_found, a_dropped_first_record_is_found, a_gap_that_was_closed_is_found,
          two_records_changed_over_are_found, an_inserted_record_is_found, a_tail_cut_off_shows_only_in_the_last_number,
          a_file_that_cannot_be_read_is_an_error_and_no_verdict)
