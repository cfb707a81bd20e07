/*
 * name.c - policy module `name`: which names a certificate may have.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   name dns=*.clients.example.com email=%u@example.com uri=spiffe://example.com/%u ip=10.0.0.0/8 cn=%u
 *
 * Says yes only if every SAN is fitted by a pattern of its own kind, and the CN, where there is one, by a pattern
 * of any kind taken as text (an `ip=` one if it is an address). A certificate without any name gets no. Where a
 * pattern holds %u and the peer has no login that may stand for it, the whole line says no, whatever the other
 * patterns. Patterns: pattern.h.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/policy/arguments.h"
#include "agent/policy/cidr.h"
#include "agent/policy/pattern.h"

enum { KEY_DNS, KEY_EMAIL, KEY_URI, KEY_IP, KEY_CN, KEYS };
static const char *const keys[KEYS] = {"dns", "email", "uri", "ip", "cn"};
static const enum pattern_kind kinds[KEYS] = {
    [KEY_DNS] = PATTERN_DNS, [KEY_EMAIL] = PATTERN_EMAIL, [KEY_URI] = PATTERN_URI, [KEY_CN] = PATTERN_CN,
};
static const unsigned char key_of_san[SAN_TYPES] = {
    [SAN_DNS] = KEY_DNS, [SAN_EMAIL] = KEY_EMAIL, [SAN_URI] = KEY_URI, [SAN_IP] = KEY_IP,
};

struct rule { size_t key; struct pattern pattern; struct cidr cidr; };
struct name_state { bool login; size_t count; struct rule *rules; };

static void state_free(void *data)
{
    struct name_state *state = data;
    if (!state)
        return;
    for (size_t i = 0; i < state->count; i++)
        pattern_clear(&state->rules[i].pattern);
    free(state->rules);
    free(state);
}

static int add_rule(void *context, size_t key, const char *value, struct failure *failure)
{
    struct name_state *state = context;
    struct rule rule = {.key = key};
    struct rule *rules = reallocarray(state->rules, state->count + 1, sizeof *rules);
    if (!rules)
        return argument_no_memory(failure);
    state->rules = rules;
    if (key == KEY_IP ? cidr_parse(value, &rule.cidr, failure)
                      : pattern_parse(kinds[key], true, value, &rule.pattern, failure))
        return -1;
    state->login |= rule.pattern.login;
    rules[state->count++] = rule;
    return 0;
}

static int parse(const struct module_argument *arguments, size_t count, void **out, size_t *at,
                 struct failure *failure)
{
    *at = count;
    if (count == 0)
        return argument_refuse(failure, "found no pattern, expected at least one of dns=, email=, uri=, ip= "
                                        "and cn=");
    struct name_state *state = calloc(1, sizeof *state);
    if (!state)
        return argument_no_memory(failure);
    if (arguments_visit(arguments, count, keys, KEYS, add_rule, state, at, failure) < 0) {
        state_free(state);
        return -1;
    }
    *out = state;
    return 0;
}

static bool san_allowed(const struct name_state *state, const struct san *san, const char *login)
{
    if (san->type >= SAN_TYPES)
        return false;
    size_t key = key_of_san[san->type];
    for (size_t i = 0; i < state->count; i++) {
        const struct rule *rule = &state->rules[i];
        if (rule->key == key && (key == KEY_IP ? cidr_match(&rule->cidr, san->address, san->address_length)
                                               : pattern_match(&rule->pattern, san->value, login)))
            return true;
    }
    return false;
}

/* The CN has no kind of its own: programs read host names, mail addresses and logins out of it, so it must be one
 * that the line allows. */
static bool common_name_allowed(const struct name_state *state, const char *text, const char *login)
{
    uint8_t address[16];
    size_t length = cidr_read_address(text, address);
    for (size_t i = 0; i < state->count; i++) {
        const struct rule *rule = &state->rules[i];
        if (rule->key == KEY_IP ? length && cidr_match(&rule->cidr, address, length)
                                : pattern_match(&rule->pattern, text, login))
            return true;
    }
    return false;
}

static bool has_key(const struct name_state *state, size_t key)
{
    for (size_t i = 0; i < state->count; i++)
        if (state->rules[i].key == key)
            return true;
    return false;
}

static enum module_result judge(const void *data, const struct policy_question *question, char *detail,
                                size_t detail_size)
{
    const struct name_state *state = data;
    const struct names *names = question->names;
    const char *login = question->peer ? question->peer->login : "";
    if (!names || (names->count == 0 && names->common_name[0] == '\0')) {
        argument_tell(detail, detail_size, "there is no name to look at");
        return MODULE_FAILURE;
    }
    if (state->login && login[0] == '\0') {
        argument_tell(detail, detail_size,
                      "%%u: the peer has no login that may stand in a name (an ordinary user's, of a-z 0-9 _ "
                      "-)");
        return MODULE_FAILURE;
    }
    for (size_t i = 0; i < names->count; i++) {
        const struct san *san = &names->sans[i];
        if (san_allowed(state, san, login))
            continue;
        const char *key = keys[key_of_san[san->type < SAN_TYPES ? san->type : 0]];
        argument_tell(detail, detail_size, has_key(state, key_of_san[san->type < SAN_TYPES ? san->type : 0])
                      ? "%s:%.90s fits no %s= pattern" : "%s:%.90s, and no %s= pattern is there",
                      san_type_name(san->type), san->value, key);
        return MODULE_FAILURE;
    }
    if (names->common_name[0] != '\0' && !common_name_allowed(state, names->common_name, login)) {
        argument_tell(detail, detail_size, "the CN %.90s fits no pattern of the line", names->common_name);
        return MODULE_FAILURE;
    }
    return MODULE_SUCCESS;
}

static bool wants_login(const void *data)
{
    return ((const struct name_state *)data)->login;
}

const struct policy_module policy_module_name = {
    .name = "name", .types = POLICY_CERTIFICATE_TYPES, .parse = parse, .free = state_free, .judge = judge,
    .wants_login = wants_login,
};
