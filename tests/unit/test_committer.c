/*
 * test_committer.c - writing the index: all of a request or nothing, one fsync for many.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/committer.h"

#include <pthread.h>

#include "tests/unit/fault_vfs.h"
#include "tests/unit/store_fixture.h"

static enum certificate_status status_of(struct fixture *fixture, uint64_t n)
{
    struct serial serial = serial_number(n);
    struct certificate_row row;
    ck_assert_int_eq(store_find(fixture->store, &serial, &row, &fixture->failure), 1);
    enum certificate_status status = row.status;
    certificate_row_clear(&row);
    return status;
}

/* --- a batch ---------------------------------------------------------------------------------------------------- */

START_TEST(one_conflict_in_a_batch_takes_nobody_else_with_it)
{
    struct fixture fixture;
    struct change changes[5];
    struct commit commits[4];
    uint64_t sequence;
    uint8_t head[32];
    fixture_path(&fixture);
    fixture_start(&fixture);
    commits[0] = insert_commit(&changes[0], 1);
    commits[1] = insert_commit(&changes[1], 1); /* the same serial */
    commits[2] = insert_commit(&changes[2], 2);
    /* its first change would do, its second does not */
    (void)insert_commit(&changes[3], 3);
    changes[4] = (struct change){.kind = CHANGE_RESUME, .u.resume.serial = serial_number(2)};
    commits[3] = (struct commit){.changes = &changes[3], .change_count = 2, .audit = "{}"};
    for (int i = 0; i < 3; i++)
        commits[i].next = &commits[i + 1];
    commit_and_wait(fixture.committer, commits, 4);

    ck_assert_int_eq(commits[0].outcome, COMMIT_DONE);
    ck_assert_int_eq(commits[1].outcome, COMMIT_CONFLICT);
    ck_assert_int_eq(commits[1].failure.code, FAILURE_CONFLICT);
    ck_assert_uint_eq(commits[1].failure.serial_count, 1);
    ck_assert_ptr_nonnull(strstr(commits[1].failure.reason, commits[1].failure.serials[0]));
    ck_assert_int_eq(commits[2].outcome, COMMIT_DONE);
    ck_assert_int_eq(commits[3].outcome, COMMIT_CONFLICT);
    ck_assert_int_eq(commits[3].affected, 0);
    ck_assert(is_there(&fixture, 1) && is_there(&fixture, 2) && !is_there(&fixture, 3));
    /* only what is stored has a record, without a gap */
    ck_assert_int_eq(commits[0].audit_sequence, 1);
    ck_assert_int_eq(commits[1].audit_sequence, 0);
    ck_assert_int_eq(commits[2].audit_sequence, 2);
    committer_audit_head(fixture.committer, &sequence, head);
    ck_assert_uint_eq(sequence, 2);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_value_that_the_schema_refuses_concerns_its_own_request)
{
    struct fixture fixture;
    struct change changes[2];
    struct commit commits[3];
    fixture_path(&fixture);
    fixture_start(&fixture);
    commits[0] = insert_commit(&changes[0], 1);
    changes[0].u.insert.serial.length = 0;
    commits[1] = insert_commit(&changes[1], 2);
    commits[2] = (struct commit){.audit = "no JSON"};
    commits[0].next = &commits[1];
    commits[1].next = &commits[2];
    commit_and_wait(fixture.committer, commits, 3);
    ck_assert_int_eq(commits[0].outcome, COMMIT_REFUSED);
    ck_assert_int_eq(commits[0].failure.code, FAILURE_INTERNAL);
    ck_assert_int_eq(commits[1].outcome, COMMIT_DONE);
    ck_assert_int_eq(commits[2].outcome, COMMIT_REFUSED);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(what_waits_together_costs_one_sync)
{
    enum { BATCHES = 50, SIZE = 16 };
    struct fixture fixture;
    struct change changes[SIZE];
    struct commit commits[SIZE];
    struct committer_counters before, after;
    fixture_path(&fixture);
    fixture_start(&fixture);
    committer_read_counters(fixture.committer, &before);
    for (uint64_t batch = 0; batch < BATCHES; batch++) {
        for (size_t i = 0; i < SIZE; i++) {
            commits[i] = insert_commit(&changes[i], batch * SIZE + i);
            commits[i].next = i + 1 < SIZE ? &commits[i + 1] : NULL;
        }
        commit_and_wait(fixture.committer, commits, SIZE);
    }
    committer_read_counters(fixture.committer, &after);
    ck_assert_uint_eq(after.transactions - before.transactions, BATCHES);
    ck_assert_uint_eq(after.commits - before.commits, BATCHES * SIZE);
    ck_assert_uint_ge(after.syncs - before.syncs, BATCHES);
    ck_assert_uint_le(after.syncs - before.syncs, BATCHES + after.checkpoints + 1);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(nothing_to_store_costs_no_sync)
{
    struct fixture fixture;
    struct change change;
    struct committer_counters before, after;
    fixture_path(&fixture);
    fixture_start(&fixture);
    struct commit commit = insert_commit(&change, 1);
    commit_and_wait(fixture.committer, &commit, 1);
    committer_read_counters(fixture.committer, &before);
    commit_and_wait(fixture.committer, &commit, 1);
    committer_read_counters(fixture.committer, &after);
    ck_assert_int_eq(commit.outcome, COMMIT_CONFLICT);
    ck_assert_uint_eq(after.syncs, before.syncs);
    ck_assert_uint_eq(after.transactions, before.transactions);
    fixture_remove(&fixture);
}
END_TEST

/* The log is moved into the database now and then, and begins anew: it does not grow with what is written. */
START_TEST(the_log_is_checkpointed_and_begins_anew)
{
    struct fixture fixture;
    struct committer_counters counters;
    struct stat status;
    char log[128];
    uint64_t n = 0;
    fixture_path(&fixture);
    fixture_start(&fixture);
    snprintf(log, sizeof log, "%s-wal", fixture.path);
    do {
        for (int i = 0; i < 20; i++, n += 500)
            insert_rows(&fixture, n, 500, NULL);
        committer_read_counters(fixture.committer, &counters);
    } while (counters.checkpoints < 3 && n < 400000);
    ck_assert_uint_ge(counters.checkpoints, 3);
    ck_assert_int_eq(stat(log, &status), 0);
    ck_assert_int_lt(status.st_size, 5 * 8 * 1024 * 1024);
    ck_assert(is_there(&fixture, n - 1));
    fixture_remove(&fixture);
}
END_TEST

/* --- revoke and resume ------------------------------------------------------------------------------------------- */

START_TEST(status_goes_only_where_it_may)
{
    static const struct {
        const char *steps; /* h hold, v revoke, l lift */
        enum certificate_status status;
        enum commit_outcome last;
        int64_t affected;
    } cases[] = {
        {"v", STATUS_REVOKED, COMMIT_DONE, 1},   {"h", STATUS_HELD, COMMIT_DONE, 1},     {"hh", STATUS_HELD, COMMIT_DONE, 0},
        {"hv", STATUS_REVOKED, COMMIT_DONE, 1},  {"vh", STATUS_REVOKED, COMMIT_DONE, 0}, {"vv", STATUS_REVOKED, COMMIT_DONE, 0},
        {"hl", STATUS_LIVE, COMMIT_DONE, 1},     {"l", STATUS_LIVE, COMMIT_CONFLICT, 0}, {"vl", STATUS_REVOKED, COMMIT_CONFLICT, 0},
        {"hlv", STATUS_REVOKED, COMMIT_DONE, 1},
    };
    struct fixture fixture;
    fixture_path(&fixture);
    fixture_start(&fixture);
    for (uint64_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        struct certificate_row row = sample_row(n, "alice");
        struct commit commit = {0};
        insert_row(&fixture, &row);
        for (const char *step = cases[n].steps; *step; step++) {
            struct change resume = {.kind = CHANGE_RESUME, .u.resume.serial = row.serial};
            commit = *step == 'l' ? commit_one(fixture.committer, &resume, NULL)
                                  : revoke_number(fixture.committer, n, *step == 'h' ? 6 : 1);
        }
        ck_assert_msg(commit.outcome == cases[n].last && commit.affected == cases[n].affected, "%s: %d, %lld rows", cases[n].steps,
                      commit.outcome, (long long)commit.affected);
        ck_assert_msg(status_of(&fixture, n) == cases[n].status, "%s", cases[n].steps);
    }
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_second_revocation_leaves_reason_and_time_of_the_first)
{
    struct fixture fixture;
    struct certificate_row row = sample_row(1, "alice"), found;
    fixture_path(&fixture);
    fixture_start(&fixture);
    insert_row(&fixture, &row);
    (void)revoke_listed(fixture.committer, &row.serial, 1, 1, NOW, NULL);
    (void)revoke_listed(fixture.committer, &row.serial, 1, 4, NOW + 5, NULL);
    ck_assert_int_eq(store_find(fixture.store, &row.serial, &found, &fixture.failure), 1);
    ck_assert_int_eq(found.reason, 1);
    ck_assert_int_eq(found.revoked_at, NOW);
    certificate_row_clear(&found);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(an_unknown_serial_is_a_conflict_and_revokes_nothing)
{
    struct fixture fixture;
    struct serial serials[] = {serial_number(1), serial_number(99)};
    fixture_path(&fixture);
    fixture_start(&fixture);
    insert_rows(&fixture, 1, 1, NULL);
    ck_assert_int_eq(revoke_listed(fixture.committer, serials, 2, 1, NOW, NULL).outcome, COMMIT_CONFLICT);
    ck_assert_int_eq(status_of(&fixture, 1), STATUS_LIVE);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_revoke_that_misses_one_is_planned_again)
{
    const struct certificate_filter filter = {.requester_uid = -1, .name = "alice", .now = NOW, .which = WHICH_REVOCABLE};
    struct serial listed[] = {serial_number(3), serial_number(1)}; /* in any order */
    struct fixture fixture;
    fixture_path(&fixture);
    fixture_start(&fixture);
    insert_rows(&fixture, 1, 3, NULL);
    struct commit commit = revoke_listed(fixture.committer, listed, 2, 1, NOW, &filter);
    ck_assert_int_eq(commit.outcome, COMMIT_REPLAN);
    ck_assert_int_eq(commit.affected, 0);
    ck_assert_int_eq(status_of(&fixture, 1), STATUS_LIVE);

    /* nor does it matter once the third is revoked, has ended, or has another name */
    (void)revoke_number(fixture.committer, 2, 1);
    struct certificate_row ended = sample_row(4, "alice"), other = sample_row(5, "bob");
    ended.not_after = NOW - 1;
    insert_row(&fixture, &ended);
    insert_row(&fixture, &other);
    commit = revoke_listed(fixture.committer, listed, 2, 1, NOW, &filter);
    ck_assert_int_eq(commit.outcome, COMMIT_DONE);
    ck_assert_int_eq(commit.affected, 2);
    ck_assert_int_eq(status_of(&fixture, 4), STATUS_LIVE);
    ck_assert_int_eq(status_of(&fixture, 5), STATUS_LIVE);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_hold_minds_only_the_live)
{
    const struct certificate_filter filter = {.requester_uid = -1, .name = "alice", .now = NOW, .which = WHICH_REVOCABLE};
    struct serial listed = serial_number(1);
    struct fixture fixture;
    fixture_path(&fixture);
    fixture_start(&fixture);
    insert_rows(&fixture, 1, 2, NULL);
    (void)revoke_number(fixture.committer, 2, 6); /* held already, and not listed */
    ck_assert_int_eq(revoke_listed(fixture.committer, &listed, 1, 6, NOW, &filter).outcome, COMMIT_DONE);
    ck_assert_int_eq(revoke_listed(fixture.committer, &listed, 1, 1, NOW, &filter).outcome, COMMIT_REPLAN);
    fixture_remove(&fixture);
}
END_TEST

static void server_profile(uint64_t n, struct certificate_row *row)
{
    row->profile = n % 2 ? "client" : "server";
}

START_TEST(a_mass_revocation_is_one_transaction)
{
    enum { COUNT = 20000 };
    const struct certificate_filter filter = {.requester_uid = -1, .profile = "server", .now = NOW, .which = WHICH_REVOCABLE};
    struct serial *serials = calloc(COUNT / 2, sizeof *serials);
    struct committer_counters before, after;
    struct store_counts counts;
    struct fixture fixture;
    fixture_path(&fixture);
    fixture_start(&fixture);
    for (uint64_t n = 0; n < COUNT; n += 1000)
        insert_rows(&fixture, n, 1000, server_profile);
    for (uint64_t n = 0; n < COUNT / 2; n++)
        serials[n] = serial_number(2 * n);
    int64_t revision = store_revision(fixture.store);
    committer_read_counters(fixture.committer, &before);
    struct commit commit = revoke_listed(fixture.committer, serials, COUNT / 2, 4, NOW, &filter);
    committer_read_counters(fixture.committer, &after);
    ck_assert_int_eq(commit.outcome, COMMIT_DONE);
    ck_assert_int_eq(commit.affected, COUNT / 2);
    ck_assert_uint_eq(after.transactions - before.transactions, 1);
    ck_assert_int_eq(store_revision(fixture.store), revision + 1);
    ck_assert_int_eq(store_count(fixture.store, NOW, &counts, &fixture.failure), 0);
    ck_assert_int_eq(counts.revoked, COUNT / 2);
    free(serials);
    fixture_remove(&fixture);
}
END_TEST

/* --- beside others ----------------------------------------------------------------------------------------------- */

struct load {
    struct committer *committer;
    struct change changes[400];
    struct commit commits[400];
};

static void *submit_all(void *argument)
{
    struct load *load = argument;
    for (uint64_t i = 0; i < 400; i++) {
        load->commits[i] = insert_commit(&load->changes[i], i);
        load->commits[i].owner = load;
        committer_submit(load->committer, &load->commits[i]);
    }
    return NULL;
}

START_TEST(submitting_goes_on_while_a_commit_is_under_way)
{
    static struct load load;
    struct fixture fixture;
    struct committer_counters counters;
    pthread_t thread;
    size_t finished = 0, overlapped = 0;
    int64_t sequence = 0;
    fault_vfs_install();
    fault_delay = 2000; /* a slow disk, so that much is submitted during one fsync */
    fixture_path(&fixture);
    fixture_start(&fixture);
    load.committer = fixture.committer;
    ck_assert_int_eq(pthread_create(&thread, NULL, submit_all, &load), 0);
    while (finished < 400) {
        struct pollfd ready = {.fd = committer_fd(fixture.committer), .events = POLLIN};
        overlapped += committer_is_committing(fixture.committer);
        (void)poll(&ready, 1, 1);
        for (struct commit *commit = committer_take(fixture.committer); commit; commit = commit->next) {
            ck_assert_int_eq(commit->outcome, COMMIT_DONE);
            ck_assert_int_eq(commit->audit_sequence, ++sequence); /* in the order of submission */
            ck_assert_ptr_eq(commit, &load.commits[finished++]);
            ck_assert(is_there(&fixture, finished - 1)); /* seen by others as soon as it is taken */
        }
    }
    pthread_join(thread, NULL);
    committer_read_counters(fixture.committer, &counters);
    ck_assert_uint_gt(overlapped, 0);
    ck_assert_uint_lt(counters.transactions, 200);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(what_was_submitted_before_the_stop_is_finished)
{
    struct fixture fixture;
    struct change changes[3];
    struct commit commits[3];
    fixture_path(&fixture);
    fixture_start(&fixture);
    for (size_t i = 0; i < 3; i++) {
        commits[i] = insert_commit(&changes[i], i);
        commits[i].next = i < 2 ? &commits[i + 1] : NULL;
    }
    committer_submit(fixture.committer, commits);
    committer_stop(fixture.committer);
    ck_assert_ptr_eq(committer_take(fixture.committer), &commits[0]);
    ck_assert_int_eq(commits[2].outcome, COMMIT_DONE);
    ck_assert_ptr_null(committer_take(fixture.committer));
    fixture_remove(&fixture);
}
END_TEST

START_TEST(another_writer_is_waited_for_and_then_named)
{
    struct fixture fixture;
    struct change change;
    sqlite3 *other;
    fixture_path(&fixture);
    fixture_start(&fixture);
    ck_assert_int_eq(sqlite3_open(fixture.path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE; UPDATE authority SET alarms = 7", NULL, NULL, NULL), SQLITE_OK);
    struct commit commit = insert_commit(&change, 1);
    commit_and_wait(fixture.committer, &commit, 1);
    ck_assert_int_eq(commit.outcome, COMMIT_REFUSED);
    ck_assert_int_eq(commit.failure.code, FAILURE_BUSY);
    ck_assert_ptr_nonnull(strstr(commit.failure.reason, fixture.path));

    /* when it is gone, what it wrote is not overwritten by what we remember */
    ck_assert_int_eq(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    commit_and_wait(fixture.committer, &commit, 1);
    ck_assert_int_eq(commit.outcome, COMMIT_DONE);
    struct store_counts counts;
    ck_assert_int_eq(store_count(fixture.store, NOW, &counts, &fixture.failure), 0);
    ck_assert_int_eq(counts.alarms, 7);
    ck_assert_int_eq(counts.live, 1);
    fixture_remove(&fixture);
}
END_TEST

UNIT_MAIN("committer", one_conflict_in_a_batch_takes_nobody_else_with_it, a_value_that_the_schema_refuses_concerns_its_own_request,
          what_waits_together_costs_one_sync, nothing_to_store_costs_no_sync, the_log_is_checkpointed_and_begins_anew,
          status_goes_only_where_it_may, a_second_revocation_leaves_reason_and_time_of_the_first,
          an_unknown_serial_is_a_conflict_and_revokes_nothing, a_revoke_that_misses_one_is_planned_again,
          a_hold_minds_only_the_live, a_mass_revocation_is_one_transaction, submitting_goes_on_while_a_commit_is_under_way,
          what_was_submitted_before_the_stop_is_finished, another_writer_is_waited_for_and_then_named)
