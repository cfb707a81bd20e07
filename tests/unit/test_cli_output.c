/*
 * test_cli_output.c - tables, facts, JSON and failures as mtlsctl prints them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "client/cli/output.h"

static char *text;
static size_t length;

static FILE *open_text(void)
{
    text = NULL;
    FILE *stream = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(stream);
    return stream;
}

static void expect(FILE *stream, const char *expected)
{
    fclose(stream);
    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(a_table_is_padded_by_characters)
{
    struct table table;
    table_init(&table, 3);
    const char *const heading[] = {"NAME", "STATUS", "LABEL"}, *const first[] = {"Ängström", "live", NULL},
                      *const second[] = {"bob", "revoked", "x"};
    ck_assert_int_eq(table_add(&table, heading) | table_add(&table, first) | table_add(&table, second), 0);
    FILE *stream = open_text();
    table_print(&table, stream, 1, false);
    expect(stream, "NAME      STATUS   LABEL\n"
                   "Ängström  live\n"
                   "bob       revoked  x\n");
    table_clear(&table);
}
END_TEST

START_TEST(colour_marks_the_status_alone)
{
    struct table table;
    table_init(&table, 2);
    const char *const heading[] = {"NAME", "STATUS"}, *const row[] = {"live", "revoked"};
    ck_assert_int_eq(table_add(&table, heading) | table_add(&table, row), 0);
    FILE *stream = open_text();
    table_print(&table, stream, 1, true);
    expect(stream, "\033[1mNAME\033[0m  \033[1mSTATUS\033[0m\nlive  \033[31mrevoked\033[0m\n");
    table_clear(&table);
    stream = open_text();
    ck_assert(!output_coloured(stdin)); /* under the tests it is no terminal, or TERM says so */
    expect(stream, "");
}
END_TEST

START_TEST(what_strangers_named_cannot_drive_the_terminal)
{
    FILE *stream = open_text();
    output_fact(stream, "name", "al\033[2Jice\n\xff");
    expect(stream, "name:           al?[2Jice??\n");
    stream = open_text();
    output_fact(stream, "label", NULL);
    expect(stream, "");
}
END_TEST

START_TEST(time_left_is_coarse)
{
    static const struct {
        const char *end;
        int64_t now;
        const char *expected;
    } cases[] = {
        {"1970-04-01T00:00:00Z", 0, "90d"},
        {"1970-01-02T23:00:00Z", 0, "47h"},
        {"1970-01-01T01:30:00Z", 0, "90m"},
        {"1970-01-01T00:00:59Z", 0, "59s"},
        {"1970-01-01T00:00:00Z", 3 * 86400, "expired 3d ago"},
        {"nonsense", 0, "?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char left[TIME_LEFT_SIZE];
        output_time_left(cases[i].end, cases[i].now, left);
        ck_assert_str_eq(left, cases[i].expected);
    }
}
END_TEST

START_TEST(a_failure_is_an_object_and_a_sentence)
{
    struct failure failure;
    failure_set(&failure, FAILURE_BAD_REQUEST, "--life", "--life x: no term");
    char *err_text = NULL;
    size_t err_length;
    FILE *err = open_memstream(&err_text, &err_length), *out = open_text();
    output_failure(true, out, err, failure_name(failure.code), output_failure_parameters(&failure),
                   failure.reason);
    fclose(err);
    ck_assert_str_eq(err_text, "mtlsctl: --life x: no term\n");
    free(err_text);
    expect(
        out,
        "{\"error\":\"io.mtlsd.Agent.BadRequest\",\"parameters\":{\"field\":\"--life\",\"reason\":\"--life x: no term\"},"
        "\"message\":\"--life x: no term\"}\n");
}
END_TEST

START_TEST(a_denial_stands_for_itself)
{
    FILE *err = open_text();
    output_failure(false, stdout, err, "io.mtlsd.Agent.NotPermitted", NULL,
                   "denied: issue DNS:x by karen (uid 1001): policy.d/default:3 name");
    expect(err, "denied: issue DNS:x by karen (uid 1001): policy.d/default:3 name\n");
}
END_TEST

START_TEST(words_for_a_shell)
{
    static const struct {
        const char *word, *quoted;
    } cases[] = {
        {"alice@example.com", "alice@example.com"},
        {"", "''"},
        {"a b", "'a b'"},
        {"it's", "'it'\\''s'"},
        {"$(x)", "'$(x)'"},
        {"*", "'*'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *quoted = output_quote(cases[i].word);
        ck_assert_str_eq(quoted, cases[i].quoted);
        free(quoted);
    }
}
END_TEST

UNIT_MAIN("cli_output", a_table_is_padded_by_characters, colour_marks_the_status_alone,
          what_strangers_named_cannot_drive_the_terminal, time_left_is_coarse,
          a_failure_is_an_object_and_a_sentence, a_denial_stands_for_itself, words_for_a_shell)
