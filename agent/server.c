/*
 * server.c - the agent's socket: connections, frames in, replies out, limits.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Connections hang edge-triggered on one inner epoll, so that a request costs one read and one write and no epoll_ctl. A connection with
 * something to do stands in the queue of its uid's account; accounts are served round-robin.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/connection.h"

enum {
    EVENTS = 64,        /* connections looked at in one turn */
    TURN = 64,          /* requests taken up in one turn */
    TICK_USEC = 1000 * 1000,
};

int64_t clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

/* --- queues ------------------------------------------------------------------------------------------------ */

void connection_enqueue(struct connection *connection)
{
    struct server *server = connection->server;
    struct account *account = connection->account;
    if (connection->in_queue)
        return;
    connection->in_queue = true;
    connection->queued = NULL;
    *account->last = connection;
    account->last = &connection->queued;
    if (!account->queued) {
        account->queued = true;
        account->next_busy = NULL;
        *server->busy_last = account;
        server->busy_last = &account->next_busy;
    }
}

/* One connection of the account whose turn it is; the account goes to the end of the line if it has more. */
static struct connection *next_in_turn(struct server *server)
{
    struct account *account = server->busy;
    if (!account)
        return NULL;
    server->busy = account->next_busy;
    if (!server->busy)
        server->busy_last = &server->busy;
    account->queued = false;
    struct connection *connection = account->first;
    account->first = connection->queued;
    if (!account->first)
        account->last = &account->first;
    connection->in_queue = false;
    if (account->first) {
        account->queued = true;
        account->next_busy = NULL;
        *server->busy_last = account;
        server->busy_last = &account->next_busy;
    }
    return connection;
}

struct account *account_find(struct server *server, uid_t uid)
{
    struct account *account = server->accounts;
    while (account && account->uid != uid)
        account = account->next;
    if (account || !(account = calloc(1, sizeof *account)))
        return account;
    account->uid = uid;
    account->last = &account->first;
    account->next = server->accounts;
    server->accounts = account;
    return account;
}

void account_release(struct server *server, struct account *account)
{
    if (--account->connections || account->queued)
        return;
    struct account **link = &server->accounts;
    while (*link != account)
        link = &(*link)->next;
    *link = account->next;
    free(account);
}

/* --- connections ------------------------------------------------------------------------------------------- */

void connection_free(struct connection *connection)
{
    struct server *server = connection->server;
    if (connection->ticket)
        engine_caller_gone(server->engine, connection->ticket);
    close(connection->fd);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    else
        server->oldest = connection->previous;
    server->count--;
    engine_vitals(server->engine)->connections = (int64_t)server->count;
    frame_reader_free(&connection->reader);
    frame_writer_free(&connection->writer);
    peer_clear(&connection->peer);
    account_release(server, connection->account);
    free(connection);
}

void connection_kill(struct connection *connection)
{
    connection->dead = true;
    connection_enqueue(connection);
}

static void connection_flush(struct connection *connection)
{
    size_t before = frame_pending(&connection->writer);
    int result = frame_flush(&connection->writer, connection->fd);
    if (frame_pending(&connection->writer) < before)
        connection->progress_at = clock_seconds();
    if (result < 0 || (result == 1 && connection->closing_after_reply))
        connection_kill(connection);
    else if (result == 1 && connection->streaming)
        connection_enqueue(connection);
}

static void reply_now(struct connection *connection, const struct failure *failure)
{
    size_t length;
    char *text = message_format_failure(failure, &length);
    if (!text || frame_queue(&connection->writer, text, length, false))
        connection_kill(connection);
    message_text_free(text, length);
    connection_flush(connection);
}

static void framing_lost(struct connection *connection)
{
    struct failure failure;
    failure_set(&failure, FAILURE_BAD_REQUEST, "", "a message is larger than %lld bytes (frame-max=); the connection is closed",
                (long long)connection->server->config->agent.frame_max);
    connection->closing_after_reply = true;
    connection->readable = false;
    reply_now(connection, &failure);
}

/* Read once. False where nothing came. */
static bool connection_read(struct connection *connection)
{
    if (!connection->readable)
        return false;
    bool first = connection->reader.start == connection->reader.end;
    ssize_t got = frame_read(&connection->reader, connection->fd);
    if (got > 0) {
        if (first)
            connection->frame_at = clock_seconds();
        /* Less than there was room for: the socket is drained, and what comes next is a new edge. A hang-up may not be. */
        connection->readable = connection->hung_up || connection->reader.end == connection->reader.size;
        return true;
    }
    if (got < 0 && errno == EAGAIN)
        connection->readable = connection->hung_up = false;
    else if (got < 0 && errno == EMSGSIZE)
        framing_lost(connection);
    else
        connection_kill(connection);
    return false;
}

/* Take up the next request, if there is one and nothing stands before it. */
static void connection_serve(struct connection *connection)
{
    struct server *server = connection->server;
    char *text;
    size_t length;
    if (connection->dead) {
        if (!connection->resolving)
            connection_free(connection);
        return;
    }
    if (connection->streaming && !frame_pending(&connection->writer)) {
        connection->streaming = false;
        engine_caller_drained(server->engine, connection->ticket);
        return;
    }
    if (connection->busy || connection->resolving || server->stopping || connection->closing_after_reply ||
        frame_pending(&connection->writer))
        return;
    while (!frame_next(&connection->reader, &text, &length))
        if (!connection_read(connection))
            return;
    connection->busy = true;
    connection->frame_at = clock_seconds(); /* of what may already have come behind it */
    void *ticket = engine_submit(server->engine, connection, &connection->peer, text, length);
    if (connection->busy)
        connection->ticket = ticket;
    frame_consume(&connection->reader, length, true);
}

static void feed(void *context)
{
    struct server *server = context;
    if (server->feeding)
        return;
    server->feeding = true;
    struct connection *connection;
    for (int turn = 0; turn < TURN && (connection = next_in_turn(server)); turn++)
        connection_serve(connection);
    server->feeding = false;
    if (server->busy)
        sd_event_source_set_enabled(server->again, SD_EVENT_ONESHOT);
}

static void on_reply(void *caller, const char *text, size_t length, bool secret, bool last)
{
    struct connection *connection = caller;
    connection->streaming = !last;
    if (last) {
        connection->busy = false;
        connection->ticket = NULL;
        connection->active_at = clock_seconds();
    }
    if (text && !frame_pending(&connection->writer))
        connection->progress_at = clock_seconds();
    if (text && frame_queue(&connection->writer, text, length, secret))
        connection_kill(connection);
    connection_flush(connection);
    connection_enqueue(connection); /* its next request may be here already */
}

/* --- events ------------------------------------------------------------------------------------------------ */

static int on_inner(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct server *server = userdata;
    struct epoll_event list[EVENTS];
    (void)source, (void)events;
    int count = epoll_wait(fd, list, EVENTS, 0);
    for (int i = 0; i < count; i++) {
        struct connection *connection = list[i].data.ptr;
        if (list[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            connection->readable = true;
        if (list[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            connection->hung_up = true;
        if (list[i].events & (EPOLLHUP | EPOLLERR))
            connection->dead = true; /* nobody is there to read an answer */
        if ((list[i].events & EPOLLOUT) && frame_pending(&connection->writer))
            connection_flush(connection);
        connection_enqueue(connection);
    }
    feed(server);
    engine_run(server->engine);
    return 0;
}

static int on_again(sd_event_source *source, void *userdata)
{
    struct server *server = userdata;
    (void)source;
    feed(server);
    engine_run(server->engine);
    return 0;
}

static bool timed_out(const struct connection *connection, int64_t now)
{
    const struct config_agent *limits = &connection->server->config->agent;
    if (frame_pending(&connection->writer) && now - connection->progress_at > limits->slow_timeout)
        return true; /* it asks and does not take the answer */
    if (connection->reader.end > connection->reader.start && !connection->busy && !frame_pending(&connection->writer))
        return now - connection->frame_at > limits->slow_timeout; /* a message that never ends */
    return !connection->busy && now - connection->active_at > limits->idle_timeout;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct server *server = userdata;
    int64_t now = clock_seconds();
    (void)usec;
    for (struct connection *connection = server->connections; connection; connection = connection->next)
        if (timed_out(connection, now))
            connection_kill(connection);
    feed(server);
    engine_run(server->engine);
    sd_event_source_set_time_relative(source, TICK_USEC);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/* --- life -------------------------------------------------------------------------------------------------- */

int server_new(sd_event *event, const struct config *config, struct pool *pool, struct server **out)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        return -1;
    server->event = sd_event_ref(event);
    server->config = config;
    server->pool = pool;
    server->busy_last = &server->busy;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    *out = server;
    return server->epoll < 0 ? -1 : 0;
}

void server_set_upward(struct server *server, const struct server_upward *upward)
{
    server->upward = *upward;
}

int server_start(struct server *server, struct engine *engine, int fd)
{
    server->engine = engine;
    int error = sd_event_add_io(server->event, &server->listener, fd, EPOLLIN, server_on_listener, server);
    if (error >= 0)
        sd_event_source_set_io_fd_own(server->listener, 1);
    if (error >= 0)
        error = sd_event_add_io(server->event, &server->inner, server->epoll, EPOLLIN, on_inner, server);
    if (error >= 0)
        error = sd_event_add_time_relative(server->event, &server->tick, CLOCK_BOOTTIME, TICK_USEC, 0, on_tick, server);
    if (error >= 0)
        error = sd_event_add_defer(server->event, &server->again, on_again, server);
    if (error >= 0)
        error = sd_event_source_set_enabled(server->again, SD_EVENT_OFF);
    if (error >= 0 && listen(fd, 4096))
        error = -errno;
    errno = error < 0 ? -error : 0;
    return error < 0 ? -1 : 0;
}

void server_stop(struct server *server)
{
    server->stopping = true;
    server->listener = sd_event_source_disable_unref(server->listener);
}

bool server_is_quiet(const struct server *server)
{
    for (const struct connection *connection = server->connections; connection; connection = connection->next)
        if (!connection->dead && (connection->busy || frame_pending(&connection->writer)))
            return false;
    return true;
}

void server_free(struct server *server)
{
    if (!server)
        return;
    sd_event_source_disable_unref(server->listener);
    sd_event_source_disable_unref(server->inner);
    sd_event_source_disable_unref(server->tick);
    sd_event_source_disable_unref(server->again);
    while (server->connections)
        connection_free(server->connections);
    while (server->accounts) {
        struct account *account = server->accounts;
        server->accounts = account->next;
        free(account);
    }
    if (server->epoll >= 0)
        close(server->epoll);
    sd_event_unref(server->event);
    free(server);
}

static void want_keeper(void *context)
{
    const struct server *server = context;
    server->upward.want_keeper(server->upward.context);
}

static void run_crl_hook(void *context)
{
    const struct server *server = context;
    server->upward.run_crl_hook(server->upward.context);
}

/* Peers that are connected already were looked up under the old policy: look again. */
static void policy_changed(void *context)
{
    struct server *server = context;
    for (struct connection *connection = server->connections; connection; connection = connection->next)
        if (!connection->resolving && !connection->dead)
            connection_resolve(connection);
}

const struct engine_callbacks server_engine_callbacks = {on_reply, feed, want_keeper, run_crl_hook, policy_changed};
