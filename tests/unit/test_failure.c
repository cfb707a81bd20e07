/*
 * test_failure.c - a refusal is one printable sentence with a code, whatever a stranger put into it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/failure.h"

#include <string.h>

#include "unit.h"

START_TEST(set_fills_all_and_returns_minus_one)
{
    struct failure failure;
    memset(&failure, 0xff, sizeof failure);
    ck_assert_int_eq(failure_set(&failure, FAILURE_BAD_REQUEST, "life", "life: %s is over %d days", "400d", 90), -1);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_str_eq(failure.field, "life");
    ck_assert_str_eq(failure.reason, "life: 400d is over 90 days");
    ck_assert_int_eq(failure.offset, -1);
    ck_assert_uint_eq(failure.serial_count, 0);
    ck_assert_str_eq(failure.operation, "");
}
END_TEST

START_TEST(nowhere_to_put_it_is_allowed)
{
    ck_assert_int_eq(failure_set(NULL, FAILURE_BUSY, NULL, "%s", "busy"), -1);
}
END_TEST

START_TEST(a_failure_may_quote_the_one_it_replaces)
{
    struct failure failure;
    failure_set(&failure, FAILURE_NOT_FOUND, "name", "no such name");
    failure_set(&failure, FAILURE_BAD_REQUEST, failure.field, "line 3: %s", failure.reason);
    ck_assert_str_eq(failure.reason, "line 3: no such name");
    ck_assert_str_eq(failure.field, "name");
}
END_TEST

START_TEST(control_characters_and_broken_utf8_become_question_marks)
{
    static const struct { const char *in, *out; } texts[] = {
        {"a\nb\tc\x7f", "a?b?c?"},
        {"\x1b[31mred", "?[31mred"},
        {"Zo\xc3\xab", "Zo\xc3\xab"},
        {"\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91"},
        {"\xc2\x9b" "31m", "??31m"},               /* CSI as a C1 control */
        {"\xc0\xaf", "??"},                          /* overlong */
        {"\xe0\x80\xaf", "???"},
        {"\xed\xa0\x80", "???"},                     /* surrogate */
        {"\xf4\x90\x80\x80", "????"},                /* past U+10FFFF */
        {"\xe2\x82", "??"},                          /* cut short by its sender, not by us */
        {"\xff", "?"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct failure failure;
        failure_set(&failure, FAILURE_BAD_REQUEST, texts[i].in, "%s", texts[i].in);
        ck_assert_str_eq(failure.reason, texts[i].out);
        ck_assert_str_eq(failure.field, texts[i].out);
    }
}
END_TEST

START_TEST(a_long_sentence_is_cut_between_characters)
{
    char text[2 * FAILURE_REASON_SIZE];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        struct failure failure;
        failure_set(&failure, FAILURE_INTERNAL, text, "%s", text);
        size_t length = strlen(failure.reason);
        ck_assert_uint_gt(length, FAILURE_REASON_SIZE - 5);
        ck_assert_uint_eq((length - shift) % 3, 0);
        ck_assert_ptr_null(strchr(failure.reason, '?'));
        ck_assert_uint_eq((strlen(failure.field) - shift) % 3, 0);
        ck_assert_ptr_null(strchr(failure.field, '?'));
    }
}
END_TEST

START_TEST(every_code_has_a_name_that_leads_back_and_an_exit_code)
{
    for (int code = FAILURE_NONE + 1; code < FAILURE_CODES; code++) {
        ck_assert_ptr_nonnull(failure_name((enum failure_code)code));
        ck_assert_int_eq(failure_from_name(failure_name((enum failure_code)code)), code);
        ck_assert_int_ge(failure_exit_code((enum failure_code)code), 1);
        ck_assert_int_le(failure_exit_code((enum failure_code)code), 4);
        size_t count;
        ck_assert_ptr_nonnull(failure_members((enum failure_code)code, &count));
        ck_assert_uint_ge(count, 1);
    }
    size_t count = 7;
    ck_assert_ptr_null(failure_members(FAILURE_NONE, &count));
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_null(failure_name(FAILURE_NONE));
    ck_assert_ptr_null(failure_name(FAILURE_CODES));
    ck_assert_int_eq(failure_exit_code(FAILURE_NONE), 0);
}
END_TEST

START_TEST(exit_codes_are_those_of_the_manual)
{
    ck_assert_int_eq(failure_exit_code(FAILURE_NOT_PERMITTED), 1);
    ck_assert_int_eq(failure_exit_code(FAILURE_BAD_REQUEST), 2);
    ck_assert_int_eq(failure_exit_code(FAILURE_NOT_FOUND), 2);
    ck_assert_int_eq(failure_exit_code(FAILURE_CONFLICT), 2);
    ck_assert_int_eq(failure_exit_code(FAILURE_BUSY), 4);
    ck_assert_int_eq(failure_exit_code(FAILURE_LOCKED), 4);
    ck_assert_int_eq(failure_exit_code(FAILURE_PENDING), 4);
}
END_TEST

START_TEST(an_unknown_name_is_internal)
{
    ck_assert_int_eq(failure_from_name("io.mtlsd.Agent.Nonsense"), FAILURE_INTERNAL);
    ck_assert_int_eq(failure_from_name(""), FAILURE_INTERNAL);
    ck_assert_int_eq(failure_from_name(NULL), FAILURE_INTERNAL);
}
END_TEST

UNIT_MAIN("failure", set_fills_all_and_returns_minus_one, nowhere_to_put_it_is_allowed, a_failure_may_quote_the_one_it_replaces,
          control_characters_and_broken_utf8_become_question_marks, a_long_sentence_is_cut_between_characters,
          every_code_has_a_name_that_leads_back_and_an_exit_code, exit_codes_are_those_of_the_manual, an_unknown_name_is_internal)
