/*
 * prompt.h - passphrases and answers from a person or a file; never from the command line or the environment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_PROMPT_H
#define MTLSD_CLIENT_CLI_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/failure.h"

enum { PASSPHRASE_MAX = 1024 };

struct passphrase {
    char text[PASSPHRASE_MAX + 1];
    size_t length;
};

/* The first line of `file` ("-": standard input), or where it is NULL, asked without echo on the terminal,
 * twice with `confirm`. 0, or -1 with BAD_REQUEST. Wipe with passphrase_wipe, in any case. */
int passphrase_get(const char *file, const char *question, bool confirm, struct passphrase *out,
                   struct failure *failure);
void passphrase_wipe(struct passphrase *passphrase);

/* Is there somebody to ask? */
bool prompt_possible(void);
/* Ask on standard error, read standard input: true for y or yes. */
bool prompt_yes(const char *question);

#endif
