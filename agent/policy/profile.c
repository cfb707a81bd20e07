/*
 * profile.c - policy module `profile`: which profiles a certificate may have.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   profile client,person
 */
#include <stdlib.h>

#include "agent/policy/arguments.h"

static void state_free(void *data)
{
    if (data)
        text_values_clear(data);
    free(data);
}

static int add_profile(void *context, size_t key, const char *value, struct failure *failure)
{
    (void)key;
    if (!argument_is_name(value))
        return argument_refuse(failure, "found '%.60s', expected the name of a profile, such as client", value);
    return text_values_add(context, value, failure);
}

static int parse(const struct module_argument *arguments, size_t count, void **out, size_t *at,
                 struct failure *failure)
{
    *at = count;
    if (count == 0)
        return argument_refuse(failure, "found no profile, expected one or several, such as client,person");
    struct text_values *profiles = calloc(1, sizeof *profiles);
    if (!profiles)
        return argument_no_memory(failure);
    if (arguments_visit_plain(arguments, count, add_profile, profiles, at, failure) < 0) {
        state_free(profiles);
        return -1;
    }
    *out = profiles;
    return 0;
}

static enum module_result judge(const void *data, const struct policy_question *question, char *detail,
                                size_t detail_size)
{
    const char *profile = question->profile;
    if (profile && profile[0] != '\0' && text_values_have(data, profile))
        return MODULE_SUCCESS;
    if (profile && profile[0] != '\0')
        argument_tell(detail, detail_size, "the profile is %.64s", profile);
    else
        argument_tell(detail, detail_size, "there is no profile to look at");
    return MODULE_FAILURE;
}

const struct policy_module policy_module_profile = {
    .name = "profile", .types = POLICY_CERTIFICATE_TYPES, .parse = parse, .free = state_free, .judge = judge,
};
