/*
 * status.c - Status: how the agent and the keeper are; and Reload.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <unistd.h>

#include "agent/ops/common.h"
#include "proto/service.h"

static enum plan_step status_plan(const struct world *world, struct request *request, struct failure *failure)
{
    (void)world, (void)failure;
    request->plan.what = "status";
    return PLAN_READY;
}

static struct text_list words_to_list(struct arena *arena, const char *words)
{
    struct text_list list = {0};
    list.items = arena_array(arena, strlen(words) / 2 + 1, sizeof *list.items);
    for (const char *p = words + strspn(words, " "); *p; p += strspn(p, " ")) {
        list.items[list.count++] = arena_format(arena, "%.*s", (int)strcspn(p, " "), p);
        p += strcspn(p, " ");
    }
    return list;
}

static struct wire_keeper *keeper_to_wire(struct arena *arena, const struct keeper_state *state)
{
    struct wire_keeper *wire = arena_new(arena, sizeof *wire);
    *wire = (struct wire_keeper){.state = "away", .pid = 0, .uid = -1};
    if (state)
        *wire = (struct wire_keeper){.state = state->open ? "open" : "locked", .pid = state->pid, .uid = state->uid,
                                     .walls = words_to_list(arena, state->walls), .signatures = state->signatures};
    return wire;
}

static void warn(struct arena *arena, struct text_list *list, const char *text)
{
    if (list->count < 8)
        list->items[list->count++] = arena_text(arena, text);
}

static struct text_list warnings(struct arena *arena, const struct world *world)
{
    struct text_list list = {arena_array(arena, 8, sizeof(char *)), 0};
    const struct vitals *vitals = world->vitals;
    if (vitals->keeper && vitals->keeper->uid == (int64_t)geteuid())
        warn(arena, &list, "keeper and agent share a uid: the wall between them is lower; set user= in [keeper]");
    if (!vitals->keeper)
        warn(arena, &list, "the keeper is away: nothing can be signed");
    else if (!vitals->keeper->open)
        warn(arena, &list, "the CA key is locked: nothing can be signed until mtlsctl unlock");
    if (vitals->policy_error[0])
        warn(arena, &list, "the policy on disk is bad; the one read before stays in force (see policyError)");
    if (!world->config->agent.policy)
        warn(arena, &list, "no policy= in [agent]: only root and the agent's own uid may do anything");
    if (world->crl->failure.code)
        warn(arena, &list, arena_format(arena, "the last CRL could not be built: %s", world->crl->failure.reason));
    if (world->crl->built && world->now > world->crl->next_update)
        warn(arena, &list, "the CRL is past its nextUpdate: servers that check it refuse everybody");
    return list;
}

static json_t *status_reply(const struct world *world, struct request *request, struct failure *failure)
{
    struct arena *arena = &request->arena;
    const struct vitals *vitals = world->vitals;
    struct store_counts counts;
    if (store_count(world->store, world->now, &counts, failure))
        return NULL;
    const struct status_reply reply = {
        .version = MTLSD_VERSION, .pid = getpid(), .uid = geteuid(),
        .state = !vitals->keeper ? "keeperAway" : vitals->keeper->open ? "ready" : "locked", .authority = world->authority->name,
        .keeper = keeper_to_wire(arena, vitals->keeper), .sandbox = vitals->sandbox, .warnings = warnings(arena, world),
        .page = vitals->page, .epoch = arena_format(arena, "%016llx", (unsigned long long)vitals->epoch),
        .policy_generation = vitals->policy_generation, .policy_error = vitals->policy_error[0] ? vitals->policy_error : NULL,
        .live = counts.live, .revoked = counts.revoked + counts.held, .expired = counts.expired, .alarms = counts.alarms,
        .connections = vitals->connections, .requests = vitals->requests, .commits = (int64_t)vitals->committed.transactions,
        .committed = (int64_t)vitals->committed.commits, .syncs = (int64_t)vitals->committed.syncs, .overlapped = vitals->overlapped,
        .crl_number = world->crl->number, .crl_at = world->crl->built ? arena_instant(arena, world->crl->this_update) : NULL,
        .started_at = arena_instant(arena, vitals->started_at),
    };
    return schema_encode(method_schema_find("Status")->reply, &reply);
}

static enum plan_step reload_plan(const struct world *world, struct request *request, struct failure *failure)
{
    (void)world, (void)failure;
    request->plan.what = "reload";
    return PLAN_RELOAD;
}

static json_t *reload_reply(const struct world *world, struct request *request, struct failure *failure)
{
    const struct reload_reply reply = {.generation = world->vitals->policy_generation};
    (void)request, (void)failure;
    return schema_encode(method_schema_find("Reload")->reply, &reply);
}

OPERATION(Status, POLICY_READ, .shared_reply = true, .plan = status_plan, .reply = status_reply);
OPERATION(Reload, POLICY_ADMIN, .plan = reload_plan, .reply = reload_reply);
