/*
 * serve.h - the keeper's loop: one agent, a few who unlock, nobody else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_SERVE_H
#define MTLSD_KEEPER_SERVE_H

#include "agent/keeper/keeper.h"

struct doors {
    int agent_listener;  /* -1: none */
    int agent;           /* connected from the start, -1: none */
    int unlock_listener; /* -1: none */
    int notify;          /* -1: none */
    int notify_interval; /* milliseconds, -1: no watchdog */
    uid_t agent_uid;     /* who may connect to agent_listener */
};

enum { SERVE_STOPPED = 0, SERVE_FAILED = 1, SERVE_BROKEN = 76 /* EX_PROTOCOL: the agent sent what no agent sends */ };

/* Until SIGTERM or SIGINT, or until the agent is gone and nobody else can come. Returns the exit status. */
int serve_run(struct keeper *keeper, const struct doors *doors);
/* Before the jail: signals. */
void serve_prepare(void);

#endif
