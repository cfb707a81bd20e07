/*
 * permit.c - policy module `permit`: always says yes, as pam_permit(8).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/policy/arguments.h"

static int parse(const struct module_argument *arguments, size_t count, void **state, size_t *at,
                 struct failure *failure)
{
    (void)state;
    return arguments_none("permit", arguments, count, at, failure);
}

static enum module_result judge(const void *state, const struct policy_question *question, char *detail,
                                size_t detail_size)
{
    (void)state, (void)question, (void)detail, (void)detail_size;
    return MODULE_SUCCESS;
}

const struct policy_module policy_module_permit = {
    .name = "permit", .types = POLICY_ANY_TYPE, .parse = parse, .judge = judge,
};
