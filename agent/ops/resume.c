/*
 * resume.c - Resume: lift a certificateHold (RFC 5280 section 5.3.1).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "agent/ops/common.h"

static enum plan_step resume_plan(const struct world *world, struct request *request, struct failure *failure)
{
    const struct resume_call *call = request->call;
    struct plan *plan = &request->plan;
    const struct which_certificate held = {.serial = call->serial, .name = call->name, .label = call->label, .which = WHICH_HELD};
    const struct which_certificate live = {.serial = call->serial, .name = call->name, .label = call->label, .which = WHICH_LIVE};
    struct certificate_row *row = arena_new(&request->arena, sizeof *row);
    plan->service = request_service(call->service, failure);
    if (!plan->service)
        return PLAN_FAILED;
    request->work_state = row;
    if (find_one(world, request, &held, row, failure) &&
        (failure->code != FAILURE_NOT_FOUND || find_one(world, request, &live, row, failure)))
        return PLAN_FAILED; /* one that is live already is nothing to do */
    if (row->status == STATUS_REVOKED)
        return failure_set(failure, FAILURE_CONFLICT, "serial", "certificate %s is revoked for good (%s); only certificateHold can be lifted",
                           arena_serial(&request->arena, &row->serial), reason_name(row->reason));
    if (row->status == STATUS_LIVE)
        return PLAN_READY;
    plan->serials = &row->serial;
    plan->serial_count = 1;
    plan->changes_verdicts = true;
    plan->change = arena_new(&request->arena, sizeof *plan->change);
    *plan->change = (struct change){.kind = CHANGE_RESUME, .u.resume = {row->serial}};
    return PLAN_READY;
}

static json_t *resume_reply(const struct world *world, struct request *request, struct failure *failure)
{
    struct certificate_row row = *(const struct certificate_row *)request->work_state;
    (void)failure;
    if (request->plan.change) {
        row.status = STATUS_LIVE;
        row.reason = -1;
    }
    struct resume_reply reply = {.changed = request->affected > 0, .certificate = row_to_wire(&request->arena, world, &row)};
    return schema_encode(method_schema_find("Resume")->reply, &reply);
}

OPERATION(Resume, POLICY_REVOKE, .change = true, .plan = resume_plan, .reply = resume_reply);
