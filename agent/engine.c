/*
 * engine.c - the way of a request: plan, authorise, sign, commit, bump, reply; in small groups that overlap.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A request is in exactly one place: the ready list, the pool, the keeper's window, the signed list, the committer, or parked (waiting for
 * a CRL, for a reload, for its caller to drain). Each place has one function that takes it in and one that takes it out.
 */
#include "agent/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/anchors.h"
#include "agent/audit.h"
#include "agent/authorise.h"
#include "agent/crl_publisher.h"
#include "agent/keeper_link.h"
#include "agent/log.h"
#include "agent/ops/common.h"
#include "agent/refusals.h"
#include "proto/message.h"
#include "proto/service.h"

enum {
    FLUSH_EVERY = 6,     /* grants a system call to the keeper while a batch is being planned */
    COMMIT_GROUP = 8,    /* signed requests that are worth a COMMIT while more are on their way */
    REPLANS_MAX = 3,
    ROUNDS_MAX = 4,      /* batches planned before keeper and committer are listened to again */
};

enum place { PLACE_READY, PLACE_POOL, PLACE_KEEPER, PLACE_SIGNED, PLACE_COMMITTER, PLACE_CRL, PLACE_RELOAD, PLACE_STREAM };

/* One request under way, with what only the engine needs to know of it. */
struct job {
    struct request request; /* first: an operation's request is the job */
    struct job *next, *previous; /* all jobs */
    struct job *queued;     /* the next in the list of its place */
    struct engine *engine;
    void *caller;           /* NULL: gone */
    enum place place;
    struct message_call message;
    const struct method_schema *schema;
    uint64_t id;
    unsigned replans;
    struct pool_job pool_job;
    struct commit commit;
    struct change changes[2];
    char *audit;
};

struct job_list {
    struct job *first, **last;
    size_t count;
};

struct engine {
    struct engine_parts parts;
    const struct engine_callbacks *callbacks;
    void *context;
    sd_event_source *pool_io, *committer_io;
    struct world world;
    struct vitals vitals;
    struct crl_publisher *publisher;
    struct refusals *refusals;
    struct job *jobs;
    size_t under_way;
    struct job_list ready, signed_jobs, crl_waiting, reload_waiting;
    struct job **window;    /* jobs at the keeper, by id % window_size */
    size_t window_size;
    uint64_t next_id;
    bool reload_wanted, running;
    sd_event_source *again; /* runs engine_run once more */
    struct commit crl_commit;
};

static void job_finish(struct job *job, json_t *parameters, const struct failure *failure);

/* --- lists ------------------------------------------------------------------------------------------------- */

static void list_init(struct job_list *list)
{
    *list = (struct job_list){.last = &list->first};
}

static void list_push(struct job_list *list, struct job *job, enum place place)
{
    job->place = place;
    job->queued = NULL;
    *list->last = job;
    list->last = &job->queued;
    list->count++;
}

static struct job *list_pop(struct job_list *list)
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
static void plan_clear(struct job *job)
{
    if (job->request.plan.grant)
        names_clear(&job->request.plan.grant->names);
    memset(&job->request.plan, 0, sizeof job->request.plan);
    free(job->request.der);
    job->request.der = NULL;
    free(job->audit);
    job->audit = NULL;
}

static void job_free(struct job *job)
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

/* --- replies ----------------------------------------------------------------------------------------------- */

static void send_reply(struct job *job, json_t *parameters, const struct failure *failure, bool secret, bool last)
{
    size_t length = 0;
    char *text = failure ? message_format_failure(failure, &length) : message_format_reply(parameters, !last, &length);
    if (!text) {
        /* Not even an error fits into memory: the caller must not wait for ever. */
        log_message(LOG_CRIT, "out of memory while a reply was written");
        abort();
    }
    if (job->caller && !job->message.oneway)
        job->engine->callbacks->reply(job->caller, text, length, secret, last);
    else if (job->caller && last)
        job->engine->callbacks->reply(job->caller, NULL, 0, false, true);
    message_text_free(text, length);
}

/* The only way out: reply and free. Takes over `parameters`. */
static void job_finish(struct job *job, json_t *parameters, const struct failure *failure)
{
    bool secret = job->schema && job->request.release; /* what an operation must release, it made from secrets */
    send_reply(job, parameters, failure, secret, true);
    json_decref(parameters);
    job_free(job);
}

static void stream_next(struct job *job)
{
    struct failure failure = {0};
    bool last = true;
    job->place = PLACE_STREAM;
    if (job->message.oneway) {
        job_finish(job, NULL, NULL);
        return;
    }
    json_t *parameters = job->request.operation->stream(&job->engine->world, &job->request, &last, &failure);
    if (!parameters || last) {
        if (!parameters && !failure.code)
            failure_set(&failure, FAILURE_INTERNAL, NULL, "out of memory");
        job_finish(job, parameters, parameters ? NULL : &failure);
        return;
    }
    if (job->caller)
        send_reply(job, parameters, NULL, false, false);
    json_decref(parameters);
    if (!job->caller)
        job_free(job);
}

static void job_reply(struct job *job)
{
    struct failure failure = {0};
    if (job->request.operation->stream) {
        stream_next(job);
        return;
    }
    json_t *parameters = job->request.operation->reply(&job->engine->world, &job->request, &failure);
    if (!parameters && !failure.code)
        failure_set(&failure, FAILURE_INTERNAL, NULL, "out of memory");
    job_finish(job, parameters, parameters ? NULL : &failure);
}

/* --- commit ------------------------------------------------------------------------------------------------ */

static char *job_audit(struct job *job, const char *outcome, const char *reason)
{
    const struct request *request = &job->request;
    const struct plan *plan = &request->plan;
    char operation[FAILURE_FIELD_SIZE];
    size_t length = 0;
    for (const char *p = request->operation->method; *p && length < sizeof operation - 1; p++)
        operation[length++] = *p >= 'A' && *p <= 'Z' ? (char)(*p + 'a' - 'A') : *p;
    operation[length] = '\0';
    const struct audit_record record = {
        .operation = operation, .outcome = outcome, .peer = request->peer, .service = plan->service, .profile = plan->profile,
        .reason = reason ? reason : plan->reason, .names = plan->grant ? &plan->grant->names : NULL,
        .serials = plan->grant ? &plan->row.serial : plan->serials, .serial_count = plan->grant ? 1 : plan->serial_count,
        .decision = &request->decision,
    };
    return audit_record_format(&record);
}

/* A signed or planned change, ready for the committer. */
static void job_to_commit(struct job *job)
{
    struct plan *plan = &job->request.plan;
    size_t count = 0;
    if (plan->grant)
        job->changes[count++] = (struct change){.kind = CHANGE_INSERT, .u.insert = plan->row};
    if (plan->change)
        job->changes[count++] = *plan->change;
    job->audit = job_audit(job, "done", NULL);
    job->commit = (struct commit){.owner = job, .changes = job->changes, .change_count = count, .audit = job->audit};
    list_push(&job->engine->signed_jobs, job, PLACE_SIGNED);
}

/* Hand over what is signed: at once where nothing more is on its way, else when it is worth a COMMIT. */
static void submit_signed(struct engine *engine)
{
    size_t more = keeper_link_under_way(engine->parts.link);
    if (!engine->signed_jobs.count || (engine->signed_jobs.count < COMMIT_GROUP && more > 0))
        return;
    struct commit *first = NULL, **last = &first;
    for (struct job *job; (job = list_pop(&engine->signed_jobs));) {
        job->place = PLACE_COMMITTER;
        *last = &job->commit;
        last = &job->commit.next;
    }
    *last = NULL;
    committer_submit(engine->parts.committer, first);
}

static void job_committed(struct job *job)
{
    const struct commit *commit = &job->commit;
    job->request.affected = commit->affected;
    if (commit->outcome == COMMIT_DONE) {
        job_reply(job);
    } else if (commit->outcome == COMMIT_REPLAN && ++job->replans <= REPLANS_MAX) {
        plan_clear(job);
        list_push(&job->engine->ready, job, PLACE_READY);
    } else {
        struct failure failure = commit->failure;
        if (!failure.code)
            failure_set(&failure, FAILURE_CONFLICT, NULL, "what this call is about keeps changing; look again, then repeat it");
        job_finish(job, NULL, &failure);
    }
}

static bool changes_verdicts(const struct commit *list, const struct engine *engine)
{
    for (; list; list = list->next)
        if (list->owner != engine && list->owner && list->outcome == COMMIT_DONE && list->affected > 0 &&
            ((const struct job *)list->owner)->request.plan.changes_verdicts)
            return true;
    return false;
}

static void take_commit(struct engine *engine, struct commit *commit)
{
    if (commit->owner == engine)
        crl_publisher_stored(engine->publisher, commit->outcome == COMMIT_DONE);
    else if (!commit->owner)
        refusals_commit_free(commit);
    else
        job_committed(commit->owner);
}

static int on_committed(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct engine *engine = userdata;
    (void)source, (void)fd, (void)events;
    struct commit *list = committer_take(engine->parts.committer);
    for (const struct commit *commit = list; commit; commit = commit->next)
        if (commit->outcome == COMMIT_UNKNOWN) {
            log_message(LOG_CRIT, "%s; what became of the last changes is unknown, so nobody is answered; start again to know",
                        commit->failure.reason);
            _Exit(70); /* EX_SOFTWARE; nothing may run that could answer somebody */
        }
    committer_read_counters(engine->parts.committer, &engine->vitals.committed);
    bool bump = changes_verdicts(list, engine);
    if (bump)
        epoch_bump(engine->parts.epoch);
    engine->vitals.epoch = epoch_read(engine->parts.epoch);
    for (struct commit *next; list; list = next) {
        next = list->next;
        take_commit(engine, list);
    }
    if (bump)
        crl_publisher_poke(engine->publisher);
    engine->callbacks->rest(engine->context);
    engine_run(engine);
    return 0;
}

/* --- plan -------------------------------------------------------------------------------------------------- */

static void job_fail(struct job *job, const struct failure *failure)
{
    /* Only refusals by policy are events of the audit trail; a typing error is not. */
    if (failure->code == FAILURE_NOT_PERMITTED && job->request.operation && job->request.operation->change) {
        struct commit *commit = refusals_note(job->engine->refusals, &job->request, job->engine->world.now,
                                              job_audit(job, "refused", failure->reason));
        if (commit)
            committer_submit(job->engine->parts.committer, commit);
    }
    job_finish(job, NULL, failure);
}

/* A record of highest priority. Nobody waits for it: a full disk stops changes, never Verify. */
static void job_alarm(struct job *job)
{
    const char *alarm = job->request.plan.alarm;
    if (!alarm)
        return;
    log_field(LOG_ALERT, "MTLSD_ALARM=1", "alarm: %s", alarm);
    struct commit *commit = refusals_note(job->engine->refusals, &job->request, job->engine->world.now,
                                          job_audit(job, "alarm", alarm));
    if (commit)
        committer_submit(job->engine->parts.committer, commit);
}

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
    job->place = PLACE_POOL;
    job->pool_job = (struct pool_job){.run = pool_run, .done = pool_done};
    if (pool_submit(job->engine->parts.pool, &job->pool_job))
        return;
    failure_set(&failure, FAILURE_BUSY, NULL, "too much slow work (keys, PKCS#12, foreign chains) waits already; try again");
    job_fail(job, &failure);
}

static void job_to_keeper(struct job *job)
{
    struct engine *engine = job->engine;
    struct failure failure;
    if (!keeper_link_is_open(engine->parts.link)) {
        const char *advice = keeper_link_state(engine->parts.link) ? "the CA key is locked; open it with: mtlsctl unlock"
                                                                   : "the keeper of the CA key is away; the agent takes up a new one by itself, try again";
        failure_set(&failure, FAILURE_LOCKED, NULL, "%s", advice);
        job_finish(job, NULL, &failure);
        return;
    }
    /* The window is as large as the queue, so the slot of a new id is free unless somebody waits for ever. */
    job->id = ++engine->next_id & ~KEEPER_LINK_BULK_ID;
    struct job **slot = &engine->window[job->id % engine->window_size];
    const struct keeper_packet packet = {.type = KEEPER_GRANT, .id = job->id, .u.grant = *job->request.plan.grant};
    if (*slot) {
        failure_set(&failure, FAILURE_BUSY, NULL, "the keeper has %zu grants to sign already; try again", engine->window_size);
        job_finish(job, NULL, &failure);
    } else if (keeper_link_send(engine->parts.link, &packet, &failure)) {
        job_finish(job, NULL, &failure);
    } else {
        *slot = job;
        job->place = PLACE_KEEPER;
        engine->vitals.overlapped += committer_is_committing(engine->parts.committer);
    }
}

/* Who may not gets NotPermitted whether or not the object exists: these answers would tell. */
static bool tells_of_the_index(enum failure_code code)
{
    return code == FAILURE_NOT_FOUND || code == FAILURE_CONFLICT;
}

static void job_plan(struct job *job)
{
    struct engine *engine = job->engine;
    struct failure failure = {0}, denial = {0};
    enum plan_step step = job->request.operation->plan(&engine->world, &job->request, &failure);
    if ((step != PLAN_FAILED || tells_of_the_index(failure.code)) && authorise_plan(&engine->world, &job->request, &denial)) {
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

/* --- reload ------------------------------------------------------------------------------------------------ */

static void reload_warning(void *context, const char *text)
{
    (void)context;
    log_message(LOG_WARNING, "%s", text);
}

static int policy_read(const struct config *config, struct policy **policy, struct failure *failure)
{
    if (config->agent.policy)
        return policy_load(config->agent.policy, reload_warning, NULL, policy, failure);
    *policy = policy_open_default(geteuid());
    return *policy ? 0 : failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
}

static int reload_now(struct engine *engine, struct failure *failure)
{
    struct policy *policy = NULL;
    struct anchors *anchors = NULL;
    if (policy_read(engine->parts.config, &policy, failure))
        return -1;
    if (anchors_load(engine->parts.config, &anchors, failure)) {
        policy_free(policy);
        return -1;
    }
    policy_free(engine->parts.policy);
    anchors_unref(engine->parts.anchors);
    engine->parts.policy = policy;
    engine->parts.anchors = anchors;
    engine->world.policy = policy;
    engine->world.anchors = anchors;
    engine->vitals.policy_generation++;
    epoch_bump(engine->parts.epoch);
    return 0;
}

/* All that is under way was planned under the old policy and ends under it; nothing new is planned meanwhile. */
static void reload_when_quiet(struct engine *engine)
{
    size_t parked = engine->ready.count + engine->reload_waiting.count + engine->crl_waiting.count;
    for (const struct job *job = engine->jobs; job; job = job->next)
        parked += job->place == PLACE_STREAM;
    if (engine->under_way > parked)
        return;
    struct failure failure = {0};
    engine->reload_wanted = false;
    bool good = !reload_now(engine, &failure);
    snprintf(engine->vitals.policy_error, sizeof engine->vitals.policy_error, "%s", good ? "" : failure.reason);
    if (good)
        log_message(LOG_NOTICE, "policy read again: generation %lld", (long long)engine->vitals.policy_generation);
    else
        log_message(LOG_ERR, "the old policy stays in force: %s", failure.reason);
    for (struct job *job; (job = list_pop(&engine->reload_waiting));) {
        if (good)
            job_reply(job);
        else
            job_finish(job, NULL, &failure);
    }
    engine->callbacks->policy_changed(engine->context);
}

void engine_reload(struct engine *engine)
{
    engine->reload_wanted = true;
    engine_run(engine);
}

/* --- in and out -------------------------------------------------------------------------------------------- */

static void world_refresh(struct engine *engine)
{
    engine->world.now = (int64_t)time(NULL);
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
            reload_when_quiet(engine);
        if (engine->reload_wanted || !engine->ready.count)
            break;
        plan_ready(engine);
        engine->callbacks->rest(engine->context);
    }
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
    if (engine->under_way > (size_t)engine->parts.config->agent.queue) {
        failure_set(&failure, FAILURE_BUSY, NULL, "%zu requests are under way already (queue=); try again", engine->under_way - 1);
        job_finish(job, NULL, &failure);
        return NULL;
    }
    int decoded = job_decode(job, text, length, &failure);
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

/* --- the keeper -------------------------------------------------------------------------------------------- */

void engine_keeper_state(struct engine *engine, const struct keeper_state *state)
{
    world_refresh(engine);
    if (state) {
        crl_publisher_poke(engine->publisher);
        return;
    }
    struct failure failure;
    failure_set(&failure, FAILURE_LOCKED, NULL,
                "the keeper of the CA key went away before it answered; nothing was stored, try again");
    for (size_t i = 0; i < engine->window_size; i++) {
        struct job *job = engine->window[i];
        engine->window[i] = NULL;
        if (job)
            job_finish(job, NULL, &failure);
    }
    crl_publisher_keeper_lost(engine->publisher);
}

static void job_signed(struct job *job, struct keeper_packet *packet)
{
    struct plan *plan = &job->request.plan;
    struct certificate_row *row = &plan->row;
    job->request.clamped |= packet->u.certificate.clamped;
    row->serial = packet->u.certificate.serial;
    job->request.der = packet->u.certificate.der;
    job->request.der_length = packet->u.certificate.length;
    packet->u.certificate.der = NULL;
    row->der = job->request.der;
    row->der_length = job->request.der_length;
    struct failure failure;
    if (certificate_fingerprint(row->der, row->der_length, row->fingerprint)) {
        failure_set(&failure, FAILURE_INTERNAL, NULL, "SHA-256 failed");
        job_finish(job, NULL, &failure);
        return;
    }
    job_to_commit(job);
}

void engine_keeper_answer(struct engine *engine, struct keeper_packet *packet)
{
    if (packet->id & KEEPER_LINK_BULK_ID) {
        crl_publisher_answer(engine->publisher, packet);
        return;
    }
    struct job **slot = &engine->window[packet->id % engine->window_size];
    struct job *job = *slot;
    if (!job || job->id != packet->id)
        return;
    *slot = NULL;
    if (packet->type == KEEPER_SIGNED)
        job_signed(job, packet);
    else if (packet->type == KEEPER_REFUSED)
        job_finish(job, NULL, packet->u.refused);
}

void engine_keeper_rest(struct engine *engine)
{
    submit_signed(engine);
    engine->callbacks->rest(engine->context);
    engine_run(engine);
}

void engine_keeper_room(struct engine *engine)
{
    crl_publisher_room(engine->publisher);
}

/* --- the CRL ----------------------------------------------------------------------------------------------- */

static void crl_store(void *context, struct change *settings, size_t count)
{
    struct engine *engine = context;
    engine->crl_commit = (struct commit){.owner = engine, .changes = settings, .change_count = count};
    committer_submit(engine->parts.committer, &engine->crl_commit);
}

static void crl_built(void *context)
{
    struct engine *engine = context;
    for (struct job *job; (job = list_pop(&engine->crl_waiting));)
        list_push(&engine->ready, job, PLACE_READY);
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
        sd_event_add_io(parts->event, &engine->committer_io, committer_fd(parts->committer), EPOLLIN, on_committed, engine) < 0) {
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
    while (engine->jobs)
        job_free(engine->jobs);
    sd_event_source_disable_unref(engine->again);
    sd_event_source_disable_unref(engine->pool_io);
    sd_event_source_disable_unref(engine->committer_io);
    crl_publisher_free(engine->publisher);
    refusals_free(engine->refusals);
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
