/*
 * user.h - the users of the configuration: found by name or number, and become.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_USER_H
#define MTLSD_AGENT_USER_H

#include "proto/config.h"

/* A user= of the configuration, name or number: 0 or -1. gid is the user's primary group; for a bare number without an account the same number. */
int user_find(const char *text, uid_t *uid, gid_t *gid);
/* Become [agent] user=, where started as root, and give the state directory's files to it. */
int user_drop(const struct config *config, struct failure *failure);

#endif
