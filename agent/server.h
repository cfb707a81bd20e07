/*
 * server.h - the agent's socket: connections, frames in, replies out, limits. Knows nothing of what a request means.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * One request at a time for each connection (varlink's order); connections of different uids are served in turns.
 */
#ifndef MTLSD_AGENT_SERVER_H
#define MTLSD_AGENT_SERVER_H

#include "agent/engine.h"

struct server;

/* Make and bind the socket (replacing a dead one; a live one is an error), listening only after server_start. -1 with *failure. */
int server_listen(const struct config *config, int *fd, struct failure *failure);
int server_new(sd_event *event, const struct config *config, struct pool *pool, struct server **out);
/* Callbacks for engine_new; their context is the server, but for those of the parent, which go to `upward` as they are. */
struct server_upward {
    void (*want_keeper)(void *context);
    void (*run_crl_hook)(void *context);
    void *context;
};
void server_set_upward(struct server *server, const struct server_upward *upward);
extern const struct engine_callbacks server_engine_callbacks;

/* Accept on fd (taken over) from now on. */
int server_start(struct server *server, struct engine *engine, int fd);
/* Stop accepting and reading. server_is_quiet tells when everything accepted has been answered and taken. */
void server_stop(struct server *server);
bool server_is_quiet(const struct server *server);
void server_free(struct server *server);

#endif
