/*
 * listen.c - make the agent's socket: a dead one is replaced, a live one is not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/server.h"

/* Is somebody answering there? */
static bool is_live(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool live = fd >= 0 && (!connect(fd, (const struct sockaddr *)address, sizeof *address) || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return live;
}

static int group_find(const char *text, gid_t *gid)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    const struct group *group = *end ? getgrnam(text) : NULL;
    *gid = group ? group->gr_gid : (gid_t)number;
    return group || (!*end && end != text && number < UINT32_MAX && !errno) ? 0 : -1;
}

static int set_owner(const struct config_agent *agent, struct failure *failure)
{
    gid_t gid;
    if (chmod(agent->socket, agent->socket_mode))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s: %s", agent->socket, strerror(errno));
    if (!agent->socket_group)
        return 0;
    if (group_find(agent->socket_group, &gid))
        return failure_set(failure, FAILURE_BAD_REQUEST, "socket-group", "there is no group %s", agent->socket_group);
    if (chown(agent->socket, (uid_t)-1, gid))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s: to group %s: %s", agent->socket, agent->socket_group, strerror(errno));
    return 0;
}

int server_listen(const struct config *config, int *out, struct failure *failure)
{
    const char *path = config->agent.socket;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return failure_set(failure, FAILURE_BAD_REQUEST, "socket", "%s: longer than the %zu bytes that a socket's path may have", path,
                           sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path));
    if (is_live(&address))
        return failure_set(failure, FAILURE_CONFLICT, "socket", "%s: another agent answers there; stop it, or name another socket=", path);
    struct stat status;
    if (!lstat(path, &status) && S_ISSOCK(status.st_mode))
        unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Nobody may come in between bind and chmod; not listening yet, nobody could anyway. */
    mode_t mask = umask(0177);
    int result = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof address);
    int error = errno;
    umask(mask);
    if (result)
        failure_set(failure, FAILURE_INTERNAL, NULL, "%s: %s%s", path, strerror(error),
                    error == ENOENT ? "; its directory must be there" : "");
    if (result || set_owner(&config->agent, failure)) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *out = fd;
    return 0;
}
