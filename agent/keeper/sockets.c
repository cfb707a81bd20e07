/*
 * sockets.c - the keeper's sockets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_FDS_START = 3, BACKLOG = 16 };

/* *length counts what is used; an abstract name begins with '@'. */
static int address_of(const char *path, struct sockaddr_un *address, socklen_t *length, struct failure *failure)
{
    size_t size = strlen(path);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (size == 0 || size >= sizeof address->sun_path)
        return failure_set(failure, FAILURE_BAD_REQUEST, "socket", "'%s': a socket's path has 1 to %zu bytes", path,
                           sizeof address->sun_path - 1);
    memcpy(address->sun_path, path, size);
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
    return 0;
}

/* A socket file that nobody listens on is left over from a keeper that was killed. */
static int remove_stale(const char *path, const struct sockaddr_un *address, socklen_t length, struct failure *failure)
{
    struct stat status;
    if (lstat(path, &status))
        return errno == ENOENT ? 0 : failure_set(failure, FAILURE_BAD_REQUEST, "socket", "%s: %s", path, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return failure_set(failure, FAILURE_CONFLICT, "socket", "%s is there and is no socket", path);
    int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool live = probe >= 0 && (!connect(probe, (const struct sockaddr *)address, length) ||
                               (errno != ECONNREFUSED && errno != ENOENT));
    if (probe >= 0)
        close(probe);
    if (live)
        return failure_set(failure, FAILURE_CONFLICT, "socket", "somebody listens on %s already", path);
    return unlink(path) && errno != ENOENT
               ? failure_set(failure, FAILURE_BAD_REQUEST, "socket", "%s: %s", path, strerror(errno))
               : 0;
}

int socket_listen(const char *path, mode_t mode, uid_t owner, int *fd, struct failure *failure)
{
    struct sockaddr_un address;
    socklen_t length;
    if (address_of(path, &address, &length, failure) || remove_stale(path, &address, length, failure))
        return -1;
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0777); /* nobody gets in between bind and chmod */
    bool good = listener >= 0 && !bind(listener, (const struct sockaddr *)&address, length);
    int error = errno;
    umask(before);
    if (good &&
        ((owner != (uid_t)-1 && lchown(path, owner, (gid_t)-1)) || chmod(path, mode) || listen(listener, BACKLOG))) {
        good = false;
        error = errno;
        unlink(path);
    }
    if (!good) {
        if (listener >= 0)
            close(listener);
        return failure_set(failure, FAILURE_BAD_REQUEST, "socket", "cannot listen on %s: %s", path, strerror(error));
    }
    *fd = listener;
    return 0;
}

static int check_socket(int fd, int listening, struct failure *failure)
{
    int type = 0, accepts = 0, flags = fcntl(fd, F_GETFL);
    socklen_t size = sizeof type;
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size))
        return failure_set(failure, FAILURE_BAD_REQUEST, "socket", "descriptor %d is no socket: %s", fd, strerror(errno));
    if (type != SOCK_SEQPACKET || !accepts != !listening)
        return failure_set(failure, FAILURE_BAD_REQUEST, "socket", "descriptor %d is not a %s SOCK_SEQPACKET socket",
                           fd, listening ? "listening" : "connected");
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
        return failure_set(failure, FAILURE_BAD_REQUEST, "socket", "descriptor %d: %s", fd, strerror(errno));
    return 0;
}

int socket_adopt(int fd, struct failure *failure)
{
    return check_socket(fd, 0, failure);
}

static long environment_number(const char *name)
{
    const char *text = getenv(name);
    char *end;
    if (!text || !*text)
        return -1;
    errno = 0;
    long value = strtol(text, &end, 10);
    return errno || *end ? -1 : value;
}

int socket_inherited(const char *name, int *fd, struct failure *failure)
{
    const char *names = getenv("LISTEN_FDNAMES");
    long count = environment_number("LISTEN_FDS");
    *fd = -1;
    if (environment_number("LISTEN_PID") != getpid() || !names)
        return 0;
    size_t wanted = strlen(name);
    for (int i = 0; i < count && i < 16; i++) {
        size_t length = strcspn(names, ":");
        if (length == wanted && !memcmp(names, name, length)) {
            if (check_socket(LISTEN_FDS_START + i, 1, failure))
                return -1;
            *fd = LISTEN_FDS_START + i;
            return 0;
        }
        names += length + (names[length] == ':');
    }
    return 0;
}

int notify_open(int *fd, struct failure *failure)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t length;
    *fd = -1;
    if (!path || !*path)
        return 0;
    if (address_of(path, &address, &length, failure))
        return -1;
    if (address.sun_path[0] == '@') {
        address.sun_path[0] = '\0';
        length--; /* an abstract name has no terminator */
    }
    int notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify < 0 || connect(notify, (const struct sockaddr *)&address, length)) {
        int error = errno;
        if (notify >= 0)
            close(notify);
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL, "NOTIFY_SOCKET %s: %s", path, strerror(error));
    }
    *fd = notify;
    return 0;
}

void notify_send(int fd, const char *text)
{
    if (fd >= 0)
        send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

int notify_interval(void)
{
    long microseconds = environment_number("WATCHDOG_USEC"), pid = environment_number("WATCHDOG_PID");
    if (microseconds < 2000 || (pid >= 0 && pid != getpid()) || microseconds / 2000 > INT_MAX)
        return -1;
    return (int)(microseconds / 2000);
}
