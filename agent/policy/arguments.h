/*
 * arguments.h - the words of a policy line, "key=value,value", for the parsers of the modules.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Several values of one key, in one word or in several, are alternatives; several keys must all hold. A comma
 * always separates values and so cannot be part of one.
 */
#ifndef MTLSD_AGENT_POLICY_ARGUMENTS_H
#define MTLSD_AGENT_POLICY_ARGUMENTS_H

#include "agent/policy/module.h"

enum { ARGUMENT_VALUES_MAX = 64, ARGUMENT_VALUE_SIZE = 1024 };

/* One value: 0, or -1 with *failure set by argument_refuse. `key` is the index in the table of keys. */
typedef int argument_visit(void *context, size_t key, const char *value, struct failure *failure);

/* Visit each value of each word. Words without `=`, unknown keys and empty values are refused by name. */
int arguments_visit(const struct module_argument *arguments, size_t count, const char *const *keys,
                    size_t key_count, argument_visit *visit, void *context, size_t *at,
                    struct failure *failure);
/* Visit each value of plain words (no keys): "client,person server". `key` is always 0. */
int arguments_visit_plain(const struct module_argument *arguments, size_t count, argument_visit *visit,
                          void *context, size_t *at, struct failure *failure);
/* For a module that takes none. */
int arguments_none(const char *module, const struct module_argument *arguments, size_t count, size_t *at,
                   struct failure *failure);

/* Decimal digits and nothing else, at most `max`. 0 or -1. */
int argument_number(const char *text, uint64_t max, uint64_t *out);
/* Say why an argument is refused; returns -1. */
int argument_refuse(struct failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "found X, expected A, B or C; did you mean B?"; returns -1. */
int argument_unknown(struct failure *failure, const char *what, const char *found, const char *const *words,
                     size_t count);
int argument_no_memory(struct failure *failure);
/* Letters, digits, `.`, `_` and `-`, 1 to 64 of them, no leading dot: names of services, profiles, anchors. */
bool argument_is_name(const char *text);

/* Fill a detail, if anybody wants it. */
void argument_tell(char *detail, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A growing list of texts, freed by text_values_clear. */
struct text_values { char *items[ARGUMENT_VALUES_MAX]; size_t count; };
int text_values_add(struct text_values *values, const char *text, struct failure *failure);
bool text_values_have(const struct text_values *values, const char *text);
void text_values_clear(struct text_values *values);

#endif
