/*
 * deny.c - policy module `deny`: always says no, as pam_deny(8).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/policy/arguments.h"

static int parse(const struct module_argument *arguments, size_t count, void **state, size_t *at,
                 struct failure *failure)
{
    (void)state;
    return arguments_none("deny", arguments, count, at, failure);
}

static enum module_result judge(const void *state, const struct policy_question *question, char *detail,
                                size_t detail_size)
{
    (void)state, (void)question;
    argument_tell(detail, detail_size, "deny refuses whoever gets to it");
    return MODULE_FAILURE;
}

const struct policy_module policy_module_deny = {
    .name = "deny", .types = POLICY_ANY_TYPE, .parse = parse, .judge = judge,
};
