/*
 * sockets.h - the keeper's sockets: made under a path, inherited from systemd, or handed over by mtlsd; and the
 * notify socket.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_SOCKETS_H
#define MTLSD_KEEPER_SOCKETS_H

#include <sys/types.h>

#include "proto/failure.h"

/* A listening SOCK_SEQPACKET socket at `path`, non-blocking, owned by `owner` (-1: as it comes). A stale socket in
 * the way is removed, a live one not. */
int socket_listen(const char *path, mode_t mode, uid_t owner, int *fd, struct failure *failure);
/* What systemd passed under this name in LISTEN_FDNAMES (sd_listen_fds(3)); *fd -1 where there is none. */
int socket_inherited(const char *name, int *fd, struct failure *failure);
/* A connected SOCK_SEQPACKET socket that a parent passed by number. */
int socket_adopt(int fd, struct failure *failure);

/* sd_notify(3): connect to NOTIFY_SOCKET while that is still possible; *fd -1 where there is none. */
int notify_open(int *fd, struct failure *failure);
void notify_send(int fd, const char *text);
/* Milliseconds between two WATCHDOG=1, half of what WATCHDOG_USEC allows; -1: none wanted. */
int notify_interval(void);

#endif
