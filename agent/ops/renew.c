/*
 * renew.c - Renew: the names and profile of a live certificate again, with a new key or a CSR's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "agent/ops/common.h"
#include "agent/ops/issuing.h"

/* Several live ones under one name: the newest stands for them where they are the same device (label) and profile, since each renewal
 * leaves the one before it live until it expires. */
struct newest {
    struct request *request;
    struct certificate_row row;
    size_t count;
    bool mixed;
};

static int newest_visit(const struct certificate_row *row, void *context)
{
    struct newest *newest = context;
    if (newest->count++ && (strcmp(row->label, newest->row.label) || strcmp(row->profile, newest->row.profile)))
        newest->mixed = true;
    if (newest->count == 1 || row->not_after >= newest->row.not_after)
        arena_row(&newest->request->arena, row, &newest->row);
    return 0;
}

static int find_renewed(const struct world *world, struct request *request, struct certificate_row *row, struct failure *failure)
{
    const struct renew_call *call = request->call;
    const struct which_certificate which = {.serial = call->serial, .name = call->name, .label = call->label, .which = WHICH_LIVE};
    struct newest newest = {.request = request};
    if (call->name && !call->serial) {
        const struct certificate_filter filter = {.name = call->name, .label = call->label, .requester_uid = -1, .now = world->now,
                                                  .which = WHICH_LIVE};
        if (store_select(world->store, &filter, NULL, 1000, false, newest_visit, &newest, failure) < 0)
            return -1;
        if (newest.count > 1 && !newest.mixed) {
            *row = newest.row;
            request->plan.what = call->name;
            subject_of_row(request, row);
            return 0;
        }
    }
    return find_one(world, request, &which, row, failure);
}

static int renew_begin(const struct world *world, struct request *request, struct failure *failure)
{
    const struct renew_call *call = request->call;
    struct certificate_row row;
    request->plan.service = request_service(call->service, failure);
    if (!request->plan.service || find_renewed(world, request, &row, failure))
        return -1;
    if (strcmp(row_status(&row, world->now), "live"))
        return failure_set(failure, FAILURE_CONFLICT, "serial", "certificate %s of %s is %s; issue a new one instead",
                           arena_serial(&request->arena, &row.serial), row.name, row_status(&row, world->now));
    struct issuing *issuing = issuing_begin(request);
    issuing->renewing = true;
    if (names_from_lines(row.name, row.sans, &issuing->names, failure))
        return -1;
    issuing->profile = row.profile;
    issuing->service = call->service;
    issuing->label = row.label;
    issuing->life = call->life;
    issuing->request_id = call->request_id;
    issuing->dry_run = call->dry_run;
    if (call->csr)
        return issuing_csr(request, issuing, call->csr, failure);
    return issuing_key_type(world, call->key_type, row.profile, &issuing->key_type, failure);
}

static enum plan_step renew_plan(const struct world *world, struct request *request, struct failure *failure)
{
    const struct renew_call *call = request->call;
    if (!request->work_state && renew_begin(world, request, failure))
        return PLAN_FAILED;
    enum plan_step step = issuing_plan(world, request, request->work_state, failure);
    /* A refusal repeats what was asked, not what was found. */
    request->plan.what = call->name ? call->name : arena_format(&request->arena, "serial %s", call->serial);
    return step;
}

OPERATION(Renew, POLICY_ISSUE, .change = true, .plan = renew_plan, .reply = issuing_reply);
