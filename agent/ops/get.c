/*
 * get.c - Get: one certificate by serial, by name, or by the request id of the call that made it; and the CA's own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/ops/common.h"

static int find_request(const struct world *world, struct request *request, struct certificate_row *row, struct failure *failure)
{
    const struct get_call *call = request->call;
    struct certificate_row found;
    int result = store_find_request(world->store, request->peer->uid, call->request_id, &found, failure);
    request->plan.what = arena_format(&request->arena, "request %s", call->request_id);
    if (result == 0)
        failure_set(failure, FAILURE_NOT_FOUND, "requestId", "no certificate came of a request %s of yours", call->request_id);
    if (result < 1)
        return -1;
    arena_row(&request->arena, &found, row);
    certificate_row_clear(&found);
    subject_of_row(request, row);
    return 0;
}

static enum plan_step get_plan(const struct world *world, struct request *request, struct failure *failure)
{
    const struct get_call *call = request->call;
    const struct which_certificate which = {.serial = call->serial, .name = call->name, .label = call->label, .which = WHICH_ANY,
                                            .with_der = true};
    struct certificate_row *row = arena_new(&request->arena, sizeof *row);
    request->work_state = row;
    request->plan.service = request_service(call->service, failure);
    if (!request->plan.service)
        return PLAN_FAILED;
    if (call->request_id && !call->serial && !call->name)
        return find_request(world, request, row, failure) ? PLAN_FAILED : PLAN_READY;
    return find_one(world, request, &which, row, failure) ? PLAN_FAILED : PLAN_READY;
}

static json_t *get_reply(const struct world *world, struct request *request, struct failure *failure)
{
    const struct certificate_row *row = request->work_state;
    (void)failure;
    struct get_reply reply = {.certificate = row_to_wire(&request->arena, world, row),
                              .pem = row->der ? arena_pem(&request->arena, row->der, row->der_length) : ""};
    return schema_encode(method_schema_find("Get")->reply, &reply);
}

static enum plan_step public_plan(const struct world *world, struct request *request, struct failure *failure)
{
    (void)world, (void)request, (void)failure;
    return PLAN_READY;
}

static json_t *authority_reply(const struct world *world, struct request *request, struct failure *failure)
{
    const struct authority *authority = world->authority;
    (void)failure;
    struct get_authority_reply reply = {
        .name = authority->name, .pem = authority->pem, .fingerprint = authority->fingerprint,
        .serial = arena_serial(&request->arena, &authority->facts.serial), .key_type = authority->key_type,
        .not_before = arena_instant(&request->arena, authority->facts.not_before),
        .not_after = arena_instant(&request->arena, authority->facts.not_after),
    };
    return schema_encode(method_schema_find("GetAuthority")->reply, &reply);
}

OPERATION(Get, POLICY_READ, .plan = get_plan, .reply = get_reply);
OPERATION(GetAuthority, POLICY_PUBLIC, .shared_reply = true, .plan = public_plan, .reply = authority_reply);
