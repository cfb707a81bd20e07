/*
 * secret.h - where passphrases and secrets come from: files, credentials, the terminal. Never the command line,
 * never the environment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_SECRET_H
#define MTLSD_KEEPER_SECRET_H

#include <stdbool.h>

#include "agent/keeper/vault.h"

/* A passphrase from a file, one trailing newline stripped; 1 to UNLOCK_PASSPHRASE_MAX bytes. Others may not read
 * the file. */
int secret_from_passphrase_file(const char *path, struct secret *out, struct failure *failure);
/* 32 bytes from a file, raw or as 64 hex digits. A relative name is also looked for in $CREDENTIALS_DIRECTORY,
 * first.
 * */
int secret_from_file(const char *path, struct secret *out, struct failure *failure);
/* From /dev/tty without echo; twice where `confirm`. */
int secret_from_terminal(const char *prompt, bool confirm, struct secret *out, struct failure *failure);

#endif
