/*
 * engine_reply.c - the way out: one reply, a stream of them, or one text that serves many.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "agent/job.h"
#include "agent/log.h"

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
void job_finish(struct job *job, json_t *parameters, const struct failure *failure)
{
    bool secret = job->schema && job->request.release; /* what an operation must release, it made from secrets */
    send_reply(job, parameters, failure, secret, true);
    json_decref(parameters);
    job_free(job);
}

void stream_next(struct job *job)
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

static struct shared_reply *shared_slot(struct engine *engine, const struct operation *operation)
{
    for (size_t i = 0; i < SHARED_REPLIES; i++)
        if (!engine->shared[i].operation || engine->shared[i].operation == operation)
            return &engine->shared[i];
    return NULL;
}

/* Render it where the one that is there is stale; then give it out. False where the ordinary way must be gone. */
static bool reply_shared(struct job *job)
{
    struct engine *engine = job->engine;
    struct shared_reply *shared = shared_slot(engine, job->request.operation);
    struct failure failure;
    if (!shared)
        return false;
    if (!shared->text || shared->version != engine->version) {
        json_t *parameters = job->request.operation->reply(&engine->world, &job->request, &failure);
        message_text_free(shared->text, shared->length);
        shared->text = parameters ? message_format_reply(parameters, false, &shared->length) : NULL;
        shared->operation = job->request.operation;
        shared->version = engine->version;
        json_decref(parameters);
    }
    if (!shared->text)
        return false;
    if (job->caller)
        engine->callbacks->reply(job->caller, job->message.oneway ? NULL : shared->text, shared->length, false, true);
    job_free(job);
    return true;
}

void job_reply(struct job *job)
{
    struct failure failure = {0};
    if (job->request.operation->stream) {
        stream_next(job);
        return;
    }
    if (job->request.operation->shared_reply && reply_shared(job))
        return;
    json_t *parameters = job->request.operation->reply(&job->engine->world, &job->request, &failure);
    if (!parameters && !failure.code)
        failure_set(&failure, FAILURE_INTERNAL, NULL, "out of memory");
    job_finish(job, parameters, parameters ? NULL : &failure);
}
