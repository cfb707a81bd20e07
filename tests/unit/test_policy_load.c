/*
 * test_policy_load.c - policy files: what is taken, what is refused and with which words.
 * (test_policy_directory.c: from where.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/policy_help.h"

START_TEST(test_comments_blanks_and_a_missing_last_newline)
{
    struct policy *policy = must_load("# who may come in\n\n  \t\nuse\trequired   permit # everybody\n  issue "
                                      "required peer uid=1001");
    ck_assert(allowed_on(policy, "default", POLICY_ISSUE, 1001));
    ck_assert(!allowed_on(policy, "default", POLICY_ISSUE, 1002));
    policy_free(policy);
    policy_free(must_load(""));
    policy_free(must_load("# nothing but a comment"));
    policy_free(NULL);
}
END_TEST

START_TEST(test_a_bad_line_is_named_with_place_and_nearest_word)
{
    static const struct { const char *text, *reason;
    } bad[] = {
        {"isue required permit", "policy.d/default:1:1: found type 'isue', expected use, issue, verify, "
                                 "export, revoke, read or "
                                 "admin; did you mean 'issue'?"},
        {"public required permit", "found type 'public', expected use"},
        {"Issue required permit", "found type 'Issue', expected use, issue, verify, export, revoke, read or "
                                  "admin; did you mean 'issue'?"},
        {"-issue required permit", "found type '-issue'"},
        {"issue", "policy.d/default:1:6: found the end of the line, expected a control"},
        {"issue requird permit", "policy.d/default:1:7: found control 'requird', expected required, requisite, "
                                 "sufficient, optional "
                                 "or include; did you mean 'required'?"},
        {"issue substack common", "found control 'substack'"},
        {"issue [success=ok default=bad] permit", "policy.d/default:1:7: found a control in brackets"},
        {"issue required", "policy.d/default:1:15: found the end of the line, expected a module"},
        {"issue required   # permit", "found the end of the line, expected a module"},
        {"\n\nissue  required  pear uid=0", "policy.d/default:3:18: found module 'pear', expected permit, "
                                            "deny, peer"},
        {"issue required pear", "did you mean 'peer'?"},
        {"issue required rate", "found module 'rate'"},
        {"issue required peer grop=1", "policy.d/default:1:21: found key 'grop', expected uid, user, gid, "
                                       "group or unit; did you mean "
                                       "'group'?"},
        {"issue required peer uid=0 group", "policy.d/default:1:27: found 'group', expected key=value"},
        {"issue required peer group=", "found an empty value in 'group='"},
        {"issue required peer uid=0,,1", "found an empty value in 'uid=0,,1'"},
        {"issue required peer uid=0,", "found an empty value"},
        {"issue required peer", "policy.d/default:1:20: found no argument, expected at least one of uid="},
        {"use required name dns=a", "policy.d/default:1:14: found module name in a line of type use, where it "
                                    "has nothing to look at"},
        {"verify required life max=1d", "found module life in a line of type verify"},
        {"issue required fact method=GET", "found module fact in a line of type issue"},
        {"issue required permit \\\nuid=0", "policy.d/default:1:23: found a backslash at the end of a line: "
                                            "lines cannot be continued"},
        {"issue required permit\\", "found a backslash at the end"},
        {"issue required peer uid=0#root", "policy.d/default:1:26: found '#' inside a word, expected a blank "
                                           "before a comment"},
        {"issue required permit\r\n", "policy.d/default:1:22: found CR LF at the end of the line"},
        {"issue required per\x01mit", "policy.d/default:1:19: found the control character 0x01"},
        {"issue required\x0cpermit", "found the control character 0x0c"},
        {"issue required name cn=\xff", "policy.d/default:1:24: found a byte that is not UTF-8"},
        {"# \xc0\x80", "policy.d/default:1:3: found a byte that is not UTF-8"},
        {"# \xed\xa0\x80", "found a byte that is not UTF-8"},
        {"issue include", "policy.d/default:1:14: found the end of the line, expected the name of a file"},
        {"issue include ../secret", "policy.d/default:1:15: found '../secret', expected the name of a file of "
                                    "this directory"},
        {"issue include .hidden", "expected the name of a file of this directory"},
        {"issue include common also", "policy.d/default:1:22: found 'also', expected the end of the line"},
        {"issue include common", "policy.d/default:1:15: found include common, but there is no file "
                                 "policy.d/common"},
        {"issue include defalt", "did you mean 'default'?"},
        {"issue include default", "policy.d/default:1:15: found include default, which goes round in a circle"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        must_refuse(bad[i].text, strlen(bad[i].text), bad[i].reason);
    must_refuse("issue\0required permit", 21, "policy.d/default:1:6: found a NUL byte");
}
END_TEST

static void repeat(char *out, size_t size, const char *piece, size_t times)
{
    size_t length = strlen(piece);
    ck_assert_uint_lt(length * times, size);
    for (size_t i = 0; i < times; i++)
        memcpy(out + i * length, piece, length);
    out[length * times] = '\0';
}

START_TEST(test_limits_of_line_and_file)
{
    static char text[1100000];
    memset(text, 'a', sizeof text);
    text[0] = '#';
    struct policy *policy = NULL;
    ck_assert_int_eq(policy_load_text(text, 1023, &policy, NULL), 0);
    policy_free(policy);
    must_refuse(text, 1024, "policy.d/default:1:1024: found a line of 1024 bytes, expected less than 1024");
    text[sizeof text - 1] = '\0';
    must_refuse(text, 60000, "found a line of 60000 bytes");
    must_refuse(text, sizeof text - 1,
                "found a file of 1 lines and 1099999 bytes, expected at most 500 and 65536");

    repeat(text, sizeof text, "use required permit\n", 500);
    policy_free(must_load(text));
    repeat(text, sizeof text, "use required permit\n", 501);
    must_refuse(text, strlen(text), "found a file of 501 lines");
    repeat(text, sizeof text, "#\n", 20000);
    must_refuse(text, strlen(text), "found a file of 20000 lines");
    /* A line of nothing but words. */
    repeat(text, sizeof text, "a ", 511);
    must_refuse(text, strlen(text), "found type 'a'");
}
END_TEST

/* Files in memory. */
static int load_files(const char *const (*files)[2], size_t count, struct policy **out, struct failure *failure)
{
    struct policy_source sources[64];
    struct module_table modules = {policy_modules, policy_module_count};
    ck_assert_uint_le(count, 64);
    for (size_t i = 0; i < count; i++)
        sources[i] = (struct policy_source){(char *)(uintptr_t)files[i][0], (char *)(uintptr_t)files[i][1],
                                            strlen(files[i][1])};
    return policy_load_sources("policy.d", sources, count, &modules, NULL, NULL, out, failure);
}

START_TEST(test_include_splices_the_lines_of_its_own_type_in_place)
{
    static const char *const files[][2] = {
        {"default", "use required permit\nissue include common\nissue required permit\nread include common\n"},
        {"common", "issue sufficient peer uid=0\nissue requisite peer uid=1001\nverify required permit\n"},
    };
    struct policy *policy = NULL;
    struct failure failure = {.reason = ""};
    ck_assert_msg(load_files(files, 2, &policy, &failure) == 0, "%s", failure.reason);
    ck_assert(allowed_on(policy, "default", POLICY_ISSUE, 0));
    ck_assert(allowed_on(policy, "default", POLICY_ISSUE, 1001));
    ck_assert(!allowed_on(policy, "default", POLICY_ISSUE, 1002)); /* requisite ends the including stack, too */
    ck_assert(!allowed_on(policy, "default", POLICY_VERIFY, 0));   /* not asked for by a verify include */
    ck_assert(!allowed_on(policy, "default", POLICY_READ, 0));     /* nothing to splice: a stack without lines */
    struct asked a;
    ask(&a, POLICY_ISSUE);
    a.peer.uid = 1002;
    struct policy_decision decision = decide(policy, &a);
    ck_assert_str_eq(decision.file, "policy.d/common");
    ck_assert_uint_eq(decision.line, 2);
    policy_free(policy);
}
END_TEST

START_TEST(test_include_circles_are_refused_by_name_but_only_within_a_type)
{
    static const char *const circle[][2] = {
        {"a", "issue include b\n"},
        {"b", "# b\nissue include c\n"},
        {"c", "use required permit\nissue include a\n"},
    };
    static const char *const lasso[][2] = {{"a", "issue include b\n"}, {"b", "issue include b\n"}};
    static const char *const no_circle[][2] = {{"a", "issue include b\n"},
                                               {"b", "verify include a\nissue required permit\n"}};
    struct policy *policy = NULL;
    struct failure failure = {.reason = ""};
    ck_assert_int_eq(load_files(circle, 3, &policy, &failure), -1);
    ck_assert_msg(strstr(failure.reason, "policy.d/c:2:15: found include a, which goes round in a circle: "
                                         "policy.d/a is already "
                                         "being included") != NULL,
                  "%s", failure.reason);
    ck_assert_int_eq(load_files(lasso, 2, &policy, &failure), -1);
    ck_assert_msg(strstr(failure.reason, "policy.d/b:1:15: found include b, which goes round") != NULL, "%s",
                  failure.reason);
    ck_assert_int_eq(load_files(no_circle, 2, &policy, &failure), 0);
    policy_free(policy);
}
END_TEST

START_TEST(test_include_depth_and_multiplication_are_bounded)
{
    static char names[32][8], texts[32][2048];
    const char *files[32][2];
    struct policy *policy = NULL;
    struct failure failure = {.reason = ""};
    for (int i = 0; i < 32; i++) {
        snprintf(names[i], sizeof names[i], "f%02d", i);
        snprintf(texts[i], sizeof texts[i], i < 17 ? "issue include f%02d\n" : "issue required permit\n", i + 1);
        files[i][0] = names[i];
        files[i][1] = texts[i];
    }
    ck_assert_int_eq(load_files((const char *const(*)[2])files, 18, &policy, &failure), -1);
    ck_assert_msg(strstr(failure.reason, "policy.d/f16:1:15: found includes more than 16 deep") != NULL, "%s",
                  failure.reason);
    files[0][1] = "# not the first\n";
    ck_assert_msg(load_files((const char *const(*)[2])files, 18, &policy, &failure) == 0, "%s", failure.reason);
    policy_free(policy);
    /* Each level doubles: 2^10 visits, though no line ever comes of it. */
    for (int i = 0; i < 10; i++)
        snprintf(texts[i], sizeof texts[i], "issue include f%02d\nissue include f%02d\n", i + 1, i + 1),
            files[i][1] = texts[i];
    files[10][1] = "# nothing\n";
    ck_assert_int_eq(load_files((const char *const(*)[2])files, 11, &policy, &failure), -1);
    ck_assert_msg(strstr(failure.reason, "found a stack of more than 500 lines, includes counted") != NULL,
                  "%s", failure.reason);
}
END_TEST

START_TEST(test_type_names_go_both_ways)
{
    for (int type = POLICY_USE; type < POLICY_TYPES; type++)
        ck_assert_int_eq(policy_type_find(policy_type_name((enum policy_type)type)), type);
    ck_assert_int_eq(policy_type_find("public"), POLICY_NONE);
    ck_assert_int_eq(policy_type_find("none"), POLICY_NONE);
    ck_assert_int_eq(policy_type_find(""), POLICY_NONE);
    ck_assert_int_eq(policy_type_find(NULL), POLICY_NONE);
    ck_assert_str_eq(policy_type_name(POLICY_PUBLIC), "public");
}
END_TEST

START_TEST(test_without_a_directory_root_and_one_uid_may_everything)
{
    struct policy *policy = policy_open_default(1234);
    ck_assert_ptr_nonnull(policy);
    static const char *const services[] = {"default", "anything", NULL};
    for (size_t i = 0; i < 3; i++)
        for (int type = POLICY_USE; type < POLICY_TYPES; type++) {
            ck_assert(allowed_on(policy, services[i], (enum policy_type)type, 0));
            ck_assert(allowed_on(policy, services[i], (enum policy_type)type, 1234));
            ck_assert(!allowed_on(policy, services[i], (enum policy_type)type, 1235));
        }
    struct asked a;
    ask(&a, POLICY_ISSUE);
    ck_assert_str_eq(decide(policy, &a).file, "built-in policy");
    policy_free(policy);
}
END_TEST

START_TEST(test_policy_knows_what_its_lines_want)
{
    struct policy *policy = must_load("use required permit\nissue required name dns=%u\n");
    ck_assert(policy_wants_login(policy));
    ck_assert(!policy_wants_unit(policy));
    policy_free(policy);
    policy =
        must_load("use required peer unit=backup.service\nverify required fact method=GET address=10.0.0.0/8\n"
                  "verify required fact host=a.example.com\n");
    ck_assert(!policy_wants_login(policy));
    ck_assert(policy_wants_unit(policy));
    ck_assert_uint_eq(policy_vary(policy, "default"), FACT_METHOD | FACT_ADDRESS | FACT_HOST);
    ck_assert_uint_eq(policy_vary(policy, NULL), FACT_METHOD | FACT_ADDRESS | FACT_HOST);
    ck_assert_uint_eq(policy_vary(policy, "elsewhere"), 0);
    ck_assert_uint_eq(policy_vary(policy, "../x"), 0);
    policy_free(policy);
}
END_TEST

UNIT_MAIN("policy_load", test_comments_blanks_and_a_missing_last_newline,
          test_a_bad_line_is_named_with_place_and_nearest_word, test_limits_of_line_and_file,
          test_include_splices_the_lines_of_its_own_type_in_place,
          test_include_circles_are_refused_by_name_but_only_within_a_type,
          test_include_depth_and_multiplication_are_bounded, test_type_names_go_both_ways,
          test_without_a_directory_root_and_one_uid_may_everything, test_policy_knows_what_its_lines_want)
