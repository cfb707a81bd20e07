/*
 * list.c - List: pages by key, so that no statement stays open while a caller reads. Shows what the caller may read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "agent/ops/common.h"

enum { PAGE = 100, LIMIT_MAX = 100000 };

struct listing {
    struct certificate_filter filter;
    struct serial after;
    bool started, done;
    int64_t left;            /* rows that may still be told; -1: any number */
    const struct world *world;
    struct request *request;
    /* of the page being filled: */
    struct arena arena;
    struct wire_certificate *rows;
    size_t count;
};

static const struct { const char *name; int which; } statuses[] = {
    {"live", WHICH_LIVE}, {"revoked", WHICH_REVOKED}, {"held", WHICH_HELD}, {"expired", WHICH_EXPIRED}, {"any", WHICH_ANY},
};

static int status_read(const char *name, struct certificate_filter *filter, struct failure *failure)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (!name || !strcmp(name, statuses[i].name)) {
            filter->which = name ? statuses[i].which : WHICH_ANY;
            return 0;
        }
    return failure_set(failure, FAILURE_BAD_REQUEST, "status", "'%.40s' is no status; live, revoked, held, expired or any", name);
}

static enum plan_step list_plan(const struct world *world, struct request *request, struct failure *failure)
{
    const struct list_call *call = request->call;
    struct listing *listing = arena_new(&request->arena, sizeof *listing);
    int64_t within;
    request->stream_state = listing;
    listing->request = request;
    listing->filter = (struct certificate_filter){.name = call->name, .profile = call->profile, .requester_uid = -1, .now = world->now};
    request->plan.service = request_service(call->service, failure);
    if (!request->plan.service || status_read(call->status, &listing->filter, failure) ||
        call_term(call->expiring_within, "expiringWithin", &within, failure))
        return PLAN_FAILED;
    if (within) {
        listing->filter.expiring_before = world->now + within;
        if (!call->status)
            listing->filter.which = WHICH_LIVE; /* what has expired is no longer expiring */
    }
    if (call->limit != ABSENT && (call->limit < 1 || call->limit > LIMIT_MAX))
        return failure_set(failure, FAILURE_BAD_REQUEST, "limit", "1 to %d", LIMIT_MAX);
    listing->left = call->limit == ABSENT ? -1 : call->limit;
    if (call->after && serial_parse(call->after, &listing->after))
        return failure_set(failure, FAILURE_BAD_REQUEST, "after", "'%.60s' is no serial", call->after);
    listing->started = call->after != NULL;
    request->plan.what = call->name ? call->name : "certificates";
    return PLAN_READY;
}

/* A row that the caller may not read is passed over; which ones are there is not told. */
static bool may_read(const struct listing *listing, const struct certificate_row *row)
{
    struct names names;
    struct policy_decision decision;
    if (names_from_lines(row->name, row->sans, &names, NULL))
        return false;
    const struct policy_question question = {
        .type = POLICY_READ, .service = listing->request->plan.service, .peer = listing->request->peer, .names = &names,
        .profile = row->profile, .now = listing->world->now, .authority = "",
    };
    policy_decide(listing->world->policy, &question, NULL, &decision);
    names_clear(&names);
    return decision.allowed;
}

static int list_visit(const struct certificate_row *row, void *context)
{
    struct listing *listing = context;
    listing->after = row->serial;
    listing->started = true;
    if (!may_read(listing, row))
        return 0;
    struct certificate_row copy;
    arena_row(&listing->arena, row, &copy);
    listing->rows[listing->count++] = *row_to_wire(&listing->arena, listing->world, &copy);
    return 0;
}

static json_t *list_stream(const struct world *world, struct request *request, bool *last, struct failure *failure)
{
    struct listing *listing = request->stream_state;
    int64_t want = listing->left >= 0 && listing->left < PAGE ? listing->left : PAGE;
    listing->world = world;
    arena_init(&listing->arena);
    listing->rows = arena_array(&listing->arena, PAGE, sizeof *listing->rows);
    listing->count = 0;
    int64_t seen = store_select(world->store, &listing->filter, listing->started ? &listing->after : NULL, want, false, list_visit,
                                listing, failure);
    json_t *page = NULL;
    if (seen >= 0) {
        listing->left -= listing->left >= 0 ? seen : 0;
        bool more = seen == want;
        *last = !request->more || !more || listing->left == 0;
        struct list_reply reply = {.certificates = {listing->rows, listing->count},
                                   .next = *last && more ? arena_serial(&listing->arena, &listing->after) : NULL};
        page = schema_encode(method_schema_find("List")->reply, &reply);
    }
    arena_free(&listing->arena);
    return page;
}

OPERATION(List, POLICY_READ, .plan = list_plan, .stream = list_stream);
