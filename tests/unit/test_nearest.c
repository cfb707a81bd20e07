/*
 * test_nearest.c - "did you mean": near enough to help, never so far as to mislead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/nearest.h"

#include <string.h>

#include "unit.h"

static const char *const words[] = {"state", "socket", "policy", "crl-life", NULL, "crl-interval"};
enum { WORDS = sizeof words / sizeof words[0] };

START_TEST(a_typing_error_finds_the_word)
{
    ck_assert_str_eq(nearest_word("sokcet", words, WORDS), "socket"); /* two letters swapped are one error */
    ck_assert_str_eq(nearest_word("polcy", words, WORDS), "policy");
    ck_assert_str_eq(nearest_word("crl-intervall", words, WORDS), "crl-interval");
    ck_assert_str_eq(nearest_word("stat", words, WORDS), "state");
}
END_TEST

START_TEST(case_does_not_count)
{
    ck_assert_str_eq(nearest_word("SOCKET", words, WORDS), "socket");
}
END_TEST

START_TEST(what_is_far_from_all_gets_no_suggestion)
{
    ck_assert_ptr_null(nearest_word("banana", words, WORDS));
    ck_assert_ptr_null(nearest_word("x", words, WORDS));
    ck_assert_ptr_null(nearest_word("", words, WORDS));
    ck_assert_ptr_null(nearest_word(NULL, words, WORDS));
    ck_assert_ptr_null(nearest_word("state", words, 0));
}
END_TEST

START_TEST(the_nearer_one_wins_and_the_first_of_equals)
{
    const char *const pair[] = {"crl-life", "crl-like"};
    ck_assert_str_eq(nearest_word("crl-like", pair, 2), "crl-like");
    ck_assert_str_eq(nearest_word("crl-lixe", pair, 2), "crl-life");
}
END_TEST

START_TEST(a_very_long_word_is_near_to_nothing)
{
    char longer[NEAREST_WORD_MAX + 2], longest[NEAREST_WORD_MAX + 1];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const same[] = {longer, longest};
    ck_assert_ptr_null(nearest_word(longer, same, 1));
    ck_assert_ptr_eq(nearest_word(longest, same, 2), longest);
}
END_TEST

UNIT_MAIN("nearest", a_typing_error_finds_the_word, case_does_not_count, what_is_far_from_all_gets_no_suggestion,
          the_nearer_one_wins_and_the_first_of_equals, a_very_long_word_is_near_to_nothing)
