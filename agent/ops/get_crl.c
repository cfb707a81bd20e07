/*
 * get_crl.c - GetCRL: the CRL file in pieces, as fast as the caller reads. It shows every revocation committed before the call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "agent/ops/common.h"

enum { PIECE = 96 * 1024, PIECE_TEXT = PIECE / 3 * 4 + 1 };

struct crl_reading {
    int fd;
    struct crl_status status;
    int64_t sent, wanted; /* the revision that it must show at least */
    bool waited;
};

static void crl_release(struct request *request)
{
    struct crl_reading *reading = request->stream_state;
    if (reading && reading->fd >= 0)
        close(reading->fd);
}

static enum plan_step crl_plan(const struct world *world, struct request *request, struct failure *failure)
{
    struct crl_reading *reading = request->stream_state;
    bool can_build = world->vitals->keeper && world->vitals->keeper->open;
    if (!reading) {
        reading = arena_new(&request->arena, sizeof *reading);
        reading->fd = -1;
        reading->wanted = store_revision(world->store);
        request->stream_state = reading;
        request->release = crl_release;
    }
    /* A build that was under way already may be too old; one that fails is not waited for again. */
    bool enough = world->crl->built && world->crl->revision >= reading->wanted && world->now < world->crl->next_update;
    if (!enough && can_build && !(reading->waited && world->crl->failure.code)) {
        reading->waited = true;
        return PLAN_AWAIT_CRL;
    }
    if (!world->crl->built)
        return *failure = world->crl->failure, failure->code ? -1 :
               failure_set(failure, FAILURE_LOCKED, NULL, "there is no CRL yet, and the CA key is locked; open it with: mtlsctl unlock");
    reading->status = *world->crl;
    if (reading->status.size > PIECE && !request->more)
        return failure_set(failure, FAILURE_BAD_REQUEST, "more", "the CRL has %lld bytes: call GetCRL with more (varlinkctl --more)",
                           (long long)reading->status.size);
    reading->fd = open(reading->status.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (reading->fd < 0)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s: %s", reading->status.path, strerror(errno));
    return PLAN_READY;
}

static json_t *crl_stream(const struct world *world, struct request *request, bool *last, struct failure *failure)
{
    struct crl_reading *reading = request->stream_state;
    struct arena arena;
    (void)world;
    arena_init(&arena);
    uint8_t *piece = arena_new(&arena, PIECE);
    ssize_t length = pread(reading->fd, piece, PIECE, reading->sent);
    json_t *reply = NULL;
    if (length <= 0 && reading->status.size > 0) {
        failure_set(failure, FAILURE_INTERNAL, NULL, "%s ends early or cannot be read", reading->status.path);
    } else {
        char *text = arena_new(&arena, PIECE_TEXT);
        sodium_bin2base64(text, PIECE_TEXT, piece, (size_t)length, sodium_base64_VARIANT_ORIGINAL);
        reading->sent += length;
        *last = reading->sent >= reading->status.size;
        const struct get_crl_reply values = {
            .number = reading->status.number, .this_update = arena_instant(&arena, reading->status.this_update),
            .next_update = arena_instant(&arena, reading->status.next_update), .size = reading->status.size, .data = text};
        reply = schema_encode(method_schema_find("GetCRL")->reply, &values);
    }
    arena_free(&arena);
    return reply;
}

OPERATION(GetCRL, POLICY_PUBLIC, .plan = crl_plan, .stream = crl_stream);
