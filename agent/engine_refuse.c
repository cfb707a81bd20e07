/*
 * engine_refuse.c - refusals and alarms: what goes into the audit trail though nothing changes, and whom a refusal names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/job.h"
#include "agent/log.h"

void job_fail(struct job *job, const struct failure *failure)
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
void job_alarm(struct job *job)
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

static void name_run(struct pool_job *pool_job)
{
    struct job *job = (struct job *)((char *)pool_job - offsetof(struct job, pool_job));
    peer_read_name((struct peer *)job->request.peer); /* the job's own copy */
}

static void name_done(struct pool_job *pool_job)
{
    struct job *job = (struct job *)((char *)pool_job - offsetof(struct job, pool_job));
    job->named = true;
    list_push(&job->engine->ready, job, PLACE_READY);
}

/* A refusal names the person, which takes a look-up: then the same plan is refused again (a new one might end before it was asked about,
 * and tell what exists). False where there is no room for it. */
bool job_to_naming(struct job *job)
{
    if (job->named)
        return false;
    job->pool_job = (struct pool_job){.run = name_run, .done = name_done};
    if (!pool_submit(job->engine->parts.pool, &job->pool_job))
        return false;
    job->refused = true;
    job->place = PLACE_POOL;
    return true;
}
