/*
 * authorise.c - hold a finished plan against the policy.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/authorise.h"

#include "agent/ops/common.h"

int authorise_subject(const struct world *world, const struct request *request, const struct subject *subject,
                      struct policy_trace *trace, struct policy_decision *decision, struct policy_question *asked)
{
    struct names parsed = {0};
    const struct names *names = subject->names;
    if (!names && subject->name && !names_from_lines(subject->name, subject->sans, &parsed, NULL))
        names = &parsed;
    struct policy_question question = {
        .type = subject->type ? subject->type : request->operation->type,
        .service = request->plan.service ? request->plan.service : "default",
        .peer = request->peer, .names = names, .profile = subject->profile, .key = subject->key, .life = subject->life,
        .now = world->now, .authority = "",
    };
    policy_decide(world->policy, &question, trace, decision);
    if (asked) {
        *asked = question;
        asked->names = NULL; /* they end here */
    }
    names_clear(&parsed);
    return decision->allowed ? 0 : -1;
}

int authorise_plan(const struct world *world, struct request *request, struct failure *failure)
{
    static const struct subject general;
    const struct subject *subjects = request->plan.subject_count ? request->plan.subjects : &general;
    size_t count = request->plan.subject_count ? request->plan.subject_count : 1;
    if (request->operation->type == POLICY_PUBLIC)
        return 0;
    for (size_t i = 0; i < count; i++) {
        struct policy_question question;
        if (!authorise_subject(world, request, &subjects[i], NULL, &request->decision, &question))
            continue;
        policy_failure(&question, &request->decision, request->plan.what ? request->plan.what : "", failure);
        return -1;
    }
    return 0;
}
