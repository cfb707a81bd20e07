/*
 * jail.h - the walls around the key: entered before it is opened, never left.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_JAIL_H
#define MTLSD_KEEPER_JAIL_H

#include <stddef.h>

#include "proto/failure.h"
#include "proto/grant.h"

/* No new privileges, no core, not dumpable (so no ptrace and no /proc/PID/mem), few descriptors; Landlock without a
 * single path, where the kernel has it; a seccomp allow-list that kills: no open, no socket, no exec, no fork,
 * nothing executable. What already is open stays. Appends the words of the walls that stand ("seccomp landlock
 * nodump") to `walls`. -1 where a wall that should stand does not: then do not go on. Under a sanitizer seccomp is
 * left out (its runtime opens files) and "sandbox:sanitizer" says so. */
int jail_enter(char walls[static KEEPER_WALLS_SIZE], struct failure *failure);
/* Append a word to a list of walls. */
void jail_add_wall(char walls[static KEEPER_WALLS_SIZE], const char *word);

#endif
