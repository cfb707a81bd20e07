/*
 * arguments.c - the words of a policy line, "key=value,value", for the parsers of the modules.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/policy/arguments.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/policy/internal.h"
#include "proto/nearest.h"

int argument_refuse(struct failure *failure, const char *format, ...)
{
    char text[FAILURE_REASON_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return failure_set(failure, FAILURE_BAD_REQUEST, "policy", "%s", text);
}

int argument_unknown(struct failure *failure, const char *what, const char *found, const char *const *words,
                     size_t count)
{
    char expected[256];
    policy_join_words(words, count, expected, sizeof expected);
    const char *near = nearest_word(found, words, count);
    return argument_refuse(failure, "found %s '%.60s', expected %s%s%s%s", what, found, expected,
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int argument_no_memory(struct failure *failure)
{
    return failure_set(failure, FAILURE_INTERNAL, NULL, "memory ran out while the policy was read");
}

void argument_tell(char *detail, size_t size, const char *format, ...)
{
    if (!detail || size == 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, size, format, arguments);
    va_end(arguments);
}

int arguments_none(const char *module, const struct module_argument *arguments, size_t count, size_t *at,
                   struct failure *failure)
{
    if (count == 0)
        return 0;
    *at = 0;
    return argument_refuse(failure, "found '%.60s', expected the end of the line: %s takes no arguments",
                           arguments[0].text, module);
}

/* "a,b,c" piece by piece. */
static int visit_values(const char *text, const char *label, size_t key, argument_visit *visit, void *context,
                        struct failure *failure)
{
    for (const char *p = text;;) {
        size_t length = strcspn(p, ",");
        char value[ARGUMENT_VALUE_SIZE];
        if (length == 0)
            return argument_refuse(
                failure, "found an empty value in '%.60s', expected one value, or several with a comma between",
                label);
        if (length >= sizeof value)
            return argument_refuse(failure, "a value is longer than %d bytes", ARGUMENT_VALUE_SIZE - 1);
        memcpy(value, p, length);
        value[length] = '\0';
        if (visit(context, key, value, failure) < 0)
            return -1;
        if (p[length] == '\0')
            return 0;
        p += length + 1;
    }
}

static int visit_word(const char *word, const char *const *keys, size_t key_count, argument_visit *visit,
                      void *context, struct failure *failure)
{
    size_t length = strcspn(word, "=");
    char expected[256];
    policy_join_words(keys, key_count, expected, sizeof expected);
    if (word[length] == '\0')
        return argument_refuse(failure, "found '%.60s', expected key=value, the key being %s", word, expected);
    for (size_t key = 0; key < key_count; key++)
        if (strlen(keys[key]) == length && !memcmp(keys[key], word, length))
            return visit_values(word + length + 1, word, key, visit, context, failure);
    char found[64];
    snprintf(found, sizeof found, "%.*s", (int)(length < 60 ? length : 60), word);
    return argument_unknown(failure, "key", found, keys, key_count);
}

int arguments_visit(const struct module_argument *arguments, size_t count, const char *const *keys,
                    size_t key_count, argument_visit *visit, void *context, size_t *at, struct failure *failure)
{
    for (*at = 0; *at < count; ++*at)
        if (visit_word(arguments[*at].text, keys, key_count, visit, context, failure) < 0)
            return -1;
    return 0;
}

int arguments_visit_plain(const struct module_argument *arguments, size_t count, argument_visit *visit,
                          void *context, size_t *at, struct failure *failure)
{
    for (*at = 0; *at < count; ++*at)
        if (visit_values(arguments[*at].text, arguments[*at].text, 0, visit, context, failure) < 0)
            return -1;
    return 0;
}

int argument_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0')
        return -1;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return -1;
        uint64_t digit = (uint64_t)(*p - '0');
        if (digit > max || value > (max - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    *out = value;
    return 0;
}

bool argument_is_name(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return length > 0 && length <= POLICY_NAME_MAX && text[length] == '\0' && text[0] != '.';
}

int text_values_add(struct text_values *values, const char *text, struct failure *failure)
{
    if (values->count == ARGUMENT_VALUES_MAX)
        return argument_refuse(failure, "more than %d values", ARGUMENT_VALUES_MAX);
    char *copy = strdup(text);
    if (!copy)
        return argument_no_memory(failure);
    values->items[values->count++] = copy;
    return 0;
}

bool text_values_have(const struct text_values *values, const char *text)
{
    for (size_t i = 0; i < values->count; i++)
        if (!strcmp(values->items[i], text))
            return true;
    return false;
}

void text_values_clear(struct text_values *values)
{
    for (size_t i = 0; i < values->count; i++)
        free(values->items[i]);
    values->count = 0;
}
