/*
 * test_cli_commands.c - mtlsctl against a scripted agent: files, exit codes, what was asked and what was not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/scripted_agent.h"

START_TEST(issue_writes_key_and_certificate)
{
    set_up();
    EXPECT(0, "issue", "alice", "--out", ".");
    struct stat status;
    ck_assert_int_eq(stat("alice.key", &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    ck_assert_ptr_nonnull(strstr(out, "issued alice, serial 1234"));
    ck_assert_int_eq(agent.issued, 1);
    char text[8192];
    read_text("alice.crt", text, sizeof text);
    ck_assert_str_eq(text, certificate_pem);
    tear_down();
}
END_TEST

START_TEST(a_refused_overwrite_asks_nobody)
{
    set_up();
    put("alice.crt", "mine");
    EXPECT(2, "issue", "alice", "--out", ".", "--json");
    ck_assert_int_eq(agent.asked, 0);
    ck_assert_ptr_nonnull(strstr(out, "\"error\":\"io.mtlsd.Agent.Conflict\""));
    ck_assert_ptr_nonnull(strstr(err, "--force replaces it"));
    ck_assert_int_ne(access("alice.key", F_OK), 0);
    EXPECT(0, "issue", "alice", "--out", ".", "--force");
    tear_down();
}
END_TEST

START_TEST(json_has_paths_instead_of_key_material)
{
    set_up();
    EXPECT(0, "--json", "issue", "alice", "--out", ".");
    ck_assert_ptr_null(strstr(out, "PRIVATE KEY"));
    ck_assert_ptr_nonnull(strstr(out, "\"privateKey\":\"./alice.key\""));
    ck_assert_ptr_nonnull(strstr(out, "\"changed\":true"));
    ck_assert_ptr_eq(strchr(out, '\n'), out + strlen(out) - 1); /* one line */
    tear_down();
}
END_TEST

START_TEST(a_dry_run_leaves_nothing)
{
    set_up();
    EXPECT(0, "issue", "alice", "--out", ".", "--dry-run");
    ck_assert_int_eq(agent.issued, 0);
    ck_assert_int_ne(access("alice.crt", F_OK), 0);
    ck_assert_ptr_nonnull(strstr(out, "would issue alice"));
    tear_down();
}
END_TEST

START_TEST(a_name_that_cannot_be_a_file_needs_another)
{
    set_up();
    EXPECT(2, "issue", "../alice", "--out", ".");
    ck_assert_int_eq(agent.asked, 0);
    ck_assert_ptr_nonnull(strstr(err, "--out-name"));
    EXPECT(0, "issue", "../alice", "--out", ".", "--out-name", "x");
    ck_assert_int_eq(access("x.key", F_OK), 0);
    EXPECT(2, "issue", "alice"); /* where to? */
    ck_assert_ptr_nonnull(strstr(err, "mtlsctl issue alice --out ."));
    tear_down();
}
END_TEST

START_TEST(a_p12_comes_from_the_agent_with_the_key_sent_back)
{
    set_up();
    put("pass", "hunter2\n");
    EXPECT(0, "issue", "alice", "--p12", "alice.p12", "--passphrase-file", "pass");
    char text[64];
    read_text("alice.p12", text, sizeof text);
    ck_assert_str_eq(text, "P12");
    ck_assert_ptr_nonnull(strstr(agent.last, "\"passphrase\":\"hunter2\""));
    put("pass", "\n");
    EXPECT(2, "issue", "alice", "--p12", "alice.p12", "--force", "--passphrase-file", "pass");
    tear_down();
}
END_TEST

/* --- the others --- */

START_TEST(exit_codes_follow_the_error)
{
    static const struct {
        const char *name;
        int code;
    } cases[] = {
        {"NotPermitted", 1}, {"BadRequest", 2}, {"NotFound", 2}, {"Conflict", 2},
        {"Busy", 4},         {"Locked", 4},     {"Pending", 4},  {"Internal", 3},
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char error[256], expected[64];
        snprintf(error, sizeof error,
                 "{\"error\":\"io.mtlsd.Agent.%s\",\"parameters\":{\"reason\":\"because\"}}", cases[i].name);
        snprintf(expected, sizeof expected, "{\"error\":\"io.mtlsd.Agent.%s\"", cases[i].name);
        agent.error = error;
        EXPECT(cases[i].code, "list", "--json");
        ck_assert(!strncmp(out, expected, strlen(expected)));
        ck_assert_ptr_nonnull(strstr(out, "\"message\":\""));
    }
    tear_down();
}
END_TEST

START_TEST(a_denial_says_what_to_try)
{
    set_up();
    agent.error =
        "{\"error\":\"io.mtlsd.Agent.NotPermitted\",\"parameters\":{\"reason\":\"denied: issue DNS:x by karen (uid 1001): "
        "policy.d/default:3 name\",\"operation\":\"issue\",\"service\":\"default\",\"line\":\"policy.d/default:3 name\"}}";
    EXPECT(1, "issue", "x", "--san", "DNS:x,DNS:a b", "--life", "9d", "--out", ".");
    ck_assert_str_eq(
        err,
        "denied: issue DNS:x by karen (uid 1001): policy.d/default:3 name; try: mtlsctl policy explain issue --name x --san DNS:x "
        "--san 'DNS:a b' --life 9d\n");
    tear_down();
}
END_TEST

START_TEST(revoke_without_a_terminal_takes_one_hit_and_refuses_several)
{
    set_up();
    EXPECT(0, "revoke", "alice");
    ck_assert_int_eq(agent.revoked, 1);
    agent.count = 2;
    EXPECT(2, "revoke", "alice");
    ck_assert_int_eq(agent.revoked, 1);
    ck_assert_ptr_nonnull(strstr(err, "    02\n"));
    EXPECT(0, "revoke", "alice", "--dry-run");
    ck_assert_int_eq(agent.revoked, 1);
    ck_assert_ptr_nonnull(strstr(out, "would revoke"));
    EXPECT(0, "revoke", "alice", "--yes");
    ck_assert_int_eq(agent.revoked, 3);
    EXPECT(2, "revoke");
    tear_down();
}
END_TEST

START_TEST(a_bad_verdict_is_an_answer_and_ends_1)
{
    set_up();
    put("alice.crt", certificate_pem);
    EXPECT(1, "verify", "alice.crt", "--json");
    ck_assert_ptr_nonnull(strstr(out, "\"valid\":false"));
    ck_assert_str_eq(err, "");
    EXPECT(0, "verify", "alice.crt", "--anchors", "alice.crt", "--socket",
           "nobody.sock"); /* no agent needed */
    EXPECT(2, "verify", "alice.crt", "--crl", "alice.crt");
    tear_down();
}
END_TEST

START_TEST(lists_are_tables_or_lines)
{
    set_up();
    EXPECT(0, "list");
    ck_assert_ptr_nonnull(strstr(out, "SERIAL  NAME   STATUS  EXPIRES IN"));
    EXPECT(0, "list", "--json");
    ck_assert_int_eq(out[0], '{');
    ck_assert_ptr_nonnull(strstr(out, "}\n{"));
    tear_down();
}
END_TEST

START_TEST(the_wrong_door_names_the_right_one)
{
    set_up();
    EXPECT(2, "status", "--socket", ".");
    ck_assert_ptr_nonnull(strstr(err, "the state directory is mtlsd's business"));
    EXPECT(2, "status", "--state", ".");
    ck_assert_ptr_nonnull(strstr(err, "--socket"));
    EXPECT(2, "init");
    ck_assert_ptr_nonnull(strstr(err, "mtlsd init"));
    EXPECT(2, "frobnicate");
    EXPECT(2, "policy");
    EXPECT(3, "status", "--socket", "nobody.sock");
    ck_assert_ptr_nonnull(strstr(err, "(--socket or MTLS_SOCKET names another)"));
    EXPECT(0, "--version");
    EXPECT(0, "policy", "explain", "--help");
    ck_assert_ptr_nonnull(strstr(out, "EXAMPLES"));
    tear_down();
}
END_TEST

UNIT_MAIN("cli_commands", issue_writes_key_and_certificate, a_refused_overwrite_asks_nobody,
          json_has_paths_instead_of_key_material, a_dry_run_leaves_nothing,
          a_name_that_cannot_be_a_file_needs_another, a_p12_comes_from_the_agent_with_the_key_sent_back,
          exit_codes_follow_the_error, a_denial_says_what_to_try,
          revoke_without_a_terminal_takes_one_hit_and_refuses_several,
          a_bad_verdict_is_an_answer_and_ends_1, lists_are_tables_or_lines,
          the_wrong_door_names_the_right_one)
