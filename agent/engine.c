/*
 * engine.c - the way of a request: decode, plan, authorise; and the life of the engine.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/anchors.h"
#include "agent/authorise.h"
#include "agent/job.h"
#include "agent/log.h"
#include "proto/service.h"

enum {
    FLUSH_EVERY = 6, /* grants a system call to the keeper while a batch is being planned */
    ROUNDS_MAX = 4,  /* batches planned before keeper and committer are listened to again */
};

/* --- lists ------------------------------------------------------------------------------------------------- */

void list_init(struct job_list *list)
{
    *list = (struct job_list){.last = &list->first};
}

void list_push(struct job_list *list, struct job *job, enum place place)
{
    job->place = place;
    job->queued = NULL;
    *list->last = job;
    list->last = &job->queued;
    list->count++;
}

struct job *list_pop(struct job_list *list)
{
    struct job *job = list->first;
    if (!job)
        return NULL;
    list->first = job->queued;
    if (!list->first)
        list->last = &list->first;
    list->count--;
    return job;
}

/* --- birth and death of a job ------------------------------------------------------------------------------ */

static struct job *job_new(struct engine *engine, void *caller, const struct peer *peer)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    arena_init(&job->request.arena);
    job->engine = engine;
    job->caller = caller;
    /* A copy, because the caller may go away before its request ends. */
    struct peer *copy = arena_copy(&job->request.arena, peer, sizeof *peer);
    copy->groups = arena_copy(&job->request.arena, peer->groups, peer->group_count * sizeof *peer->groups);
    copy->pidfd = -1;
    job->request.peer = copy;
    job->next = engine->jobs;
    if (job->next)
        job->next->previous = job;
    engine->jobs = job;
    engine->under_way++;
    return job;
}

/* Free what the last plan holds outside the arena, so that it can be planned again or end. */
void plan_clear(struct job *job)
{
    if (job->request.plan.grant)
        names_clear(&job->request.plan.grant->names);
    memset(&job->request.plan, 0, sizeof job->request.plan);
    free(job->request.der);
    job->request.der = NULL;
    free(job->audit);
    job->audit = NULL;
}

void job_free(struct job *job)
{
    struct engine *engine = job->engine;
    if (job->request.release)
        job->request.release(&job->request);
    plan_clear(job);
    if (job->schema && job->request.call)
        schema_clear(job->schema->call, (void *)job->request.call);
    message_call_clear(&job->message);
    arena_free(&job->request.arena);
    if (job->previous)
        job->previous->next = job->next;
    else
        engine->jobs = job->next;
    if (job->next)
        job->next->previous = job->previous;
    engine->under_way--;
    free(job);
}

/* --- plan -------------------------------------------------------------------------------------------------- */

static void pool_run(struct pool_job *pool_job)
{
    struct job *job = (struct job *)((char *)pool_job - offsetof(struct job, pool_job));
    job->request.work(&job->request);
}

static void pool_done(struct pool_job *pool_job)
{
    struct job *job = (struct job *)((char *)pool_job - offsetof(struct job, pool_job));
    job->request.worked = true;
    if (job->request.work_failure.code)
        job_fail(job, &job->request.work_failure);
    else
        list_push(&job->engine->ready, job, PLACE_READY);
}

static void job_to_pool(struct job *job)
{
    struct failure failure;
    plan_clear(job);
    if (job->request.quick_work && !job->engine->ready.count && !pool_pending(job->engine->parts.pool)) {
        job->request.work(&job->request); /* handing it over would take longer */
        pool_done(&job->pool_job);
        return;
    }
    job->place = PLACE_POOL;
    job->pool_job = (struct pool_job){.run = pool_run, .done = pool_done};
    if (pool_submit(job->engine->parts.pool, &job->pool_job))
        return;
    failure_set(&failure, FAILURE_BUSY, NULL, "too much slow work (keys, PKCS#12, foreign chains) waits already; try again");
    job_fail(job, &failure);
}

/* Who may not gets NotPermitted whether or not the object exists: these answers would tell, and so would any that comes after a
 * certificate was found. */
static bool tells_of_the_index(const struct request *request, const struct failure *failure)
{
    return failure->code == FAILURE_NOT_FOUND || failure->code == FAILURE_CONFLICT || request->plan.subject_count > 0;
}

static void job_plan(struct job *job)
{
    struct engine *engine = job->engine;
    struct failure failure = {0}, denial = {0};
    if (job->refused && authorise_plan(&engine->world, &job->request, &denial)) {
        job_fail(job, &denial);
        return;
    }
    if (job->refused)
        plan_clear(job); /* its hour has come meanwhile */
    job->refused = false;
    job->generation = engine->vitals.policy_generation;
    enum plan_step step = job->request.operation->plan(&engine->world, &job->request, &failure);
    bool tells = step != PLAN_FAILED || tells_of_the_index(&job->request, &failure);
    if (tells && authorise_plan(&engine->world, &job->request, &denial)) {
        if (!job_to_naming(job))
            job_fail(job, &denial);
        return;
    }
    const struct plan *plan = &job->request.plan;
    if (step == PLAN_FAILED)
        job_fail(job, &failure);
    else if (step == PLAN_WORK)
        job_to_pool(job);
    else if (step == PLAN_AWAIT_CRL)
        plan_clear(job), list_push(&engine->crl_waiting, job, PLACE_CRL);
    else if (step == PLAN_RELOAD)
        list_push(&engine->reload_waiting, job, PLACE_RELOAD), engine->reload_wanted = true;
    else if (plan->dry_run || (!plan->grant && !plan->change && !plan->audited))
        job_alarm(job), job_reply(job);
    else if (plan->grant)
        job_to_keeper(job);
    else
        job_to_commit(job);
}

/* --- in and out -------------------------------------------------------------------------------------------- */

void world_refresh(struct engine *engine)
{
    int64_t now = (int64_t)time(NULL);
    engine->version += now != engine->world.now || engine->told_connections != engine->vitals.connections;
    engine->told_connections = engine->vitals.connections;
    engine->world.now = now;
    engine->world.crl = crl_publisher_status(engine->publisher);
    engine->vitals.keeper = keeper_link_state(engine->parts.link);
}

/* Plan everything that is ready, under one snapshot. */
static void plan_ready(struct engine *engine)
{
    struct failure failure = {0};
    size_t planned = 0;
    world_refresh(engine);
    if (store_snapshot_begin(engine->parts.store, &failure))
        log_message(LOG_ERR, "%s", failure.reason);
    for (struct job *job; !engine->reload_wanted && (job = list_pop(&engine->ready));) {
        job_plan(job);
        if (++planned % FLUSH_EVERY == 0)
            keeper_link_flush(engine->parts.link);
    }
    store_snapshot_end(engine->parts.store);
}

void engine_run(struct engine *engine)
{
    if (engine->running)
        return; /* a reply below has brought the next request: the loop sees it */
    engine->running = true;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (engine->reload_wanted)
            reload_at_once(engine);
        if (engine->reload_wanted || !engine->ready.count)
            break;
        plan_ready(engine);
        engine->callbacks->rest(engine->context);
    }
    if (engine->reload_wanted)
        reload_at_once(engine); /* wanted in the last round: nothing else might come that looks again */
    engine->running = false;
    keeper_link_flush(engine->parts.link);
    submit_signed(engine);
    if (engine->ready.count && !engine->reload_wanted)
        sd_event_source_set_enabled(engine->again, SD_EVENT_ONESHOT);
    assert(store_is_idle(engine->parts.store));
}

/* Parse and find: bytes to a typed call. -1 with *failure, or 1 where it has been answered. */
static int job_decode(struct job *job, const char *text, size_t length, struct failure *failure)
{
    json_t *introspection = NULL;
    if (message_parse_call(text, length, &job->message, failure))
        return -1;
    if (job->message.upgrade)
        return failure_set(failure, FAILURE_BAD_REQUEST, "upgrade", "no method of this interface changes the protocol");
    job->request.more = job->message.more;
    int answered = service_answer(&job->message, &introspection, failure);
    if (answered == 1)
        job_finish(job, introspection, NULL);
    if (answered)
        return answered;
    const char *method = service_method(job->message.method, failure);
    if (!method)
        return -1;
    const struct operation *operation = operation_find(method);
    job->schema = operation ? method_schema_find(method) : NULL;
    if (!job->schema)
        return failure_set(failure, FAILURE_METHOD_NOT_FOUND, job->message.method, "there is no method %s", job->message.method);
    void *call = arena_new(&job->request.arena, job->schema->call->size + 1);
    if (schema_decode(job->schema->call, job->message.parameters, false, call, failure))
        return -1;
    job->request.call = call;
    job->request.operation = operation;
    return 0;
}

void *engine_submit(struct engine *engine, void *caller, const struct peer *peer, const char *text, size_t length)
{
    struct failure failure = {0};
    struct job *job = job_new(engine, caller, peer);
    if (!job) {
        log_message(LOG_CRIT, "out of memory; lower connections= or queue= in [agent]");
        abort();
    }
    engine->vitals.requests++;
    int decoded = job_decode(job, text, length, &failure);
    /* Only now, because a oneway call must not be answered even so. */
    if (!decoded && engine->under_way > (size_t)engine->parts.config->agent.queue)
        decoded = failure_set(&failure, FAILURE_BUSY, NULL, "%zu requests are under way already (queue=); try again",
                              engine->under_way - 1);
    if (decoded < 0)
        job_finish(job, NULL, &failure);
    if (decoded)
        return NULL;
    list_push(&engine->ready, job, PLACE_READY);
    return job;
}

void engine_caller_drained(struct engine *engine, void *ticket)
{
    struct job *job = ticket;
    if (job->place != PLACE_STREAM)
        return;
    world_refresh(engine);
    stream_next(job);
}

void engine_caller_gone(struct engine *engine, void *ticket)
{
    struct job *job = ticket;
    (void)engine;
    job->caller = NULL;
    if (job->place == PLACE_STREAM)
        job_free(job);
}

/* --- the CRL ----------------------------------------------------------------------------------------------- */

static void crl_store(void *context, struct change *settings, size_t count)
{
    struct engine *engine = context;
    engine->crl_commit = (struct commit){.owner = engine, .changes = settings, .change_count = count};
    committer_submit(engine->parts.committer, &engine->crl_commit);
}

/* Whoever waits for a CRL looks again. */
void crl_waiting_release(struct engine *engine)
{
    engine->version++;
    for (struct job *job; (job = list_pop(&engine->crl_waiting));)
        list_push(&engine->ready, job, PLACE_READY);
}

static void crl_built(void *context)
{
    crl_waiting_release(context);
}

static void crl_published(void *context)
{
    struct engine *engine = context;
    engine->callbacks->run_crl_hook(engine->context);
}

static const struct crl_publisher_callbacks crl_callbacks = {crl_store, crl_built, crl_published};

/* --- life -------------------------------------------------------------------------------------------------- */

static int on_pool(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct engine *engine = userdata;
    (void)source, (void)fd, (void)events;
    pool_collect(engine->parts.pool);
    engine->callbacks->rest(engine->context);
    engine_run(engine);
    return 0;
}

static int on_again(sd_event_source *source, void *userdata)
{
    (void)source;
    engine_run(userdata);
    return 0;
}

int engine_new(const struct engine_parts *parts, const struct engine_callbacks *callbacks, void *context, struct engine **out)
{
    struct engine *engine = calloc(1, sizeof *engine);
    struct failure failure = {0};
    if (!engine)
        return errno = ENOMEM, -1;
    engine->parts = *parts;
    engine->callbacks = callbacks;
    engine->context = context;
    list_init(&engine->ready);
    list_init(&engine->signed_jobs);
    list_init(&engine->crl_waiting);
    list_init(&engine->reload_waiting);
    engine->window_size = (size_t)parts->config->agent.queue + GRANT_WINDOW;
    engine->window = calloc(engine->window_size, sizeof *engine->window);
    engine->refusals = refusals_new();
    if (!engine->window || !engine->refusals ||
        crl_publisher_new(parts->event, parts->config, parts->link, parts->database, parts->authority, parts->store, &crl_callbacks,
                          engine, &engine->publisher, &failure) ||
        sd_event_add_defer(parts->event, &engine->again, on_again, engine) < 0 ||
        sd_event_source_set_enabled(engine->again, SD_EVENT_OFF) < 0 ||
        sd_event_add_io(parts->event, &engine->pool_io, pool_fd(parts->pool), EPOLLIN, on_pool, engine) < 0 ||
        sd_event_add_io(parts->event, &engine->committer_io, committer_fd(parts->committer), EPOLLIN, engine_on_committed, engine) < 0) {
        log_message(LOG_ERR, "engine: %s", failure.code ? failure.reason : strerror(errno));
        engine_free(engine);
        return -1;
    }
    engine->world = (struct world){.config = parts->config, .authority = parts->authority, .policy = parts->policy,
                                   .anchors = parts->anchors, .store = parts->store, .vitals = &engine->vitals};
    engine->vitals.started_at = (int64_t)time(NULL);
    engine->vitals.policy_generation = 1;
    engine->vitals.sandbox = parts->sandbox;
    engine->vitals.page = epoch_page_id(parts->epoch);
    engine->vitals.epoch = epoch_read(parts->epoch);
    world_refresh(engine);
    *out = engine;
    return 0;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    /* Records of refusals that were finished after the last turn of the loop are nobody's but ours; the others lie in jobs. */
    for (struct commit *next, *list = committer_take(engine->parts.committer); list; list = next) {
        next = list->next;
        if (!list->owner)
            refusals_commit_free(list);
    }
    while (engine->jobs)
        job_free(engine->jobs);
    sd_event_source_disable_unref(engine->again);
    sd_event_source_disable_unref(engine->pool_io);
    sd_event_source_disable_unref(engine->committer_io);
    crl_publisher_free(engine->publisher);
    refusals_free(engine->refusals);
    for (size_t i = 0; i < SHARED_REPLIES; i++)
        message_text_free(engine->shared[i].text, engine->shared[i].length);
    policy_free(engine->parts.policy);
    anchors_unref(engine->parts.anchors);
    free(engine->window);
    free(engine);
}

void engine_start(struct engine *engine)
{
    crl_publisher_poke(engine->publisher);
    engine_run(engine);
}

size_t engine_under_way(const struct engine *engine)
{
    return engine->under_way;
}

struct vitals *engine_vitals(struct engine *engine)
{
    return &engine->vitals;
}

const struct policy *engine_policy(const struct engine *engine)
{
    return engine->parts.policy;
}
