/*
 * test_committer_faults.c - what is said, and what is there afterwards, when the disk is full or fails under a commit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/committer.h"
#include "tests/unit/fault_vfs.h"
#include "tests/unit/store_fixture.h"

struct trouble {
    struct fixture fixture;
    struct change changes[2];
    struct commit commits[2];
};

/* One row is there; then a batch of two meets the fault. */
static void meet(struct trouble *trouble, atomic_int *fault, int code, int after)
{
    fault_vfs_install();
    fixture_path(&trouble->fixture);
    fixture_start(&trouble->fixture);
    insert_rows(&trouble->fixture, 100, 1, NULL);
    fault_after = after;
    *fault = code;
    for (size_t i = 0; i < 2; i++)
        trouble->commits[i] = insert_commit(&trouble->changes[i], i);
    trouble->commits[0].next = &trouble->commits[1];
    commit_and_wait(trouble->fixture.committer, trouble->commits, 2);
    ck_assert_int_gt(fault_hits, 0);
    *fault = SQLITE_OK;
}

static void check_full_disk(int writes_before)
{
    struct trouble trouble;
    meet(&trouble, &fault_write, SQLITE_FULL, writes_before);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(trouble.commits[i].outcome, COMMIT_REFUSED);
        ck_assert_int_eq(trouble.commits[i].failure.code, FAILURE_BUSY);
        ck_assert_ptr_nonnull(strstr(trouble.commits[i].failure.reason, "the disk is full ("));
        ck_assert_ptr_nonnull(strstr(trouble.commits[i].failure.reason, "): nothing was stored"));
        ck_assert_int_eq(trouble.commits[i].audit_sequence, 0);
        ck_assert(!is_there(&trouble.fixture, i));
    }
    ck_assert(is_there(&trouble.fixture, 100)); /* reading goes on */

    /* space is back */
    commit_and_wait(trouble.fixture.committer, trouble.commits, 2);
    ck_assert_int_eq(trouble.commits[1].outcome, COMMIT_DONE);
    ck_assert_int_eq(trouble.commits[1].audit_sequence, 2);
    fixture_stop(&trouble.fixture);
    uint64_t sequence;
    ck_assert_int_eq(audit_chain_verify(trouble.fixture.path, &sequence, &trouble.fixture.failure), 0);
    ck_assert_uint_eq(sequence, 2);
    fixture_remove(&trouble.fixture);
}

START_TEST(a_disk_full_at_once_stores_nothing_and_says_so)
{
    check_full_disk(0);
}
END_TEST

START_TEST(a_disk_full_in_the_middle_of_a_transaction_stores_nothing_and_says_so)
{
    check_full_disk(5);
}
END_TEST

static void check_unknown(atomic_int *fault, int code)
{
    struct trouble trouble;
    meet(&trouble, fault, code, 0);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(trouble.commits[i].outcome, COMMIT_UNKNOWN);
        ck_assert_int_eq(trouble.commits[i].audit_sequence, 0);
    }
    /* and nothing is written any more, although the disk is well again */
    struct change change;
    struct commit later = insert_commit(&change, 50);
    commit_and_wait(trouble.fixture.committer, &later, 1);
    ck_assert_int_eq(later.outcome, COMMIT_UNKNOWN);
    fixture_stop(&trouble.fixture);

    /* the next start tells: all of the batch or nothing, and the chain is whole */
    fixture_start(&trouble.fixture);
    ck_assert(is_there(&trouble.fixture, 0) == is_there(&trouble.fixture, 1));
    ck_assert(is_there(&trouble.fixture, 100) && !is_there(&trouble.fixture, 50));
    uint64_t sequence;
    ck_assert_int_eq(audit_chain_verify(trouble.fixture.path, &sequence, &trouble.fixture.failure), 0);
    ck_assert_uint_eq(sequence, is_there(&trouble.fixture, 0) ? 2 : 0);
    commit_and_wait(trouble.fixture.committer, &later, 1);
    ck_assert_int_eq(later.outcome, COMMIT_DONE);
    fixture_remove(&trouble.fixture);
}

START_TEST(after_a_failed_fsync_nobody_knows)
{
    check_unknown(&fault_sync, SQLITE_IOERR_FSYNC);
}
END_TEST

START_TEST(after_a_failed_write_at_commit_nobody_knows)
{
    check_unknown(&fault_write, SQLITE_IOERR_WRITE);
}
END_TEST

/* A transaction larger than the page cache writes to the log before COMMIT: an error there is known to have stored nothing. */
START_TEST(an_error_before_commit_stores_nothing)
{
    enum { COUNT = 30000 };
    struct fixture fixture;
    fault_vfs_install();
    fixture_path(&fixture);
    fixture_start(&fixture);
    struct change *changes = calloc(COUNT, sizeof *changes);
    static uint8_t der[2000];
    for (uint64_t n = 0; n < COUNT; n++) {
        changes[n] = (struct change){.kind = CHANGE_INSERT, .u.insert = sample_row(n, "alice")};
        changes[n].u.insert.der = der;
        changes[n].u.insert.der_length = sizeof der;
    }
    struct commit commit = {.changes = changes, .change_count = COUNT};
    fault_write = SQLITE_IOERR_WRITE;
    commit_and_wait(fixture.committer, &commit, 1);
    ck_assert_int_gt(fault_hits, 0);
    fault_write = SQLITE_OK;
    ck_assert_int_eq(commit.outcome, COMMIT_REFUSED);
    ck_assert_int_eq(commit.failure.code, FAILURE_BUSY);
    ck_assert_ptr_nonnull(strstr(commit.failure.reason, "nothing was stored"));
    ck_assert(!is_there(&fixture, 0));
    commit_and_wait(fixture.committer, &commit, 1);
    ck_assert_int_eq(commit.outcome, COMMIT_DONE);
    free(changes);
    fixture_remove(&fixture);
}
END_TEST

UNIT_MAIN("committer_faults", a_disk_full_at_once_stores_nothing_and_says_so,
          a_disk_full_in_the_middle_of_a_transaction_stores_nothing_and_says_so, after_a_failed_fsync_nobody_knows,
          after_a_failed_write_at_commit_nobody_knows, an_error_before_commit_stores_nothing)
