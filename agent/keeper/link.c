/*
 * link.c - the keeper's end of the channel to the agent.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A packet that is not a message is the work of a bug or of an attacker, and ends the keeper. A wrong value in a
 * grant came from somebody's request, and is refused by name.
 */
#include "agent/keeper/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/keeper/log.h"

void link_init(struct link *link)
{
    memset(link, 0, sizeof *link);
    link->fd = -1;
}

/* --- answers ---------------------------------------------------------------------------------------------- */

/* 1: sent, 0: not now, -1: the connection is of no use */
static int send_now(int fd, const uint8_t *data, size_t length)
{
    ssize_t sent;
    do
        sent = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent >= 0 ? 1 : errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
}

/* An answer that cannot be kept ends the connection, never silently: the agent then asks again. */
static void answer(struct link *link, const struct keeper_packet *packet)
{
    if (link->fd < 0)
        return;
    long length = keeper_packet_write(packet, link->outgoing);
    if (length > 0 && link->count == 0 && send_now(link->fd, link->outgoing, (size_t)length) == 1)
        return;
    uint8_t *copy = length > 0 && link->count < LINK_QUEUE ? malloc((size_t)length) : NULL;
    if (!copy) {
        keeper_log("the agent does not read its answers: disconnected");
        link_close(link);
        return;
    }
    memcpy(copy, link->outgoing, (size_t)length);
    link->queue[(link->first + link->count++) % LINK_QUEUE] = (struct link_answer){copy, (size_t)length};
}

static int flush(struct link *link)
{
    while (link->count) {
        struct link_answer *next = &link->queue[link->first];
        int sent = send_now(link->fd, next->data, next->length);
        if (sent <= 0)
            return sent;
        free(next->data);
        link->first = (link->first + 1) % LINK_QUEUE;
        link->count--;
    }
    return 0;
}

static void answer_refused(struct link *link, uint64_t id, struct failure *failure)
{
    const struct keeper_packet packet = {.type = KEEPER_REFUSED, .id = id, .u.refused = failure};
    answer(link, &packet);
}

static void answer_bytes(struct link *link, enum keeper_message type, uint64_t id, uint8_t *data, size_t length)
{
    const struct keeper_packet packet = {.type = type, .id = id, .u.bytes = {data, length}};
    answer(link, &packet);
}

/* --- grants ----------------------------------------------------------------------------------------------- */

/* Counted before it is made: a signature that nobody counted must not exist. */
static void handle_grant(struct link *link, struct keeper *keeper, const struct keeper_packet *packet, int64_t now)
{
    struct signed_certificate *made = &link->made;
    struct failure failure;
    if ((keeper_is_open(keeper) && counter_take(&keeper->counter, &failure)) ||
        keeper_sign_grant(&keeper->authority, &packet->u.grant, now, made, &failure)) {
        answer_refused(link, packet->id, &failure);
        return;
    }
    const struct keeper_packet signed_packet = {
        .type = KEEPER_SIGNED, .id = packet->id, .u.certificate = {made->clamped, made->serial, made->der, made->length}};
    answer(link, &signed_packet);
}

/* --- CRL -------------------------------------------------------------------------------------------------- */

static void end_crl(struct link *link, struct failure *failure)
{
    crl_stream_abort(link->crl);
    link->crl = NULL;
    link->crl_refused = failure != NULL;
    if (failure)
        answer_refused(link, link->crl_id, failure);
}

static void handle_crl_begin(struct link *link, struct keeper *keeper, const struct keeper_packet *packet, int64_t now)
{
    struct failure failure;
    struct crl_part head;
    const struct crl_plan plan = {packet->u.crl_begin.number, packet->u.crl_begin.this_update,
                                  packet->u.crl_begin.next_update, packet->u.crl_begin.count,
                                  packet->u.crl_begin.length};
    if (link->crl) {
        failure_set(&failure, FAILURE_BUSY, NULL, "another CRL is being signed");
        answer_refused(link, packet->id, &failure);
        return;
    }
    link->crl_id = packet->id;
    link->crl_refused = false;
    if (crl_stream_begin(&keeper->authority, &plan, now, &link->crl, &head, &failure))
        end_crl(link, &failure);
    else
        answer_bytes(link, KEEPER_CRL_HEAD, packet->id, head.data, head.length);
}

/* What is still under way of a stream that was refused is dropped without another word. */
static bool is_current_crl(struct link *link, const struct keeper_packet *packet)
{
    if (link->crl && packet->id == link->crl_id)
        return true;
    if (!(link->crl_refused && packet->id == link->crl_id) && packet->type == KEEPER_CRL_END) {
        struct failure failure;
        failure_set(&failure, FAILURE_CONFLICT, "crl", "no such CRL is being signed");
        answer_refused(link, packet->id, &failure);
    }
    return false;
}

static void handle_crl_entries(struct link *link, const struct keeper_packet *packet)
{
    struct failure failure;
    if (is_current_crl(link, packet) &&
        crl_stream_add(link->crl, packet->u.crl_entries.entries, packet->u.crl_entries.count, &failure))
        end_crl(link, &failure);
}

static void handle_crl_end(struct link *link, struct keeper *keeper, const struct keeper_packet *packet)
{
    struct failure failure;
    struct crl_part tail, signature;
    if (!is_current_crl(link, packet))
        return;
    struct crl_stream *stream = link->crl;
    link->crl = NULL;
    if (counter_take(&keeper->counter, &failure)) {
        crl_stream_abort(stream);
        end_crl(link, &failure);
        return;
    }
    if (crl_stream_finish(stream, &tail, &signature, &failure)) {
        end_crl(link, &failure);
        return;
    }
    size_t algorithm_length = 0;
    const uint8_t *algorithm = signer_algorithm(keeper->authority.key.type.kind, &algorithm_length);
    const struct keeper_packet whole = {.type = KEEPER_CRL_SIGNED, .id = packet->id, .u.crl_signed = {
        tail.data, (uint8_t *)algorithm, signature.data, tail.length, algorithm_length, signature.length}};
    answer(link, &whole);
}

/* --- the audit head --------------------------------------------------------------------------------------- */

static int sign_head(struct keeper *keeper, const struct keeper_packet *packet, int64_t now, uint8_t *signature,
                     size_t *length, struct failure *failure)
{
    uint8_t text[AUDIT_HEAD_SIZE];
    int64_t time = packet->u.head.time;
    if (!keeper_is_open(keeper))
        return failure_set(failure, FAILURE_LOCKED, NULL, "the CA key is locked; open it with: mtlsctl unlock");
    if (time < now - CRL_TIME_SLACK || time > now + CRL_TIME_SLACK)
        return failure_set(failure, FAILURE_BAD_REQUEST, "time", "more than an hour from the keeper's clock");
    if (counter_take(&keeper->counter, failure) ||
        counter_advance_head(&keeper->counter, packet->u.head.sequence, packet->u.head.head, failure))
        return -1;
    audit_head_encode(packet->u.head.sequence, packet->u.head.head, time, text);
    return signer_sign(keeper->authority.signer, text, sizeof text, signature, length, failure);
}

static void handle_head(struct link *link, struct keeper *keeper, const struct keeper_packet *packet, int64_t now)
{
    struct failure failure;
    uint8_t signature[SIGNATURE_MAX];
    size_t length;
    if (sign_head(keeper, packet, now, signature, &length, &failure))
        answer_refused(link, packet->id, &failure);
    else
        answer_bytes(link, KEEPER_HEAD_SIGNED, packet->id, signature, length);
}

int link_handle(struct link *link, struct keeper *keeper, const uint8_t *data, size_t length, int64_t now)
{
    struct keeper_packet packet;
    int result = 0;
    if (keeper_packet_read(data, length, &packet))
        return -1;
    switch (packet.type) {
    case KEEPER_GRANT: handle_grant(link, keeper, &packet, now); break;
    case KEEPER_CRL_BEGIN: handle_crl_begin(link, keeper, &packet, now); break;
    case KEEPER_CRL_ENTRIES: handle_crl_entries(link, &packet); break;
    case KEEPER_CRL_END: handle_crl_end(link, keeper, &packet); break;
    case KEEPER_CRL_ABORT:
        if (packet.id == link->crl_id)
            end_crl(link, NULL);
        break;
    case KEEPER_HEAD: handle_head(link, keeper, &packet, now); break;
    default: result = -1; /* a message that only a keeper says */
    }
    keeper_packet_clear(&packet);
    return result;
}

/* --- the connection --------------------------------------------------------------------------------------- */

static void tell(struct link *link, struct keeper *keeper)
{
    struct keeper_state state;
    keeper_describe(keeper, &state);
    link->told = keeper->changes;
    link->told_signatures = keeper->counter.reserved;
    const struct keeper_packet packet = {.type = KEEPER_STATE, .u.state = &state};
    answer(link, &packet);
}

void link_tell(struct link *link, struct keeper *keeper)
{
    if (link->fd < 0 || (link->told == keeper->changes && link->told_signatures == keeper->counter.reserved))
        return;
    if (link->crl && link->told != keeper->changes) { /* the key that it would be signed with is gone */
        struct failure failure;
        failure_set(&failure, FAILURE_LOCKED, NULL, "the CA key was locked while the CRL was being signed");
        end_crl(link, &failure);
    }
    tell(link, keeper);
}

void link_open(struct link *link, struct keeper *keeper, int fd)
{
    link_close(link);
    link->fd = fd;
    tell(link, keeper);
}

void link_close(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    for (; link->count; link->count--, link->first = (link->first + 1) % LINK_QUEUE)
        free(link->queue[link->first].data);
    crl_stream_abort(link->crl);
    link_init(link);
}

/* Nothing more is taken in while answers wait: that bounds the queue, and the agent's own window bounds the rest. */
short link_events(const struct link *link)
{
    return link->count ? POLLOUT : POLLIN;
}

enum link_result link_run(struct link *link, struct keeper *keeper, short events)
{
    if (link->count && flush(link) < 0)
        return LINK_CLOSED;
    if (!(events & (POLLIN | POLLHUP | POLLERR)))
        return LINK_FINE;
    int64_t now = time(NULL);
    for (int i = 0; i < LINK_BURST && link->fd >= 0 && link->count == 0; i++) {
        ssize_t length = recv(link->fd, link->incoming, sizeof link->incoming, MSG_DONTWAIT | MSG_TRUNC);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (length <= 0)
            return LINK_CLOSED;
        if ((size_t)length > sizeof link->incoming || link_handle(link, keeper, link->incoming, (size_t)length, now))
            return LINK_BROKEN;
    }
    return link->fd < 0 ? LINK_CLOSED : LINK_FINE;
}
