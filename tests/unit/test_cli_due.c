/*
 * test_cli_due.c - --if-due: each of its conditions alone makes the certificate due.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/scripted_agent.h"

static void issue_first(void)
{
    EXPECT(0, "issue", "alice", "--out", ".");
    agent.issued = 0;
}

#define IF_DUE(...) RUN("issue", "alice", "--out", ".", "--json", "--if-due", __VA_ARGS__)

START_TEST(not_due_does_nothing)
{
    set_up();
    issue_first();
    ck_assert_int_eq(IF_DUE("30d"), 0);
    ck_assert_ptr_nonnull(strstr(out, "\"changed\":false"));
    ck_assert_int_eq(IF_DUE("33%", "--san", "DNS:Alice", "--profile", "client", "--key-type", "ec:P-256"), 0);
    ck_assert_ptr_nonnull(strstr(out, "\"changed\":false"));
    ck_assert_int_eq(agent.issued, 0);
    tear_down();
}
END_TEST

static void expect_due(const char *reason)
{
    ck_assert_msg(strstr(out, "\"changed\":true") && strstr(out, reason), "%s%s", out, err);
    ck_assert_int_eq(agent.issued, 1);
}

START_TEST(due_when_a_file_is_missing)
{
    for (int i = 0; i < 2; i++) {
        set_up();
        issue_first();
        ck_assert_int_eq(unlink(i ? "alice.key" : "alice.crt"), 0);
        IF_DUE("30d");
        expect_due("is missing");
        tear_down();
    }
}
END_TEST

START_TEST(due_when_key_and_certificate_do_not_fit)
{
    set_up();
    issue_first();
    char *certificate = strdup(certificate_pem), held[FINGERPRINT_TEXT_SIZE];
    memcpy(held, fingerprint, sizeof held);
    make_certificate("alice", "DNS:alice");
    put("alice.key", key_pem);
    memcpy(fingerprint, held, sizeof held); /* the index still knows the certificate */
    IF_DUE("30d");
    expect_due("does not belong to");
    free(certificate);
    tear_down();
}
END_TEST

START_TEST(due_when_the_index_says_otherwise)
{
    set_up();
    issue_first();
    agent.status = "revoked";
    IF_DUE("30d");
    expect_due("it is revoked");
    agent.status = "live";
    agent.issued = 0;
    agent.forgets = true;
    IF_DUE("30d");
    expect_due("the index does not know it");
    agent.forgets = false;
    agent.issued = 0;
    memcpy(fingerprint, "ff", 2);
    IF_DUE("30d");
    expect_due("another certificate with serial");
    tear_down();
}
END_TEST

START_TEST(due_when_something_else_is_asked_for)
{
    static const struct {
        const char *option, *value, *reason;
    } cases[] = {
        {"--san", "DNS:alice,DNS:b", "its names"}, {"--san", "DNS:b", "its names"},
        {"--profile", "server", "its profile"},    {"--key-type", "rsa:2048", "its key"},
        {"--key-type", "ec:P-384", "its key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set_up();
        issue_first();
        IF_DUE("30d", cases[i].option, cases[i].value);
        expect_due(cases[i].reason);
        tear_down();
    }
    set_up();
    issue_first();
    agent.san = "DNS:alice.example.com"; /* the profile's template has changed since */
    IF_DUE("30d");
    expect_due("its names");
    tear_down();
}
END_TEST

START_TEST(due_when_its_end_is_near)
{
    set_up();
    issue_first();
    ck_assert_int_eq(IF_DUE("89d"), 0);
    ck_assert_int_eq(agent.issued, 0);
    IF_DUE("91d");
    expect_due("expires in");
    tear_down();
}
END_TEST

START_TEST(due_does_not_replace_what_is_somebody_elses)
{
    set_up();
    make_certificate("bob", "DNS:bob");
    put("alice.crt", certificate_pem);
    ck_assert_int_eq(IF_DUE("30d"), 2);
    ck_assert_int_eq(agent.issued, 0);
    put("alice.crt", "a diary");
    ck_assert_int_eq(IF_DUE("30d"), 2);
    put("alice.crt", "a diary");
    ck_assert_int_eq(IF_DUE("30d", "--force"), 0);
    ck_assert_int_eq(agent.issued, 1);
    tear_down();
}
END_TEST

START_TEST(an_unreachable_agent_is_not_not_due)
{
    set_up();
    issue_first();
    ck_assert_int_eq(IF_DUE("30d", "--socket", "nobody.sock"), 3);
    tear_down();
}
END_TEST

UNIT_MAIN("cli_due", not_due_does_nothing, due_when_a_file_is_missing,
          due_when_key_and_certificate_do_not_fit, due_when_the_index_says_otherwise,
          due_when_something_else_is_asked_for, due_when_its_end_is_near,
          due_does_not_replace_what_is_somebody_elses, an_unreachable_agent_is_not_not_due)
