/*
 * peer.c - SO_PEERCRED, SO_PEERGROUPS, SO_PEERPIDFD, and what follows from them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; Debian 12's headers lack it */
#endif

enum {
    GROUPS_FIRST = 64,
    NSS_BUFFER_FIRST = 1024,
    NSS_BUFFER_MAX = 1024 * 1024,
    CGROUP_MAX = 8192,
    UID_MIN_DEFAULT = 1000, /* login.defs(5) */
    UID_MAX_DEFAULT = 60000,
};

/* --- at accept --- */

/* On ERANGE the kernel says how many bytes there are (socket(7)). The groups of a connection never change, so
 * twice is enough. */
static int read_groups(int socket, gid_t **groups, size_t *count)
{
    socklen_t size = GROUPS_FIRST * sizeof(gid_t);
    for (int attempt = 0; attempt < 2; attempt++) {
        gid_t *list = malloc(size ? size : sizeof(gid_t));
        if (!list)
            return -1;
        if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, list, &size) == 0) {
            *groups = list;
            *count = size / sizeof(gid_t);
            return 0;
        }
        int error = errno;
        free(list);
        errno = error;
        if (error != ERANGE)
            return -1;
        if (size > PEER_GROUPS_MAX * sizeof(gid_t)) {
            errno = E2BIG;
            return -1;
        }
    }
    errno = ERANGE;
    return -1;
}

/* -1 in *pidfd where the kernel does not know the option or the process is gone; other errors are errors. */
static int read_pidfd(int socket, int *pidfd)
{
    int fd = -1;
    socklen_t size = sizeof fd;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0) {
        *pidfd = fd; /* the kernel makes it close-on-exec */
        return 0;
    }
    switch (errno) {
    case ENOPROTOOPT: /* before Linux 6.5 */
    case ENOSYS:      /* a sandbox that says so */
    case EPERM:
    case ENODATA: /* gone, or never there */
    case ESRCH:
    case EINVAL:
        *pidfd = -1;
        return 0;
    default:
        return -1;
    }
}

int peer_read(int socket, struct peer *out)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    struct peer peer = {.pidfd = -1};
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size))
        return -1;
    /* A socket that was never connected has no peer: pid 0, uid and gid -1. */
    if (size != sizeof credentials || credentials.uid == (uid_t)-1) {
        errno = ENOTCONN;
        return -1;
    }
    peer.pid = credentials.pid;
    peer.uid = credentials.uid;
    peer.gid = credentials.gid;
    if (read_groups(socket, &peer.groups, &peer.group_count))
        return -1;
    if (read_pidfd(socket, &peer.pidfd)) {
        int error = errno;
        peer_clear(&peer);
        errno = error;
        return -1;
    }
    *out = peer;
    return 0;
}

void peer_clear(struct peer *peer)
{
    free(peer->groups);
    if (peer->pidfd >= 0)
        close(peer->pidfd);
    *peer = (struct peer){.pidfd = -1};
}

bool peer_in_group(const struct peer *peer, gid_t gid)
{
    if (peer->gid == gid)
        return true;
    for (size_t i = 0; i < peer->group_count; i++)
        if (peer->groups[i] == gid)
            return true;
    return false;
}

/* --- the login --- */

/* "NAME  123" of login.defs(5): the number, in decimal, octal or hex. */
static bool login_defs_value(const char *line, const char *name, uid_t *out)
{
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0 || (line[length] != ' ' && line[length] != '\t'))
        return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(line + length, &end, 0);
    if (errno || end == line + length || number >= UINT32_MAX || end[strspn(end, " \t\r\n")])
        return false;
    *out = (uid_t)number;
    return true;
}

void peer_uid_range(const char *path, uid_t *least, uid_t *most)
{
    *least = UID_MIN_DEFAULT;
    *most = UID_MAX_DEFAULT;
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    while (file && getline(&line, &size, file) >= 0) {
        const char *start = line + strspn(line, " \t");
        if (!login_defs_value(start, "UID_MIN", least))
            login_defs_value(start, "UID_MAX", most);
    }
    free(line);
    if (file)
        fclose(file);
}

bool peer_login_is_plain(const char *name)
{
    return *name && strlen(name) < PEER_LOGIN_MAX &&
           !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")];
}

enum lookup { BY_UID, BY_NAME };

/* getpwuid_r or getpwnam_r with a buffer that grows. The name that goes with *uid, or the uid that goes with
 * name[]. */
static bool look_up(enum lookup how, uid_t *uid, char name[static PEER_LOGIN_MAX])
{
    bool found = false;
    for (size_t size = NSS_BUFFER_FIRST; size <= NSS_BUFFER_MAX; size *= 2) {
        char *buffer = malloc(size);
        if (!buffer)
            return false;
        struct passwd entry, *result = NULL;
        int error;
        do
            error = how == BY_UID ? getpwuid_r(*uid, &entry, buffer, size, &result)
                                  : getpwnam_r(name, &entry, buffer, size, &result);
        while (error == EINTR);
        if (error == 0 && result && how == BY_NAME) {
            *uid = result->pw_uid;
            found = true;
        } else if (error == 0 && result && result->pw_uid == *uid && peer_login_is_plain(result->pw_name)) {
            memcpy(name, result->pw_name, strlen(result->pw_name) + 1);
            found = true;
        }
        free(buffer);
        if (error != ERANGE)
            break;
    }
    return found;
}

void peer_read_login(struct peer *peer)
{
    uid_t least, most, back = (uid_t)-1;
    char name[PEER_LOGIN_MAX];
    peer->login[0] = '\0';
    peer_uid_range("/etc/login.defs", &least, &most);
    if (peer->uid < least || peer->uid > most)
        return;
    /* Two names for one uid, or one name for two: then the name does not say who it is. */
    if (look_up(BY_UID, &peer->uid, name) && look_up(BY_NAME, &back, name) && back == peer->uid)
        memcpy(peer->login, name, strlen(name) + 1);
}

void peer_read_name(struct peer *peer)
{
    char name[PEER_LOGIN_MAX];
    peer->name[0] = '\0';
    if (look_up(BY_UID, &peer->uid, name))
        memcpy(peer->name, name, strlen(name) + 1);
}

/* --- the unit --- */

static bool ends_with(const char *text, size_t length, const char *end)
{
    size_t end_length = strlen(end);
    return length > end_length && !memcmp(text + length - end_length, end, end_length);
}

/* The unit is the first part of the path that is not a slice. What lies below it is the unit's own to arrange:
 * a user's processes are all below user@UID.service, where they could name a directory nginx.service. */
static bool unit_of_path(const char *path, size_t length, char unit[static PEER_UNIT_MAX])
{
    const char *end = path + length;
    for (const char *part = path; part < end;) {
        part += *part == '/';
        const char *slash = memchr(part, '/', (size_t)(end - part));
        size_t part_length = (size_t)((slash ? slash : end) - part);
        if (!ends_with(part, part_length, ".slice")) {
            if (part_length >= PEER_UNIT_MAX ||
                (!ends_with(part, part_length, ".service") && !ends_with(part, part_length, ".scope")))
                return false;
            memcpy(unit, part, part_length);
            unit[part_length] = '\0';
            return true;
        }
        part += part_length;
    }
    return false;
}

bool peer_unit_from_cgroup(const char *text, char unit[static PEER_UNIT_MAX])
{
    /* cgroups(7): "0::PATH" is the unified hierarchy; systemd's own one before it is "N:name=systemd:PATH". */
    const char *legacy = NULL;
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        if (!strncmp(line, "0::/", 4))
            return unit_of_path(line + 3, length - 3, unit);
        const char *name = memmem(line, length, ":name=systemd:/", 15);
        if (name && !legacy)
            legacy = name + 14;
        line += length + (line[length] == '\n');
    }
    return legacy && unit_of_path(legacy, strcspn(legacy, "\n"), unit);
}

/* The whole of a small file in /proc as text; false where it cannot be read or is larger. */
static bool read_proc(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t length = 0;
    ssize_t count;
    do {
        count = read(fd, out + length, size - 1 - length);
        if (count > 0)
            length += (size_t)count;
    } while ((count > 0 && length < size - 1) || (count < 0 && errno == EINTR));
    close(fd);
    out[length] = '\0';
    return count == 0 && !memchr(out, '\0', length);
}

void peer_read_unit(struct peer *peer)
{
    char path[64], text[CGROUP_MAX], unit[PEER_UNIT_MAX];
    peer->unit[0] = '\0';
    if (peer->pidfd < 0 || peer->pid <= 0)
        return;
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)peer->pid);
    if (!read_proc(path, text, sizeof text) || !peer_unit_from_cgroup(text, unit))
        return;
    /* A pidfd becomes readable when its process ends (pidfd_open(2)). If it has not, the number was still its
     * own while the file was read, and not that of a process that came after it. */
    struct pollfd alive = {.fd = peer->pidfd, .events = POLLIN};
    int ready;
    do
        ready = poll(&alive, 1, 0);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        memcpy(peer->unit, unit, strlen(unit) + 1);
}
