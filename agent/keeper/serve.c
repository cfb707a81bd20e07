/*
 * serve.c - the keeper's loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Order within a round: who unlocks, then the agent, then whoever knocks. The CRL needs no turn of its own: its
 * slices come in packets between the grants.
 */
#include "agent/keeper/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/keeper/link.h"
#include "agent/keeper/log.h"
#include "agent/keeper/memory.h"
#include "agent/keeper/sockets.h"
#include "agent/keeper/unlock.h"
#include "proto/peer.h"

enum { SLOT_AGENT, SLOT_AGENT_LISTENER, SLOT_UNLOCK_LISTENER, SLOT_UNLOCK, SLOTS = SLOT_UNLOCK + UNLOCK_CONNECTIONS };

static volatile sig_atomic_t stopping;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

/* The two are let in by ppoll alone, so that none is missed between looking and waiting. */
void serve_prepare(void)
{
    struct sigaction stop = {.sa_handler = on_stop}, ignore = {.sa_handler = SIG_IGN};
    sigset_t blocked;
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
}

/* -1 where nobody is at the door, or nobody that could be let in. */
static int accept_one(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        keeper_log("accept: %s", strerror(errno));
    return fd;
}

/* A new connection of the agent replaces the old one: the agent that lost it knows better than we do. */
static void accept_agent(struct link *link, struct keeper *keeper, const struct doors *doors)
{
    struct peer peer;
    int fd = accept_one(doors->agent_listener);
    if (fd < 0)
        return;
    if (peer_read(fd, &peer)) {
        close(fd);
        return;
    }
    uid_t uid = peer.uid;
    peer_clear(&peer);
    if (uid != doors->agent_uid) {
        keeper_log("uid %u is not the agent's (%u): disconnected", (unsigned)uid, (unsigned)doors->agent_uid);
        close(fd);
        return;
    }
    link_open(link, keeper, fd);
}

static void fill(struct pollfd slots[static SLOTS], const struct link *link, const struct unlock *unlock,
                 const struct doors *doors)
{
    slots[SLOT_AGENT] = (struct pollfd){link->fd, link_events(link), 0};
    slots[SLOT_AGENT_LISTENER] = (struct pollfd){doors->agent_listener, POLLIN, 0};
    slots[SLOT_UNLOCK_LISTENER] = (struct pollfd){doors->unlock_listener, POLLIN, 0};
    for (size_t i = 0; i < UNLOCK_CONNECTIONS; i++)
        slots[SLOT_UNLOCK + i] = (struct pollfd){unlock->connections[i], POLLIN, 0};
}

/* What happened in one round. The state is told after each packet of unlock.sock: a CRL under way must hear of a
 * locked key before its next slice. */
static enum link_result run_round(struct pollfd slots[static SLOTS], struct link *link, struct unlock *unlock,
                                  struct keeper *keeper, const struct doors *doors)
{
    enum link_result result = LINK_FINE;
    for (size_t i = 0; i < UNLOCK_CONNECTIONS; i++)
        if (slots[SLOT_UNLOCK + i].revents) {
            unlock_run(unlock, i, keeper);
            link_tell(link, keeper);
        }
    if (slots[SLOT_AGENT].revents && link->fd >= 0) {
        result = link_run(link, keeper, slots[SLOT_AGENT].revents);
        memory_wipe_stack();
    }
    if (result == LINK_CLOSED)
        link_close(link);
    link_tell(link, keeper);
    if (slots[SLOT_AGENT_LISTENER].revents)
        accept_agent(link, keeper, doors);
    if (slots[SLOT_UNLOCK_LISTENER].revents) {
        int fd = accept_one(doors->unlock_listener);
        if (fd >= 0)
            unlock_accept(unlock, fd, keeper->owner);
    }
    return result;
}

static int loop(struct link *link, struct unlock *unlock, struct keeper *keeper, const struct doors *doors)
{
    const struct timespec interval = {doors->notify_interval / 1000, doors->notify_interval % 1000 * 1000000L};
    sigset_t none;
    sigemptyset(&none);
    while (!stopping) {
        struct pollfd slots[SLOTS];
        if (link->fd < 0 && doors->agent_listener < 0) /* whoever started us is gone */
            return SERVE_STOPPED;
        fill(slots, link, unlock, doors);
        int ready = ppoll(slots, SLOTS, doors->notify_interval > 0 ? &interval : NULL, &none);
        if (ready < 0 && errno != EINTR) {
            keeper_log("poll: %s", strerror(errno));
            return SERVE_FAILED;
        }
        if (doors->notify_interval > 0)
            notify_send(doors->notify, "WATCHDOG=1");
        if (ready > 0 && run_round(slots, link, unlock, keeper, doors) == LINK_BROKEN) {
            keeper_log("the agent sent a packet that is no message: ending, with the key");
            return SERVE_BROKEN;
        }
    }
    return SERVE_STOPPED;
}

int serve_run(struct keeper *keeper, const struct doors *doors)
{
    struct unlock unlock;
    struct link *link = malloc(sizeof *link);
    if (!link || unlock_init(&unlock)) {
        free(link);
        keeper_log("no memory left");
        return SERVE_FAILED;
    }
    link_init(link);
    if (doors->agent >= 0)
        link_open(link, keeper, doors->agent);
    int status = loop(link, &unlock, keeper, doors);
    link_close(link);
    unlock_clear(&unlock);
    free(link);
    return status;
}
