/*
 * peer.h - who is at the other end of a Unix socket: what the kernel says, taken once at accept.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The only place where SO_PEER* stands. unix(7): the credentials are those of the time of connect(2).
 */
#ifndef MTLSD_PROTO_PEER_H
#define MTLSD_PROTO_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PEER_GROUPS_MAX = 1024, PEER_UNIT_MAX = 256, PEER_LOGIN_MAX = 64 };

struct peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    gid_t *groups;       /* supplementary groups, SO_PEERGROUPS */
    size_t group_count;
    int pidfd;           /* SO_PEERPIDFD, -1 where the kernel has none */
    char unit[PEER_UNIT_MAX]; /* system unit, "" where unknown or not asked for; filled by peer_read_unit */
    char name[PEER_LOGIN_MAX];  /* for sentences only: whatever account has this uid, "" unknown; filled by peer_read_name */
    char login[PEER_LOGIN_MAX]; /* the peer's own login if it satisfies the rule of %u, else ""; filled by peer_read_login */
};

/* 0, or -1 with errno (ENOTCONN: no peer; E2BIG: more than PEER_GROUPS_MAX groups). peer_clear frees groups and closes pidfd. */
int peer_read(int socket, struct peer *out);
void peer_clear(struct peer *peer);
bool peer_in_group(const struct peer *peer, gid_t gid);

/* Slow (NSS): run on the pool. Sets login only if the name is [a-z0-9_-]+, uid lies between UID_MIN and UID_MAX of
 * /etc/login.defs, and name and uid map to each other both ways. */
void peer_read_login(struct peer *peer);
/* Slow (NSS). Sets name, if it is of the characters that a login may have; the uid is told in any case. */
void peer_read_name(struct peer *peer);
/* From /proc/PID/cgroup, then checks that the pidfd is still alive; leaves "" where there is no pidfd. */
void peer_read_unit(struct peer *peer);

/* The pieces, for the tests. UID_MIN and UID_MAX of a login.defs(5), their defaults where the file or the line is missing. */
void peer_uid_range(const char *path, uid_t *least, uid_t *most);
bool peer_login_is_plain(const char *name); /* [a-z0-9_-]+ and shorter than PEER_LOGIN_MAX */
/* The system unit that a /proc/PID/cgroup names: a service or a scope. */
bool peer_unit_from_cgroup(const char *text, char unit[static PEER_UNIT_MAX]);

#endif
