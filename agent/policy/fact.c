/*
 * fact.c - policy module `fact`: what the web server says of the request that a certificate is shown for.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   fact method=GET,HEAD   uri=/status,/api/v1   host=*.example.com   address=10.0.0.0/8
 *
 * Methods compare exactly (RFC 9110 section 9.1). `uri` looks at the path, without the query; a path that is not
 * in its plain form (`..`, `//`, an encoded slash or dot, a backslash) fits nothing, since whoever serves it may
 * read it otherwise than we do. An IPv4 address in IPv6 form counts as IPv4.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/policy/arguments.h"
#include "agent/policy/cidr.h"
#include "agent/policy/pattern.h"

enum { KEY_METHOD, KEY_URI, KEY_HOST, KEY_ADDRESS, KEYS };
static const char *const keys[KEYS] = {"method", "uri", "host", "address"};
static const unsigned fact_bits[KEYS] = {FACT_METHOD, FACT_URI, FACT_HOST, FACT_ADDRESS};
enum { PATH_MAX_BYTES = 4096 };

struct fact_rule { size_t key; char *method; struct pattern pattern; struct cidr cidr; };
struct fact_state { unsigned facts; size_t count; struct fact_rule *rules; };

static void state_free(void *data)
{
    struct fact_state *state = data;
    if (!state)
        return;
    for (size_t i = 0; i < state->count; i++) {
        free(state->rules[i].method);
        pattern_clear(&state->rules[i].pattern);
    }
    free(state->rules);
    free(state);
}

/* RFC 9110 section 5.6.2: a token; ours are always capitals. */
static int parse_method(const char *value, struct fact_rule *rule, struct failure *failure)
{
    if (value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")] != '\0')
        return argument_refuse(failure, "found '%.60s', expected a method in capitals, such as GET", value);
    rule->method = strdup(value);
    return rule->method ? 0 : argument_no_memory(failure);
}

static int parse_rule(const char *value, struct fact_rule *rule, struct failure *failure)
{
    switch (rule->key) {
    case KEY_METHOD:
        return parse_method(value, rule, failure);
    case KEY_URI:
        return pattern_parse(PATTERN_PATH, false, value, &rule->pattern, failure);
    case KEY_HOST:
        return pattern_parse(PATTERN_DNS, false, value, &rule->pattern, failure);
    default:
        return cidr_parse(value, &rule->cidr, failure);
    }
}

static int add_rule(void *context, size_t key, const char *value, struct failure *failure)
{
    struct fact_state *state = context;
    struct fact_rule rule = {.key = key};
    struct fact_rule *rules = reallocarray(state->rules, state->count + 1, sizeof *rules);
    if (!rules)
        return argument_no_memory(failure);
    state->rules = rules;
    if (parse_rule(value, &rule, failure) < 0)
        return -1;
    state->facts |= fact_bits[key];
    rules[state->count++] = rule;
    return 0;
}

static int parse(const struct module_argument *arguments, size_t count, void **out, size_t *at,
                 struct failure *failure)
{
    *at = count;
    if (count == 0)
        return argument_refuse(failure, "found no argument, expected at least one of method=, uri=, host= and "
                                        "address=");
    struct fact_state *state = calloc(1, sizeof *state);
    if (!state)
        return argument_no_memory(failure);
    if (arguments_visit(arguments, count, keys, KEYS, add_rule, state, at, failure) < 0) {
        state_free(state);
        return -1;
    }
    *out = state;
    return 0;
}

static bool is_encoded(const char *text, const char *digits)
{
    return text[0] == '%' && !strncasecmp(text + 1, digits, 2);
}

/* The path of a URI into out, if it is one that every server reads alike (RFC 3986 section 6.2.2). */
static bool plain_path(const char *uri, char out[static PATH_MAX_BYTES])
{
    size_t length = strcspn(uri, "?#");
    if (uri[0] != '/' || length >= PATH_MAX_BYTES || uri[length] == '#')
        return false;
    for (size_t i = 0; i < length; i++) {
        const char *p = uri + i;
        if (is_encoded(p, "2f") || is_encoded(p, "2e") || is_encoded(p, "5c") || is_encoded(p, "00") ||
            *p == '\\')
            return false;
        if (p[0] == '/' && i + 1 < length && p[1] == '/')
            return false;
        if (p[0] != '/' || p[1] != '.')
            continue;
        size_t dots = p[2] == '.' ? 2 : 1;
        if (i + 1 + dots == length || p[1 + dots] == '/' ||
            p[1 + dots] == ';') /* `..;` is `..` to some servers */
            return false;
    }
    memcpy(out, uri, length);
    out[length] = '\0';
    return true;
}

static size_t read_remote_address(const char *text, uint8_t address[static 16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291 section 2.5.5.2 */
    size_t length = cidr_read_address(text, address);
    if (length != 16 || memcmp(address, mapped, sizeof mapped) != 0)
        return length;
    memmove(address, address + 12, 4);
    return 4;
}

/* What the caller says, made ready for the rules once. */
struct facts {
    const char *texts[KEYS];
    char path[PATH_MAX_BYTES];
    bool path_plain;
    uint8_t address[16];
    size_t address_length;
};

static bool rule_holds(const struct fact_rule *rule, const struct facts *facts)
{
    switch (rule->key) {
    case KEY_METHOD:
        return !strcmp(rule->method, facts->texts[KEY_METHOD]);
    case KEY_URI:
        return facts->path_plain && pattern_match(&rule->pattern, facts->path, NULL);
    case KEY_HOST:
        return pattern_match(&rule->pattern, facts->texts[KEY_HOST], NULL);
    default:
        return cidr_match(&rule->cidr, facts->address, facts->address_length);
    }
}

static bool key_holds(const struct fact_state *state, size_t key, const struct facts *facts)
{
    for (size_t i = 0; facts->texts[key] && i < state->count; i++)
        if (state->rules[i].key == key && rule_holds(&state->rules[i], facts))
            return true;
    return false;
}

static enum module_result judge(const void *data, const struct policy_question *question, char *detail,
                                size_t detail_size)
{
    const struct fact_state *state = data;
    struct facts facts;
    facts.texts[KEY_METHOD] = question->method;
    facts.texts[KEY_URI] = question->uri;
    facts.texts[KEY_HOST] = question->host;
    facts.texts[KEY_ADDRESS] = question->address;
    facts.path_plain = (state->facts & FACT_URI) && question->uri && plain_path(question->uri, facts.path);
    facts.address_length = question->address ? read_remote_address(question->address, facts.address) : 0;
    for (size_t key = 0; key < KEYS; key++) {
        if (!(state->facts & fact_bits[key]) || key_holds(state, key, &facts))
            continue;
        if (!facts.texts[key])
            argument_tell(detail, detail_size, "the caller says nothing of the %s", keys[key]);
        else if (key == KEY_URI && !facts.path_plain)
            argument_tell(detail, detail_size, "the uri is not a plain path: %.100s", facts.texts[key]);
        else
            argument_tell(detail, detail_size, "the %s is %.120s", keys[key], facts.texts[key]);
        return MODULE_FAILURE;
    }
    return MODULE_SUCCESS;
}

static unsigned looked_at(const void *data)
{
    return ((const struct fact_state *)data)->facts;
}

const struct policy_module policy_module_fact = {
    .name = "fact",
    .types = POLICY_BIT(POLICY_VERIFY),
    .parse = parse,
    .free = state_free,
    .judge = judge,
    .facts = looked_at,
};
