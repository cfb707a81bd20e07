/*
 * test_engine.c - the way of a request through the engine: what overlaps, what waits, what is stored, and who is answered when.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The keeper is played by the test (engine_fixture.h); the disk can be made slow or full (fault_vfs.h).
 */
#include "tests/unit/engine_fixture.h"
#include "tests/unit/fault_vfs.h"

enum { SLOW_DISK = 200 * 1000 /* microseconds a sync of the log */ };

static struct engine_fixture fixture;

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
    ck_assert_int_eq(audit_records(&fixture), 1);
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
    ck_assert_int_eq(audit_records(&fixture), 0);
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
    struct caller *caller = sign(&fixture, 0, "alice");
    UNTIL(&fixture, committing(&fixture));
    for (int i = 0; i < 10 && committing(&fixture); i++) {
        turn(&fixture);
        ck_assert_msg(!caller->done || !committing(&fixture), "answered while the COMMIT was under way");
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
    struct caller *first = sign(&fixture, 0, "alice");
    UNTIL(&fixture, committing(&fixture));
    size_t seen = fixture.keeper.seen;
    struct caller *second = sign(&fixture, 1, "bob");
    turn(&fixture);
    turn(&fixture);
    ck_assert_uint_eq(fixture.keeper.seen, seen + 1);
    ck_assert_msg(committing(&fixture), "the disk was not slow enough for this test");
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
        sign(&fixture, i, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 24);
    struct committer_counters before = counters(&fixture);
    keeper_release(&fixture, 24);
    for (size_t i = 0; i < 24; i++)
        UNTIL(&fixture, fixture.callers[i].done);
    struct committer_counters after = counters(&fixture);
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
    struct committer_counters before = counters(&fixture);
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
    struct committer_counters after = counters(&fixture);
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
    struct caller *caller = sign_and_wait(&fixture, 0, "alice");
    ck_assert_str_eq(error_of(caller), "Busy");
    ck_assert_int_eq(rows_of(&fixture, "alice"), 0);
    ck_assert_str_eq(error_of(call(&fixture, 1, "Status", json_object())), ""); /* what changes nothing goes on */
    fault_write = SQLITE_OK;
    caller = sign_and_wait(&fixture, 0, "alice");
    ck_assert_str_eq(error_of(caller), "");
    ck_assert_int_eq(rows_of(&fixture, "alice"), 1);
    engine_end(&fixture);
}
END_TEST

/* --- callers ----------------------------------------------------------------------------------------------- */

START_TEST(who_is_gone_gets_no_answer_but_its_request_is_finished)
{
    engine_begin_quiet(&fixture, everything, NULL);
    fixture.keeper.hold = true;
    struct caller *caller = sign(&fixture, 0, "alice");
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
        sign(&fixture, i, "alice");
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
        sign(&fixture, i, "alice");
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
    ck_assert_str_eq(error_of(sign_and_wait(&fixture, 2, "bob")), "");
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

/* --- the end ----------------------------------------------------------------------------------------------- */

/* With requests in every place: at the keeper, on the pool, parked. Nothing is left (a leak checker looks), nobody is answered late. */
START_TEST(an_engine_can_end_with_anything_under_way)
{
    engine_begin_quiet(&fixture, everything, NULL);
    world_insert(&fixture.base, 1, "alice", "DNS:alice", "client");
    world_insert_many(&fixture.base, 10, 120, "many", "DNS:alice", "client");
    fixture.keeper.hold = true;
    sign(&fixture, 0, "alice");
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

UNIT_MAIN("engine", a_signed_request_is_stored_and_answered, an_issued_key_travels_marked_as_secret, a_dry_run_leaves_nothing, what_is_no_call_of_ours_is_named, the_same_request_id_is_the_same_request, an_answer_waits_for_the_disk, grants_go_out_while_a_commit_is_under_way, what_is_signed_together_is_committed_together, under_load_a_sync_serves_four, a_full_disk_hands_out_nothing_and_passes, who_is_gone_gets_no_answer_but_its_request_is_finished, a_oneway_call_is_never_answered, past_the_queue_it_is_busy, past_the_pool_it_is_busy, a_stream_goes_on_as_fast_as_it_is_read, without_more_there_is_one_page_and_where_to_go_on, a_reader_who_leaves_ends_the_stream, a_slow_reader_holds_nobody_up, a_list_shows_what_may_be_read, an_engine_can_end_with_anything_under_way)
