/*
 * sign.c - Sign: a certificate for the key of a CSR. What the CSR asks for is a wish.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/ops/issuing.h"

static enum plan_step sign_plan(const struct world *world, struct request *request, struct failure *failure)
{
    const struct sign_call *call = request->call;
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
        if (issuing_csr(request, issuing, call->csr, failure))
            return PLAN_FAILED;
    }
    return issuing_plan(world, request, issuing, failure);
}

OPERATION(Sign, POLICY_ISSUE, .change = true, .plan = sign_plan, .reply = issuing_reply);
