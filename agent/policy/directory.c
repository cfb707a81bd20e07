/*
 * directory.c - the files of a policy directory as bytes, and whether they may be trusted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/policy/arguments.h"
#include "agent/policy/internal.h"

struct listing {
    const char *path;
    int fd;
    struct policy_source *sources;
    size_t count;
    policy_warning *warn;
    void *context;
    struct failure *failure;
};

void policy_sources_free(struct policy_source *sources, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(sources[i].name);
        free(sources[i].text);
    }
    free(sources);
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && !strcmp(text + a - b, end);
}

/* What editors and package managers leave behind. As a service, an old copy would be one that a caller could
 * choose. */
static bool is_leftover(const char *name)
{
    static const char *const ends[] = {"~",    ".bak",    ".old",     ".orig",   ".rej",
                                       ".swp", ".rpmnew", ".rpmsave", ".rpmorig"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends_with(name, ends[i]))
            return true;
    return strstr(name, ".dpkg-") || strstr(name, ".ucf-") || (name[0] == '#' && ends_with(name, "#"));
}

/* Who else could have written it? */
static int check_trust(const char *label, const char *what, const struct stat *st, struct failure *failure)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return argument_refuse(
            failure, "%s: the %s belongs to uid %u, expected root or the agent's own user (uid %u): chown root",
            label, what, st->st_uid, geteuid());
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return argument_refuse(failure,
                               "%s: others than its owner may write the %s (mode %04o), and so could give "
                               "themselves "
                               "any right: chmod go-w",
                               label, what, st->st_mode & 07777);
    return 0;
}

/* At most one byte over the limit is read, which tells that it is over. */
static int read_bytes(int fd, const char *label, struct policy_source *source, struct failure *failure)
{
    size_t length = 0, room = POLICY_FILE_MAX + 1;
    char *text = malloc(room);
    if (!text)
        return argument_no_memory(failure);
    while (length < room) {
        ssize_t n = read(fd, text + length, room - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            free(text);
            return argument_refuse(failure, "%s: cannot be read: %s", label, strerror(errno));
        }
        if (n == 0)
            break;
        length += (size_t)n;
    }
    if (length > POLICY_FILE_MAX) {
        free(text);
        return argument_refuse(failure, "%s: the file is longer than %d KiB", label, POLICY_FILE_MAX / 1024);
    }
    source->text = text;
    source->length = length;
    return 0;
}

static int read_opened(int fd, const char *label, struct policy_source *source, struct failure *failure)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return argument_refuse(failure, "%s: %s", label, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return argument_refuse(
            failure, "%s: found something that is not a regular file, expected one file a service", label);
    if (check_trust(label, "file", &st, failure) < 0)
        return -1;
    return read_bytes(fd, label, source, failure);
}

static int read_file(struct listing *list, const char *name)
{
    char label[512];
    snprintf(label, sizeof label, "%s/%s", list->path, name);
    if (!argument_is_name(name))
        return argument_refuse(list->failure,
                               "%s: found a name that no service can have, expected letters, digits, '.', '_' "
                               "and '-', "
                               "at most %d",
                               label, POLICY_NAME_MAX);
    if (list->count == POLICY_FILES_MAX)
        return argument_refuse(list->failure, "%s: more than %d files", list->path, POLICY_FILES_MAX);
    /* O_NONBLOCK: a FIFO must not hold up the agent. */
    int fd = openat(list->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return argument_refuse(list->failure, "%s: cannot be opened: %s", label, strerror(errno));
    struct policy_source source = {.name = strdup(name)};
    int result = source.name ? read_opened(fd, label, &source, list->failure) : argument_no_memory(list->failure);
    close(fd);
    if (result < 0) {
        free(source.name);
        return -1;
    }
    list->sources[list->count++] = source;
    return 0;
}

static int read_entries(struct listing *list, DIR *directory)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry)
            return errno ? argument_refuse(list->failure, "%s: %s", list->path, strerror(errno)) : 0;
        if (entry->d_name[0] == '.')
            continue;
        if (is_leftover(entry->d_name)) {
            char text[512];
            snprintf(text, sizeof text, "%s/%s: skipped, it looks like a backup copy", list->path, entry->d_name);
            if (list->warn)
                list->warn(list->context, text);
            continue;
        }
        if (read_file(list, entry->d_name) < 0)
            return -1;
    }
}

static int open_directory(const char *path, DIR **out, struct failure *failure)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return argument_refuse(
            failure,
            "%s: the policy directory cannot be opened: %s; create it, or leave policy= out of the "
            "configuration (then root and the agent's own user may do everything, others nothing)",
            path, strerror(errno));
    if (fstat(fd, &st) < 0 || check_trust(path, "directory", &st, failure) < 0) {
        close(fd);
        return -1;
    }
    DIR *directory = fdopendir(fd);
    if (!directory) {
        close(fd);
        return argument_no_memory(failure);
    }
    *out = directory;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct policy_source *)a)->name, ((const struct policy_source *)b)->name);
}

int policy_read_directory(const char *path, policy_warning *warn, void *context, struct policy_source **out,
                          size_t *count, struct failure *failure)
{
    DIR *directory = NULL;
    if (open_directory(path, &directory, failure) < 0)
        return -1;
    struct listing list = {
        .path = path, .fd = dirfd(directory), .warn = warn, .context = context, .failure = failure,
        .sources = calloc(POLICY_FILES_MAX, sizeof *list.sources),
    };
    int result = list.sources ? read_entries(&list, directory) : argument_no_memory(failure);
    closedir(directory);
    if (result < 0) {
        policy_sources_free(list.sources, list.count);
        return -1;
    }
    qsort(list.sources, list.count, sizeof *list.sources,
          by_name); /* the same error first, whatever the directory's order */
    *out = list.sources;
    *count = list.count;
    return 0;
}
