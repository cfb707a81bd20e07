/*
 * policy.h - who may do what: PAM-style stacks, loaded all or nothing, asked without allocation.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * One function decides (policy_decide); with a trace it is Explain. Knows peers, names and terms; nothing of
 * sockets, JSON, the index or the keeper. Within a stack the semantics are Linux-PAM's (pam.conf(5)); selection
 * is stricter:
 *  - service X reads policy.d/X; where there is no such file, policy.d/other; without that, refused;
 *  - a type that the file lacks is refused; nothing falls through to `other` type by type;
 *  - a stack in which no line says yes refuses, even if none says no;
 *  - before any other type the stack `use` of the same service must allow the peer (who may name it at all).
 * A policy without a directory (policy_open_default) allows root and one uid everything, everybody else nothing.
 */
#ifndef MTLSD_AGENT_POLICY_POLICY_H
#define MTLSD_AGENT_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/failure.h"
#include "proto/peer.h"
#include "proto/x509/key.h"
#include "proto/x509/names.h"

enum policy_type {
    POLICY_NONE = 0, /* no row of a table may have it */
    POLICY_PUBLIC,   /* GetAuthority, GetCRL, introspection: nobody is asked */
    POLICY_USE, POLICY_ISSUE, POLICY_VERIFY, POLICY_EXPORT, POLICY_REVOKE, POLICY_READ, POLICY_ADMIN,
    POLICY_TYPES
};
const char *policy_type_name(enum policy_type type); /* "issue" */
enum policy_type policy_type_find(const char *name); /* POLICY_NONE where unknown */

enum policy_fact { FACT_METHOD = 1, FACT_URI = 2, FACT_HOST = 4, FACT_ADDRESS = 8 }; /* `vary`, as bits */

/* What is asked. Pointers are borrowed for the call. Members that do not apply are NULL or 0. */
struct policy_question {
    enum policy_type type;
    const char *service;        /* [A-Za-z0-9._-]{1,64} without a leading dot (checked here); NULL: "default" */
    const struct peer *peer;
    const struct names *names;  /* issue: of the finished plan; otherwise of the certificate concerned */
    const char *profile;
    struct key_type key;
    int64_t life;               /* seconds, of the finished plan */
    int64_t now;                /* seconds since 1970 */
    const char *authority;      /* name of the anchor that vouches, "" for our own */
    const char *method, *uri, *host, *address; /* verify */
};

/* The result of one line, as Explain tells it. */
struct policy_step {
    const char *file;     /* "policy.d/default" (directory's last component and file), owned by the policy */
    unsigned line;
    const char *control, *module, *arguments; /* owned by the policy */
    const char *result;   /* "success", "failure", "ignored", "not reached" */
    char detail[160];     /* where it failed, what was looked at: "DNS:a fits no dns= pattern"; else "" */
    bool decided;
};

/* Steps of `use` first, then of the type asked for. Room given by the caller; further steps are dropped. */
struct policy_trace { struct policy_step *steps; size_t count, room; };

/* file and module belong to the policy and live as long as it. */
struct policy_decision {
    bool allowed;
    const char *file;      /* "policy.d/default"; "" where no file stands for the service */
    unsigned line;         /* that decided: the one that refused first, or the last that said yes; 0: none did
                            * (no file, type missing, nobody said yes) */
    const char *module;    /* of that line, else "" */
    char reason[256];      /* one sentence for people: what was decided, by which line, and what it looked at */
    char hint[256];        /* what would have to change; "" where allowed */
};

struct policy;

/* Read every file of a directory; all or nothing. Files and directories that others than the owner may write, or
 * that belong to neither root nor the agent's own uid, are refused. Names with a leading dot are skipped
 * silently, backup copies (`~`, .bak, .dpkg-* and the like) with a warning; any other name that no service can
 * have is refused. Does I/O and looks up users and groups (NSS). 0, or -1 with BAD_REQUEST("policy"), whose
 * reason is "FILE:LINE:COLUMN: found X, expected Y; did you mean Z?" (columns count bytes from 1), and *out as it
 * was. `warn` (may be NULL) is told of what is worth a look, such as issue/export/revoke without peer, or a file
 * without `use`. */
typedef void policy_warning(void *context, const char *text);
int policy_load(const char *directory, policy_warning *warn, void *context, struct policy **out,
                struct failure *failure);
/* One file from memory as the only service "default": for tests and the fuzzer. */
int policy_load_text(const char *text, size_t length, struct policy **out, struct failure *failure);
/* No directory: root and `uid` only, whatever the service. NULL when memory ran out. */
struct policy *policy_open_default(uid_t uid);
void policy_free(struct policy *policy);

/* Decide. No I/O and no allocation for the modules of this file set. Thread-safe on one policy. `trace` may be
 * NULL. With and without a trace the decision is the same, to the last byte. */
void policy_decide(const struct policy *policy, const struct policy_question *question,
                   struct policy_trace *trace, struct policy_decision *out);

/* The first instant in (now, until] at which time alone can change an answer of the service's `use` or `verify`
 * stack (an edge of `hours`), else `until`; at most an hour is looked ahead. For cacheableUntil. */
int64_t policy_settled_until(const struct policy *policy, const char *service, int64_t now, int64_t until);

/* Facts that the verify stack of a service can look at (enum policy_fact bits), fixed at load. */
unsigned policy_vary(const struct policy *policy, const char *service);
/* Does any line want the peer's login (%u) or unit, which are slow to find out? */
bool policy_wants_login(const struct policy *policy);
bool policy_wants_unit(const struct policy *policy);

/* A refusal as a failure: NOT_PERMITTED with operation, service, line, and the sentence "denied: issue DNS:x by
 * karen (uid 1001): policy.d/default:3 name; try: mtlsctl policy explain issue --san DNS:x". `what` is "DNS:x" or
 * the like, and may be NULL. What the line looked at stays in decision->reason, for the log and Explain. */
void policy_failure(const struct policy_question *question, const struct policy_decision *decision,
                    const char *what, struct failure *out);

#endif
