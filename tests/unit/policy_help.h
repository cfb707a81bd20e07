/*
 * policy_help.h - what the tests of the policy share: a question to ask, and the two ways to ask it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_TESTS_UNIT_POLICY_HELP_H
#define MTLSD_TESTS_UNIT_POLICY_HELP_H

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "agent/policy/internal.h"
#include "tests/unit/unit.h"

enum { ASKED_SANS_MAX = 8, TRACE_ROOM = 1200 };

/* A question with everything that it points to. */
struct asked {
    struct policy_question question;
    struct peer peer;
    struct names names;
    struct san sans[ASKED_SANS_MAX];
};

/* uid 1001, gid 1001, no groups, a P-256 key for 90 days with profile client; on Thursday 2026-01-01 00:00:00
 * UTC. */
static inline void ask(struct asked *a, enum policy_type type)
{
    memset(a, 0, sizeof *a);
    a->peer = (struct peer){.uid = 1001, .gid = 1001, .pid = 1, .pidfd = -1};
    a->names.sans = a->sans;
    a->question = (struct policy_question){
        .type = type, .service = "default", .peer = &a->peer, .names = &a->names, .profile = "client",
        .key = {.kind = KEY_EC_P256}, .life = 90 * 86400, .now = 1767225600, .authority = "",
    };
}

static inline void ask_san(struct asked *a, enum san_type type, const char *value)
{
    ck_assert_uint_lt(a->names.count, ASKED_SANS_MAX);
    struct san *san = &a->sans[a->names.count++];
    *san = (struct san){.type = type, .value = (char *)(uintptr_t)value};
    if (type == SAN_IP && inet_pton(AF_INET, value, san->address) == 1)
        san->address_length = 4;
    else if (type == SAN_IP && inet_pton(AF_INET6, value, san->address) == 1)
        san->address_length = 16;
}

static inline void ask_cn(struct asked *a, const char *text)
{
    snprintf(a->names.common_name, sizeof a->names.common_name, "%s", text);
}

static inline struct policy *must_load(const char *text)
{
    struct policy *policy = NULL;
    struct failure failure = {.reason = ""};
    ck_assert_msg(policy_load_text(text, strlen(text), &policy, &failure) == 0, "%s\nwas refused: %s", text,
                  failure.reason);
    ck_assert_ptr_nonnull(policy);
    return policy;
}

/* The text is refused with a reason that holds `part`, and *out stays as it was. */
static inline void must_refuse(const char *text, size_t length, const char *part)
{
    struct policy *untouched = (struct policy *)(uintptr_t)1;
    struct failure failure = {.reason = ""};
    ck_assert_msg(policy_load_text(text, length, &untouched, &failure) == -1, "%.300s\nwas taken", text);
    ck_assert_ptr_eq(untouched, (struct policy *)(uintptr_t)1);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_msg(strstr(failure.reason, part) != NULL, "%.300s\nwas refused with\n  %s\nand not with\n  %s",
                  text, failure.reason, part);
}

/* Decide as the agent does and as Explain does: with a trace and without, the answer is the same to the last
 * byte. */
static inline struct policy_decision
decide_traced(const struct policy *policy, const struct policy_question *question, struct policy_trace *trace)
{
    struct policy_decision plain, traced;
    policy_decide(policy, question, NULL, &plain);
    policy_decide(policy, question, trace, &traced);
    ck_assert_int_eq(plain.allowed, traced.allowed);
    ck_assert_str_eq(plain.file, traced.file);
    ck_assert_uint_eq(plain.line, traced.line);
    ck_assert_str_eq(plain.module, traced.module);
    ck_assert_str_eq(plain.reason, traced.reason);
    ck_assert_str_eq(plain.hint, traced.hint);
    return plain;
}

static inline struct policy_decision decide(const struct policy *policy, const struct asked *a)
{
    static struct policy_step steps[TRACE_ROOM];
    struct policy_trace trace = {.steps = steps, .room = TRACE_ROOM};
    struct policy_decision decision = decide_traced(policy, &a->question, &trace);
    size_t decided = 0;
    for (size_t i = 0; i < trace.count; i++)
        decided += steps[i].decided;
    ck_assert_uint_eq(decided, decision.line ? 1 : 0);
    ck_assert_int_eq(decision.hint[0] == '\0', decision.allowed);
    return decision;
}

/* The uid asks with a question of this type and nothing else in it. */
static inline bool allowed_on(const struct policy *policy, const char *service, enum policy_type type, uid_t uid)
{
    struct asked a;
    ask(&a, type);
    a.question.service = service;
    a.peer.uid = uid;
    return decide(policy, &a).allowed;
}

/* Does "use required permit" with this one line of `issue` (or what the question is) allow? */
static inline bool line_allows(const char *line, const struct asked *a)
{
    char text[2048];
    snprintf(text, sizeof text, "use required permit\n%s required %s\n", policy_type_name(a->question.type),
             line);
    struct policy *policy = must_load(text);
    bool allowed = decide(policy, a).allowed;
    policy_free(policy);
    return allowed;
}

/* The line refuses, and says so with `part`. */
static inline void detail_is(const char *line, const struct asked *a, const char *part)
{
    char text[2048];
    snprintf(text, sizeof text, "use required permit\n%s required %s\n", policy_type_name(a->question.type),
             line);
    struct policy *policy = must_load(text);
    struct policy_decision decision = decide(policy, a);
    ck_assert(!decision.allowed);
    ck_assert_msg(strstr(decision.reason, part) != NULL, "'%s' is not in: %s", part, decision.reason);
    policy_free(policy);
}

/* The module's arguments are refused: "name dns=" */
static inline void line_refused(const char *type, const char *line, const char *part)
{
    char text[2048];
    snprintf(text, sizeof text, "%s required %s\n", type, line);
    must_refuse(text, strlen(text), part);
}

#endif
