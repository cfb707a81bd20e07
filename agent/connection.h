/*
 * connection.h - one connection, the account of its uid, and the server that holds both. Shared by the server's files alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_CONNECTION_H
#define MTLSD_AGENT_CONNECTION_H

#include "agent/server.h"
#include "proto/frame.h"
#include "proto/message.h"

struct account {
    struct account *next;     /* all accounts */
    uid_t uid;
    size_t connections;
    struct connection *first, **last; /* with something to do */
    struct account *next_busy;        /* accounts with something to do */
    bool queued;
};

struct connection {
    struct connection *next, *previous; /* all connections */
    struct connection *queued;          /* the next of its account with something to do */
    struct server *server;
    struct account *account;
    struct peer peer;
    int fd;
    struct frame_reader reader;
    struct frame_writer writer;
    void *ticket;             /* of the request under way */
    bool busy;                /* a request is under way */
    bool streaming;           /* it has more to say when this has been taken */
    bool readable, hung_up;   /* what the kernel said last */
    bool dead;                /* to be closed when its turn comes */
    bool in_queue, resolving, closing_after_reply;
    int64_t active_at;        /* last whole message or reply, seconds (CLOCK_BOOTTIME) */
    int64_t frame_at;         /* when the first byte of the message came that is not whole yet */
    int64_t progress_at;      /* when the peer last took something of what is queued for it */
    struct pool_job resolve;
};

struct server {
    sd_event *event;
    const struct config *config;
    struct pool *pool;
    struct engine *engine;
    struct server_upward upward;
    sd_event_source *listener, *inner, *tick, *again;
    int epoll;
    struct connection *connections, *oldest; /* newest first */
    size_t count;
    struct account *accounts;
    struct account *busy, **busy_last;
    bool stopping, feeding;
};

int64_t clock_seconds(void); /* CLOCK_BOOTTIME */
struct account *account_find(struct server *server, uid_t uid); /* NULL when memory ran out */
/* One connection less; the last one takes the account with it. */
void account_release(struct server *server, struct account *account);
/* Stand in line for its turn. */
void connection_enqueue(struct connection *connection);
/* Close when its turn comes: never in the middle of somebody else's work on it. */
void connection_kill(struct connection *connection);

void connection_free(struct connection *connection);

/* server_accept.c */
void connection_resolve(struct connection *connection);
int server_on_listener(sd_event_source *source, int fd, uint32_t events, void *userdata);

#endif
