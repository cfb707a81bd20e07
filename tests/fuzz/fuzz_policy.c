/*
 * fuzz_policy.c - policy files from anywhere: they load or are refused, and what loads decides the same way twice.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A form feed, which no policy file may hold, separates the files: default, common, other.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/policy/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 3, STEPS = 1024 };

static struct san sans[] = {
    {.type = SAN_DNS, .value = (char[]){"a.clients.example.com"}},
    {.type = SAN_EMAIL, .value = (char[]){"karen@example.com"}},
    {.type = SAN_URI, .value = (char[]){"spiffe://example.com/ns/prod/sa/web"}},
    {.type = SAN_IP, .value = (char[]){"10.1.2.3"}, .address = {10, 1, 2, 3}, .address_length = 4},
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void ask(const struct policy *policy, const struct policy_question *question)
{
    static struct policy_step steps[STEPS];
    struct policy_trace trace = {.steps = steps, .room = STEPS};
    struct policy_decision plain, traced;
    size_t decided = 0;
    policy_decide(policy, question, NULL, &plain);
    policy_decide(policy, question, &trace, &traced);
    require(plain.allowed == traced.allowed && plain.line == traced.line && !strcmp(plain.file, traced.file));
    require(!strcmp(plain.reason, traced.reason) && !strcmp(plain.hint, traced.hint));
    require(!plain.allowed || plain.line != 0);
    for (size_t i = 0; i < trace.count; i++)
        decided += steps[i].decided;
    require(decided == (plain.line != 0));
}

static void ask_everything(const struct policy *policy)
{
    struct peer peer = {.uid = 1001, .gid = 1001, .pidfd = -1, .login = "karen", .unit = "backup.service"};
    struct names names = {.common_name = "karen", .sans = sans, .count = sizeof sans / sizeof sans[0]};
    struct policy_question question = {
        .peer = &peer,
        .names = &names,
        .profile = "client",
        .key = {KEY_RSA, 3072},
        .life = 86400,
        .now = 1767225600,
        .authority = "",
        .method = "GET",
        .uri = "/api/v1/status?x",
        .host = "wiki.example.com",
        .address = "::ffff:10.0.0.1",
    };
    for (int type = POLICY_USE; type < POLICY_TYPES; type++) {
        question.type = (enum policy_type)type;
        question.service = type % 2 ? "default" : "elsewhere";
        ask(policy, &question);
        for (size_t i = 0; i < names.count; i++) {
            struct names one = {.sans = &sans[i], .count = 1};
            question.names = &one;
            ask(policy, &question);
        }
        question.names = &names;
    }
    require(policy_settled_until(policy, NULL, question.now, question.now + 60) > question.now);
    (void)policy_vary(policy, "default");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char names[FILES][8] = {"default", "common", "other"};
    struct policy_source sources[FILES];
    struct module_table modules = {policy_modules, policy_module_count};
    struct policy *policy = NULL;
    struct failure failure;
    char *text = malloc(size + 1); /* of its exact size, so that reading on is seen */
    size_t count = 0;
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    for (char *p = text; count < FILES; count++) {
        size_t left = size - (size_t)(p - text);
        char *end = left ? memchr(p, '\f', left) : NULL;
        bool last = !end || count == FILES - 1;
        sources[count] = (struct policy_source){names[count], p, last ? left : (size_t)(end - p)};
        if (last) {
            count++;
            break;
        }
        p = end + 1;
    }
    if (policy_load_sources("policy.d", sources, count, &modules, NULL, NULL, &policy, &failure) == 0)
        ask_everything(policy);
    else
        require(failure.code != FAILURE_NONE && failure.reason[0] != '\0');
    policy_free(policy);
    free(text);
    return 0;
}
