/*
 * test_operations.c - the table of operations against the interface that we publish, and what several operations share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "agent/ops/common.h"
#include "proto/message.h"
#include "proto/service.h"
#include "tests/unit/unit.h"

enum { METHODS_MAX = 64 };

/* --- the table --------------------------------------------------------------------------------------------- */

START_TEST(each_row_is_whole)
{
    for (size_t i = 0; i < operation_count; i++) {
        const struct operation *operation = operations[i];
        const struct method_schema *schema = method_schema_find(operation->method);
        ck_assert_msg(schema != NULL, "%s has no codec", operation->method);
        ck_assert_msg(schema->call && schema->reply, "%s lacks a direction", operation->method);
        ck_assert_msg(operation->type > POLICY_NONE && operation->type < POLICY_TYPES, "%s has no policy type", operation->method);
        ck_assert_msg(operation->plan != NULL, "%s has no plan", operation->method);
        ck_assert_msg(!operation->reply != !operation->stream, "%s: exactly one of reply and stream", operation->method);
        ck_assert_msg(!operation->shared_reply || (operation->reply && !operation->change), "%s cannot share its reply", operation->method);
    }
}
END_TEST

START_TEST(no_method_stands_twice_and_each_is_found)
{
    for (size_t i = 0; i < operation_count; i++)
        ck_assert_ptr_eq(operation_find(operations[i]->method), operations[i]);
    ck_assert_ptr_null(operation_find("issue"));
    ck_assert_ptr_null(operation_find(""));
    ck_assert_ptr_null(operation_find("GetInfo"));
}
END_TEST

/* The names of the methods that the published file declares. */
static size_t published_methods(char names[METHODS_MAX][64])
{
    static const char ask[] = "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"io.mtlsd.Agent\"}}";
    struct message_call call;
    json_t *reply = NULL;
    size_t count = 0;
    ck_assert_int_eq(message_parse_call(ask, sizeof ask - 1, &call, NULL), 0);
    ck_assert_int_eq(service_answer(&call, &reply, NULL), 1);
    const char *text = json_string_value(json_object_get(reply, "description"));
    for (const char *line = text; line; line = strchr(line, '\n'), line += line != NULL)
        if (sscanf(line, "method %63[A-Za-z0-9](", names[count]) == 1)
            ck_assert_uint_lt(++count, METHODS_MAX);
    json_decref(reply);
    message_call_clear(&call);
    return count;
}

START_TEST(what_is_published_is_what_is_there)
{
    char names[METHODS_MAX][64];
    size_t count = published_methods(names);
    ck_assert_uint_eq(count, operation_count);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(operation_find(names[i]) != NULL, "method %s is published but not there", names[i]);
}
END_TEST

/* Which method needs what right is a promise to operators: written down here a second time, on purpose. */
START_TEST(each_method_asks_for_the_right_that_is_documented)
{
    static const struct { const char *method; enum policy_type type; bool change; } promised[] = {
        {"Issue", POLICY_ISSUE, true}, {"Sign", POLICY_ISSUE, true}, {"Renew", POLICY_ISSUE, true}, {"Verify", POLICY_VERIFY, false},
        {"Export", POLICY_EXPORT, true}, {"Revoke", POLICY_REVOKE, true}, {"Resume", POLICY_REVOKE, true}, {"List", POLICY_READ, false},
        {"Get", POLICY_READ, false}, {"GetAuthority", POLICY_PUBLIC, false}, {"GetCRL", POLICY_PUBLIC, false},
        {"Status", POLICY_READ, false}, {"Explain", POLICY_READ, false}, {"Reload", POLICY_ADMIN, false},
    };
    ck_assert_uint_eq(sizeof promised / sizeof promised[0], operation_count);
    for (size_t i = 0; i < operation_count; i++) {
        const struct operation *operation = operation_find(promised[i].method);
        ck_assert_msg(operation && operation->type == promised[i].type, "%s", promised[i].method);
        ck_assert_msg(operation->change == promised[i].change, "%s", promised[i].method);
    }
}
END_TEST

/* --- reasons ----------------------------------------------------------------------------------------------- */

/* RFC 5280 section 5.3.1: the numbers are on the CRL, the names on our wire. */
START_TEST(reasons_are_those_of_rfc_5280)
{
    static const struct { int number; const char *name; } reasons[] = {
        {0, "unspecified"}, {1, "keyCompromise"}, {2, "cACompromise"}, {3, "affiliationChanged"}, {4, "superseded"},
        {5, "cessationOfOperation"}, {6, "certificateHold"}, {9, "privilegeWithdrawn"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        ck_assert_int_eq(reason_from_name(reasons[i].name), reasons[i].number);
        ck_assert_str_eq(reason_name(reasons[i].number), reasons[i].name);
    }
}
END_TEST

/* 7 is unused; removeFromCRL (8) is for deltas alone; aACompromise (10) for attribute certificates. */
START_TEST(other_reasons_are_none)
{
    static const char *const names[] = {"removeFromCRL", "aACompromise", "KEYCOMPROMISE", "keycompromise", "", "1"};
    static const int numbers[] = {-1, 7, 8, 10, 100, -100};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_msg(reason_from_name(names[i]) == -1, "%s", names[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        ck_assert_ptr_null(reason_name(numbers[i]));
}
END_TEST

/* --- what several operations share ------------------------------------------------------------------------- */

START_TEST(a_service_name_is_a_plain_file_name)
{
    static const char *const good[] = {"vpn", "a", "web.example.com", "ops-team_2", "A.b-C_9"};
    static const char *const bad[] = {"", ".hidden", "..", "a/b", "../etc", "a b", "\xc3\xa4", "a\n",
                                      "0123456789012345678901234567890123456789012345678901234567890123456789"};
    struct failure failure = {0};
    ck_assert_str_eq(request_service(NULL, &failure), "default");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_str_eq(request_service(good[i], &failure), good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(request_service(bad[i], &failure) == NULL, "%s", bad[i]);
        ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
        ck_assert_str_eq(failure.field, "service");
    }
}
END_TEST

START_TEST(a_status_is_what_it_is_at_this_instant)
{
    const int64_t now = 1800000000;
    struct certificate_row row = {.not_before = now - 10, .not_after = now + 10};
    ck_assert_str_eq(row_status(&row, now), "live");
    ck_assert_str_eq(row_status(&row, now + 10), "live"); /* notAfter is within the validity, RFC 5280 section 4.1.2.5 */
    ck_assert_str_eq(row_status(&row, now + 11), "expired");
    ck_assert_str_eq(row_status(&row, now - 11), "notYetValid");
    row.status = STATUS_HELD;
    ck_assert_str_eq(row_status(&row, now), "held");
    ck_assert_str_eq(row_status(&row, now + 11), "expired");
    row.status = STATUS_REVOKED;
    ck_assert_str_eq(row_status(&row, now), "revoked");
    ck_assert_str_eq(row_status(&row, now + 11), "revoked");
}
END_TEST

START_TEST(names_survive_the_index)
{
    static const char lines[] = "DNS:a.example.com\nemail:alice@example.com\nURI:spiffe://example.com/alice\nIP:2001:db8::1";
    struct arena arena;
    struct names names;
    struct failure failure = {0};
    arena_init(&arena);
    ck_assert_msg(names_from_lines("alice", lines, &names, &failure) == 0, "%s", failure.reason);
    ck_assert_str_eq(names.common_name, "alice");
    ck_assert_uint_eq(names.count, 4);
    ck_assert_str_eq(names_to_lines(&arena, &names), lines);
    ck_assert_str_eq(names_summary(&arena, &names), "DNS:a.example.com and 3 more");
    names_clear(&names);
    ck_assert_int_eq(names_from_lines("alice", "", &names, &failure), 0);
    ck_assert_str_eq(names_summary(&arena, &names), "alice");
    names_clear(&names);
    arena_free(&arena);
}
END_TEST

/* A row that cannot be read must not become one without names, which a policy would look at kindly. */
START_TEST(names_that_cannot_be_read_are_an_error)
{
    static const char *const lines[] = {"DNS:", "nonsense", "DNS:ok.example.com\nDNS:not ok", "DNS:a\n\nDNS:b"};
    struct names untouched = {.count = 77};
    struct failure failure = {0};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ck_assert_msg(names_from_lines("alice", lines[i], &untouched, &failure) == -1, "%s", lines[i]);
        ck_assert_uint_eq(untouched.count, 77);
    }
}
END_TEST

START_TEST(a_list_of_sans_has_one_item_a_line)
{
    struct arena arena;
    arena_init(&arena);
    ck_assert_uint_eq(sans_to_list(&arena, "").count, 0);
    ck_assert_uint_eq(sans_to_list(&arena, NULL).count, 0);
    struct text_list list = sans_to_list(&arena, "DNS:a\nIP:192.0.2.1");
    ck_assert_uint_eq(list.count, 2);
    ck_assert_str_eq(list.items[0], "DNS:a");
    ck_assert_str_eq(list.items[1], "IP:192.0.2.1");
    arena_free(&arena);
}
END_TEST

START_TEST(a_term_that_is_none_names_its_field)
{
    static const char *const bad[] = {"", "90", "d", "-1d", "1w", "0d", "90 d", "99999999999d"};
    struct failure failure = {0};
    int64_t seconds = 5;
    ck_assert_int_eq(call_term(NULL, "life", &seconds, &failure), 0);
    ck_assert_int_eq(seconds, 0);
    ck_assert_int_eq(call_term("12h", "life", &seconds, &failure), 0);
    ck_assert_int_eq(seconds, 43200);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(call_term(bad[i], "life", &seconds, &failure) == -1, "%s", bad[i]);
        ck_assert_str_eq(failure.field, "life");
    }
}
END_TEST

/* The room for subjects doubles; none is lost at the edges. */
START_TEST(every_certificate_concerned_is_a_subject)
{
    struct request request = {0};
    char names[100][16];
    arena_init(&request.arena);
    for (size_t i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "name%zu", i);
        const struct certificate_row row = {.name = names[i], .sans = "", .profile = "client"};
        subject_of_row(&request, &row);
    }
    ck_assert_uint_eq(request.plan.subject_count, 100);
    for (size_t i = 0; i < 100; i++)
        ck_assert_str_eq(request.plan.subjects[i].name, names[i]);
    arena_free(&request.arena);
}
END_TEST

UNIT_MAIN("operations", each_row_is_whole, no_method_stands_twice_and_each_is_found, what_is_published_is_what_is_there,
          each_method_asks_for_the_right_that_is_documented, reasons_are_those_of_rfc_5280, other_reasons_are_none,
          a_service_name_is_a_plain_file_name, a_status_is_what_it_is_at_this_instant, names_survive_the_index,
          names_that_cannot_be_read_are_an_error, a_list_of_sans_has_one_item_a_line, a_term_that_is_none_names_its_field,
          every_certificate_concerned_is_a_subject)
