/*
 * call.c - the non-blocking layer: begin a call, process what can go on, take its results.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/lib/handle.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/service.h"

static void end_call(struct mtls *mtls)
{
    mtls->schema = NULL;
    mtls->more = mtls->continues = false;
}

/* An error after which the two ends no longer agree on what comes next. */
#define LOSE(mtls, ...) (end_call(mtls), handle_disconnect(mtls), error_set(mtls, __VA_ARGS__))

static int queue_call(struct mtls *mtls, const struct method *method, const struct method_schema *schema,
                      const void *request, bool more)
{
    bool secret = false;
    json_t *parameters = method->encode(schema->call, request, &secret);
    if (!parameters)
        return error_set(mtls, MTLS_BAD_REQUEST, NULL,
                         "a text of the request is not UTF-8, or memory ran out");
    char full[MESSAGE_METHOD_MAX];
    snprintf(full, sizeof full, "%s.%s", MTLSD_INTERFACE, method->name);
    size_t length = 0;
    char *text = message_format_call(full, parameters, more, false, &length);
    json_decref(parameters);
    int result = 0;
    if (!text)
        result = error_set(mtls, MTLS_NO_MEMORY, NULL, "out of memory");
    else if (length > MTLS_REQUEST_MAX)
        result = error_set(mtls, MTLS_BAD_REQUEST, NULL, "the request has %zu bytes, at most %d are possible",
                           length, MTLS_REQUEST_MAX);
    else if (handle_connect(mtls))
        result = -1;
    else if (frame_queue(&mtls->writer, text, length, secret))
        result = error_set(mtls, MTLS_NO_MEMORY, NULL, "out of memory");
    message_text_free(text, length);
    return result;
}

int mtls_call_begin(struct mtls *mtls, const char *name, const void *request, unsigned flags)
{
    error_clear(mtls);
    if (mtls_call_pending(mtls))
        return error_set(mtls, MTLS_MISUSE, NULL, "%s: another call is under way on this handle", name);
    const struct method *method = method_find(name);
    const struct method_schema *schema = method_schema_find(name);
    if (!method || !schema)
        return error_set(mtls, MTLS_MISUSE, NULL, "%s is no method of " MTLSD_INTERFACE, name);
    if (method->has_request && !request)
        return error_set(mtls, MTLS_MISUSE, NULL, "%s needs a request", name);
    if ((flags & ~(unsigned)MTLS_MORE) || ((flags & MTLS_MORE) && !method->streams))
        return error_set(mtls, MTLS_MISUSE, NULL, "%s does not take these flags", name);
    if (queue_call(mtls, method, schema, request, flags & MTLS_MORE))
        return -1;
    mtls->schema = schema;
    mtls->more = flags & MTLS_MORE;
    /* What cannot be sent now shows in mtls_process, together with a reply that the agent may have sent
     * before it closed. */
    (void)frame_flush(&mtls->writer, mtls->fd);
    return 0;
}

int mtls_fd(const struct mtls *mtls)
{
    return mtls->fd;
}

short mtls_events(const struct mtls *mtls)
{
    if (mtls->fd < 0)
        return 0;
    return (short)(POLLIN | (frame_pending(&mtls->writer) ? POLLOUT : 0));
}

bool mtls_more(const struct mtls *mtls)
{
    return mtls->continues;
}

bool mtls_call_pending(const struct mtls *mtls)
{
    return mtls->schema || mtls->result;
}

void mtls_call_cancel(struct mtls *mtls)
{
    if (mtls->schema)
        handle_disconnect(mtls);
    end_call(mtls);
    mtls_result_free(mtls->result);
    mtls->result = NULL;
}

void *mtls_call_take(struct mtls *mtls)
{
    void *result = mtls->result;
    mtls->result = NULL;
    return result;
}

/* One message of the agent's. Returns 1 or -1. */
static int accept_reply(struct mtls *mtls, struct message_reply *reply)
{
    if (reply->error) {
        end_call(mtls);
        return error_set_from_reply(mtls, reply);
    }
    const char *method = mtls->schema->method;
    if (reply->continues && !mtls->more)
        return LOSE(mtls, MTLS_PROTOCOL, NULL, "the agent streams an answer to %s where one was asked for",
                    method);
    struct failure failure = {0};
    bool continues = reply->continues;
    mtls->result = result_make(reply, mtls->schema->reply, &failure);
    if (!mtls->result)
        return LOSE(mtls, MTLS_PROTOCOL, failure.field, "the agent's answer cannot be used: %s",
                    failure.reason);
    if (!continues)
        end_call(mtls);
    mtls->continues = continues;
    return 1;
}

/* Returns 1, -1, or 0 where no whole message is there yet. */
static int take_message(struct mtls *mtls)
{
    char *text;
    size_t length;
    if (!frame_next(&mtls->reader, &text, &length))
        return 0;
    struct message_reply reply;
    struct failure failure = {0};
    int failed = message_parse_reply(text, length, &reply, &failure);
    frame_consume(&mtls->reader, length, true); /* it may hold a private key */
    if (failed)
        return LOSE(mtls, MTLS_PROTOCOL, NULL, "what came is no answer of an agent: %s", failure.reason);
    int result = accept_reply(mtls, &reply);
    message_reply_clear(&reply);
    return result;
}

static int refuse_read(struct mtls *mtls, ssize_t count, int error)
{
    if (count < 0 && error == EMSGSIZE)
        return LOSE(mtls, MTLS_PROTOCOL, NULL, "the agent's answer is longer than %d bytes", MTLS_REPLY_MAX);
    if (count < 0 && error == ENOMEM)
        return LOSE(mtls, MTLS_NO_MEMORY, NULL, "out of memory");
    if (!mtls->schema)
        return LOSE(mtls, MTLS_DISCONNECTED, NULL, "the agent has closed the connection");
    const char *method = mtls->schema->method;
    return LOSE(mtls, MTLS_DISCONNECTED, NULL,
                "the agent closed the connection before it answered %s%s%s; whether it was done is unknown",
                method, count < 0 ? ": " : "", count < 0 ? strerror(error) : "");
}

static int process_idle(struct mtls *mtls)
{
    if (mtls->fd < 0 || !handle_peer_gone(mtls))
        return 0;
    return refuse_read(mtls, 0, 0);
}

int mtls_process(struct mtls *mtls)
{
    if (mtls->result)
        return 1;
    if (!mtls->schema)
        return process_idle(mtls);
    mtls->continues = false;
    /* A failed send is no end yet: the agent may have said why before it closed (Busy), so read on. */
    (void)frame_flush(&mtls->writer, mtls->fd);
    for (;;) {
        int done = take_message(mtls);
        if (done)
            return done;
        ssize_t count = frame_read(&mtls->reader, mtls->fd);
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (count <= 0)
            return refuse_read(mtls, count, errno);
    }
}
