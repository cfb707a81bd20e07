/*
 * test_term.c - terms and instants, and what is neither.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/term.h"

#include <stdio.h>
#include <time.h>

#include "unit.h"

START_TEST(a_term_is_a_number_and_a_letter)
{
    static const struct { const char *text; int64_t seconds; } good[] = {
        {"1s", 1}, {"5m", 300}, {"12h", 43200}, {"90d", 7776000}, {"36600d", TERM_MAX}, {"007d", 604800}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t seconds = -1;
        ck_assert_int_eq(term_parse(good[i].text, &seconds), 0);
        ck_assert_int_eq(seconds, good[i].seconds);
    }
}
END_TEST

START_TEST(what_is_no_term_is_refused_and_leaves_the_result_alone)
{
    static const char *const bad[] = {"", "d", "0d", "-1d", "+1d", "1", "1w", "1dd", "1 d", " 1d", "1d ", "1.5d", "0x1d", "36601d",
                                      "878401h", "99999999999999999999d", "18446744073709551617s", "1D"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t seconds = 42;
        ck_assert_msg(term_parse(bad[i], &seconds) == -1, "accepted \"%s\"", bad[i]);
        ck_assert_int_eq(seconds, 42);
    }
    int64_t seconds = 42;
    ck_assert_int_eq(term_parse(NULL, &seconds), -1);
}
END_TEST

START_TEST(a_term_is_written_in_its_shortest_form_and_reads_back)
{
    static const struct { int64_t seconds; const char *text; } forms[] = {
        {7776000, "90d"}, {3600, "1h"}, {5400, "90m"}, {61, "61s"}, {0, "0s"}, {86401, "86401s"}, {TERM_MAX, "36600d"}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char text[INSTANT_TEXT_SIZE];
        int64_t back;
        term_format(forms[i].seconds, text);
        ck_assert_str_eq(text, forms[i].text);
        if (forms[i].seconds > 0) {
            ck_assert_int_eq(term_parse(text, &back), 0);
            ck_assert_int_eq(back, forms[i].seconds);
        }
    }
}
END_TEST

START_TEST(an_instant_is_rfc_3339)
{
    static const struct { const char *text; int64_t seconds; } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-23T20:12:57Z", 1795464777},
        {"2026-11-23t20:12:57z", 1795464777},
        {"2026-11-23T21:12:57+01:00", 1795464777},
        {"2026-11-23T15:12:57.999999999-05:00", 1795464777},
        {"2000-02-29T00:00:00Z", 951782400},
        {"2049-12-31T23:59:59Z", 2524607999},
        {"9999-12-31T23:59:59Z", INSTANT_MAX},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t seconds = -1;
        ck_assert_msg(instant_parse(good[i].text, &seconds) == 0, "refused \"%s\"", good[i].text);
        ck_assert_msg(seconds == good[i].seconds, "%s: %lld", good[i].text, (long long)seconds);
    }
}
END_TEST

START_TEST(what_is_no_instant_is_refused)
{
    static const char *const bad[] = {
        "", "now", "2026-11-23", "2026-11-23T20:12:57", "2026-11-23 20:12:57Z", "2026-11-23T20:12Z", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-11-00T00:00:00Z",
        "2026-11-23T24:00:00Z", "2026-11-23T20:60:00Z", "2016-12-31T23:59:60Z", "2026-11-23T20:12:57.Z", "2026-11-23T20:12:57+1:00",
        "2026-11-23T20:12:57+24:00", "2026-11-23T20:12:57+01:60", "2026-11-23T20:12:57Zx", "2026-11-23T20:12:57+01:00x",
        "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z",
        "2026-1-23T20:12:57Z", "+026-11-23T20:12:57Z", "0000-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t seconds = 42;
        ck_assert_msg(instant_parse(bad[i], &seconds) == -1, "accepted \"%s\"", bad[i]);
        ck_assert_int_eq(seconds, 42);
    }
}
END_TEST

/* The calendar is our own; the C library's is the witness, for a day of each month over all years that both can write. */
START_TEST(every_month_agrees_with_the_c_library)
{
    for (int64_t seconds = INT64_C(-62167219200); seconds <= INSTANT_MAX; seconds += 30 * 86400 + 12345) {
        char ours[INSTANT_TEXT_SIZE], theirs[64];
        struct tm tm;
        time_t at = (time_t)seconds;
        instant_format(seconds, ours);
        ck_assert_ptr_nonnull(gmtime_r(&at, &tm));
        snprintf(theirs, sizeof theirs, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                 tm.tm_min, tm.tm_sec);
        ck_assert_str_eq(ours, theirs);
        int64_t back = -1;
        ck_assert_int_eq(instant_parse(ours, &back), seconds < 0 ? -1 : 0);
        if (seconds >= 0)
            ck_assert_int_eq(back, seconds);
    }
}
END_TEST

START_TEST(what_cannot_be_written_becomes_the_nearer_end)
{
    char text[INSTANT_TEXT_SIZE];
    instant_format(INT64_MAX, text);
    ck_assert_str_eq(text, "9999-12-31T23:59:59Z");
    instant_format(INT64_MIN, text);
    ck_assert_str_eq(text, "0000-01-01T00:00:00Z");
}
END_TEST

UNIT_MAIN("term", a_term_is_a_number_and_a_letter, what_is_no_term_is_refused_and_leaves_the_result_alone,
          a_term_is_written_in_its_shortest_form_and_reads_back, an_instant_is_rfc_3339, what_is_no_instant_is_refused,
          every_month_agrees_with_the_c_library, what_cannot_be_written_becomes_the_nearer_end)
