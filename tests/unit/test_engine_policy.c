/*
 * test_engine_policy.c - the engine and the policy: refusals, revocations, reloads, answers that serve many, alarms.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The keeper is played by the test (engine_fixture.h); the disk can be made slow or full (fault_vfs.h).
 */
#include "tests/unit/engine_fixture.h"
#include "tests/unit/fault_vfs.h"

enum { SLOW_DISK = 200 * 1000 /* microseconds a sync of the log */ };

static struct engine_fixture fixture;

/* --- who may not ------------------------------------------------------------------------------------------- */

START_TEST(refused_changes_are_recorded_in_bounded_number)
{
    engine_begin_quiet(&fixture, "use required permit\nread required permit\nissue required deny\nrevoke required deny\n", NULL);
    for (int i = 0; i < 25; i++) {
        ck_assert_str_eq(error_of(sign_and_wait(&fixture, 0, "alice")), "NotPermitted");
        ck_assert_str_eq(error_of(call(&fixture, 1, "Revoke", json_pack("{s:s}", "name", "nobody"))), "NotPermitted");
    }
    UNTIL(&fixture, audit_records(&fixture) >= REFUSALS_PER_MINUTE);
    settle(&fixture);
    ck_assert_int_le(audit_records(&fixture), 2 * REFUSALS_PER_MINUTE + 1); /* a minute may have turned */
    ck_assert_uint_eq(fixture.keeper.seen, 0);
    engine_end(&fixture);
}
END_TEST

/* A wrong value must not be answered before the right is asked where the answer tells that the certificate exists. */
START_TEST(a_bad_value_is_no_way_around_the_policy)
{
    engine_begin_quiet(&fixture, everything, NULL);
    char serial[64];
    snprintf(serial, sizeof serial, "%s", serial_of_answer(sign_and_wait(&fixture, 0, "alice")));
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
    snprintf(serial, sizeof serial, "%s", serial_of_answer(sign_and_wait(&fixture, 0, "alice")));
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
    sign_and_wait(&fixture, 0, "dave");
    char serial[64];
    snprintf(serial, sizeof serial, "%s", serial_of_answer(sign_and_wait(&fixture, 1, "other")));
    fixture.keeper.hold = true;
    struct caller *second = sign(&fixture, 2, "dave");
    UNTIL(&fixture, fixture.keeper.held_count == 1);
    fault_delay = SLOW_DISK;
    struct caller *slow = submit(&fixture, 1, "Revoke", json_pack("{s:s}", "serial", serial), NULL);
    engine_run(fixture.engine);
    UNTIL(&fixture, committing(&fixture));
    keeper_release(&fixture, 1); /* signed, it waits behind that COMMIT: no reader sees it yet */
    UNTIL(&fixture, keeper_link_under_way(fixture.link) == 0);
    ck_assert_msg(committing(&fixture) && !second->done, "the disk was not slow enough for this test");
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
    struct caller *before = sign(&fixture, 0, "alice");
    UNTIL(&fixture, fixture.keeper.held_count == 1);
    uint64_t epoch = epoch_read(fixture.epoch);
    world_write_policy(&fixture.base, "use required permit\nissue required deny\n");
    engine_reload(fixture.engine);
    ck_assert_uint_eq(fixture.reloads, 1);
    ck_assert_int_eq(engine_vitals(fixture.engine)->policy_generation, 2);
    ck_assert_uint_ne(epoch_read(fixture.epoch), epoch);
    struct caller *after = sign(&fixture, 1, "bob");
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
    struct caller *before = sign(&fixture, 0, "alice");
    UNTIL(&fixture, committing(&fixture));
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
    ck_assert_str_eq(error_of(sign_and_wait(&fixture, 0, "alice")), "");
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

START_TEST(a_shared_answer_is_fresh_after_a_change)
{
    engine_begin_quiet(&fixture, everything, NULL);
    ck_assert_int_eq(status_number(&fixture, "live"), 0);
    char serial[64];
    snprintf(serial, sizeof serial, "%s", serial_of_answer(sign_and_wait(&fixture, 0, "alice")));
    ck_assert_int_eq(status_number(&fixture, "live"), 1);
    ck_assert_str_eq(error_of(call(&fixture, 0, "Revoke", json_pack("{s:s}", "serial", serial))), "");
    ck_assert_int_eq(status_number(&fixture, "live"), 0);
    ck_assert_int_eq(status_number(&fixture, "revoked"), 1);
    keeper_die(&fixture);
    UNTIL(&fixture, !keeper_link_state(fixture.link));
    ck_assert_str_eq(json_string_value(json_object_get(answer_of(call(&fixture, 1, "Status", json_object())), "state")), "keeperAway");
    keeper_come(&fixture, true);
    ck_assert_str_eq(json_string_value(json_object_get(answer_of(call(&fixture, 1, "Status", json_object())), "state")), "ready");
    engine_vitals(fixture.engine)->connections = 17;
    ck_assert_int_eq(status_number(&fixture, "connections"), 17);
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
    UNTIL(&fixture, audit_records(&fixture) == 1);
    settle(&fixture);
    ck_assert_int_eq(status_number(&fixture, "alarms"), 1);
    free(pem);
    OPENSSL_free(der);
    X509_free(certificate);
    EVP_PKEY_free(key);
    engine_end(&fixture);
}
END_TEST

UNIT_MAIN("engine_policy", refused_changes_are_recorded_in_bounded_number, a_bad_value_is_no_way_around_the_policy, a_revocation_bumps_the_epoch_before_it_is_answered, a_revocation_by_name_is_planned_again_where_one_more_appeared, a_revocation_of_one_is_not_quietly_one_of_two, a_reload_waits_for_nobody_and_what_is_at_the_keeper_is_asked_anew, what_is_with_the_committer_ends_under_the_old_policy, a_bad_policy_leaves_the_old_one_in_force, after_a_reload_callers_are_served_on, a_shared_answer_is_fresh_after_a_change, a_shared_answer_is_not_for_everybody, a_certificate_that_we_never_issued_is_an_alarm)
