/*
 * module.c - the one table of policy modules.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/policy/module.h"

const struct policy_module *const policy_modules[] = {
    &policy_module_permit, &policy_module_deny,  &policy_module_peer, &policy_module_profile,
    &policy_module_key,    &policy_module_life,  &policy_module_name, &policy_module_hours,
    &policy_module_fact,   &policy_module_chain,
};
const size_t policy_module_count = sizeof policy_modules / sizeof policy_modules[0];
