/*
 * agent.h - the agent process: everything put together, and its loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_AGENT_H
#define MTLSD_AGENT_AGENT_H

#include "proto/config.h"

/* Run until told to stop. parent_fd: the channel of parent.h, -1 where nobody supervises but the service manager. Returns an exit code of sysexits(3). */
int agent_run(const struct config *config, int parent_fd);

/* Read policy and anchors and say what is wrong, without starting anything: 0 good, 1 bad. */
int agent_check(const struct config *config);

#endif
