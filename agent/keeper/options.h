/*
 * options.h - the command line of mtlsd-keeper, from one table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_OPTIONS_H
#define MTLSD_KEEPER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "agent/keeper/floor.h"
#include "agent/keeper/seal.h"
#include "proto/failure.h"
#include "proto/x509/key.h"

enum option_mode { MODE_SERVE, MODE_INIT, MODE_RESEAL, MODE_HELP };

struct options {
    enum option_mode mode;
    const char *state, *user;                                 /* user: NULL, stay who we are */
    const char *socket, *unlock, *agent_user, *secret_file;   /* serve */
    int agent_fd;                                             /* -1: none */
    const char *name, *passphrase_file;                       /* init */
    struct key_type key_type;
    int64_t days, max_life;                                   /* max_life in seconds; 0: not given */
    const char *permit_dns[FLOOR_PERMIT_MAX], *allow_eku[FLOOR_EKU_MAX];
    size_t permit_count, eku_count;
    bool has_seal, has_clamp, refuse_past_end;
    enum seal_method seal;
    const char *new_passphrase_file, *new_secret_file;        /* reseal */
};

/* -1 with BAD_REQUEST(option): unknown, without its value, wrong, or of another mode. Values point into argv. */
int options_parse(int argc, char **argv, struct options *out, struct failure *failure);
void options_help(FILE *stream);

struct account {
    uid_t uid;
    gid_t gid;
};
/* A user by name or number; a number without an account stands for itself as group too. */
int account_find(const char *text, struct account *out, struct failure *failure);
/* Become that user for good, with no other groups. */
int account_become(const struct account *account, struct failure *failure);

#endif
