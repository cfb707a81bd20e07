/*
 * revoke.c - Revoke: by serial, by name, or every certificate that fits a filter; one transaction, one bump of the epoch.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "agent/ops/common.h"
#include "proto/term.h"

enum { REVOKE_REASON_HOLD = 6, REVOKE_SERIALS_TOLD = 1000, REVOKE_FIRST_ROOM = 16 };

struct revocation {
    struct certificate_filter filter;
    struct serial *serials;
    size_t count, room;
    struct request *request;
};

static int revoke_visit(const struct certificate_row *row, void *context)
{
    struct revocation *revocation = context;
    struct request *request = revocation->request;
    if (revocation->count == revocation->room) {
        size_t room = revocation->room ? 2 * revocation->room : REVOKE_FIRST_ROOM;
        struct serial *larger = arena_array(&request->arena, room, sizeof *larger);
        if (revocation->count)
            memcpy(larger, revocation->serials, revocation->count * sizeof *larger);
        revocation->serials = larger;
        revocation->room = room;
    }
    revocation->serials[revocation->count++] = row->serial;
    struct certificate_row copy = {.name = arena_text(&request->arena, row->name), .sans = arena_text(&request->arena, row->sans),
                                   .profile = arena_text(&request->arena, row->profile)};
    subject_of_row(request, &copy);
    return 0;
}

static int call_instant(const char *text, const char *field, int64_t *seconds, struct failure *failure)
{
    if (text && instant_parse(text, seconds))
        return failure_set(failure, FAILURE_BAD_REQUEST, field, "'%.40s' is no time; write 2026-11-23T20:00:00Z", text);
    return 0;
}

static int filter_read(const struct world *world, struct request *request, int reason, struct certificate_filter *filter,
                       struct failure *failure)
{
    const struct revoke_call *call = request->call;
    *filter = (struct certificate_filter){
        .name = call->name, .label = call->label, .profile = call->profile, .now = world->now,
        .requester_uid = call->requester_uid == ABSENT ? -1 : call->requester_uid,
        .which = reason == REVOKE_REASON_HOLD ? WHICH_LIVE : WHICH_REVOCABLE,
    };
    if (call_instant(call->issued_before, "issuedBefore", &filter->issued_before, failure) ||
        call_instant(call->issued_after, "issuedAfter", &filter->issued_after, failure))
        return -1;
    if (call->requester_uid != ABSENT && call->requester_uid < 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "requesterUid", "a uid is not negative");
    bool bulk = call->name || call->profile || call->requester_uid != ABSENT || call->issued_before || call->issued_after;
    if (call->serial ? bulk || call->label : !bulk)
        return failure_set(failure, FAILURE_BAD_REQUEST, "serial", call->serial
                           ? "a serial alone names one certificate; leave the other filters out"
                           : "say what to revoke: a serial, a name, or profile, requesterUid, issuedBefore, issuedAfter");
    return 0;
}

/* By serial: one that is revoked already is nothing to do. */
static int plan_serial(const struct world *world, struct request *request, struct revocation *revocation, struct failure *failure)
{
    const struct revoke_call *call = request->call;
    const struct which_certificate which = {.serial = call->serial};
    struct certificate_row row;
    if (find_one(world, request, &which, &row, failure))
        return -1;
    bool done = row.status == STATUS_REVOKED || (row.status == STATUS_HELD && revocation->filter.which == WHICH_LIVE);
    revocation->serials = arena_copy(&request->arena, &row.serial, sizeof row.serial);
    revocation->count = !done;
    return 0;
}

static int known_name(const struct world *world, struct request *request, struct failure *failure)
{
    const struct revoke_call *call = request->call;
    const struct certificate_filter any = {.name = call->name, .label = call->label, .requester_uid = -1, .now = world->now};
    struct revocation seen = {.request = request};
    int64_t count = call->name ? store_select(world->store, &any, NULL, 1, false, revoke_visit, &seen, failure) : 1;
    if (count == 0)
        failure_set(failure, FAILURE_NOT_FOUND, "name", "no certificate of %s%s%s was issued here", call->name,
                    call->label ? " with label " : "", call->label ? call->label : "");
    return count > 0 ? 0 : -1;
}

static int plan_filter(const struct world *world, struct request *request, struct revocation *revocation, struct failure *failure)
{
    const struct revoke_call *call = request->call;
    request->plan.what = call->name ? call->name : "certificates by filter";
    if (store_select(world->store, &revocation->filter, NULL, INT64_MAX, false, revoke_visit, revocation, failure) < 0)
        return -1;
    if (revocation->count == 0)
        return known_name(world, request, failure);
    bool unexpected = call->expected != ABSENT && call->expected != (int64_t)revocation->count;
    if (revocation->count == 1 ? !unexpected : call->several && !unexpected)
        return 0;
    failure_set(failure, FAILURE_CONFLICT, "several", unexpected
                ? "%zu certificates fit now, not as many as expected; look again, then repeat it"
                : "this would revoke %zu certificates; give a serial, or say that several are meant (mtlsctl: --yes)", revocation->count);
    for (size_t i = 0; i < revocation->count && i < FAILURE_SERIALS_MAX; i++)
        serial_format(&revocation->serials[i], failure->serials[failure->serial_count++]);
    return -1;
}

static enum plan_step revoke_plan(const struct world *world, struct request *request, struct failure *failure)
{
    const struct revoke_call *call = request->call;
    struct revocation *revocation = arena_new(&request->arena, sizeof *revocation);
    struct plan *plan = &request->plan;
    int reason = reason_from_name(call->reason ? call->reason : "unspecified");
    plan->service = request_service(call->service, failure);
    if (!plan->service)
        return PLAN_FAILED;
    if (reason < 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "reason", "'%.40s' is no reason; one of unspecified, keyCompromise, "
                           "cACompromise, affiliationChanged, superseded, cessationOfOperation, certificateHold, privilegeWithdrawn",
                           call->reason);
    revocation->request = request;
    request->work_state = revocation; /* for the reply */
    if (filter_read(world, request, reason, &revocation->filter, failure) ||
        (call->serial ? plan_serial : plan_filter)(world, request, revocation, failure))
        return PLAN_FAILED;
    plan->serials = revocation->serials;
    plan->serial_count = revocation->count;
    plan->reason = reason_name(reason);
    plan->profile = call->profile;
    plan->dry_run = call->dry_run;
    if (!revocation->count)
        return PLAN_READY;
    plan->changes_verdicts = true;
    plan->change = arena_new(&request->arena, sizeof *plan->change);
    *plan->change = (struct change){.kind = CHANGE_REVOKE,
                                    .u.revoke = {.serials = revocation->serials, .count = revocation->count, .reason = reason,
                                                 .at = world->now, .filter = call->serial ? NULL : &revocation->filter}};
    return PLAN_READY;
}

static json_t *revoke_reply(const struct world *world, struct request *request, struct failure *failure)
{
    const struct revoke_call *call = request->call;
    const struct revocation *revocation = request->work_state;
    (void)world, (void)failure;
    size_t told = revocation->count < REVOKE_SERIALS_TOLD ? revocation->count : REVOKE_SERIALS_TOLD;
    struct revoke_reply reply = {
        .changed = call->dry_run ? revocation->count > 0 : request->affected > 0,
        .count = call->dry_run ? (int64_t)revocation->count : request->affected,
        .serials = {arena_array(&request->arena, told, sizeof(char *)), told},
    };
    for (size_t i = 0; i < told; i++)
        reply.serials.items[i] = arena_serial(&request->arena, &revocation->serials[i]);
    return schema_encode(method_schema_find("Revoke")->reply, &reply);
}

OPERATION(Revoke, POLICY_REVOKE, .change = true, .plan = revoke_plan, .reply = revoke_reply);
