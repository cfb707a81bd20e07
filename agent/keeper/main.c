/*
 * main.c - mtlsd-keeper: the process that holds the CA key.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Open what must be open, become nobody, enter the jail, and only then open the key.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/keeper/files.h"
#include "agent/keeper/init.h"
#include "agent/keeper/jail.h"
#include "agent/keeper/keeper.h"
#include "agent/keeper/log.h"
#include "agent/keeper/memory.h"
#include "agent/keeper/options.h"
#include "agent/keeper/secret.h"
#include "agent/keeper/serve.h"
#include "agent/keeper/signer.h"
#include "agent/keeper/sockets.h"

static int open_state(const struct options *options, struct keeper *keeper, struct failure *failure)
{
    int directory;
    if (state_open(options->state, &directory, &keeper->owner, failure))
        return -1;
    int result = keeper_load(keeper, directory, failure);
    close(directory);
    if (result || keeper->method != SEAL_SECRET)
        return result;
    if (!options->secret_file)
        return failure_set(failure, FAILURE_BAD_REQUEST, "secret-file",
                           "the key is sealed with a secret: give --secret-file FILE");
    return secret_from_file(options->secret_file, &keeper->secret, failure);
}

/* A path where one is given, else what systemd passed. */
static int open_listener(const char *path, const char *inherited, mode_t mode, uid_t owner, int *fd,
                         struct failure *failure)
{
    return path ? socket_listen(path, mode, owner, fd, failure) : socket_inherited(inherited, fd, failure);
}

/* The agent's socket is open to all, and who connects is asked of the kernel; unlock.sock belongs to the owner of
 * the state. */
static int open_doors(const struct options *options, const struct keeper *keeper, const struct account *self,
                      struct doors *doors, struct failure *failure)
{
    struct account agent = *self;
    uid_t owner = self->uid == geteuid() ? (uid_t)-1 : self->uid;
    if (options->agent_user && account_find(options->agent_user, &agent, failure))
        return -1;
    *doors = (struct doors){-1, options->agent_fd, -1, -1, notify_interval(), agent.uid};
    if ((doors->agent >= 0 && socket_adopt(doors->agent, failure)) ||
        open_listener(options->socket, "keeper", 0666, owner, &doors->agent_listener, failure) ||
        open_listener(options->unlock, "unlock", 0600, geteuid() == 0 ? keeper->owner : owner,
                      &doors->unlock_listener, failure) ||
        notify_open(&doors->notify, failure))
        return -1;
    if (doors->agent < 0 && doors->agent_listener < 0)
        return failure_set(
            failure, FAILURE_BAD_REQUEST, "socket",
            "nowhere to meet the agent: give --socket PATH, --agent-fd N, or an inherited socket named 'keeper'");
    if (keeper->method == SEAL_PASSPHRASE && doors->unlock_listener < 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "unlock",
                           "the key is sealed with a passphrase and nobody could bring it: give --unlock PATH");
    return 0;
}

static int enter_jail(const struct doors *doors, const struct account *self, struct keeper *keeper, struct failure *failure)
{
    serve_prepare();
    if (account_become(self, failure) || memory_lock_stack(failure) || jail_enter(keeper->walls, failure))
        return -1;
    if (!KEEPER_SANITIZER)
        jail_add_wall(keeper->walls, "mlock");
    if (doors->agent_uid != self->uid) /* where agent and keeper share a uid, the wall between them is lower */
        jail_add_wall(keeper->walls, "uid");
    memory_begin_secret();
    return 0;
}

static int open_key(struct keeper *keeper, struct failure *failure)
{
    const struct secret none = {NULL, 0};
    return keeper->method == SEAL_PASSPHRASE ? 0 : keeper_unlock(keeper, &none, failure);
}

static int serve(const struct options *options, struct failure *failure)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    struct account self = {geteuid(), getegid()};
    struct doors doors;
    if (!keeper)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "no memory left");
    if ((options->user && account_find(options->user, &self, failure)) || open_state(options, keeper, failure) ||
        open_doors(options, keeper, &self, &doors, failure) || enter_jail(&doors, &self, keeper, failure) ||
        open_key(keeper, failure))
        return -1;
    keeper_log("up, %s; walls: %s", keeper_is_open(keeper) ? "open" : "locked, waiting for a passphrase", keeper->walls);
    notify_send(doors.notify, "READY=1");
    int status = serve_run(keeper, &doors);
    keeper_clear(keeper);
    free(keeper);
    exit(status);
}

static int run(const struct options *options, struct failure *failure)
{
    switch (options->mode) {
    case MODE_HELP: options_help(stdout); return 0;
    case MODE_INIT: return init_run(options, failure);
    case MODE_RESEAL: return reseal_run(options, failure);
    case MODE_SERVE: return serve(options, failure);
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct options options;
    struct failure failure;
    if (options_parse(argc, argv, &options, &failure) || memory_install(&failure) || signer_start(&failure) ||
        sodium_init() < 0 || run(&options, &failure)) {
        keeper_log("%s", failure.reason);
        return failure_exit_code(failure.code) == 2 ? 2 : 1;
    }
    return 0;
}
