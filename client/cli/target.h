/*
 * target.h - which certificate an operand SERIAL|NAME means.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_TARGET_H
#define MTLSD_CLIENT_CLI_TARGET_H

#include <stdbool.h>

#include "client/cli/cli.h"

/* One of serial and name is set. */
struct target {
    const char *serial, *name;
    bool flipped;
};

/* Reads as a serial: hex with colons between bytes, or at least 16 hex digits. Shorter ones ("cafe") are
 * names first. */
bool target_is_serial(const char *text);

/* From the operand, or from --serial or --name where the command has them. 0, or -1 with BAD_REQUEST. */
int target_take(const struct cli *cli, struct target *out, struct failure *failure);

/* Where the agent has found nothing: the other reading of the same word, if there is one. True at most once.
 */
bool target_flip(const struct cli *cli, struct target *target);

#endif
