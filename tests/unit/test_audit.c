/*
 * test_audit.c - the body of an audit record: compact, complete, in a fixed order, and JSON whatever it is about.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/audit.h"

#include <jansson.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct names names_of(const char *name, const char *const *sans, size_t count)
{
    struct names names = {0};
    struct failure failure = {0};
    ck_assert_int_eq(names_set_common_name(&names, name, strlen(name), "name", &failure), 0);
    for (size_t i = 0; i < count; i++) {
        struct san san;
        ck_assert_msg(san_parse(sans[i], &san, &failure) == 0 && names_add(&names, &san, &failure) == 0, "%s", failure.reason);
    }
    return names;
}

START_TEST(a_full_record_has_its_members_in_order)
{
    static const char *const sans[] = {"DNS:alice.example.com", "IP:192.0.2.1"};
    struct names names = names_of("alice", sans, 2);
    const struct peer peer = {.pid = 42, .uid = 1001, .pidfd = -1, .login = "karen", .unit = "ops.service"};
    const struct serial serials[] = {{.length = 2, .bytes = {0x19, 0xab}}};
    const struct policy_decision decision = {.allowed = true, .file = "policy.d/default", .line = 3, .module = "peer"};
    const struct audit_record record = {.operation = "issue", .outcome = "done", .peer = &peer, .service = "default", .profile = "client",
                                        .reason = "", .names = &names, .serials = serials, .serial_count = 1, .decision = &decision};
    char *text = audit_record_format(&record);
    ck_assert_str_eq(text, "{\"operation\":\"issue\",\"outcome\":\"done\",\"uid\":1001,\"pid\":42,\"login\":\"karen\",\"unit\":\"ops.service\","
                           "\"service\":\"default\",\"profile\":\"client\",\"name\":\"alice\","
                           "\"sans\":[\"DNS:alice.example.com\",\"IP:192.0.2.1\"],\"serialCount\":1,\"serials\":[\"19ab\"],"
                           "\"line\":\"policy.d/default:3 peer\"}");
    free(text);
    names_clear(&names);
}
END_TEST

START_TEST(what_does_not_apply_is_left_out)
{
    const struct audit_record record = {.operation = "verify", .outcome = "alarm"};
    char *text = audit_record_format(&record);
    ck_assert_str_eq(text, "{\"operation\":\"verify\",\"outcome\":\"alarm\"}");
    free(text);
}
END_TEST

START_TEST(many_serials_are_counted_and_the_first_are_named)
{
    struct serial serials[AUDIT_SERIALS_MAX + 50];
    for (size_t i = 0; i < AUDIT_SERIALS_MAX + 50; i++)
        serials[i] = (struct serial){.length = 1, .bytes = {(uint8_t)(i + 1)}};
    const struct audit_record record = {.operation = "revoke", .outcome = "done", .serials = serials,
                                        .serial_count = AUDIT_SERIALS_MAX + 50};
    char *text = audit_record_format(&record);
    json_t *body = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(body, "serialCount")), AUDIT_SERIALS_MAX + 50);
    ck_assert_uint_eq(json_array_size(json_object_get(body, "serials")), AUDIT_SERIALS_MAX);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(body, "serials"), 1)), "02");
    json_decref(body);
    free(text);
}
END_TEST

/* What a stranger chose stands in the record as text and can pose as nothing else. */
START_TEST(quotes_and_newlines_in_a_name_stay_text)
{
    const struct audit_record record = {.operation = "issue", .outcome = "refused", .reason = "x\",\"outcome\":\"done\n\\"};
    char *text = audit_record_format(&record);
    json_t *body = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(body, "outcome")), "refused");
    ck_assert_str_eq(json_string_value(json_object_get(body, "reason")), "x\",\"outcome\":\"done\n\\");
    ck_assert_ptr_null(strchr(text, '\n'));
    json_decref(body);
    free(text);
}
END_TEST

START_TEST(a_text_that_is_no_utf8_is_made_printable_and_not_lost)
{
    struct peer peer = {.uid = 7, .pidfd = -1};
    memcpy(peer.unit, "caf\xe9.service", 13);
    const struct audit_record record = {.operation = "issue", .outcome = "done", .peer = &peer};
    char *text = audit_record_format(&record);
    ck_assert_ptr_nonnull(strstr(text, "\"unit\":\"caf?.service\""));
    free(text);
}
END_TEST

UNIT_MAIN("audit", a_full_record_has_its_members_in_order, what_does_not_apply_is_left_out,
          many_serials_are_counted_and_the_first_are_named, quotes_and_newlines_in_a_name_stay_text,
          a_text_that_is_no_utf8_is_made_printable_and_not_lost)
