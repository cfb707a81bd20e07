/*
 * keeper_link.c - packets to the keeper in small groups, its answers, and reconnection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/log.h"

enum {
    GROUP = 8,             /* packets a system call */
    BULK_MAX = 8,          /* packets of CRL entries queued here at once */
    RETRY_USEC = 200 * 1000,
    DEADLINE_USEC = 20 * 1000 * 1000, /* for an answer to a grant: a keeper that is stuck is as good as dead */
};

struct packet {
    struct packet *next;
    size_t length;
    uint8_t data[];
};

struct packet_queue {
    struct packet *first, **last;
    size_t count;
};

struct keeper_link {
    sd_event *event;
    sd_event_source *io, *retry, *deadline;
    const struct keeper_link_callbacks *callbacks;
    void *context;
    char *path;
    int fd;
    bool known;                /* state holds what the keeper said */
    struct keeper_state state;
    struct packet_queue grants, bulk;
    size_t unanswered;         /* grants sent */
    uint8_t (*buffers)[GRANT_PACKET_MAX];
};

static void queue_init(struct packet_queue *queue)
{
    *queue = (struct packet_queue){.last = &queue->first};
}

static void queue_drop(struct packet_queue *queue, size_t count)
{
    while (count--) {
        struct packet *packet = queue->first;
        queue->first = packet->next;
        if (!queue->first)
            queue->last = &queue->first;
        queue->count--;
        free(packet);
    }
}

static void link_lost(struct keeper_link *link, const char *why)
{
    link->io = sd_event_source_disable_unref(link->io);
    if (link->fd >= 0) {
        close(link->fd);
        log_message(LOG_WARNING, "the keeper went away (%s); locked until another one is there", why);
    }
    link->fd = -1;
    link->known = false;
    link->unanswered = 0;
    sd_event_source_set_enabled(link->deadline, SD_EVENT_OFF);
    queue_drop(&link->grants, link->grants.count);
    queue_drop(&link->bulk, link->bulk.count);
    link->callbacks->state(link->context, NULL);
    sd_event_source_set_time_relative(link->retry, RETRY_USEC);
    sd_event_source_set_enabled(link->retry, SD_EVENT_ONESHOT);
}

/* The clock runs while a grant is unanswered, and begins anew with each answer. */
static void deadline_set(struct keeper_link *link)
{
    if (link->unanswered)
        sd_event_source_set_time_relative(link->deadline, DEADLINE_USEC);
    sd_event_source_set_enabled(link->deadline, link->unanswered ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct keeper_link *link = userdata;
    (void)source, (void)usec;
    if (link->fd >= 0 && link->unanswered)
        link_lost(link, "it has not answered for 20 seconds");
    link->callbacks->rest(link->context);
    return 0;
}

static void link_answer(struct keeper_link *link, struct keeper_packet *packet)
{
    if (packet->type == KEEPER_STATE) {
        link->state = *packet->u.state;
        link->known = true;
        link->callbacks->state(link->context, &link->state);
        return;
    }
    if (!(packet->id & KEEPER_LINK_BULK_ID))
        link->unanswered -= link->unanswered > 0;
    link->callbacks->answer(link->context, packet);
}

/* Take one group of packets. 1: there may be more; 0: drained; -1: the connection is over (and has been given up). */
static int link_receive(struct keeper_link *link)
{
    struct mmsghdr headers[GROUP] = {0};
    struct iovec vectors[GROUP];
    for (int i = 0; i < GROUP; i++) {
        vectors[i] = (struct iovec){link->buffers[i], GRANT_PACKET_MAX};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(link->fd, headers, GROUP, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
    if (count < 0)
        return errno == EAGAIN ? 0 : errno == EINTR ? 1 : (link_lost(link, strerror(errno)), -1);
    for (int i = 0; i < count; i++) {
        struct keeper_packet packet;
        if (headers[i].msg_len == 0)
            return link_lost(link, "it closed the connection"), -1;
        if ((headers[i].msg_hdr.msg_flags & MSG_TRUNC) || keeper_packet_read(link->buffers[i], headers[i].msg_len, &packet))
            return link_lost(link, "it sent a malformed packet"), -1;
        link_answer(link, &packet);
        keeper_packet_clear(&packet);
    }
    return count == GROUP;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct keeper_link *link = userdata;
    (void)source, (void)fd;
    int more = 1;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        while (more == 1)
            more = link_receive(link);
    if (more >= 0)
        deadline_set(link);
    if (more >= 0)
        keeper_link_flush(link);
    link->callbacks->rest(link->context);
    return 0;
}

void keeper_link_adopt(struct keeper_link *link, int fd)
{
    if (link->fd >= 0) {
        close(fd);
        return;
    }
    link->fd = fd;
    sd_event_source_set_enabled(link->retry, SD_EVENT_OFF);
    int error = sd_event_add_io(link->event, &link->io, fd, EPOLLIN, on_io, link);
    if (error < 0)
        link_lost(link, strerror(-error));
}

static int link_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return errno = ENAMETOOLONG, -1;
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !connect(fd, (struct sockaddr *)&address, sizeof address))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct keeper_link *link = userdata;
    (void)usec;
    if (link->fd >= 0)
        return 0;
    /* Asked again and again: whoever provides may have failed the last time. */
    sd_event_source_set_time_relative(source, RETRY_USEC);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    if (!link->path) {
        link->callbacks->wanted(link->context);
        return 0;
    }
    int fd = link_connect(link->path);
    if (fd >= 0)
        keeper_link_adopt(link, fd);
    return 0;
}

int keeper_link_new(sd_event *event, const char *path, const struct keeper_link_callbacks *callbacks, void *context,
                    struct keeper_link **out)
{
    struct keeper_link *link = calloc(1, sizeof *link);
    if (!link)
        return -1;
    link->fd = -1;
    link->event = sd_event_ref(event);
    link->callbacks = callbacks;
    link->context = context;
    queue_init(&link->grants);
    queue_init(&link->bulk);
    link->path = path ? strdup(path) : NULL;
    link->buffers = malloc(GROUP * sizeof *link->buffers);
    int error = (path && !link->path) || !link->buffers ? -ENOMEM :
                sd_event_add_time_relative(event, &link->retry, CLOCK_MONOTONIC, 0, 0, on_retry, link);
    if (error >= 0)
        error = sd_event_add_time_relative(event, &link->deadline, CLOCK_MONOTONIC, DEADLINE_USEC, 0, on_deadline, link);
    if (error >= 0)
        error = sd_event_source_set_enabled(link->deadline, SD_EVENT_OFF);
    if (error < 0) {
        keeper_link_free(link);
        errno = -error;
        return -1;
    }
    *out = link;
    return 0;
}

void keeper_link_free(struct keeper_link *link)
{
    if (!link)
        return;
    sd_event_source_disable_unref(link->io);
    sd_event_source_disable_unref(link->retry);
    sd_event_source_disable_unref(link->deadline);
    if (link->fd >= 0)
        close(link->fd);
    queue_drop(&link->grants, link->grants.count);
    queue_drop(&link->bulk, link->bulk.count);
    sd_event_unref(link->event);
    free(link->buffers);
    free(link->path);
    free(link);
}

const struct keeper_state *keeper_link_state(const struct keeper_link *link)
{
    return link->known ? &link->state : NULL;
}

bool keeper_link_is_open(const struct keeper_link *link)
{
    return link->known && link->state.open;
}

int keeper_link_send(struct keeper_link *link, const struct keeper_packet *packet, struct failure *failure)
{
    if (!link->known)
        return failure_set(failure, FAILURE_LOCKED, NULL, "the keeper is away; the agent takes up a new one by itself, try again");
    uint8_t buffer[GRANT_PACKET_MAX];
    long length = keeper_packet_write(packet, buffer);
    if (length < 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "sans", "the names do not fit into a grant of %d bytes; ask for fewer",
                           GRANT_PACKET_MAX);
    struct packet *copy = malloc(sizeof *copy + (size_t)length);
    if (!copy)
        return failure_set(failure, FAILURE_BUSY, NULL, "out of memory");
    copy->next = NULL;
    copy->length = (size_t)length;
    memcpy(copy->data, buffer, (size_t)length);
    struct packet_queue *queue = packet->type == KEEPER_GRANT ? &link->grants : &link->bulk;
    *queue->last = copy;
    queue->last = &copy->next;
    queue->count++;
    return 0;
}

bool keeper_link_has_room(const struct keeper_link *link)
{
    return link->known && link->bulk.count < BULK_MAX;
}

size_t keeper_link_under_way(const struct keeper_link *link)
{
    return link->grants.count + link->unanswered;
}

/* Send up to GROUP packets of one queue; returns how many went, -1 where the socket takes no more. */
static int queue_send(struct keeper_link *link, struct packet_queue *queue, size_t most)
{
    struct mmsghdr headers[GROUP] = {0};
    struct iovec vectors[GROUP];
    unsigned count = 0;
    for (struct packet *packet = queue->first; packet && count < GROUP && count < most; packet = packet->next, count++) {
        vectors[count] = (struct iovec){packet->data, packet->length};
        headers[count].msg_hdr = (struct msghdr){.msg_iov = &vectors[count], .msg_iovlen = 1};
    }
    if (!count)
        return 0;
    int sent = sendmmsg(link->fd, headers, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0)
        return -1; /* EAGAIN: EPOLLOUT tells; anything else shows as EPOLLHUP */
    queue_drop(queue, (size_t)sent);
    return sent;
}

void keeper_link_flush(struct keeper_link *link)
{
    if (link->fd < 0 || !link->known)
        return;
    bool had_bulk = link->bulk.count > 0, idle = !link->unanswered;
    int sent = 1, bulk = 1;
    while (sent > 0 || bulk > 0) {
        sent = queue_send(link, &link->grants, GRANT_WINDOW - link->unanswered);
        link->unanswered += sent > 0 ? (size_t)sent : 0;
        bulk = sent < 0 ? -1 : queue_send(link, &link->bulk, 1);
        if (bulk < 0)
            break;
    }
    if (idle && link->unanswered)
        deadline_set(link);
    sd_event_source_set_io_events(link->io, sent < 0 || bulk < 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
    if (had_bulk && keeper_link_has_room(link))
        link->callbacks->room(link->context);
}
