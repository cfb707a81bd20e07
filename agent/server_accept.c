/*
 * server_accept.c - new connections: who is it, is there room, and what the policy wants to know of the peer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/connection.h"
#include "agent/log.h"

enum { ACCEPTS = 32 /* new connections in one turn */ };

static void resolve_run(struct pool_job *job)
{
    struct connection *connection = (struct connection *)((char *)job - offsetof(struct connection, resolve));
    peer_read_login(&connection->peer);
    peer_read_unit(&connection->peer);
}

static void resolve_done(struct pool_job *job)
{
    struct connection *connection = (struct connection *)((char *)job - offsetof(struct connection, resolve));
    connection->resolving = false;
    connection_enqueue(connection);
}

/* Who the peer is takes a look-up only where the policy wants to know. */
void connection_resolve(struct connection *connection)
{
    const struct policy *policy = engine_policy(connection->server->engine);
    if (!policy_wants_unit(policy) && connection->peer.pidfd >= 0) {
        /* Half of all descriptors would be these. A later policy with unit= fits nobody who was connected before it: they connect again. */
        close(connection->peer.pidfd);
        connection->peer.pidfd = -1;
    }
    if (!policy_wants_login(policy) && !policy_wants_unit(policy))
        return;
    connection->resolve = (struct pool_job){.run = resolve_run, .done = resolve_done};
    connection->resolving = pool_submit(connection->server->pool, &connection->resolve);
    if (!connection->resolving)
        connection_kill(connection); /* without its login it would be judged wrongly */
}

static void refuse(int fd, const char *why)
{
    struct failure failure;
    size_t length;
    failure_set(&failure, FAILURE_BUSY, NULL, "%s; try again", why);
    char *text = message_format_failure(&failure, &length);
    struct iovec parts[] = {{text, length}, {(char *)"", 1}}; /* the text has no NUL of its own */
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (text && sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_message(LOG_DEBUG, "a refused connection could not be told why: %s", strerror(errno));
    message_text_free(text, length);
    close(fd);
}

static void connection_new(struct server *server, int fd, struct account *account, const struct peer *peer)
{
    struct connection *connection = calloc(1, sizeof *connection);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    if (!connection || epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event)) {
        struct peer gone = *peer;
        free(connection);
        peer_clear(&gone);
        refuse(fd, "out of memory");
        account->connections++;
        account_release(server, account);
        return;
    }
    connection->server = server;
    connection->account = account;
    connection->peer = *peer;
    connection->fd = fd;
    frame_reader_init(&connection->reader, (size_t)server->config->agent.frame_max);
    frame_writer_init(&connection->writer);
    connection->active_at = connection->progress_at = clock_seconds();
    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    else
        server->oldest = connection;
    server->connections = connection;
    server->count++;
    account->connections++;
    engine_vitals(server->engine)->connections = (int64_t)server->count;
    connection_resolve(connection);
}

/* Where there is no room, the oldest connection that has nothing under way makes some: of this uid, so that one who hoards
 * connections only loses his own. True where one was closed. */
static bool make_room(struct server *server, const struct account *account)
{
    for (struct connection *connection = server->oldest; connection; connection = connection->previous) {
        bool idle = !connection->busy && !connection->resolving && !connection->in_queue && !connection->readable &&
                    connection->reader.start == connection->reader.end && !frame_pending(&connection->writer);
        if (!idle || connection->account != account)
            continue;
        connection_free(connection);
        return true;
    }
    return false;
}

static const char *no_room(struct server *server, const struct account *account)
{
    const struct config_agent *limits = &server->config->agent;
    if (!account)
        return "out of memory";
    bool full = server->count >= (size_t)limits->connections, crowded = account->connections >= (size_t)limits->connections_per_uid;
    if ((!full && !crowded) || (account->connections > 1 && make_room(server, account)))
        return NULL;
    return full ? "too many connections (connections=)" : "too many connections of this uid (connections-per-uid=)";
}

static void take_connection(struct server *server, int fd)
{
    struct peer peer;
    if (peer_read(fd, &peer)) {
        log_message(LOG_WARNING, "a peer without credentials was refused: %s", strerror(errno));
        close(fd);
        return;
    }
    struct account *account = account_find(server, peer.uid);
    const char *why = no_room(server, account);
    if (!why) {
        connection_new(server, fd, account, &peer);
        return;
    }
    peer_clear(&peer);
    refuse(fd, why);
    if (account && !account->connections) {
        account->connections++;
        account_release(server, account);
    }
}

int server_on_listener(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct server *server = userdata;
    (void)source, (void)events;
    for (int i = 0; i < ACCEPTS; i++) {
        int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted >= 0) {
            take_connection(server, accepted);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            /* The listener stays readable: without a pause this would spin. */
            log_message(LOG_ERR, "accept: %s; raise LimitNOFILE= or lower connections=", strerror(errno));
            usleep(10000);
        }
        if (errno != EINTR && errno != ECONNABORTED)
            break;
    }
    return 0;
}
