/*
 * state.c - the state directory: one agent at a time, and no index that vanished unnoticed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_TRIES = 40, LOCK_PAUSE_USEC = 50 * 1000 };

int state_lock(const char *directory, int *out, struct failure *failure)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, "state", "state=%s: %s; mtlsd init makes it", directory, strerror(errno));
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB); tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES) {
            failure_set(failure, FAILURE_CONFLICT, "state", "state=%s: %s", directory,
                        errno == EWOULDBLOCK ? "another agent runs on it; stop that one first" : strerror(errno));
            close(fd);
            return -1;
        }
        usleep(LOCK_PAUSE_USEC);
    }
    *out = fd;
    return 0;
}

int state_expect_index(const char *directory, const char *database, struct failure *failure)
{
    struct stat status;
    if (!stat(database, &status) && status.st_size > 0)
        return 0;
    return failure_set(failure, FAILURE_CONFLICT, "state",
                       "%s is missing or empty, though this CA has been in use (%s/ca.der); restore it from a backup. Removing ca.der too "
                       "begins an empty index, in which nothing is known to be revoked", database, directory);
}
