/*
 * blocking.c - one function an operation, each written on the non-blocking layer and poll(2).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/lib/handle.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECT_PAUSE = 20 /* milliseconds between tries while the agent's queue of connections is full */ };

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int64_t deadline_of(const struct mtls *mtls)
{
    return mtls->timeout < 0 ? INT64_MAX : now() + mtls->timeout;
}

/* What poll(2) may wait: -1 for ever. */
static int remaining(int64_t deadline)
{
    if (deadline == INT64_MAX)
        return -1;
    int64_t left = deadline - now();
    return left < 0 ? 0 : (int)left;
}

/* Begin, waiting where the agent cannot take the connection at once. An agent's own Busy is an answer and
 * ends the call. */
static int begin(struct mtls *mtls, const char *method, const void *request, unsigned flags, int64_t deadline)
{
    while (mtls_call_begin(mtls, method, request, flags)) {
        int left = remaining(deadline);
        if (mtls->code != MTLS_BUSY || left == 0)
            return -1;
        poll(NULL, 0, left < 0 || left > CONNECT_PAUSE ? CONNECT_PAUSE : left);
    }
    return 0;
}

static int time_out(struct mtls *mtls)
{
    const char *method = mtls->schema->method;
    mtls_call_cancel(mtls);
    return error_set(mtls, MTLS_TIMEOUT, NULL, "no answer to %s within %d s; whether it was done is unknown",
                     method, (mtls->timeout + 999) / 1000);
}

/* Wait for the next result. 0, or -1. */
static int await(struct mtls *mtls, int64_t deadline)
{
    for (;;) {
        int done = mtls_process(mtls);
        if (done)
            return done > 0 ? 0 : -1;
        int left = remaining(deadline);
        if (left == 0)
            return time_out(mtls);
        struct pollfd descriptor = {mtls_fd(mtls), mtls_events(mtls), 0};
        if (poll(&descriptor, 1, left) < 0 && errno != EINTR) {
            int error = errno;
            mtls_call_cancel(mtls);
            return error_set(mtls, MTLS_DISCONNECTED, NULL, "cannot wait for the agent: %s", strerror(error));
        }
    }
}

static void *run(struct mtls *mtls, const char *method, const void *request)
{
    int64_t deadline = deadline_of(mtls);
    if (begin(mtls, method, request, 0, deadline) || await(mtls, deadline))
        return NULL;
    return mtls_call_take(mtls);
}

/* *out is set only on success. */
#define RUN(method, request) \
    do { \
        void *result = run(mtls, method, request); \
        if (!result) \
            return -1; \
        *out = result; \
        return 0; \
    } while (0)

int mtls_issue(struct mtls *mtls, const struct mtls_issue_request *request, struct mtls_issue_result **out)
{
    RUN("Issue", request);
}

int mtls_sign(struct mtls *mtls, const struct mtls_sign_request *request, struct mtls_issue_result **out)
{
    RUN("Sign", request);
}

int mtls_renew(struct mtls *mtls, const struct mtls_renew_request *request, struct mtls_issue_result **out)
{
    RUN("Renew", request);
}

int mtls_verify(struct mtls *mtls, const struct mtls_verify_request *request, struct mtls_verify_result **out)
{
    RUN("Verify", request);
}

int mtls_export(struct mtls *mtls, const struct mtls_export_request *request, struct mtls_export_result **out)
{
    RUN("Export", request);
}

int mtls_revoke(struct mtls *mtls, const struct mtls_revoke_request *request, struct mtls_revoke_result **out)
{
    RUN("Revoke", request);
}

int mtls_resume(struct mtls *mtls, const struct mtls_resume_request *request, struct mtls_resume_result **out)
{
    RUN("Resume", request);
}

int mtls_get(struct mtls *mtls, const struct mtls_get_request *request, struct mtls_get_result **out)
{
    RUN("Get", request);
}

int mtls_get_authority(struct mtls *mtls, struct mtls_get_authority_result **out)
{
    RUN("GetAuthority", NULL);
}

int mtls_status(struct mtls *mtls, struct mtls_status_result **out)
{
    RUN("Status", NULL);
}

int mtls_explain(struct mtls *mtls, const struct mtls_explain_request *request,
                 struct mtls_explain_result **out)
{
    RUN("Explain", request);
}

int mtls_reload(struct mtls *mtls, struct mtls_reload_result **out)
{
    RUN("Reload", NULL);
}

/* A call with `more`: tell each result, with a fresh deadline for each, since the time of the callback is the
 * program's own. */
static int stream(struct mtls *mtls, const char *method, const void *request,
                  int (*tell)(struct mtls *, const void *, void *), void *context)
{
    int64_t deadline = deadline_of(mtls);
    if (begin(mtls, method, request, MTLS_MORE, deadline))
        return -1;
    bool more;
    do {
        if (await(mtls, deadline))
            return -1;
        more = mtls_more(mtls);
        void *result = mtls_call_take(mtls);
        int stop = tell(mtls, result, context);
        mtls_result_free(result);
        if (stop) {
            mtls_call_cancel(mtls);
            return mtls->code ? -1
                              : error_set(mtls, MTLS_STOPPED, NULL, "%s was stopped by the program", method);
        }
        deadline = deadline_of(mtls);
    } while (more);
    return 0;
}

struct listing {
    mtls_page_callback *page;
    void *context;
};

static int tell_page(struct mtls *mtls, const void *result, void *context)
{
    (void)mtls;
    struct listing *listing = context;
    return listing->page(result, listing->context);
}

int mtls_list(struct mtls *mtls, const struct mtls_list_request *request, mtls_page_callback *page,
              void *context)
{
    struct listing listing = {page, context};
    return stream(mtls, "List", request, tell_page, &listing);
}

struct crl_transfer {
    mtls_chunk_callback *chunk;
    void *context;
    int64_t number, size, told;
};

/* Pieces of two CRLs, or more bytes than announced, would make a file that nobody can use: refuse them here.
 */
static int tell_chunk(struct mtls *mtls, const void *result, void *context)
{
    const struct mtls_get_crl_result *piece = result;
    struct crl_transfer *transfer = context;
    if (transfer->size < 0) {
        transfer->number = piece->number;
        transfer->size = piece->size;
    }
    size_t length = 0;
    unsigned char *data = mtls_base64_decode(piece->data, &length);
    if (!data)
        return error_set(mtls, MTLS_PROTOCOL, "data", "the agent's piece of the CRL is no base64");
    int stop;
    if (piece->number != transfer->number || piece->size != transfer->size || transfer->size < 0 ||
        length > (uint64_t)(transfer->size - transfer->told)) {
        stop = error_set(mtls, MTLS_PROTOCOL, "size", "the agent's pieces of the CRL do not fit together");
    } else {
        struct mtls_crl_chunk chunk =
            {piece->number, piece->this_update, piece->next_update, piece->size, data, length};
        transfer->told += (int64_t)length;
        stop = transfer->chunk(&chunk, transfer->context);
    }
    mtls_bytes_free(data, length);
    return stop;
}

int mtls_get_crl(struct mtls *mtls, mtls_chunk_callback *chunk, void *context)
{
    struct crl_transfer transfer = {chunk, context, -1, -1, 0};
    if (stream(mtls, "GetCRL", NULL, tell_chunk, &transfer))
        return -1;
    if (transfer.told != transfer.size)
        return error_set(mtls, MTLS_PROTOCOL, "size", "the agent's CRL ends after %lld of %lld bytes",
                         (long long)transfer.told, (long long)transfer.size);
    return 0;
}
