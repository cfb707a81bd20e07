/*
 * module.h - what a policy module is. One file each in this directory, one row each in the table of module.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_POLICY_MODULE_H
#define MTLSD_AGENT_POLICY_MODULE_H

#include "agent/policy/policy.h"

/* As PAM's return codes, reduced to what a module of ours can say. */
enum module_result { MODULE_SUCCESS, MODULE_FAILURE, MODULE_IGNORE };
enum { MODULE_RESULTS = MODULE_IGNORE + 1 };

struct module_argument { const char *text; unsigned column; }; /* one word of the line */

#define POLICY_BIT(type) (1u << (type))
#define POLICY_ANY_TYPE                                                                                          \
    (POLICY_BIT(POLICY_USE) | POLICY_BIT(POLICY_ISSUE) | POLICY_BIT(POLICY_VERIFY) | POLICY_BIT(POLICY_EXPORT) | \
     POLICY_BIT(POLICY_REVOKE) | POLICY_BIT(POLICY_READ) | POLICY_BIT(POLICY_ADMIN))
/* Types whose question is about one certificate, finished or planned. */
#define POLICY_CERTIFICATE_TYPES (POLICY_ANY_TYPE & ~(POLICY_BIT(POLICY_USE) | POLICY_BIT(POLICY_ADMIN)))

struct policy_module {
    const char *name;
    unsigned types;   /* POLICY_BIT(type) where the module makes sense; elsewhere a load error */
    /* Parse the arguments once. 0 with *state (may stay NULL), or -1 with *failure (whose reason says what was
     * found and what was expected; the loader puts the place before it), *at being the argument at fault, or
     * `count` where one is missing. */
    int (*parse)(const struct module_argument *arguments, size_t count, void **state, size_t *at,
                 struct failure *failure);
    void (*free)(void *state); /* may be NULL where state stays NULL */
    /* Judge. Where the result is MODULE_FAILURE, `detail` (may be NULL: nobody wants to know) takes a sentence of
     * what was looked at and what is missing; it is empty on the way in. No I/O, no allocation. */
    enum module_result (*judge)(const void *state, const struct policy_question *question, char *detail,
                                size_t detail_size);
    /* Facts that this line looks at, and whether it wants login or unit; may be NULL. */
    unsigned (*facts)(const void *state);
    bool (*wants_login)(const void *state);
    bool (*wants_unit)(const void *state);
    /* The first instant in (now, until] at which time alone can change the answer, else `until`; NULL where time
     * has no say. */
    int64_t (*settled_until)(const void *state, int64_t now, int64_t until);
};

/* A table of modules: ours, or in tests another. */
struct module_table { const struct policy_module *const *rows; size_t count; };

extern const struct policy_module *const policy_modules[];
extern const size_t policy_module_count;

extern const struct policy_module policy_module_permit, policy_module_deny, policy_module_peer,
    policy_module_profile, policy_module_key, policy_module_life, policy_module_name, policy_module_hours,
    policy_module_fact, policy_module_chain;

#endif
