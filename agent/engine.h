/*
 * engine.h - the way of a request: plan, authorise, sign, commit, bump, reply; in small groups that overlap.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * One thread owns all state here. Only keeper, committer and pool work beside it, and each answers through the loop.
 */
#ifndef MTLSD_AGENT_ENGINE_H
#define MTLSD_AGENT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "agent/authority.h"
#include "agent/epoch.h"
#include "agent/ops/operation.h"
#include "agent/pool.h"

struct engine_callbacks {
    /* One message for a caller; `text` is borrowed. `last`: the caller may send its next request. */
    void (*reply)(void *caller, const char *text, size_t length, bool secret, bool last);
    /* Several callers may have got replies: go on with their next requests. */
    void (*rest)(void *context);
    /* Ask the parent for a keeper; run the CRL hook. */
    void (*want_keeper)(void *context);
    void (*run_crl_hook)(void *context);
    /* The policy has been read again. */
    void (*policy_changed)(void *context);
};

struct engine_parts {
    sd_event *event;
    const struct config *config;
    struct authority *authority; /* may be NULL until the keeper tells */
    struct pool *pool;
    struct epoch *epoch;
    struct committer *committer;
    struct store *store;
    struct policy *policy;       /* the engine takes it over */
    struct anchors *anchors;     /* likewise */
    struct keeper_link *link;
    const char *sandbox;
    const char *database;        /* path, for the CRL's own connection */
};

struct engine;

/* Policy and anchors of a configuration, both or neither. Warnings go to the log. */
int engine_read_policy(const struct config *config, struct policy **policy, struct anchors **anchors, struct failure *failure);

int engine_new(const struct engine_parts *parts, const struct engine_callbacks *callbacks, void *context, struct engine **out);
/* Begin: the first CRL, what was submitted. */
void engine_start(struct engine *engine);
void engine_free(struct engine *engine);

/* Take one message from a caller whose last one has been answered. Message and peer are copied before return. Returns a ticket for the
 * two calls below, valid until the last reply; NULL where the last reply has been given already. */
void *engine_submit(struct engine *engine, void *caller, const struct peer *peer, const char *text, size_t length);
/* Plan what was submitted. Call once when a batch has been submitted. */
void engine_run(struct engine *engine);
/* The caller took everything that was sent to it: a stream goes on. */
void engine_caller_drained(struct engine *engine, void *ticket);
/* The caller is gone: what it asked for is finished, but nobody is told. */
void engine_caller_gone(struct engine *engine, void *ticket);

/* Read policy and anchors again (SIGHUP). */
void engine_reload(struct engine *engine);
/* Requests under way. */
size_t engine_under_way(const struct engine *engine);
struct vitals *engine_vitals(struct engine *engine);
const struct policy *engine_policy(const struct engine *engine);

/* From the keeper link (see keeper_link.h). */
void engine_keeper_state(struct engine *engine, const struct keeper_state *state);
void engine_keeper_answer(struct engine *engine, struct keeper_packet *packet);
void engine_keeper_rest(struct engine *engine);
void engine_keeper_room(struct engine *engine);

#endif
