/*
 * test_engine.c - the way of a request through the engine: what overlaps, what waits, what is stored, and who is answered when.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The keeper is played by the test (engine_fixture.h); the disk can be made slow or full (fault_vfs.h).
 */
#include <sqlite3.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/fault_vfs.h"

enum { SLOW_DISK = 200 * 1000 /* microseconds a sync of the log */ };

static struct engine_fixture fixture;

static bool committing(void)
{
    return committer_is_committing(fixture.base.committer);
}

static struct committer_counters counters(void)
{
    struct committer_counters now;
    committer_read_counters(fixture.base.committer, &now);
    return now;
}

static struct caller *sign(size_t number, const char *name)
{
    struct caller *caller = submit(&fixture, number, "Sign", sign_parameters(name), NULL);
    engine_run(fixture.engine);
    return caller;
}

static struct caller *sign_and_wait(size_t number, const char *name)
{
    struct caller *caller = sign(number, name);
    UNTIL(&fixture, caller->done);
    return caller;
}

static int64_t audit_records(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    ck_assert_int_eq(sqlite3_open(fixture.base.database, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT count(*) FROM audit", -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

/* --- the plain way ----------------------------------------------------------------------------------------- */

START_TEST(a_signed_request_is_stored_and_answered)
{
    engine_begin_quiet(&fixture, everything, NULL);
    uint64_t epoch = epoch_read(fixture.epoch);
    struct caller *caller = call(&fixture, 0, "Sign", sign_parameters("alice"));
    const json_t *answer = answer_of(caller);
    ck_assert(json_is_true(json_object_get(answer, "changed")));
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(answer, "certificate"), "status")), "live");
    ck_assert_int_eq(rows_of(&fixture, "alice"), 1);
    ck_assert_int_eq(audit_records(), 1);
    ck_assert_uint_eq(epoch_read(fixture.epoch), epoch); /* a new certificate changes no verdict that was given */
    ck_assert_uint_eq(engine_under_way(fixture.engine), 0);
    engine_end(&fixture);
}
END_TEST

START_TEST(an_issued_key_travels_marked_as_secret)
{
    engine_begin_quiet(&fixture, everything, NULL);
    struct caller *caller = call(&fixture, 0, "Issue", json_pack("{s:s}", "name", "alice"));
    const char *key = json_string_value(json_object_get(answer_of(caller), "privateKey"));
    ck_assert_ptr_nonnull(key);
    ck_assert_int_eq(strncmp(key, "-----BEGIN PRIVATE KEY-----\n", 28), 0);
    ck_assert(caller->secret);
    ck_assert(!call(&fixture, 0, "Status", json_object())->secret);
    engine_end(&fixture);
}
END_TEST

START_TEST(a_dry_run_leaves_nothing)
{
    engine_begin_quiet(&fixture, everything, NULL);
    json_t *parameters = sign_parameters("alice");
    json_object_set_new(parameters, "dryRun", json_true());
    struct caller *caller = call(&fixture, 0, "Sign", parameters);
    ck_assert_ptr_null(json_object_get(answer_of(caller), "pem"));
    ck_assert_int_eq(rows_of(&fixture, "alice"), 0);
    ck_assert_int_eq(audit_records(), 0);
    ck_assert_uint_eq(fixture.keeper.seen, 0);
    engine_end(&fixture);
}
END_TEST

START_TEST(what_is_no_call_of_ours_is_named)
{
    static const struct { const char *text, *error; } calls[] = {
        {"{\"method\":\"io.mtlsd.Agent.Nothing\"}", "MethodNotFound"},
        {"{\"method\":\"org.example.Foo\"}", "InterfaceNotFound"},
        {"{\"method\":\"io.mtlsd.Agent.Status\",\"parameters\":{\"x\":1}}", "InvalidParameter"},
        {"{\"method\":\"io.mtlsd.Agent.Sign\",\"parameters\":{}}", "InvalidParameter"},
        {"{\"method\":", "BadRequest"}, {"", "BadRequest"}, {"[]", "BadRequest"}, {"{}", "BadRequest"},
        {"{\"method\":\"org.varlink.service.GetInfo\"}", ""},
    };
    engine_begin_quiet(&fixture, everything, NULL);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct caller *caller = &fixture.callers[0];
        caller_clear(caller);
        caller->page = fixture.epoch;
        ck_assert_ptr_null(engine_submit(fixture.engine, caller, &fixture.peer, calls[i].text, strlen(calls[i].text)));
        ck_assert_msg(caller->done && !strcmp(error_of(caller), calls[i].error), "%s: '%s'", calls[i].text, error_of(caller));
    }
    ck_assert_uint_eq(engine_under_way(fixture.engine), 0);
    engine_end(&fixture);
}
END_TEST

/* The caller who lost its connection asks again under the same request id: the same certificate, nothing new. */
START_TEST(the_same_request_id_is_the_same_request)
{
    engine_begin_quiet(&fixture, everything, NULL);
    json_t *parameters = sign_parameters("alice");
    json_object_set_new(parameters, "requestId", json_string("r-1"));
    char first[64];
    snprintf(first, sizeof first, "%s", serial_of_answer(call(&fixture, 0, "Sign", json_incref(parameters))));
    struct caller *again = call(&fixture, 1, "Sign", parameters);
    ck_assert_str_eq(serial_of_answer(again), first);
    ck_assert(json_is_false(json_object_get(answer_of(again), "changed")));
    ck_assert_int_eq(rows_of(&fixture, "alice"), 1);
    engine_end(&fixture);
}
END_TEST

/* --- nothing is answered before it is durable -------------------------------------------------------------- */

START_TEST(an_answer_waits_for_the_disk)
{
    fault_vfs_install();
    engine_begin_quiet(&fixture, everything, NULL);
    fault_delay = SLOW_DISK;
    struct caller *caller = sign(0, "alice");
    UNTIL(&fixture, committing());
    for (int i = 0; i < 10 && committing(); i++) {
        turn(&fixture);
        ck_assert_msg(!caller->done || !committing(), "answered while the COMMIT was under way");
    }
    UNTIL(&fixture, caller->done);
    fault_delay = 0;
    ck_assert_str_eq(error_of(caller), "");
    ck_assert_int_eq(rows_of(&fixture, "alice"), 1);
    engine_end(&fixture);
}
END_TEST

START_TEST(grants_go_out_while_a_commit_is_under_way)
{
    fault_vfs_install();
    engine_begin_quiet(&fixture, everything, NULL);
    fault_delay = SLOW_DISK;
    struct caller *first = sign(0, "alice");
    UNTIL(&fixture, committing());
    size_t seen = fixture.keeper.seen;
    struct caller *second = sign(1, "bob");
    turn(&fixture);
    turn(&fixture);
    ck_assert_uint_eq(fixture.keeper.seen, seen + 1);
    ck_assert_msg(committing(), "the disk was not slow enough for this test");
    ck_assert_int_ge(engine_vitals(fixture.engine)->overlapped, 1);
    fault_delay = 0;
    UNTIL(&fixture, first->done && second->done);
    ck_assert_str_eq(error_of(first), "");
    ck_assert_str_eq(error_of(second), "");
    engine_end(&fixture);
}
END_TEST

START_TEST(what_is_signed_together_is_committed_together)
{
    engine_begin_quiet(&fixture, everything, NULL);
    fixture.keeper.hold = true;
    for (size_t i = 0; i < 24; i++)
        sign(i, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 24);
    struct committer_counters before = counters();
    keeper_release(&fixture, 24);
    for (size_t i = 0; i < 24; i++)
        UNTIL(&fixture, fixture.callers[i].done);
    struct committer_counters after = counters();
    ck_assert_uint_eq(after.commits - before.commits, 24);
    ck_assert_uint_le(after.transactions - before.transactions, 3); /* one for each group that the keeper's socket gives at once */
    ck_assert_int_eq(rows_of(&fixture, "alice"), 24);
    engine_end(&fixture);
}
END_TEST

/* 32 connections, each asking again as soon as it is answered: at most one fsync for four. */
START_TEST(under_load_a_sync_serves_four)
{
    enum { CONNECTIONS = 32, REQUESTS = 320 };
    engine_begin_quiet(&fixture, everything, NULL);
    json_t *parameters = sign_parameters("alice");
    struct committer_counters before = counters();
    size_t sent = 0, answered = 0;
    bool asking[CONNECTIONS] = {0};
    for (time_t until = time(NULL) + PATIENCE_SECONDS; answered < REQUESTS; turn(&fixture)) {
        ck_assert(time(NULL) < until);
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (asking[i] && fixture.callers[i].done) {
                answered++;
                asking[i] = false;
                ck_assert_str_eq(error_of(&fixture.callers[i]), "");
            }
            if (!asking[i] && sent < REQUESTS) {
                submit(&fixture, i, "Sign", json_incref(parameters), NULL);
                asking[i] = true;
                sent++;
            }
        }
        engine_run(fixture.engine);
    }
    struct committer_counters after = counters();
    ck_assert_uint_eq(after.commits - before.commits, REQUESTS);
    ck_assert_msg((after.syncs - before.syncs) * 4 <= REQUESTS, "%llu syncs for %d Signs",
                  (unsigned long long)(after.syncs - before.syncs), REQUESTS);
    ck_assert_int_eq(rows_of(&fixture, "alice"), REQUESTS);
    json_decref(parameters);
    engine_end(&fixture);
}
END_TEST

START_TEST(a_full_disk_hands_out_nothing_and_passes)
{
    fault_vfs_install();
    engine_begin_quiet(&fixture, everything, NULL);
    fault_write = SQLITE_FULL;
    struct caller *caller = sign_and_wait(0, "alice");
    ck_assert_str_eq(error_of(caller), "Busy");
    ck_assert_int_eq(rows_of(&fixture, "alice"), 0);
    ck_assert_str_eq(error_of(call(&fixture, 1, "Status", json_object())), ""); /* what changes nothing goes on */
    fault_write = SQLITE_OK;
    caller = sign_and_wait(0, "alice");
    ck_assert_str_eq(error_of(caller), "");
    ck_assert_int_eq(rows_of(&fixture, "alice"), 1);
    engine_end(&fixture);
}
END_TEST

/* --- the keeper -------------------------------------------------------------------------------------------- */

START_TEST(a_keeper_that_dies_leaves_nothing_behind)
{
    engine_begin_quiet(&fixture, everything, NULL);
    fixture.keeper.hold = true;
    for (size_t i = 0; i < 10; i++)
        sign(i, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 10);
    keeper_die(&fixture);
    for (size_t i = 0; i < 10; i++) {
        UNTIL(&fixture, fixture.callers[i].done);
        ck_assert_str_eq(error_of(&fixture.callers[i]), "Locked");
    }
    ck_assert_int_eq(rows_of(&fixture, "alice"), 0);
    ck_assert_uint_eq(engine_under_way(fixture.engine), 0);
    ck_assert_str_eq(error_of(sign_and_wait(0, "alice")), "Locked");
    ck_assert_ptr_nonnull(strstr(reason_of(&fixture.callers[0]), "away"));
    fixture.keeper.hold = false;
    keeper_come(&fixture, true);
    ck_assert_str_eq(error_of(sign_and_wait(0, "alice")), "");
    ck_assert_int_eq(rows_of(&fixture, "alice"), 1);
    engine_end(&fixture);
}
END_TEST

/* What it had signed before it died is good, and is not lost. */
START_TEST(what_was_signed_before_is_kept)
{
    engine_begin_quiet(&fixture, everything, NULL);
    fixture.keeper.hold = true;
    for (size_t i = 0; i < 3; i++)
        sign(i, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 3);
    keeper_release(&fixture, 2);
    keeper_die(&fixture);
    for (size_t i = 0; i < 3; i++)
        UNTIL(&fixture, fixture.callers[i].done);
    ck_assert_str_eq(error_of(&fixture.callers[0]), "");
    ck_assert_str_eq(error_of(&fixture.callers[1]), "");
    ck_assert_str_eq(error_of(&fixture.callers[2]), "Locked");
    ck_assert_int_eq(rows_of(&fixture, "alice"), 2);
    engine_end(&fixture);
}
END_TEST

START_TEST(locked_stops_only_what_needs_the_key)
{
    engine_begin_quiet(&fixture, everything, NULL);
    char serial[64], pem[4096];
    struct caller *signed_ = sign_and_wait(0, "alice");
    snprintf(serial, sizeof serial, "%s", serial_of_answer(signed_));
    snprintf(pem, sizeof pem, "%s", json_string_value(json_object_get(answer_of(signed_), "pem")));
    keeper_say(&fixture, false);
    UNTIL(&fixture, !keeper_link_is_open(fixture.link));
    ck_assert_str_eq(error_of(sign_and_wait(0, "bob")), "Locked");
    ck_assert_ptr_nonnull(strstr(reason_of(&fixture.callers[0]), "mtlsctl unlock"));
    ck_assert_str_eq(error_of(call(&fixture, 0, "Issue", json_pack("{s:s}", "name", "bob"))), "Locked");
    ck_assert_str_eq(error_of(call(&fixture, 0, "Renew", json_pack("{s:s}", "serial", serial))), "Locked");
    ck_assert(json_is_true(json_object_get(answer_of(call(&fixture, 0, "Verify", json_pack("{s:s}", "certificate", pem))), "valid")));
    ck_assert_str_eq(error_of(call(&fixture, 0, "List", json_object())), "");
    ck_assert_str_eq(error_of(call(&fixture, 0, "Get", json_pack("{s:s}", "serial", serial))), "");
    ck_assert_str_eq(error_of(call(&fixture, 0, "GetCRL", json_object())), "");
    ck_assert_str_eq(error_of(call(&fixture, 0, "Revoke", json_pack("{s:s}", "serial", serial))), "");
    ck_assert_str_eq(json_string_value(json_object_get(answer_of(call(&fixture, 0, "Status", json_object())), "state")), "locked");
    const json_t *verdict = answer_of(call(&fixture, 0, "Verify", json_pack("{s:s}", "certificate", pem)));
    ck_assert_str_eq(json_string_value(json_object_get(verdict, "reason")), "revoked");
    keeper_say(&fixture, true);
    UNTIL(&fixture, keeper_link_is_open(fixture.link));
    ck_assert_str_eq(error_of(sign_and_wait(0, "bob")), "");
    engine_end(&fixture);
}
END_TEST

START_TEST(a_refusal_of_the_keeper_is_passed_on)
{
    engine_begin_quiet(&fixture, everything, NULL);
    fixture.keeper.refuse = true;
    struct caller *caller = sign_and_wait(0, "alice");
    ck_assert_str_eq(error_of(caller), "BadRequest");
    ck_assert_str_eq(reason_of(caller), "longer than the floor allows");
    ck_assert_int_eq(rows_of(&fixture, "alice"), 0);
    engine_end(&fixture);
}
END_TEST

/* Answers that nobody waits for (another keeper's, a second one, somebody's guess) go nowhere. */
START_TEST(an_answer_that_nobody_waits_for_is_dropped)
{
    engine_begin_quiet(&fixture, everything, NULL);
    fixture.keeper.hold = true;
    struct caller *caller = sign(0, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 1);
    uint8_t der[] = {0x30, 0};
    for (uint64_t id = 0; id < 20; id++) {
        const struct keeper_packet guess = {.type = KEEPER_SIGNED, .id = fixture.keeper.held[0].id + 1 + id,
                                            .u.certificate = {.serial = serial_of(77), .der = der, .length = sizeof der}};
        keeper_send(&fixture, &guess);
    }
    settle(&fixture);
    ck_assert(!caller->done);
    keeper_release(&fixture, 1);
    UNTIL(&fixture, caller->done);
    ck_assert_str_eq(serial_of_answer(caller), serial_text(serial_of(1)));
    engine_end(&fixture);
}
END_TEST

/* A lost laptop must be shut out even while the keeper says nothing. */
START_TEST(a_revocation_does_not_wait_for_the_keeper)
{
    engine_begin_quiet(&fixture, everything, NULL);
    char serial[64];
    snprintf(serial, sizeof serial, "%s", serial_of_answer(sign_and_wait(0, "alice")));
    fixture.keeper.hold = true;
    struct caller *waiting = sign(1, "bob");
    UNTIL(&fixture, fixture.keeper.held_count == 1);
    struct caller *revoked = call(&fixture, 0, "Revoke", json_pack("{s:s}", "serial", serial));
    ck_assert_int_eq(json_integer_value(json_object_get(answer_of(revoked), "count")), 1);
    ck_assert(!waiting->done);
    keeper_release(&fixture, 1);
    UNTIL(&fixture, waiting->done);
    engine_end(&fixture);
}
END_TEST

/* --- callers ----------------------------------------------------------------------------------------------- */

START_TEST(who_is_gone_gets_no_answer_but_its_request_is_finished)
{
    engine_begin_quiet(&fixture, everything, NULL);
    fixture.keeper.hold = true;
    struct caller *caller = sign(0, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 1);
    engine_caller_gone(fixture.engine, caller->ticket);
    caller->done = true; /* an answer now would be one too many */
    keeper_release(&fixture, 1);
    UNTIL(&fixture, engine_under_way(fixture.engine) == 0);
    ck_assert_uint_eq(caller->count, 0);
    ck_assert_int_eq(rows_of(&fixture, "alice"), 1);
    engine_end(&fixture);
}
END_TEST

/* varlink.org/Method-Call: a oneway call is not answered, whatever comes of it. */
START_TEST(a_oneway_call_is_never_answered)
{
    static const char oneway[] = ",\"oneway\":true";
    engine_begin_quiet(&fixture, everything, "queue=2\n");
    struct caller *caller = submit(&fixture, 0, "Sign", sign_parameters("alice"), oneway);
    engine_run(fixture.engine);
    UNTIL(&fixture, caller->done);
    ck_assert_uint_eq(caller->count, 0);
    ck_assert_int_eq(rows_of(&fixture, "alice"), 1);
    const char *const methods[] = {"Status", "List", "GetCRL", "GetAuthority", "Get", "Nothing", "Reload"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        caller = submit(&fixture, 0, methods[i], json_object(), oneway);
        engine_run(fixture.engine);
        UNTIL(&fixture, caller->done);
        ck_assert_msg(caller->count == 0, "%s was answered", methods[i]);
    }
    fixture.keeper.hold = true;
    for (size_t i = 1; i <= 2; i++)
        sign(i, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 2);
    caller = submit(&fixture, 0, "Sign", sign_parameters("alice"), oneway);
    ck_assert_msg(caller->done && caller->count == 0, "past queue= it was answered");
    keeper_release(&fixture, 2);
    UNTIL(&fixture, engine_under_way(fixture.engine) == 0);
    engine_end(&fixture);
}
END_TEST

START_TEST(past_the_queue_it_is_busy)
{
    engine_begin_quiet(&fixture, everything, "queue=4\n");
    fixture.keeper.hold = true;
    for (size_t i = 0; i < 4; i++)
        sign(i, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 4);
    struct caller *caller = submit(&fixture, 4, "Status", json_object(), NULL);
    ck_assert(caller->done);
    ck_assert_str_eq(error_of(caller), "Busy");
    ck_assert_ptr_nonnull(strstr(reason_of(caller), "queue="));
    keeper_release(&fixture, 4);
    for (size_t i = 0; i < 4; i++)
        UNTIL(&fixture, fixture.callers[i].done);
    ck_assert_str_eq(error_of(call(&fixture, 4, "Status", json_object())), "");
    engine_end(&fixture);
}
END_TEST

/* Key pairs are made on the pool, whose queue is bounded as well. */
START_TEST(past_the_pool_it_is_busy)
{
    size_t busy = 0, good = 0;
    engine_begin_quiet(&fixture, everything, NULL);
    for (size_t i = 0; i < 200; i++)
        submit(&fixture, i, "Issue", json_pack("{s:s}", "name", "alice"), NULL);
    engine_run(fixture.engine);
    for (size_t i = 0; i < 200; i++) {
        UNTIL(&fixture, fixture.callers[i].done);
        const char *error = error_of(&fixture.callers[i]);
        ck_assert_msg(!strcmp(error, "") || !strcmp(error, "Busy"), "%s", error);
        *(*error ? &busy : &good) += 1;
    }
    ck_assert_uint_gt(busy, 0);
    ck_assert_uint_ge(good, 64);
    ck_assert_int_eq(rows_of(&fixture, "alice"), (int64_t)good);
    engine_end(&fixture);
}
END_TEST

/* --- who may not ------------------------------------------------------------------------------------------- */

START_TEST(refused_changes_are_recorded_in_bounded_number)
{
    engine_begin_quiet(&fixture, "use required permit\nread required permit\nissue required deny\nrevoke required deny\n", NULL);
    for (int i = 0; i < 25; i++) {
        ck_assert_str_eq(error_of(sign_and_wait(0, "alice")), "NotPermitted");
        ck_assert_str_eq(error_of(call(&fixture, 1, "Revoke", json_pack("{s:s}", "name", "nobody"))), "NotPermitted");
    }
    UNTIL(&fixture, audit_records() >= REFUSALS_PER_MINUTE);
    settle(&fixture);
    ck_assert_int_le(audit_records(), 2 * REFUSALS_PER_MINUTE + 1); /* a minute may have turned */
    ck_assert_uint_eq(fixture.keeper.seen, 0);
    engine_end(&fixture);
}
END_TEST

/* A wrong value must not be answered before the right is asked where the answer tells that the certificate exists. */
START_TEST(a_bad_value_is_no_way_around_the_policy)
{
    engine_begin_quiet(&fixture, everything, NULL);
    char serial[64];
    snprintf(serial, sizeof serial, "%s", serial_of_answer(sign_and_wait(0, "alice")));
    world_write_policy(&fixture.base, "use required permit\nissue required name dns=bob\nadmin required permit\n");
    engine_reload(fixture.engine);
    UNTIL(&fixture, fixture.reloads == 1);
    const char *const serials[] = {serial, "0a0b0c"};
    for (size_t i = 0; i < 2; i++) {
        struct caller *caller = call(&fixture, 0, "Renew", json_pack("{s:s, s:s}", "serial", serials[i], "life", "soon"));
        ck_assert_msg(!strcmp(error_of(caller), "NotPermitted"), "%s: %s", i ? "not there" : "there", error_of(caller));
    }
    engine_end(&fixture);
}
END_TEST

/* --- revocation -------------------------------------------------------------------------------------------- */

START_TEST(a_revocation_bumps_the_epoch_before_it_is_answered)
{
    engine_begin_quiet(&fixture, everything, NULL);
    char serial[64];
    snprintf(serial, sizeof serial, "%s", serial_of_answer(sign_and_wait(0, "alice")));
    uint64_t before = epoch_read(fixture.epoch);
    struct caller *caller = call(&fixture, 0, "Revoke", json_pack("{s:s, s:s}", "serial", serial, "reason", "certificateHold"));
    ck_assert_uint_ne(caller->epoch, before);
    before = epoch_read(fixture.epoch);
    caller = call(&fixture, 0, "Revoke", json_pack("{s:s, s:s}", "serial", serial, "reason", "certificateHold"));
    ck_assert(!json_is_true(json_object_get(answer_of(caller), "changed")));
    ck_assert_uint_eq(caller->epoch, before); /* nothing changed */
    caller = call(&fixture, 0, "Resume", json_pack("{s:s}", "serial", serial));
    ck_assert(json_is_true(json_object_get(answer_of(caller), "changed")));
    ck_assert_uint_ne(caller->epoch, before);
    engine_end(&fixture);
}
END_TEST

/* Between plan and commit one more of that name becomes durable: `name` means it too, or the caller is told. */
static struct caller *revoke_while_another_is_committed(bool several)
{
    fault_vfs_install();
    engine_begin_quiet(&fixture, everything, NULL);
    sign_and_wait(0, "dave");
    char serial[64];
    snprintf(serial, sizeof serial, "%s", serial_of_answer(sign_and_wait(1, "other")));
    fixture.keeper.hold = true;
    struct caller *second = sign(2, "dave");
    UNTIL(&fixture, fixture.keeper.held_count == 1);
    fault_delay = SLOW_DISK;
    struct caller *slow = submit(&fixture, 1, "Revoke", json_pack("{s:s}", "serial", serial), NULL);
    engine_run(fixture.engine);
    UNTIL(&fixture, committing());
    keeper_release(&fixture, 1); /* signed, it waits behind that COMMIT: no reader sees it yet */
    UNTIL(&fixture, keeper_link_under_way(fixture.link) == 0);
    ck_assert_msg(committing() && !second->done, "the disk was not slow enough for this test");
    json_t *parameters = json_pack("{s:s}", "name", "dave");
    if (several)
        json_object_set_new(parameters, "several", json_true());
    struct caller *revoke = submit(&fixture, 3, "Revoke", parameters, NULL);
    engine_run(fixture.engine);
    fault_delay = 0;
    UNTIL(&fixture, slow->done && second->done && revoke->done);
    return revoke;
}

START_TEST(a_revocation_by_name_is_planned_again_where_one_more_appeared)
{
    struct caller *revoke = revoke_while_another_is_committed(true);
    ck_assert_int_eq(json_integer_value(json_object_get(answer_of(revoke), "count")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(answer_of(revoke), "serials")), 2);
    const struct certificate_filter live = {.name = "dave", .requester_uid = -1, .now = time(NULL), .which = WHICH_LIVE};
    ck_assert_int_eq(store_select(fixture.base.store, &live, NULL, 10, false, visit_nothing, NULL, &fixture.base.failure), 0);
    engine_end(&fixture);
}
END_TEST

START_TEST(a_revocation_of_one_is_not_quietly_one_of_two)
{
    struct caller *revoke = revoke_while_another_is_committed(false);
    ck_assert_str_eq(error_of(revoke), "Conflict");
    const struct certificate_filter live = {.name = "dave", .requester_uid = -1, .now = time(NULL), .which = WHICH_LIVE};
    ck_assert_int_eq(store_select(fixture.base.store, &live, NULL, 10, false, visit_nothing, NULL, &fixture.base.failure), 2);
    engine_end(&fixture);
}
END_TEST

/* --- reload ------------------------------------------------------------------------------------------------ */

START_TEST(a_reload_waits_for_nobody_and_what_is_at_the_keeper_is_asked_anew)
{
    engine_begin_quiet(&fixture, everything, NULL);
    fixture.keeper.hold = true;
    struct caller *before = sign(0, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 1);
    uint64_t epoch = epoch_read(fixture.epoch);
    world_write_policy(&fixture.base, "use required permit\nissue required deny\n");
    engine_reload(fixture.engine);
    ck_assert_uint_eq(fixture.reloads, 1);
    ck_assert_int_eq(engine_vitals(fixture.engine)->policy_generation, 2);
    ck_assert_uint_ne(epoch_read(fixture.epoch), epoch);
    struct caller *after = sign(1, "bob");
    UNTIL(&fixture, after->done); /* though the keeper still holds the other one */
    ck_assert_str_eq(error_of(after), "NotPermitted");
    ck_assert(!before->done);
    keeper_release(&fixture, 1);
    UNTIL(&fixture, before->done);
    ck_assert_str_eq(error_of(before), "NotPermitted"); /* planned, signed and committed under one policy, or not at all */
    engine_end(&fixture);
}
END_TEST

START_TEST(what_is_with_the_committer_ends_under_the_old_policy)
{
    fault_vfs_install();
    engine_begin_quiet(&fixture, everything, NULL);
    fault_delay = SLOW_DISK;
    struct caller *before = sign(0, "alice");
    UNTIL(&fixture, committing());
    world_write_policy(&fixture.base, "use required permit\nissue required deny\n");
    engine_reload(fixture.engine);
    ck_assert_uint_eq(fixture.reloads, 1);
    fault_delay = 0;
    UNTIL(&fixture, before->done);
    ck_assert_str_eq(error_of(before), "");
    ck_assert_int_eq(rows_of(&fixture, "alice"), 1);
    engine_end(&fixture);
}
END_TEST

START_TEST(a_bad_policy_leaves_the_old_one_in_force)
{
    engine_begin_quiet(&fixture, everything, NULL);
    uint64_t epoch = epoch_read(fixture.epoch);
    world_write_policy(&fixture.base, "issue required prmit\n");
    struct caller *caller = call(&fixture, 0, "Reload", json_object());
    ck_assert_str_eq(error_of(caller), "BadRequest");
    ck_assert_ptr_nonnull(strstr(reason_of(caller), "default:1:"));
    ck_assert_uint_eq(epoch_read(fixture.epoch), epoch);
    const json_t *status = answer_of(call(&fixture, 0, "Status", json_object()));
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(status, "policyError")), "default:1:"));
    ck_assert_int_eq(json_integer_value(json_object_get(status, "policyGeneration")), 1);
    ck_assert_str_eq(error_of(sign_and_wait(0, "alice")), "");
    world_write_policy(&fixture.base, everything);
    caller = call(&fixture, 0, "Reload", json_object());
    ck_assert_int_eq(json_integer_value(json_object_get(answer_of(caller), "generation")), 2);
    ck_assert_ptr_null(json_object_get(answer_of(call(&fixture, 0, "Status", json_object())), "policyError"));
    engine_end(&fixture);
}
END_TEST

/* The answer to Reload may be what a caller waits for before its next request: somebody must be told to go on. */
START_TEST(after_a_reload_callers_are_served_on)
{
    engine_begin_quiet(&fixture, everything, NULL);
    struct caller *caller = submit(&fixture, 0, "Reload", json_object(), NULL);
    size_t rests = fixture.rests;
    engine_run(fixture.engine);
    ck_assert(caller->done);
    ck_assert_uint_ge(fixture.rests, rests + 2); /* one after planning it, one after its answer */
    engine_end(&fixture);
}
END_TEST

/* --- replies that serve many ------------------------------------------------------------------------------- */

static int64_t status_number(const char *member)
{
    return json_integer_value(json_object_get(answer_of(call(&fixture, 200, "Status", json_object())), member));
}

START_TEST(a_shared_answer_is_fresh_after_a_change)
{
    engine_begin_quiet(&fixture, everything, NULL);
    ck_assert_int_eq(status_number("live"), 0);
    char serial[64];
    snprintf(serial, sizeof serial, "%s", serial_of_answer(sign_and_wait(0, "alice")));
    ck_assert_int_eq(status_number("live"), 1);
    ck_assert_str_eq(error_of(call(&fixture, 0, "Revoke", json_pack("{s:s}", "serial", serial))), "");
    ck_assert_int_eq(status_number("live"), 0);
    ck_assert_int_eq(status_number("revoked"), 1);
    keeper_die(&fixture);
    UNTIL(&fixture, !keeper_link_state(fixture.link));
    ck_assert_str_eq(json_string_value(json_object_get(answer_of(call(&fixture, 1, "Status", json_object())), "state")), "keeperAway");
    keeper_come(&fixture, true);
    ck_assert_str_eq(json_string_value(json_object_get(answer_of(call(&fixture, 1, "Status", json_object())), "state")), "ready");
    engine_vitals(fixture.engine)->connections = 17;
    ck_assert_int_eq(status_number("connections"), 17);
    engine_end(&fixture);
}
END_TEST

/* The text is shared, the right to see it is not. */
START_TEST(a_shared_answer_is_not_for_everybody)
{
    engine_begin_quiet(&fixture, "use required permit\nread required peer uid=1001\n", NULL);
    ck_assert_str_eq(error_of(call(&fixture, 0, "Status", json_object())), "");
    fixture.peer.uid = 1002;
    ck_assert_str_eq(error_of(call(&fixture, 0, "Status", json_object())), "NotPermitted");
    ck_assert_str_eq(error_of(call(&fixture, 0, "GetAuthority", json_object())), "");
    engine_end(&fixture);
}
END_TEST

/* --- alarms ------------------------------------------------------------------------------------------------ */

/* Signed with our key and not in the index: somebody else has used the key. Refused, raised, and it costs the caller no wait. */
START_TEST(a_certificate_that_we_never_issued_is_an_alarm)
{
    engine_begin_quiet(&fixture, everything, NULL);
    int64_t now = time(NULL);
    EVP_PKEY *key = pki_key("ec:P-256");
    const struct pki_certificate wanted = {.subject = "mallory", .serial = 666, .key = key, .issuer = fixture.base.ca,
                                           .issuer_key = fixture.base.ca_key, .from = now - 10, .until = now + 1000, .extensions = {PKI_CLIENT}};
    X509 *certificate = pki_certificate(&wanted);
    uint8_t *der;
    size_t length = pki_der(certificate, &der);
    char *pem = certificate_to_pem(der, length);
    const json_t *verdict = answer_of(call(&fixture, 0, "Verify", json_pack("{s:s}", "certificate", pem)));
    ck_assert(json_is_false(json_object_get(verdict, "valid")));
    ck_assert_str_eq(json_string_value(json_object_get(verdict, "reason")), "unknown-serial");
    ck_assert_ptr_null(json_object_get(verdict, "cacheableUntil"));
    UNTIL(&fixture, audit_records() == 1);
    settle(&fixture);
    ck_assert_int_eq(status_number("alarms"), 1);
    free(pem);
    OPENSSL_free(der);
    X509_free(certificate);
    EVP_PKEY_free(key);
    engine_end(&fixture);
}
END_TEST

/* --- streams ----------------------------------------------------------------------------------------------- */

static void begin_with_rows(size_t count)
{
    engine_begin_quiet(&fixture, everything, NULL);
    world_insert_many(&fixture.base, 1000, count, "alice", "DNS:alice", "client");
}

static size_t told_rows(const struct caller *caller)
{
    size_t count = 0;
    for (size_t i = 0; i < caller->count; i++)
        count += json_array_size(json_object_get(json_object_get(caller->replies[i], "parameters"), "certificates"));
    return count;
}

START_TEST(a_stream_goes_on_as_fast_as_it_is_read)
{
    begin_with_rows(250);
    struct caller *caller = submit(&fixture, 0, "List", json_object(), ",\"more\":true");
    engine_run(fixture.engine);
    settle(&fixture);
    ck_assert_uint_eq(caller->count, 1); /* nobody has said that it was taken */
    ck_assert(json_is_true(json_object_get(caller->replies[0], "continues")));
    for (int i = 0; i < 10 && !caller->done; i++)
        engine_caller_drained(fixture.engine, caller->ticket);
    ck_assert(caller->done);
    ck_assert_uint_eq(caller->count, 3);
    ck_assert_uint_eq(told_rows(caller), 250);
    ck_assert_ptr_null(json_object_get(caller->replies[2], "continues"));
    ck_assert_ptr_null(json_object_get(answer_of(caller), "next"));
    ck_assert_uint_eq(engine_under_way(fixture.engine), 0);
    engine_end(&fixture);
}
END_TEST

START_TEST(without_more_there_is_one_page_and_where_to_go_on)
{
    begin_with_rows(150);
    struct caller *caller = call(&fixture, 0, "List", json_object());
    ck_assert_uint_eq(told_rows(caller), 100);
    const char *next = json_string_value(json_object_get(answer_of(caller), "next"));
    ck_assert_ptr_nonnull(next);
    struct caller *rest = call(&fixture, 1, "List", json_pack("{s:s}", "after", next));
    ck_assert_uint_eq(told_rows(rest), 50);
    ck_assert_ptr_null(json_object_get(answer_of(rest), "next"));
    engine_end(&fixture);
}
END_TEST

START_TEST(a_reader_who_leaves_ends_the_stream)
{
    begin_with_rows(250);
    struct caller *caller = submit(&fixture, 0, "List", json_object(), ",\"more\":true");
    engine_run(fixture.engine);
    ck_assert_uint_eq(caller->count, 1);
    ck_assert_uint_eq(engine_under_way(fixture.engine), 1);
    engine_caller_gone(fixture.engine, caller->ticket);
    ck_assert_uint_eq(engine_under_way(fixture.engine), 0);
    engine_end(&fixture);
}
END_TEST

/* One who reads slowly pins neither a reload nor a snapshot. */
START_TEST(a_slow_reader_holds_nobody_up)
{
    begin_with_rows(250);
    struct caller *reader = submit(&fixture, 0, "List", json_object(), ",\"more\":true");
    engine_run(fixture.engine);
    ck_assert(store_is_idle(fixture.base.store));
    ck_assert_str_eq(error_of(call(&fixture, 1, "Reload", json_object())), "");
    ck_assert_str_eq(error_of(sign_and_wait(2, "bob")), "");
    engine_caller_drained(fixture.engine, reader->ticket);
    ck_assert_uint_eq(reader->count, 2);
    ck_assert(store_is_idle(fixture.base.store));
    engine_caller_gone(fixture.engine, reader->ticket);
    engine_end(&fixture);
}
END_TEST

/* List shows what the caller may read, and no gap tells of the rest. */
START_TEST(a_list_shows_what_may_be_read)
{
    engine_begin_quiet(&fixture, "use required permit\nread sufficient name dns=alice\nread required peer uid=1002\n", NULL);
    world_insert(&fixture.base, 1, "alice", "DNS:alice", "client");
    world_insert(&fixture.base, 2, "bob", "DNS:bob", "client");
    ck_assert_str_eq(error_of(call(&fixture, 0, "List", json_object())), "NotPermitted"); /* no right to read in general */
    fixture.peer.uid = 1002;
    ck_assert_uint_eq(told_rows(call(&fixture, 0, "List", json_object())), 2);
    engine_end(&fixture);
}
END_TEST

/* --- the CRL ----------------------------------------------------------------------------------------------- */

static int64_t crl_number(const struct caller *caller)
{
    return json_integer_value(json_object_get(answer_of(caller), "number"));
}

START_TEST(a_crl_shows_what_was_revoked_before_it_was_asked_for)
{
    engine_begin_quiet(&fixture, everything, "crl-interval=1s\n");
    int64_t first = crl_number(call(&fixture, 0, "GetCRL", json_object()));
    ck_assert_int_eq(crl_number(call(&fixture, 0, "GetCRL", json_object())), first); /* nothing changed: the same again */
    const char *serial = serial_of_answer(sign_and_wait(0, "alice"));
    call(&fixture, 1, "Revoke", json_pack("{s:s}", "serial", serial));
    struct caller *waiting[3];
    for (size_t i = 0; i < 3; i++)
        waiting[i] = submit(&fixture, 2 + i, "GetCRL", json_object(), NULL);
    engine_run(fixture.engine);
    for (size_t i = 0; i < 3; i++) {
        UNTIL(&fixture, waiting[i]->done);
        ck_assert_int_eq(crl_number(waiting[i]), first + 1); /* one build for all who wait */
    }
    engine_end(&fixture);
}
END_TEST

/* A build that began before the revocation is not the one that is waited for. */
START_TEST(a_build_that_is_too_old_is_not_enough)
{
    engine_begin_quiet(&fixture, everything, "crl-interval=1s\n");
    char first[64], second[64];
    snprintf(first, sizeof first, "%s", serial_of_answer(sign_and_wait(0, "alice")));
    snprintf(second, sizeof second, "%s", serial_of_answer(sign_and_wait(0, "bob")));
    int64_t number = crl_number(call(&fixture, 0, "GetCRL", json_object()));
    fixture.keeper.silent_crl = true;
    call(&fixture, 1, "Revoke", json_pack("{s:s}", "serial", first));
    /* The build for the first has read its entries when the second is revoked; the keeper takes its time. */
    UNTIL(&fixture, store_setting(fixture.base.store, "crl-number", 0) > number);
    settle(&fixture);
    int64_t building = store_setting(fixture.base.store, "crl-number", 0);
    call(&fixture, 1, "Revoke", json_pack("{s:s}", "serial", second));
    struct caller *asked = submit(&fixture, 2, "GetCRL", json_object(), NULL);
    engine_run(fixture.engine);
    settle(&fixture);
    ck_assert(!asked->done);
    fixture.keeper.silent_crl = false;
    const struct keeper_packet again = {.type = KEEPER_CRL_BEGIN, .id = KEEPER_LINK_BULK_ID | (uint64_t)building};
    keeper_answer_crl(&fixture, &again);
    UNTIL(&fixture, asked->done);
    ck_assert_int_gt(crl_number(asked), building);
    engine_end(&fixture);
}
END_TEST

/* Whoever waits for a build that will not come, because the keeper went away or was locked, gets the CRL that is there. */
START_TEST(nobody_waits_for_a_keeper_that_is_gone)
{
    for (int locked = 0; locked < 2; locked++) {
        engine_begin_quiet(&fixture, everything, NULL); /* at most every five seconds */
        int64_t number = crl_number(call(&fixture, 0, "GetCRL", json_object()));
        const char *serial = serial_of_answer(sign_and_wait(0, "alice"));
        call(&fixture, 1, "Revoke", json_pack("{s:s}", "serial", serial));
        struct caller *waiting = submit(&fixture, 2, "GetCRL", json_object(), NULL);
        engine_run(fixture.engine);
        settle(&fixture);
        ck_assert(!waiting->done);
        if (locked)
            keeper_say(&fixture, false);
        else
            keeper_die(&fixture);
        time_t start = time(NULL);
        UNTIL(&fixture, waiting->done);
        ck_assert_int_le(time(NULL) - start, 2);
        ck_assert_int_eq(crl_number(waiting), number);
        engine_end(&fixture);
    }
}
END_TEST

/* --- the end ----------------------------------------------------------------------------------------------- */

/* With requests in every place: at the keeper, on the pool, parked. Nothing is left (a leak checker looks), nobody is answered late. */
START_TEST(an_engine_can_end_with_anything_under_way)
{
    engine_begin_quiet(&fixture, everything, NULL);
    world_insert(&fixture.base, 1, "alice", "DNS:alice", "client");
    world_insert_many(&fixture.base, 10, 120, "many", "DNS:alice", "client");
    fixture.keeper.hold = true;
    sign(0, "alice");
    for (size_t i = 1; i < 10; i++)
        submit(&fixture, i, "Issue", json_pack("{s:s}", "name", "alice"), NULL);
    submit(&fixture, 20, "List", json_object(), ",\"more\":true");
    submit(&fixture, 21, "Revoke", json_pack("{s:s}", "serial", serial_text(serial_of(1))), NULL);
    engine_run(fixture.engine);
    submit(&fixture, 22, "Status", json_object(), NULL);
    submit(&fixture, 23, "Reload", json_object(), NULL);
    ck_assert_uint_gt(engine_under_way(fixture.engine), 10);
    engine_end(&fixture);
}
END_TEST

UNIT_MAIN("engine", a_signed_request_is_stored_and_answered, an_issued_key_travels_marked_as_secret, a_dry_run_leaves_nothing,
          what_is_no_call_of_ours_is_named, the_same_request_id_is_the_same_request, an_answer_waits_for_the_disk,
          grants_go_out_while_a_commit_is_under_way, what_is_signed_together_is_committed_together, under_load_a_sync_serves_four,
          a_full_disk_hands_out_nothing_and_passes, a_keeper_that_dies_leaves_nothing_behind, what_was_signed_before_is_kept,
          locked_stops_only_what_needs_the_key, a_refusal_of_the_keeper_is_passed_on, an_answer_that_nobody_waits_for_is_dropped,
          a_revocation_does_not_wait_for_the_keeper, who_is_gone_gets_no_answer_but_its_request_is_finished,
          a_oneway_call_is_never_answered, past_the_queue_it_is_busy, past_the_pool_it_is_busy,
          refused_changes_are_recorded_in_bounded_number, a_bad_value_is_no_way_around_the_policy,
          a_revocation_bumps_the_epoch_before_it_is_answered, a_revocation_by_name_is_planned_again_where_one_more_appeared,
          a_revocation_of_one_is_not_quietly_one_of_two, a_reload_waits_for_nobody_and_what_is_at_the_keeper_is_asked_anew,
          what_is_with_the_committer_ends_under_the_old_policy, a_bad_policy_leaves_the_old_one_in_force,
          after_a_reload_callers_are_served_on, a_shared_answer_is_fresh_after_a_change, a_shared_answer_is_not_for_everybody,
          a_certificate_that_we_never_issued_is_an_alarm, a_stream_goes_on_as_fast_as_it_is_read,
          without_more_there_is_one_page_and_where_to_go_on, a_reader_who_leaves_ends_the_stream, a_slow_reader_holds_nobody_up,
          a_list_shows_what_may_be_read, a_crl_shows_what_was_revoked_before_it_was_asked_for, a_build_that_is_too_old_is_not_enough,
          nobody_waits_for_a_keeper_that_is_gone, an_engine_can_end_with_anything_under_way)
