/*
 * parent.h - the supervisor where nobody else supervises: it starts keepers and runs the one crl-hook= on the agent's word.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Single-threaded, no sandbox, reads no byte from a stranger. The channel to the agent is a SEQPACKET pair: the agent sends one byte, the parent
 * answers PARENT_KEEPER with the same byte and one descriptor.
 */
#ifndef MTLSD_AGENT_PARENT_H
#define MTLSD_AGENT_PARENT_H

#include "proto/config.h"

enum parent_word { PARENT_KEEPER = 'K', PARENT_CRL_HOOK = 'H' };

/* Fork the agent and supervise until it ends; returns the exit code of the program. */
int parent_run(const struct config *config);

/* The agent's side: the descriptor that came, -1 where none did, PARENT_GONE where the parent is. */
enum { PARENT_GONE = -2 };
int parent_receive(int socket);

#endif
