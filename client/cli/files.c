/*
 * files.c - the output transaction: temporary files beside their places, synced, renamed together.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RESERVE = 32 * 1024 /* bytes kept on the disk for each output: more than a key or a chain needs */ };

bool file_name_safe(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > OUTPUT_BASE_MAX || name[0] == '.' || name[0] == '-')
        return false;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        if (*p == '/' || *p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

char *file_join(const char *directory, const char *base, const char *suffix)
{
    char *path = NULL;
    size_t length = strlen(directory);
    const char *slash = length && directory[length - 1] == '/' ? "" : "/";
    return asprintf(&path, "%s%s%s%s", directory, slash, base, suffix) < 0 ? NULL : path;
}

bool file_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

void file_free(char *data, size_t length)
{
    if (data)
        explicit_bzero(data, length);
    free(data);
}

/* Twice the room, the old one wiped: it may hold a key. */
static int grow(char **data, size_t used, size_t *room)
{
    size_t larger = *room ? *room * 2 : 8192;
    char *moved = malloc(larger);
    if (!moved)
        return -1;
    if (*data)
        memcpy(moved, *data, used);
    file_free(*data, used);
    *data = moved;
    *room = larger;
    return 0;
}

/* 0, or -1 with errno; EFBIG past `max`. */
static int read_all(int fd, size_t max, char **data, size_t *length)
{
    size_t room = 0, used = 0;
    char *text = NULL;
    for (;;) {
        if (used + 1 >= room && grow(&text, used, &room)) {
            errno = ENOMEM;
            break;
        }
        ssize_t count = read(fd, text + used, room - used - 1);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            break;
        used += (size_t)count;
        if (used > max) {
            errno = EFBIG;
            break;
        }
        if (count == 0) {
            text[used] = '\0';
            *data = text;
            *length = used;
            return 0;
        }
    }
    int error = errno;
    file_free(text, used);
    errno = error;
    return -1;
}

int file_read(const char *path, const char *what, size_t max, char **data, size_t *length,
              struct failure *failure)
{
    bool standard = !strcmp(path, "-");
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int result = fd < 0 ? -1 : read_all(fd, max, data, length);
    int error = errno;
    if (!standard && fd >= 0)
        close(fd);
    if (result && error == EFBIG)
        return failure_set(failure, FAILURE_BAD_REQUEST, path, "%s %s: longer than %zu bytes", what, path,
                           max);
    if (result)
        return failure_set(failure, FAILURE_BAD_REQUEST, path, "%s %s: %s", what,
                           standard ? "on standard input" : path, strerror(error));
    return 0;
}

/* --- signals: a temporary must not stay when somebody presses ^C while the agent thinks --- */

static struct outputs *volatile current;

static void remove_and_die(int number)
{
    struct outputs *outputs = current;
    for (size_t i = 0; outputs && i < outputs->count; i++)
        if (outputs->items[i].fd >= 0)
            unlinkat(outputs->items[i].directory, outputs->items[i].temporary, 0);
    raise(number); /* SA_RESETHAND: this time it ends the process */
}

static void watch_signals(struct outputs *outputs)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    current = outputs;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action = {.sa_handler = remove_and_die, .sa_flags = (int)SA_RESETHAND | SA_NODEFER},
                         old;
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            sigaction(numbers[i], &action, NULL);
    }
}

/* --- outputs --- */

static void output_clear(struct output *output)
{
    if (output->fd >= 0) {
        unlinkat(output->directory, output->temporary, 0);
        close(output->fd);
    }
    if (output->directory >= 0)
        close(output->directory);
    if (output->made)
        rmdir(output->made);
    free(output->made);
    free(output->path);
    *output = (struct output){.directory = -1, .fd = -1};
}

void outputs_clear(struct outputs *outputs)
{
    while (outputs->count > 0)
        outputs_drop_last(outputs);
    if (current == outputs)
        current = NULL;
}

void outputs_drop_last(struct outputs *outputs)
{
    if (outputs->count > 0)
        output_clear(&outputs->items[--outputs->count]);
}

/* Opens the directory that the file is to be in, making it where it is missing. -1 with errno. */
static int open_directory(struct output *output, enum output_check check)
{
    char *directory = output->base == output->path
                          ? strdup(".")
                          : strndup(output->path, (size_t)(output->base - output->path));
    if (!directory)
        return -1;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && check == OUTPUT_OPEN && mkdir(directory, 0777) == 0) {
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        output->made = directory;
        directory = NULL;
    }
    int error = errno;
    free(directory);
    errno = error;
    output->directory = fd;
    return fd < 0 ? -1 : 0;
}

/* What stands in the final place already? 0 where the output may go there. */
static int check_place(const struct output *output, struct failure *failure)
{
    struct stat status;
    if (fstatat(output->directory, output->base, &status, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0
                               : failure_set(failure, FAILURE_BAD_REQUEST, output->path, "%s: %s",
                                             output->path, strerror(errno));
    if (S_ISLNK(status.st_mode))
        return failure_set(failure, FAILURE_CONFLICT, NULL,
                           "%s is a symbolic link, which is not followed; name the file itself",
                           output->path);
    if (!S_ISREG(status.st_mode))
        return failure_set(failure, FAILURE_CONFLICT, NULL, "%s exists and is no file", output->path);
    if (!output->replace)
        return failure_set(failure, FAILURE_CONFLICT, NULL, "%s exists; --force replaces it", output->path);
    return 0;
}

static bool same_place(const struct output *a, const struct output *b)
{
    struct stat first, second;
    return !strcmp(a->base, b->base) && fstat(a->directory, &first) == 0 &&
           fstat(b->directory, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/* The temporary: in the same directory, so that rename(2) is atomic, with room on the disk reserved. */
static int open_temporary(struct output *output, mode_t mode)
{
    unsigned char random[8];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return -1;
    snprintf(output->temporary, sizeof output->temporary, ".mtls%02x%02x%02x%02x%02x%02x%02x%02x", random[0],
             random[1], random[2], random[3], random[4], random[5], random[6], random[7]);
    output->fd = openat(output->directory, output->temporary,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (output->fd < 0)
        return -1;
    int error = posix_fallocate(output->fd, 0, RESERVE);
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        errno = error;
        return -1;
    }
    return 0;
}

static int open_output(struct output *output, mode_t mode, enum output_check check, struct failure *failure)
{
    if (open_directory(output, check)) {
        if (check == OUTPUT_LOOK && errno == ENOENT)
            return 0;
        return failure_set(failure, FAILURE_BAD_REQUEST, output->path, "cannot write %s: %s", output->path,
                           strerror(errno));
    }
    if (check_place(output, failure))
        return -1;
    if (check == OUTPUT_LOOK)
        return faccessat(output->directory, ".", W_OK, AT_EACCESS) == 0
                   ? 0
                   : failure_set(failure, FAILURE_BAD_REQUEST, output->path, "cannot write %s: %s",
                                 output->path, strerror(errno));
    if (open_temporary(output, mode))
        return failure_set(failure, FAILURE_BAD_REQUEST, output->path, "cannot write %s: %s", output->path,
                           strerror(errno));
    return 0;
}

int outputs_add(struct outputs *outputs, const char *path, mode_t mode, bool replace, enum output_check check,
                struct failure *failure)
{
    if (outputs->count == OUTPUTS_MAX)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "more than %d outputs", OUTPUTS_MAX);
    struct output output = {.path = strdup(path), .directory = -1, .fd = -1, .replace = replace};
    if (!output.path)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    char *slash = strrchr(output.path, '/');
    output.base = slash ? slash + 1 : output.path;
    int result;
    if (!*output.base || !strcmp(output.base, ".") || !strcmp(output.base, ".."))
        result = failure_set(failure, FAILURE_BAD_REQUEST, path, "%s is a directory; a file is wanted", path);
    else
        result = open_output(&output, mode, check, failure);
    for (size_t i = 0; result == 0 && i < outputs->count; i++)
        if (output.directory >= 0 && same_place(&output, &outputs->items[i]))
            result = failure_set(failure, FAILURE_BAD_REQUEST, path, "%s is to be written twice", path);
    if (result) {
        output_clear(&output);
        return -1;
    }
    outputs->items[outputs->count++] = output;
    watch_signals(outputs);
    return 0;
}

static int write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, data, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        data += count;
        length -= (size_t)count;
    }
    return 0;
}

int outputs_write(struct outputs *outputs, size_t index, const void *data, size_t length,
                  struct failure *failure)
{
    const struct output *output = &outputs->items[index];
    if (lseek(output->fd, 0, SEEK_SET) < 0 || write_all(output->fd, data, length) ||
        ftruncate(output->fd, (off_t)length))
        return failure_set(failure, FAILURE_BAD_REQUEST, output->path, "cannot write %s: %s", output->path,
                           strerror(errno));
    return 0;
}

/* Without `replace` what appeared there meanwhile stays. A file system without RENAME_NOREPLACE has link(2),
 * which never replaces. */
static int put_in_place(const struct output *output)
{
    if (output->replace)
        return renameat(output->directory, output->temporary, output->directory, output->base);
    if (renameat2(output->directory, output->temporary, output->directory, output->base, RENAME_NOREPLACE) ==
        0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(output->directory, output->temporary, output->directory, output->base, 0))
        return -1;
    return unlinkat(output->directory, output->temporary, 0);
}

int outputs_commit(struct outputs *outputs, struct failure *failure)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (fsync(outputs->items[i].fd))
            return failure_set(failure, FAILURE_BAD_REQUEST, outputs->items[i].path,
                               "cannot write %s: %s; nothing was written", outputs->items[i].path,
                               strerror(errno));
    for (size_t i = 0; i < outputs->count; i++) {
        struct output *output = &outputs->items[i];
        if (put_in_place(output))
            return failure_set(failure, errno == EEXIST ? FAILURE_CONFLICT : FAILURE_BAD_REQUEST,
                               output->path, "cannot put %s into place: %s%s%s", output->path,
                               strerror(errno), i ? "; written was " : "",
                               i ? outputs->items[i - 1].path : "");
        int fd = output->fd;
        output->fd = -1;
        close(fd);
        free(output->made);
        output->made = NULL;
    }
    for (size_t i = 0; i < outputs->count; i++)
        if (fsync(outputs->items[i].directory) && errno != EINVAL)
            return failure_set(failure, FAILURE_BAD_REQUEST, outputs->items[i].path,
                               "%s is written, but its directory cannot be synced: %s",
                               outputs->items[i].path, strerror(errno));
    return 0;
}
