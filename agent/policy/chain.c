/*
 * chain.c - policy module `chain`: which authority must vouch for a certificate.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   chain anchors=ours,partner
 *
 * `ours` is this agent's own CA; other names are those of [anchors NAME] in the configuration.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/policy/arguments.h"

static const char *const keys[] = {"anchors"};

static void state_free(void *data)
{
    if (data)
        text_values_clear(data);
    free(data);
}

static int add_anchor(void *context, size_t key, const char *value, struct failure *failure)
{
    (void)key;
    if (!argument_is_name(value))
        return argument_refuse(failure, "found '%.60s', expected ours or the NAME of an [anchors NAME] section",
                               value);
    return text_values_add(context, value, failure);
}

static int parse(const struct module_argument *arguments, size_t count, void **out, size_t *at,
                 struct failure *failure)
{
    *at = count;
    if (count == 0)
        return argument_refuse(failure, "found no argument, expected anchors=, such as anchors=ours");
    struct text_values *anchors = calloc(1, sizeof *anchors);
    if (!anchors)
        return argument_no_memory(failure);
    if (arguments_visit(arguments, count, keys, 1, add_anchor, anchors, at, failure) < 0) {
        state_free(anchors);
        return -1;
    }
    *out = anchors;
    return 0;
}

static enum module_result judge(const void *data, const struct policy_question *question, char *detail,
                                size_t detail_size)
{
    if (!question->authority) {
        argument_tell(detail, detail_size, "no authority vouches for the certificate");
        return MODULE_FAILURE;
    }
    /* Our own CA is "", so that no section named "ours" can be taken for it. */
    bool ours = question->authority[0] == '\0';
    const char *authority = ours ? "ours" : question->authority;
    if (text_values_have(data, authority) && (ours || strcmp(authority, "ours") != 0))
        return MODULE_SUCCESS;
    argument_tell(detail, detail_size, "the authority is %.64s%s", authority, ours ? "" : " (not ours)");
    return MODULE_FAILURE;
}

const struct policy_module policy_module_chain = {
    .name = "chain", .types = POLICY_BIT(POLICY_VERIFY), .parse = parse, .free = state_free, .judge = judge,
};
