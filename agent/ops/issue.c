/*
 * issue.c - Issue: make a key pair and a certificate for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/ops/issuing.h"

static enum plan_step issue_plan(const struct world *world, struct request *request, struct failure *failure)
{
    const struct issue_call *call = request->call;
    struct issuing *issuing = request->work_state;
    if (!issuing) {
        issuing = issuing_begin(request);
        issuing->name = call->name;
        issuing->sans = call->sans;
        issuing->profile = call->profile;
        issuing->service = call->service;
        issuing->label = call->label;
        issuing->life = call->life;
        issuing->request_id = call->request_id;
        issuing->dry_run = call->dry_run;
    }
    if (!request->worked && issuing_key_type(world, call->key_type, call->profile, &issuing->key_type, failure))
        return PLAN_FAILED;
    return issuing_plan(world, request, issuing, failure);
}

OPERATION(Issue, POLICY_ISSUE, .change = true, .plan = issue_plan, .reply = issuing_reply);
