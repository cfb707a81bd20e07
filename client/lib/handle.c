/*
 * handle.c - a struct mtls and its connection: make, connect, close. Knows sockets, nothing of calls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/lib/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/service.h"

/* Private keys and passphrases pass through jansson's heap, so what it frees is wiped. A program that has
 * given jansson an allocator of its own keeps it: its blocks could not be freed by ours. */
static void wipe_json(void)
{
    json_malloc_t allocate;
    json_free_t release;
    json_get_alloc_funcs(&allocate, &release);
    if (allocate == malloc && release == free)
        message_use_wiping_allocator();
}

static struct mtls *make(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, wipe_json);
    struct mtls *mtls = calloc(1, sizeof *mtls);
    if (!mtls)
        return NULL;
    mtls->fd = -1;
    mtls->timeout = MTLS_DEFAULT_TIMEOUT;
    frame_reader_init(&mtls->reader, MTLS_REPLY_MAX);
    frame_writer_init(&mtls->writer);
    return mtls;
}

struct mtls *mtls_new(const char *socket)
{
    struct mtls *mtls = make();
    if (!mtls)
        return NULL;
    mtls->path = strdup(socket ? socket : MTLS_DEFAULT_SOCKET);
    if (!mtls->path) {
        mtls_free(mtls);
        return NULL;
    }
    return mtls;
}

struct mtls *mtls_new_from_fd(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
        return NULL;
    struct mtls *mtls = make();
    if (mtls)
        mtls->fd = fd;
    return mtls;
}

void mtls_free(struct mtls *mtls)
{
    if (!mtls)
        return;
    handle_disconnect(mtls);
    mtls_result_free(mtls->result);
    free(mtls->parameters);
    free(mtls->path);
    free(mtls);
}

void mtls_set_timeout(struct mtls *mtls, int milliseconds)
{
    mtls->timeout = milliseconds < 0 ? -1 : milliseconds;
}

const char *mtls_version(void)
{
    return MTLSD_VERSION;
}

void handle_disconnect(struct mtls *mtls)
{
    if (mtls->fd >= 0)
        close(mtls->fd);
    mtls->fd = -1;
    frame_reader_free(&mtls->reader);
    frame_writer_free(&mtls->writer);
}

bool handle_peer_gone(const struct mtls *mtls)
{
    char byte;
    ssize_t count = recv(mtls->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return count >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* unix(7): a non-blocking connect succeeds at once or not at all; EAGAIN says that the listener's queue is
 * full. */
static int refuse_connect(struct mtls *mtls, int error)
{
    if (error == EAGAIN)
        return error_set(mtls, MTLS_BUSY, NULL,
                         "the agent at %s has too many connections waiting; try again later", mtls->path);
    if (error == EACCES || error == EPERM)
        return error_set(mtls, MTLS_UNREACHABLE, NULL,
                         "no way to the agent at %s: %s; members of its group may connect", mtls->path,
                         strerror(error));
    return error_set(mtls, MTLS_UNREACHABLE, NULL, "no agent at %s: %s; is mtlsd running?", mtls->path,
                     strerror(error));
}

int handle_connect(struct mtls *mtls)
{
    /* Bytes beyond the last answer answer nothing: kept, they would be taken for the next one. */
    if (mtls->fd >= 0 && (mtls->reader.start < mtls->reader.end || handle_peer_gone(mtls)))
        handle_disconnect(mtls);
    if (mtls->fd >= 0)
        return 0;
    if (!mtls->path)
        return error_set(mtls, MTLS_UNREACHABLE, NULL,
                         "the connection that the handle was made from is closed");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(mtls->path);
    if (length == 0 || length >= sizeof address.sun_path)
        return error_set(mtls, MTLS_UNREACHABLE, NULL,
                         "%.40s%s is no path of a socket: %zu bytes, 1 to %zu are possible", mtls->path,
                         length > 40 ? "..." : "", length, sizeof address.sun_path - 1);
    memcpy(address.sun_path, mtls->path, length);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(mtls, MTLS_UNREACHABLE, NULL, "no socket for %s: %s", mtls->path, strerror(errno));
    int failed;
    do
        failed = connect(fd, (const struct sockaddr *)&address, sizeof address);
    while (failed && errno == EINTR);
    if (failed) {
        int error = errno;
        close(fd);
        return refuse_connect(mtls, error);
    }
    mtls->fd = fd;
    return 0;
}
