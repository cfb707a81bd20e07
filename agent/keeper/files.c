/*
 * files.c - small whole files of the keeper's directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/keeper/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/keeper/memory.h"

int state_open(const char *path, int *directory, uid_t *owner, struct failure *failure)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status)) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return failure_set(failure, FAILURE_NOT_FOUND, "state",
                           "%s: %s; `mtlsd init --state DIR --name NAME --seal METHOD` makes a CA", path,
                           strerror(error));
    }
    if (status.st_mode & 022) {
        close(fd);
        return failure_set(failure, FAILURE_BAD_REQUEST, "state",
                           "%s: others may write in it (mode %04o); try: chmod 700 %s", path,
                           (unsigned)status.st_mode & 07777, path);
    }
    *directory = fd;
    *owner = status.st_uid;
    return 0;
}

static int read_all(int fd, uint8_t *data, size_t size, size_t *length)
{
    size_t have = 0;
    while (have < size) {
        ssize_t got = read(fd, data + have, size - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    *length = have;
    return 0;
}

static int read_open(int fd, const char *name, mode_t forbidden, uint8_t **data, size_t *length, struct failure *failure)
{
    struct stat status;
    if (fstat(fd, &status))
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s: %s", name, strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size > STATE_FILE_MAX)
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL, "%s: not a plain file of at most %d bytes", name,
                           STATE_FILE_MAX);
    if (status.st_mode & forbidden)
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL,
                           "%s: others may reach it (mode %04o); try: chmod 600 %s", name,
                           (unsigned)status.st_mode & 07777, name);
    size_t size = (size_t)status.st_size + 1, have = 0; /* one more, to see that it did not grow */
    uint8_t *buffer = memory_allocate(size);
    if (!buffer)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s: no locked memory left for %zu bytes", name, size);
    if (read_all(fd, buffer, size, &have) || have == size) {
        memory_free(buffer);
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s: %s", name,
                           have == size ? "it changes while it is read" : strerror(errno));
    }
    *data = buffer;
    *length = have;
    return 0;
}

int file_read(int directory, const char *name, mode_t forbidden, uint8_t **data, size_t *length, struct failure *failure)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return failure_set(failure, errno == ENOENT ? FAILURE_NOT_FOUND : FAILURE_BAD_REQUEST, NULL, "%s: %s", name,
                           strerror(errno));
    int result = read_open(fd, name, forbidden, data, length, failure);
    close(fd);
    return result;
}

bool file_exists(int directory, const char *name)
{
    return faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static int write_all(int fd, const uint8_t *data, size_t length)
{
    while (length) {
        ssize_t put = write(fd, data, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        data += put;
        length -= (size_t)put;
    }
    return 0;
}

static int put_in_place(int directory, const char *temporary, const char *name, bool replace)
{
    if (replace)
        return renameat(directory, temporary, directory, name);
    if (linkat(directory, temporary, directory, name, 0))
        return -1;
    return unlinkat(directory, temporary, 0);
}

int file_write(int directory, const char *name, mode_t mode, bool replace, const void *data, size_t length,
               struct failure *failure)
{
    char temporary[128];
    uint64_t random;
    randombytes_buf(&random, sizeof random);
    snprintf(temporary, sizeof temporary, ".%s.%016llx", name, (unsigned long long)random);
    int fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failure_set(failure, FAILURE_BAD_REQUEST, NULL, "cannot make %s: %s", temporary, strerror(errno));
    bool good = !write_all(fd, data, length) && !fchmod(fd, mode) && !fsync(fd);
    int error = errno;
    close(fd);
    if (good && !put_in_place(directory, temporary, name, replace)) {
        if (!fsync(directory))
            return 0;
        return failure_set(failure, FAILURE_INTERNAL, NULL, "%s is written but its directory could not be synced: %s",
                           name, strerror(errno));
    }
    error = good ? errno : error;
    unlinkat(directory, temporary, 0);
    return failure_set(failure, error == EEXIST ? FAILURE_CONFLICT : FAILURE_INTERNAL, NULL, "cannot write %s: %s",
                       name, strerror(error));
}
