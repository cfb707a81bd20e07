/*
 * sandbox.h - what the agent gives up before it reads a stranger's first byte: files but its own, new programs, the network.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_SANDBOX_H
#define MTLSD_AGENT_SANDBOX_H

#include "proto/config.h"
#include "proto/failure.h"

/* Enter it, before the first thread. *words names what stands, for Status ("no-new-privs landlock seccomp"; "sandbox: sanitizer" in a
 * sanitizer build). A facility that the kernel lacks is left out; one that should have worked and did not is a failure. */
int sandbox_enter(const struct config *config, const char **words, struct failure *failure);

#endif
