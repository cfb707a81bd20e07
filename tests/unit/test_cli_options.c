/*
 * test_cli_options.c - what may stand on mtlsctl's command line: terms, shares, SANs, serials, and what is
 * refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/due.h"
#include "client/cli/target.h"

static struct options options;
static const char *operands[OPERANDS_MAX];
static struct failure failure;

static int parse(const char *allowed, const char *const *argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    struct option_parse walk = {
        .argv = argv,
        .argc = argc,
        .at = 1,
        .command = "issue",
        .allowed = allowed,
        .operands = operands,
        .operand_room = 1,
    };
    options_clear(&options);
    options_init(&options);
    memset(&failure, 0, sizeof failure);
    return options_parse(&walk, &options, &failure);
}

#define PARSE(allowed, ...) parse(allowed, (const char *const[]){"mtlsctl", __VA_ARGS__, NULL})

START_TEST(options_and_operands_mix)
{
    ck_assert_int_eq(PARSE("out life force", "--out", "dir", "alice", "--life=90d", "--force", "--json"), 0);
    ck_assert_str_eq(options.out, "dir");
    ck_assert_str_eq(options.life, "90d");
    ck_assert_str_eq(operands[0], "alice");
    ck_assert(options.force && options.json && !options.yes);
    ck_assert_int_eq(PARSE("out", "--", "--out"), 0);
    ck_assert_str_eq(operands[0], "--out");
    ck_assert_int_eq(PARSE("", "-"), 0); /* standard input */
    ck_assert_str_eq(operands[0], "-");
}
END_TEST

START_TEST(days_is_another_word_for_life)
{
    ck_assert_int_eq(PARSE("life days", "--days", "30"), 0);
    ck_assert_str_eq(options.life, "30d");
    ck_assert_int_eq(PARSE("life days", "--days", "30", "--life", "30d"), 0);
    ck_assert_int_eq(PARSE("life days", "--days", "30", "--life", "31d"), -1);
    ck_assert_str_eq(failure.field, "--life");
}
END_TEST

START_TEST(what_cannot_be_used_is_refused_by_its_name)
{
    static const struct {
        const char *option, *value;
    } cases[] = {
        {"--life", "90"},
        {"--life", "-1d"},
        {"--life", "0d"},
        {"--life", "1.5d"},
        {"--life", "90 d"},
        {"--life", "999999999999999d"},
        {"--days", "90d"},
        {"--days", "-3"},
        {"--days", "99999999999999999999999999999999999"},
        {"--if-due", "0%"},
        {"--if-due", "100%"},
        {"--if-due", "%"},
        {"--if-due", "-3%"},
        {"--if-due", "33"},
        {"--if-due", "3x%"},
        {"--at", "yesterday"},
        {"--at", "2027-02-30T00:00:00Z"},
        {"--at", "2027-01-31"},
        {"--issued-before", "1"},
        {"--expiring", "soon"},
        {"--requester", "no such user"},
        {"--requester", "4294967295"},
        {"--requester", "4294967296"},
        {"--as", "-1"},
        {"--san", "alice"},
        {"--san", ""},
        {"--out", ""},
        {"--force=", ""},
        {"--frobnicate", "x"},
        {"-x", ""},
        {"--state", "/var/lib/mtlsd"},
        {"--config", "x"},
        {"--yes=no", ""},
    };
    static const char allowed[] = "life days if-due at issued-before expiring requester as san out force yes";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int result = PARSE(allowed, cases[i].option, cases[i].value);
        ck_assert_msg(result == -1, "%s %s", cases[i].option, cases[i].value);
        ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
        ck_assert_msg(strlen(failure.reason) > 10, "%s", failure.reason);
    }
}
END_TEST

START_TEST(another_commands_option_is_refused)
{
    ck_assert_int_eq(PARSE("out", "--anchors", "x"), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "issue has no such option"));
    ck_assert_int_eq(PARSE("out", "--out"), -1); /* and a missing value is told */
    ck_assert_int_eq(PARSE("out", "alice", "bob"), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "bob is one word too many"));
}
END_TEST

START_TEST(the_state_directory_is_mtlsds_business)
{
    ck_assert_int_eq(PARSE("out", "--state", "/var/lib/mtlsd"), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "--socket"));
}
END_TEST

START_TEST(sans_are_separated_by_commas_before_a_type)
{
    ck_assert_int_eq(PARSE("san", "--san", "DNS:a,email:b@c, IP:10.0.0.1",
                           "--san=URI:https://x/?a=1,2,dns:z"),
                     0);
    static const char *const expected[] = {"DNS:a", "email:b@c", "IP:10.0.0.1", "URI:https://x/?a=1,2",
                                           "dns:z"};
    ck_assert_uint_eq(options.sans.count, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_str_eq(options.sans.items[i], expected[i]);
}
END_TEST

START_TEST(more_names_than_a_certificate_holds_are_refused)
{
    char text[OPTION_SANS_MAX * 8 + 16] = "";
    for (int i = 0; i <= OPTION_SANS_MAX; i++)
        strncat(text, i ? ",DNS:a" : "DNS:a", sizeof text - strlen(text) - 1);
    ck_assert_int_eq(PARSE("san", "--san", text), -1);
    ck_assert_str_eq(failure.field, "--san");
}
END_TEST

START_TEST(users_by_number_and_name)
{
    ck_assert_int_eq(PARSE("requester as", "--requester", "0", "--as", "root"), 0);
    ck_assert(options.requester_given && options.requester == 0);
    ck_assert(options.as_given && options.as == 0);
    ck_assert_int_eq(PARSE("requester", "--requester", "4294967294"), 0);
    ck_assert_uint_eq(options.requester, 4294967294u);
}
END_TEST

START_TEST(times_are_rfc_3339)
{
    ck_assert_int_eq(PARSE("at", "--at", "1970-01-02T01:00:00+01:00"), 0);
    ck_assert_int_eq(options.at_seconds, 86400);
    ck_assert_int_eq(PARSE("at", "--json"), 0);
    ck_assert_int_eq(options.at_seconds, -1);
}
END_TEST

START_TEST(due_within_a_term_or_a_share_of_its_life)
{
    struct due due;
    enum { DAY = 86400 };
    ck_assert_int_eq(due_parse("30d", &due), 0);
    ck_assert_int_eq(due.seconds, 30 * DAY);
    ck_assert(!due_is_near(&due, 0, 90 * DAY, 60 * DAY - 1));
    ck_assert(due_is_near(&due, 0, 90 * DAY, 60 * DAY));
    ck_assert(due_is_near(&due, 0, 90 * DAY, 91 * DAY));
    ck_assert_int_eq(due_parse("33%", &due), 0);
    ck_assert_int_eq(due.percent, 33);
    ck_assert(!due_is_near(&due, 0, 100 * DAY, 67 * DAY - 1));
    ck_assert(due_is_near(&due, 0, 100 * DAY, 67 * DAY));
    ck_assert_int_eq(due_parse("99%", &due), 0);
    ck_assert(!due_is_near(&due, 0, INT64_MAX / 4, 0)); /* no overflow */
}
END_TEST

START_TEST(names_match_as_a_set)
{
    struct names held = {.common_name = "alice"};
    struct san san = {0};
    ck_assert_int_eq(san_parse("DNS:a.example.com", &san, &failure), 0);
    ck_assert_int_eq(names_add(&held, &san, &failure), 0);
    ck_assert_int_eq(san_parse("email:a@example.com", &san, &failure), 0);
    ck_assert_int_eq(names_add(&held, &san, &failure), 0);
    const char *const same[] = {"email:a@EXAMPLE.com", "DNS:A.example.com"}, *const fewer[] = {
                                                                                 "DNS:a.example.com"};
    const char *const other[] = {"DNS:a.example.com", "DNS:b.example.com"}, *const bad[] = {"DNS:-"};
    ck_assert_int_eq(due_sans_match(same, 2, &held, &failure), 1);
    ck_assert_int_eq(due_sans_match(fewer, 1, &held, &failure), 0);
    ck_assert_int_eq(due_sans_match(other, 2, &held, &failure), 0);
    ck_assert_int_eq(due_sans_match(bad, 1, &held, &failure), -1);
    names_clear(&held);
}
END_TEST

START_TEST(serials_in_every_form_and_names_that_look_like_them)
{
    ck_assert(target_is_serial("185e0c9a712b44109f3eaa015c7d206b"));
    ck_assert(target_is_serial("18:5E:0C:9A"));
    ck_assert(target_is_serial("185E0C9A712B4410"));
    ck_assert(!target_is_serial("cafe"));
    ck_assert(!target_is_serial("alice"));
    ck_assert(!target_is_serial("18:5E:0C:9"));
    ck_assert(!target_is_serial("::"));
    ck_assert(!target_is_serial(""));
}
END_TEST

START_TEST(a_word_is_tried_both_ways_once)
{
    struct cli cli = {.operands = {"cafe"}, .operand_count = 1, .command = commands[0]};
    struct target target;
    options_init(&cli.options);
    ck_assert_int_eq(target_take(&cli, &target, &failure), 0);
    ck_assert_str_eq(target.name, "cafe");
    ck_assert(target_flip(&cli, &target));
    ck_assert_str_eq(target.serial, "cafe");
    ck_assert_ptr_null(target.name);
    ck_assert(!target_flip(&cli, &target));
    cli.operands[0] = "alice";
    ck_assert_int_eq(target_take(&cli, &target, &failure), 0);
    ck_assert(!target_flip(&cli, &target));
    cli.options.serial = "01";
    ck_assert_int_eq(target_take(&cli, &target, &failure), -1); /* two targets */
    cli.operand_count = 0;
    ck_assert_int_eq(target_take(&cli, &target, &failure), 0);
    ck_assert(!target_flip(&cli, &target)); /* --serial means a serial */
    cli.options.serial = "xyz";
    ck_assert_int_eq(target_take(&cli, &target, &failure), -1);
}
END_TEST

START_TEST(every_command_names_options_that_exist_and_three_examples)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = commands[i];
        for (const char *at = command->options; *at; at += strspn(at, " ")) {
            size_t length = strcspn(at, " ");
            ck_assert_msg(option_exists(at, length), "%s: %.*s", command->name, (int)length, at);
            at += length;
        }
        int examples = !strncmp(command->examples, "mtlsctl ", 8);
        for (const char *line = command->examples; (line = strchr(line, '\n')); line++)
            examples += line[1] && line[1] != ' ';
        ck_assert_int_ge(examples, 3 - (strncmp(command->examples, "mtlsctl ", 8) != 0));
        ck_assert_ptr_nonnull(command->run);
    }
}
END_TEST

UNIT_MAIN("cli_options", options_and_operands_mix, days_is_another_word_for_life,
          what_cannot_be_used_is_refused_by_its_name, another_commands_option_is_refused,
          the_state_directory_is_mtlsds_business, sans_are_separated_by_commas_before_a_type,
          more_names_than_a_certificate_holds_are_refused, users_by_number_and_name, times_are_rfc_3339,
          due_within_a_term_or_a_share_of_its_life, names_match_as_a_set,
          serials_in_every_form_and_names_that_look_like_them, a_word_is_tried_both_ways_once,
          every_command_names_options_that_exist_and_three_examples)
