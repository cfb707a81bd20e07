/*
 * engine_reload.c - policy and anchors, read all or nothing, and put in force when nothing is under way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <unistd.h>

#include "agent/anchors.h"
#include "agent/job.h"
#include "agent/log.h"

static void tell_warning(void *context, const char *text)
{
    (void)context;
    log_message(LOG_WARNING, "%s", text);
}

static int policy_read(const struct config *config, struct policy **policy, struct failure *failure)
{
    if (config->agent.policy)
        return policy_load(config->agent.policy, tell_warning, NULL, policy, failure);
    *policy = policy_open_default(geteuid());
    return *policy ? 0 : failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
}

int engine_read_policy(const struct config *config, struct policy **policy, struct anchors **anchors, struct failure *failure)
{
    struct policy *found;
    if (policy_read(config, &found, failure))
        return -1;
    if (anchors_load(config, anchors, failure)) {
        policy_free(found);
        return -1;
    }
    *policy = found;
    return 0;
}

static int reload_now(struct engine *engine, struct failure *failure)
{
    struct policy *policy;
    struct anchors *anchors;
    if (engine_read_policy(engine->parts.config, &policy, &anchors, failure))
        return -1;
    policy_free(engine->parts.policy);
    anchors_unref(engine->parts.anchors);
    engine->parts.policy = policy;
    engine->parts.anchors = anchors;
    engine->world.policy = policy;
    engine->world.anchors = anchors;
    engine->vitals.policy_generation++;
    epoch_bump(engine->parts.epoch);
    engine->vitals.epoch = epoch_read(engine->parts.epoch);
    return 0;
}

/* In force at once: what waits for the pool or the keeper is planned and authorised anew when its answer comes (see job_signed), what is with
 * the committer was decided under the old policy and ends under it. So nobody waits for a reload, and a reload for nobody. */
void reload_at_once(struct engine *engine)
{
    struct failure failure = {0};
    engine->reload_wanted = false;
    bool good = !reload_now(engine, &failure);
    engine->version++;
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
    engine->callbacks->rest(engine->context);
}

void engine_reload(struct engine *engine)
{
    engine->reload_wanted = true;
    engine_run(engine);
}
