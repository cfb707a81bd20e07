/*
 * config.h - mtlsd.conf: one table of sections and keys that serves the programs and the man page.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * An INI of systemd's kind, read with inih through a reader of ours that counts lines and refuses what inih would cut
 * silently: lines over 190 bytes, `;` or `#` after a value (" ;"), continuation lines, NUL, repeated keys, unknown sections and keys.
 * Every error reads "FILE:LINE: what was found, what was expected; the nearest known word".
 */
#ifndef MTLSD_PROTO_CONFIG_H
#define MTLSD_PROTO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "proto/failure.h"
#include "proto/x509/key.h"

enum { CONFIG_NAMED_MAX = 64 /* sections of one kind */ };

struct config_agent {
    char *state;          /* directory; required for mtlsd */
    char *socket;         /* default /run/mtlsd/agent.sock */
    mode_t socket_mode;   /* socket-mode=, octal, default 0666: the policy decides, by what the kernel says */
    char *socket_group;   /* socket-group=, optional */
    char *policy;         /* directory; NULL: root and the agent's own uid only */
    char *epoch;          /* default: epoch beside the socket */
    char *crl;            /* file kept written; NULL: none */
    char *crl_hook;       /* command, run by the parent with no argument from the child; NULL: none */
    char *keeper;         /* socket of a keeper; NULL: mtlsd starts one */
    char *user;           /* user= name or number the agent drops to when started as root; NULL: stays */
    int64_t crl_life;     /* crl-life=, seconds, default 7d */
    int64_t crl_interval; /* crl-interval=, default 5s */
    int64_t frame_max;    /* frame-max=, bytes, default 262144 */
    int64_t connections;  /* connections=, default 4096 */
    int64_t connections_per_uid; /* connections-per-uid=, default 1024 */
    int64_t idle_timeout; /* idle-timeout=, default 300s */
    int64_t slow_timeout; /* slow-timeout=: an unfinished frame or unread reply, default 10s */
    int64_t cacheable;    /* cacheable=, longest cacheableUntil, default 60s */
    int64_t queue;        /* queue=, requests under way before Busy, default 4096 */
};

struct config_keeper {
    char *state;       /* default STATE/keeper */
    char *unlock;      /* default: keeper-unlock.sock beside the agent's socket */
    char *secret_file;
    char *user;        /* name or number the parent drops to for the keeper; NULL: the agent's own */
};

struct config_gateway {
    char *socket, *listen, *agent, *epoch, *nginx_user, *certificate_header, *secret_file, *public_url;
};

struct config_profile {
    char *name;
    char *eku;         /* comma-separated: clientAuth, serverAuth, emailProtection or dotted OIDs */
    int64_t life;      /* seconds */
    int64_t max_life;  /* seconds; 0: the keeper's floor alone */
    char *san;         /* template; "%n" is NAME; NULL: the rule of names */
    char *keep;        /* "no", "once" or a term */
    struct key_type key_type;
};

struct config_anchors { char *name, *file, *crl; bool strict, names; };
struct config_service { char *name; bool bridge, report_only; };
struct config_listener { char *name; char *socket, *listen, *certificate_header, *nginx_user, *secret_file; };

struct config {
    struct config_agent agent;
    struct config_keeper keeper;
    struct config_gateway gateway;
    struct config_profile profiles[CONFIG_NAMED_MAX]; /* client, person and server are always there; a section of that name changes what it names */
    size_t profile_count;
    struct config_anchors anchors[CONFIG_NAMED_MAX];
    size_t anchors_count;
    struct config_service services[CONFIG_NAMED_MAX];
    size_t service_count;
    struct config_listener listeners[CONFIG_NAMED_MAX];
    size_t listener_count;
};

/* Read a file. 0, or -1 with *failure, whose reason carries FILE:LINE. All or nothing. Defaults are filled in. A file that
 * everybody may write is refused, because it names a command; so is what is no regular file. Paths are kept as written. */
int config_load(const char *path, struct config **out, struct failure *failure);
/* The same from an open stream; `name` stands for the file in errors (for tests and the fuzzer). */
int config_read(FILE *stream, const char *name, struct config **out, struct failure *failure);
void config_free(struct config *config);
const struct config_profile *config_profile_find(const struct config *config, const char *name);

/* Every key with section, value form, default and one-line meaning, for --help-config and the man page check. */
struct config_key { const char *section, *name, *form, *fallback, *meaning; };
extern const size_t config_key_count;
const struct config_key *config_key_at(size_t index);

#endif
