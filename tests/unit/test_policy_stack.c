/*
 * test_policy_stack.c - how the lines of a stack come to one answer, who is asked first, and what is said about it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The semantics themselves are held against libpam in test_policy_pam.c; here they are told by example.
 */
#include <stdlib.h>

#include "tests/unit/policy_help.h"

/* Allocations are counted by standing in front of malloc; sanitizers already do. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNT_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define COUNT_ALLOCATIONS 0
#endif
#endif
#ifndef COUNT_ALLOCATIONS
#define COUNT_ALLOCATIONS 1
#endif

static size_t allocations;
#if COUNT_ALLOCATIONS
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    allocations++;
    return __libc_realloc(old, size);
}
#endif

/* A module that says what its argument says: y, n or i (ignore). */
static int says_parse(const struct module_argument *arguments, size_t count, void **state, size_t *at,
                      struct failure *failure)
{
    static enum module_result results[] = {MODULE_SUCCESS, MODULE_FAILURE, MODULE_IGNORE};
    size_t word = count == 1 ? strcspn("yni", arguments[0].text) : 3;
    *at = 0;
    if (word >= 3)
        return failure_set(failure, FAILURE_BAD_REQUEST, "policy", "says y, n or i");
    *state = &results[word];
    return 0;
}

static enum module_result says_judge(const void *state, const struct policy_question *question, char *detail,
                                     size_t size)
{
    enum module_result result = *(const enum module_result *)state;
    (void)question;
    if (detail && result == MODULE_FAILURE)
        snprintf(detail, size, "it says no");
    return result;
}

static const struct policy_module module_says = {
    .name = "says", .types = POLICY_ANY_TYPE, .parse = says_parse, .judge = says_judge,
};
static const struct policy_module *const says_rows[] = {&module_says};
static const struct module_table says_table = {says_rows, 1};

static struct policy *load_says(const char *text)
{
    struct policy *policy = NULL;
    struct failure failure = {.reason = ""};
    struct policy_source source = {(char *)(uintptr_t)"default", (char *)(uintptr_t)text, strlen(text)};
    ck_assert_msg(policy_load_sources("policy.d", &source, 1, &says_table, NULL, NULL, &policy, &failure) == 0,
                  "%s", failure.reason);
    return policy;
}

/* "required y, sufficient n" as the issue stack; the line that decided, negative where it refused, 0 where none
 * did. */
static int outcome(const char *lines)
{
    char text[2048] = "use required says y\n";
    for (const char *p = lines; *p;) {
        size_t length = strcspn(p, ",");
        char control[32], word[8];
        ck_assert_int_eq(sscanf(p, " %31s %7[yni]", control, word), 2);
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "issue %s says %s\n", control, word);
        p += length + (p[length] == ',');
    }
    struct policy *policy = load_says(text);
    struct asked a;
    ask(&a, POLICY_ISSUE);
    struct policy_decision decision = decide(policy, &a);
    int line = (int)decision.line - (decision.line ? 1 : 0);
    policy_free(policy);
    if (line == 0)
        ck_assert(!decision.allowed);
    return decision.allowed ? line : -line;
}

START_TEST(test_required_must_succeed_and_the_rest_still_runs)
{
    ck_assert_int_eq(outcome("required y"), 1);
    ck_assert_int_eq(outcome("required n"), -1);
    ck_assert_int_eq(outcome("required y, required y"), 2);
    ck_assert_int_eq(outcome("required n, required y, required n"), -1);
    ck_assert_int_eq(outcome("required y, required n"), -2);
}
END_TEST

START_TEST(test_requisite_ends_the_stack_when_it_fails)
{
    ck_assert_int_eq(outcome("requisite n, required y"), -1);
    ck_assert_int_eq(outcome("requisite y, required y"), 2);
    ck_assert_int_eq(outcome("required n, requisite n"), -1);
}
END_TEST

START_TEST(test_sufficient_ends_the_stack_when_it_succeeds_but_lifts_no_earlier_refusal)
{
    ck_assert_int_eq(outcome("sufficient y, required n"), 1);
    ck_assert_int_eq(outcome("required n, sufficient y"), -1);
    ck_assert_int_eq(outcome("sufficient n, required y"), 2);
    ck_assert_int_eq(outcome("sufficient n, required n"), -2);
    ck_assert_int_eq(outcome("required y, sufficient n"), 1);
}
END_TEST

START_TEST(test_optional_counts_only_where_nothing_else_does)
{
    ck_assert_int_eq(outcome("optional y"), 1);
    ck_assert_int_eq(outcome("optional n, required y"), 2);
    ck_assert_int_eq(outcome("optional y, required n"), -2);
}
END_TEST

START_TEST(test_a_stack_in_which_nobody_says_yes_refuses)
{
    ck_assert_int_eq(outcome("optional n"), 0);
    ck_assert_int_eq(outcome("sufficient n, sufficient n"), 0);
    ck_assert_int_eq(outcome("required i"), 0);
    ck_assert_int_eq(outcome("required i, requisite i, sufficient i, optional i"), 0);
    ck_assert_int_eq(outcome("required i, optional y"), 2);
}
END_TEST

/* The trace as one text: "line result" pieces, `*` at the line that decided. */
static void trace_text(const struct policy *policy, const struct asked *a, size_t room, char *out, size_t size)
{
    struct policy_step steps[64];
    struct policy_trace trace = {.steps = steps, .room = room};
    decide_traced(policy, &a->question, &trace);
    out[0] = '\0';
    for (size_t i = 0; i < trace.count; i++) {
        size_t at = strlen(out);
        snprintf(out + at, size - at, "%u%s %s%s%s%s\n", steps[i].line, steps[i].decided ? "*" : "",
                 steps[i].result, steps[i].detail[0] ? " (" : "", steps[i].detail,
                 steps[i].detail[0] ? ")" : "");
    }
}

START_TEST(test_trace_tells_each_line_and_the_one_that_decided)
{
    struct policy *policy = load_says("use required says y\nissue optional says n\nissue requisite says "
                                      "i\nissue sufficient says y\n"
                                      "issue required says n\nread requisite says n\nread required says y\n");
    struct asked a;
    char text[1024];
    ask(&a, POLICY_ISSUE);
    trace_text(policy, &a, 64, text, sizeof text);
    ck_assert_str_eq(text, "1 success\n2 failure (it says no)\n3 ignored\n4* success\n5 not reached\n");
    trace_text(policy, &a, 2, text, sizeof text); /* no room: dropped, and the decision is the same */
    ck_assert_str_eq(text, "1 success\n2 failure (it says no)\n");
    ask(&a, POLICY_READ);
    trace_text(policy, &a, 64, text, sizeof text);
    ck_assert_str_eq(text, "1 success\n6* failure (it says no)\n7 not reached\n");
    policy_free(policy);

    policy = load_says("issue required says y\nuse required says n\nuse required says y\n");
    ask(&a, POLICY_ISSUE);
    trace_text(policy, &a, 64, text, sizeof text);
    ck_assert_str_eq(text, "2* failure (it says no)\n3 success\n1 not reached\n");
    policy_free(policy);
}
END_TEST

START_TEST(test_use_is_asked_before_every_other_type)
{
    struct policy *policy = must_load("use required peer uid=0\nissue required permit\nread required permit\n");
    for (int type = POLICY_USE; type < POLICY_TYPES; type++) {
        struct asked a;
        ask(&a, (enum policy_type)type);
        struct policy_decision decision = decide(policy, &a);
        ck_assert(!decision.allowed);
        ck_assert_uint_eq(decision.line, 1);
        a.peer.uid = 0;
        ck_assert_int_eq(decide(policy, &a).allowed,
                         type == POLICY_USE || type == POLICY_ISSUE || type == POLICY_READ);
    }
    policy_free(policy);
}
END_TEST

START_TEST(test_public_is_open_and_what_has_no_type_is_shut)
{
    struct policy *policy = must_load("use required deny\n");
    struct asked a;
    ask(&a, POLICY_PUBLIC);
    a.question.peer = NULL;
    ck_assert(decide(policy, &a).allowed);
    static const int wrong[] = {POLICY_NONE, POLICY_TYPES, -1, 100000};
    for (size_t i = 0; i < 4; i++) {
        ask(&a, (enum policy_type)wrong[i]);
        ck_assert(!decide(policy, &a).allowed);
    }
    policy_free(policy);
}
END_TEST

START_TEST(test_service_names_cannot_leave_the_directory)
{
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      "../default",
                                      "a/b",
                                      "/etc/passwd",
                                      ".default",
                                      "default\n",
                                      "d efault",
                                      "d\xc3\xa9",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct policy *policy = policy_open_default(1001);
    struct asked a;
    ask(&a, POLICY_ISSUE);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        a.question.service = bad[i];
        struct policy_decision decision = decide(policy, &a);
        ck_assert_msg(!decision.allowed, "%s", bad[i]);
        ck_assert_str_eq(decision.reason, "the name of the service is none");
    }
    a.question.service = bad[10] + 1; /* 64 of them are allowed */
    ck_assert(decide(policy, &a).allowed);
    policy_free(policy);
}
END_TEST

START_TEST(test_each_refusal_says_what_would_have_to_change)
{
    static const struct {
        const char *text;
        enum policy_type type;
        const char *service, *reason, *hint;
    } cases[] = {
        {"issue required permit\n", POLICY_ISSUE, "default", "policy.d/default has no 'use' line",
         "policy.d/default has no 'use' line: add 'use required permit', or whom the service is for"},
        {"use required permit\n", POLICY_ISSUE, "default", "policy.d/default has no 'issue' line",
         "add one to policy.d/default, such as 'issue required peer group=...'"},
        {"use required permit\n", POLICY_ISSUE, "wiki", "there is no file policy.d/wiki, and no policy.d/other",
         "create policy.d/wiki, or name a service that has a file"},
        {"use required permit\nissue sufficient peer uid=0\n", POLICY_ISSUE, "default",
         "no 'issue' line of policy.d/default says yes",
         "a 'sufficient' or 'optional' line would have to say yes: see what each looks at with mtlsctl policy "
         "explain"},
        {"use required permit\nissue required peer uid=0\n", POLICY_ISSUE, "default",
         "policy.d/default:2 'issue required peer uid=0' says no: the peer is uid 1001, gid 1001, not one that "
         "uid= names",
         "ask for what fits 'peer uid=0', or change policy.d/default:2"},
        {"use required peer uid=0\n", POLICY_ISSUE, "default",
         "policy.d/default:1 'use required peer uid=0' says no: the peer is uid 1001, gid 1001, not one that "
         "uid= names",
         "ask for what fits 'peer uid=0' or name another service, or change policy.d/default:1"},
        {"use required permit\nissue required deny\n", POLICY_ISSUE, "default",
         "policy.d/default:2 'issue required deny' says no: deny refuses whoever gets to it",
         "a line before policy.d/default:2 would have to say yes with 'sufficient'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct policy *policy = must_load(cases[i].text);
        struct asked a;
        ask(&a, cases[i].type);
        a.question.service = cases[i].service;
        struct policy_decision decision = decide(policy, &a);
        ck_assert(!decision.allowed);
        ck_assert_str_eq(decision.reason, cases[i].reason);
        ck_assert_str_eq(decision.hint, cases[i].hint);
        policy_free(policy);
    }
}
END_TEST

START_TEST(test_what_strangers_sent_stays_printable_in_reasons)
{
    struct policy *policy = must_load("use required permit\nverify required fact uri=/a host=a.example.com\n");
    char uri[400] = "/\x1b[2J\n";
    for (size_t i = strlen(uri); i + 2 < sizeof uri; i += 2)
        memcpy(uri + i, "\xc3\xa9", 3); /* cut in the middle of a character somewhere */
    struct asked a;
    ask(&a, POLICY_VERIFY);
    a.question.uri = uri;
    a.question.host = "\xff\xfe";
    struct policy_decision decision = decide(policy, &a);
    ck_assert_ptr_nonnull(strstr(decision.reason, "the uri is /?[2J?"));
    for (const char *p = decision.reason; *p;) {
        size_t n = policy_character_length((const unsigned char *)p, strlen(p));
        ck_assert_uint_gt(n, 0);
        ck_assert((unsigned char)*p >= 0x20);
        p += n;
    }
    policy_free(policy);
}
END_TEST

static struct failure refusal_of(const char *policy_text, struct asked *a, const char *what)
{
    struct policy *policy = must_load(policy_text);
    struct policy_decision decision = decide(policy, a);
    struct failure failure;
    ck_assert(!decision.allowed);
    policy_failure(&a->question, &decision, what, &failure);
    ck_assert_int_eq(failure.code, FAILURE_NOT_PERMITTED);
    policy_free(policy);
    return failure;
}

START_TEST(test_the_sentence_of_a_refusal)
{
    struct asked a;
    ask(&a, POLICY_ISSUE);
    snprintf(a.peer.name, sizeof a.peer.name, "karen");
    ask_san(&a, SAN_DNS, "x");
    struct failure f =
        refusal_of("use required permit\n\nissue required name dns=*.clients.example.com\n", &a, "DNS:x");
    ck_assert_str_eq(f.reason, "denied: issue DNS:x by karen (uid 1001): policy.d/default:3 name; try: mtlsctl "
                               "policy explain issue "
                               "--san DNS:x");
    ck_assert_str_eq(f.operation, "issue");
    ck_assert_str_eq(f.service, "default");
    ck_assert_str_eq(f.line, "policy.d/default:3 name");

    a.peer.name[0] = '\0';
    a.question.service = "wiki";
    f = refusal_of("use required permit\n", &a, NULL);
    ck_assert_str_eq(f.reason, "denied: issue by 1001 (uid 1001): there is no file policy.d/wiki, and no "
                               "policy.d/other; try: mtlsctl policy "
                               "explain issue --service wiki");
    ck_assert_str_eq(f.line, "");

    /* Nothing that a shell would take apart is offered for pasting, and no service that is none. */
    a.question.service = "x;reboot";
    f = refusal_of("use required permit\n", &a, "URI:http://x/$(reboot)");
    ck_assert_str_eq(f.reason, "denied: issue URI:http://x/$(reboot) by 1001 (uid 1001): the name of the service is "
                               "none; try: mtlsctl policy "
                               "explain issue");
    ck_assert_str_eq(f.service, "");

    a.question.peer = NULL;
    a.question.service = NULL;
    f = refusal_of("use required peer uid=0\n", &a, "serial 12");
    ck_assert_str_eq(f.reason, "denied: issue serial 12 by an unknown peer: policy.d/default:1 peer; try: "
                               "mtlsctl policy explain issue");
}
END_TEST

START_TEST(test_an_allowed_decision_names_its_line)
{
    struct policy *policy =
        must_load("use required permit\nissue required peer uid=1001\nissue required life max=90d\n");
    struct asked a;
    ask(&a, POLICY_ISSUE);
    struct policy_decision decision = decide(policy, &a);
    ck_assert(decision.allowed);
    ck_assert_str_eq(decision.reason, "allowed by policy.d/default:3 life");
    ck_assert_str_eq(decision.file, "policy.d/default");
    ck_assert_uint_eq(decision.line, 3);
    ck_assert_str_eq(decision.module, "life");
    policy_free(policy);
}
END_TEST

/* A random file of random stacks, asked random questions: decide() compares the decision with and without a
 * trace. */
static const char *const random_lines[] = {
    "peer uid=0",
    "peer uid=1001",
    "peer gid=1001",
    "permit",
    "deny",
    "name dns=*.example.com cn=*",
    "name dns=%u email=%u@example.com",
    "profile client",
    "profile server,person",
    "hours mon-fri 08:00-18:00 utc",
};

static void random_policy(char *out, size_t size)
{
    int lines = 1 + rand() % 30;
    out[0] = '\0';
    for (int i = 0; i < lines; i++) {
        const char *type = policy_type_words[rand() % (int)policy_type_word_count];
        const char *line = random_lines[rand() % (int)(sizeof random_lines / sizeof random_lines[0])];
        if (!strcmp(type, "use") || !strcmp(type, "admin"))
            line = random_lines[rand() % 5];
        size_t at = strlen(out);
        snprintf(out + at, size - at, "%s %s %s\n", type, policy_control_names[rand() % CONTROL_INCLUDE], line);
    }
}

START_TEST(test_explain_and_decision_are_one)
{
    static const char *const names[] = {"a.example.com", "karen", "b.c.example.com", "example.com",
                                        "*.example.com"};
    char text[4096];
    srand(20260101);
    size_t allowed = 0;
    for (int round = 0; round < 4000; round++) {
        random_policy(text, sizeof text);
        struct policy *policy = must_load(text);
        for (int question = 0; question < 5; question++) {
            struct asked a;
            ask(&a, (enum policy_type)(POLICY_USE + rand() % (POLICY_TYPES - POLICY_USE)));
            a.peer.uid = rand() % 2 ? 0 : 1001;
            if (rand() % 2)
                snprintf(a.peer.login, sizeof a.peer.login, "karen");
            if (rand() % 4)
                ask_san(&a, SAN_DNS, names[rand() % 5]);
            if (rand() % 2)
                ask_cn(&a, names[rand() % 5]);
            a.question.now += rand() % (7 * 86400);
            allowed += decide(policy, &a).allowed;
        }
        policy_free(policy);
    }
    ck_assert_uint_gt(allowed, 1000); /* the questions are no empty ones */
    ck_assert_uint_lt(allowed, 19000);
}
END_TEST

START_TEST(test_deciding_allocates_nothing)
{
    struct policy *policy = must_load(
        "use required permit\nissue required peer uid=1001\nissue optional hours mon-fri 08:00-18:00\n"
        "issue required name dns=*.example.com\nissue required life max=1d\nissue required permit\n");
    struct asked a;
    ask(&a, POLICY_ISSUE);
    ask_san(&a, SAN_DNS, "a.example.com");
    struct policy_decision decision;
    policy_decide(policy, &a.question, NULL, &decision); /* once before, for what libc makes on first use */
    size_t before = allocations, allowed = 0; /* no assertion within: Check itself allocates */
    for (int i = 0; i < 100; i++) {
        a.question.life = i % 2 ? 3600 : 90 * 86400;
        policy_decide(policy, &a.question, NULL, &decision);
        allowed += decision.allowed;
    }
    size_t made = allocations - before;
    ck_assert_uint_eq(made, 0);
    ck_assert_uint_eq(allowed, 50);
    policy_free(policy);
}
END_TEST

UNIT_MAIN("policy_stack", test_required_must_succeed_and_the_rest_still_runs,
          test_requisite_ends_the_stack_when_it_fails,
          test_sufficient_ends_the_stack_when_it_succeeds_but_lifts_no_earlier_refusal,
          test_optional_counts_only_where_nothing_else_does, test_a_stack_in_which_nobody_says_yes_refuses,
          test_trace_tells_each_line_and_the_one_that_decided, test_use_is_asked_before_every_other_type,
          test_public_is_open_and_what_has_no_type_is_shut, test_service_names_cannot_leave_the_directory,
          test_each_refusal_says_what_would_have_to_change, test_what_strangers_sent_stays_printable_in_reasons,
          test_the_sentence_of_a_refusal, test_an_allowed_decision_names_its_line,
          test_explain_and_decision_are_one, test_deciding_allocates_nothing)
