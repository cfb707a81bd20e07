/*
 * user.c - the users of the configuration: found by name or number, and become.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int user_find(const char *text, uid_t *uid, gid_t *gid)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    /* strtoul(3) takes blanks and a sign, and "-18446744073709551615" for 1. */
    bool is_number = *text >= '0' && *text <= '9' && !*end && !errno && number < UINT32_MAX;
    const struct passwd *entry = is_number ? getpwuid((uid_t)number) : getpwnam(text);
    if (!entry && !is_number)
        return -1;
    *uid = entry ? entry->pw_uid : (uid_t)number;
    *gid = entry ? entry->pw_gid : (gid_t)number;
    return 0;
}

/* What is in the state directory belongs to the user that the agent drops to; only root's own files are given away. */
static int give_state(const struct config *config, uid_t uid, gid_t gid, struct failure *failure)
{
    static const char *const names[] = {"", "/index.db", "/index.db-wal", "/index.db-shm", "/ca.der", "/crl.der"};
    char path[4096];
    struct stat status;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s%s", config->agent.state, names[i]);
        if (lstat(path, &status) || status.st_uid != 0 || S_ISLNK(status.st_mode))
            continue;
        if (lchown(path, uid, gid))
            return failure_set(failure, FAILURE_INTERNAL, NULL, "%s: to uid %u: %s", path, uid, strerror(errno));
    }
    return 0;
}

int user_drop(const struct config *config, struct failure *failure)
{
    uid_t uid;
    gid_t gid;
    if (!config->agent.user || geteuid() != 0)
        return 0;
    if (user_find(config->agent.user, &uid, &gid))
        return failure_set(failure, FAILURE_BAD_REQUEST, "user", "[agent] user=%s: there is no such user", config->agent.user);
    if (uid == geteuid())
        return 0;
    if (give_state(config, uid, gid, failure))
        return -1;
    if (initgroups(config->agent.user, gid) && setgroups(0, NULL))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "dropping to %s: %s", config->agent.user, strerror(errno));
    if (setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "dropping to %s: %s", config->agent.user, strerror(errno));
    return 0;
}
