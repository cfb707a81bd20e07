/*
 * engine_commit.c - from a finished plan to what is durable: the keeper signs, the committer commits, the epoch moves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "agent/audit.h"
#include "agent/job.h"
#include "agent/log.h"

enum { COMMIT_GROUP = 8 /* signed requests that are worth a COMMIT while more are on their way */, REPLANS_MAX = 3 };

/* --- commit ------------------------------------------------------------------------------------------------ */

char *job_audit(struct job *job, const char *outcome, const char *reason)
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
void job_to_commit(struct job *job)
{
    struct plan *plan = &job->request.plan;
    size_t count = 0;
    if (plan->grant)
        job->changes[count++] = (struct change){.kind = CHANGE_INSERT, .u.insert = plan->row};
    if (plan->change)
        job->changes[count++] = *plan->change;
    job->audit = job_audit(job, "done", NULL);
    job->commit = (struct commit){.owner = job, .changes = job->changes, .change_count = count, .audit = job->audit};
    job->engine->urgent |= !plan->grant;
    list_push(&job->engine->signed_jobs, job, PLACE_SIGNED);
}

/* Hand over what is signed: at once where nothing more is on its way, else when it is worth a COMMIT. A revocation waits for no keeper. */
void submit_signed(struct engine *engine)
{
    size_t more = keeper_link_under_way(engine->parts.link);
    if (!engine->signed_jobs.count || (engine->signed_jobs.count < COMMIT_GROUP && more > 0 && !engine->urgent))
        return;
    engine->urgent = false;
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

int engine_on_committed(sd_event_source *source, int fd, uint32_t events, void *userdata)
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
    engine->version++;
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

/* --- the keeper -------------------------------------------------------------------------------------------- */

void job_to_keeper(struct job *job)
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

void engine_keeper_state(struct engine *engine, const struct keeper_state *state)
{
    engine->version++;
    world_refresh(engine);
    if (!keeper_link_is_open(engine->parts.link))
        crl_waiting_release(engine); /* none will be built */
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
    if (job->generation != job->engine->vitals.policy_generation) {
        /* Plan, authorise, sign and commit happen under one policy: this signature is dropped, and the new one asked. */
        plan_clear(job);
        list_push(&job->engine->ready, job, PLACE_READY);
        return;
    }
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
