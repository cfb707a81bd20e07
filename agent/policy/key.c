/*
 * key.c - policy module `key`: which kinds of key are certified.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   key type=ec:P-256,ed25519 min-rsa=3072
 *
 * A key is allowed if its type is listed (`rsa:3072` is that size exactly), or, with `min-rsa`, if it is RSA of
 * at least so many bits.
 */
#include <stdlib.h>

#include "agent/policy/arguments.h"

enum { KEY_TYPE, KEY_MIN_RSA, KEYS };
static const char *const keys[KEYS] = {"type", "min-rsa"};
static const char *const known[] = {"ec:P-256", "ec:P-384", "ed25519", "rsa:2048", "rsa:3072", "rsa:4096"};

struct key_state { struct key_type types[ARGUMENT_VALUES_MAX]; size_t count; uint16_t min_rsa; };

static int add_value(void *context, size_t key, const char *value, struct failure *failure)
{
    struct key_state *state = context;
    uint64_t bits;
    if (key == KEY_MIN_RSA) {
        if (argument_number(value, 16384, &bits) < 0 || bits < 2048)
            return argument_refuse(failure, "found '%.60s', expected a number of bits, 2048 or more", value);
        if (state->min_rsa)
            return argument_refuse(failure, "found a second min-rsa=, expected one");
        state->min_rsa = (uint16_t)bits;
        return 0;
    }
    if (state->count == ARGUMENT_VALUES_MAX)
        return argument_refuse(failure, "more than %d values of type=", ARGUMENT_VALUES_MAX);
    if (key_type_parse(value, &state->types[state->count]) < 0)
        return argument_unknown(failure, "key type", value, known, sizeof known / sizeof known[0]);
    state->count++;
    return 0;
}

static int parse(const struct module_argument *arguments, size_t count, void **out, size_t *at,
                 struct failure *failure)
{
    *at = count;
    if (count == 0)
        return argument_refuse(failure, "found no argument, expected type=, such as type=ec:P-256,ed25519 "
                                        "min-rsa=3072");
    struct key_state *state = calloc(1, sizeof *state);
    if (!state)
        return argument_no_memory(failure);
    int result = arguments_visit(arguments, count, keys, KEYS, add_value, state, at, failure);
    if (result == 0 && state->count == 0) {
        *at = 0;
        result = argument_refuse(failure, "found min-rsa= alone, which would refuse every key that is not RSA; "
                                          "expected type= "
                                          "beside it, such as type=ec:P-256,ec:P-384,ed25519 min-rsa=3072");
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
    const struct key_state *state = data;
    struct key_type key = question->key;
    if (key.kind == KEY_NONE) {
        argument_tell(detail, detail_size, "there is no key to look at");
        return MODULE_FAILURE;
    }
    for (size_t i = 0; i < state->count; i++)
        if (state->types[i].kind == key.kind && state->types[i].bits == key.bits)
            return MODULE_SUCCESS;
    if (key.kind == KEY_RSA && state->min_rsa && key.bits >= state->min_rsa)
        return MODULE_SUCCESS;
    if (detail) {
        char text[KEY_TYPE_TEXT_SIZE];
        key_type_format(key, text);
        argument_tell(detail, detail_size, "the key is %s", text);
    }
    return MODULE_FAILURE;
}

const struct policy_module policy_module_key = {
    .name = "key", .types = POLICY_BIT(POLICY_ISSUE), .parse = parse, .free = free, .judge = judge,
};
