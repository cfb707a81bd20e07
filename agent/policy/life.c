/*
 * life.c - policy module `life`: how long a certificate may live, from now to its notAfter.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   life max=90d min=1h
 */
#include <stdlib.h>

#include "agent/policy/arguments.h"
#include "proto/term.h"

enum { KEY_MAX, KEY_MIN, KEYS };
static const char *const keys[KEYS] = {"max", "min"};

struct life_state { int64_t terms[KEYS]; /* seconds; 0: none */ };

static int add_term(void *context, size_t key, const char *value, struct failure *failure)
{
    struct life_state *state = context;
    if (state->terms[key])
        return argument_refuse(failure, "found a second %s=, expected one", keys[key]);
    if (term_parse(value, &state->terms[key]) < 0)
        return argument_refuse(
            failure, "found '%.60s', expected a term: a number with s, m, h or d, such as 90d", value);
    return 0;
}

static int parse(const struct module_argument *arguments, size_t count, void **out, size_t *at,
                 struct failure *failure)
{
    *at = count;
    if (count == 0)
        return argument_refuse(failure, "found no term, expected max=, min= or both, such as max=90d");
    struct life_state *state = calloc(1, sizeof *state);
    if (!state)
        return argument_no_memory(failure);
    int result = arguments_visit(arguments, count, keys, KEYS, add_term, state, at, failure);
    if (result == 0 && state->terms[KEY_MAX] && state->terms[KEY_MIN] > state->terms[KEY_MAX]) {
        *at = 0;
        result = argument_refuse(failure, "found a min= longer than max=, which no certificate could fit");
    }
    if (result < 0) {
        free(state);
        return -1;
    }
    *out = state;
    return 0;
}

static enum module_result judge(const void *data, const struct policy_question *question, char *detail,
                                size_t detail_size)
{
    const struct life_state *state = data;
    if (question->life <= 0) {
        argument_tell(detail, detail_size, "there is no life to look at");
        return MODULE_FAILURE;
    }
    bool over = state->terms[KEY_MAX] && question->life > state->terms[KEY_MAX];
    bool under = question->life < state->terms[KEY_MIN];
    if (!over && !under)
        return MODULE_SUCCESS;
    if (detail) {
        char asked[INSTANT_TEXT_SIZE], limit[INSTANT_TEXT_SIZE];
        term_format(question->life, asked);
        term_format(state->terms[over ? KEY_MAX : KEY_MIN], limit);
        argument_tell(detail, detail_size, "a life of %s is %s than %s", asked, over ? "longer" : "shorter",
                      limit);
    }
    return MODULE_FAILURE;
}

const struct policy_module policy_module_life = {
    .name = "life", .types = POLICY_BIT(POLICY_ISSUE), .parse = parse, .free = free, .judge = judge,
};
