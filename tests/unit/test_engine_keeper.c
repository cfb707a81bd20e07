/*
 * test_engine_keeper.c - the engine and a keeper that dies, is locked, refuses, guesses or says nothing; and the CRL that is built with it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The keeper is played by the test (engine_fixture.h).
 */
#include "tests/unit/engine_fixture.h"

static struct engine_fixture fixture;

/* --- the keeper -------------------------------------------------------------------------------------------- */

START_TEST(a_keeper_that_dies_leaves_nothing_behind)
{
    engine_begin_quiet(&fixture, everything, NULL);
    fixture.keeper.hold = true;
    for (size_t i = 0; i < 10; i++)
        sign(&fixture, i, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 10);
    keeper_die(&fixture);
    for (size_t i = 0; i < 10; i++) {
        UNTIL(&fixture, fixture.callers[i].done);
        ck_assert_str_eq(error_of(&fixture.callers[i]), "Locked");
    }
    ck_assert_int_eq(rows_of(&fixture, "alice"), 0);
    ck_assert_uint_eq(engine_under_way(fixture.engine), 0);
    ck_assert_str_eq(error_of(sign_and_wait(&fixture, 0, "alice")), "Locked");
    ck_assert_ptr_nonnull(strstr(reason_of(&fixture.callers[0]), "away"));
    fixture.keeper.hold = false;
    keeper_come(&fixture, true);
    ck_assert_str_eq(error_of(sign_and_wait(&fixture, 0, "alice")), "");
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
        sign(&fixture, i, "alice");
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
    struct caller *signed_ = sign_and_wait(&fixture, 0, "alice");
    snprintf(serial, sizeof serial, "%s", serial_of_answer(signed_));
    snprintf(pem, sizeof pem, "%s", json_string_value(json_object_get(answer_of(signed_), "pem")));
    keeper_say(&fixture, false);
    UNTIL(&fixture, !keeper_link_is_open(fixture.link));
    ck_assert_str_eq(error_of(sign_and_wait(&fixture, 0, "bob")), "Locked");
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
    ck_assert_str_eq(error_of(sign_and_wait(&fixture, 0, "bob")), "");
    engine_end(&fixture);
}
END_TEST

START_TEST(a_refusal_of_the_keeper_is_passed_on)
{
    engine_begin_quiet(&fixture, everything, NULL);
    fixture.keeper.refuse = true;
    struct caller *caller = sign_and_wait(&fixture, 0, "alice");
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
    struct caller *caller = sign(&fixture, 0, "alice");
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
    snprintf(serial, sizeof serial, "%s", serial_of_answer(sign_and_wait(&fixture, 0, "alice")));
    fixture.keeper.hold = true;
    struct caller *waiting = sign(&fixture, 1, "bob");
    UNTIL(&fixture, fixture.keeper.held_count == 1);
    struct caller *revoked = call(&fixture, 0, "Revoke", json_pack("{s:s}", "serial", serial));
    ck_assert_int_eq(json_integer_value(json_object_get(answer_of(revoked), "count")), 1);
    ck_assert(!waiting->done);
    keeper_release(&fixture, 1);
    UNTIL(&fixture, waiting->done);
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
    const char *serial = serial_of_answer(sign_and_wait(&fixture, 0, "alice"));
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
    snprintf(first, sizeof first, "%s", serial_of_answer(sign_and_wait(&fixture, 0, "alice")));
    snprintf(second, sizeof second, "%s", serial_of_answer(sign_and_wait(&fixture, 0, "bob")));
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
        const char *serial = serial_of_answer(sign_and_wait(&fixture, 0, "alice"));
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

UNIT_MAIN("engine_keeper", a_keeper_that_dies_leaves_nothing_behind, what_was_signed_before_is_kept, locked_stops_only_what_needs_the_key, a_refusal_of_the_keeper_is_passed_on, an_answer_that_nobody_waits_for_is_dropped, a_revocation_does_not_wait_for_the_keeper, a_crl_shows_what_was_revoked_before_it_was_asked_for, a_build_that_is_too_old_is_not_enough, nobody_waits_for_a_keeper_that_is_gone)
