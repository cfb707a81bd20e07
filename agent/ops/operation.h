/*
 * operation.h - what an operation is: two pure steps, plan and reply, and one row in the table.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * plan() turns the typed call and the index into what would happen. The engine authorises that, has it signed, commits it, bumps
 * the epoch, and only then calls reply(). Operations know nothing of sockets, batches, threads or the keeper's channel.
 */
#ifndef MTLSD_AGENT_OPS_OPERATION_H
#define MTLSD_AGENT_OPS_OPERATION_H

#include <jansson.h>

#include "agent/arena.h"
#include "agent/authority.h"
#include "agent/policy/policy.h"
#include "agent/store/committer.h"
#include "agent/store/store.h"
#include "proto/calls.h"
#include "proto/config.h"
#include "proto/grant.h"

struct anchors;

/* Figures that Status tells; kept by the engine and the server. */
struct vitals {
    int64_t started_at, requests, overlapped;
    int64_t connections;
    int64_t policy_generation;
    char policy_error[FAILURE_REASON_SIZE]; /* "" where the last reload went well */
    struct committer_counters committed;
    const char *sandbox;       /* "landlock seccomp", "sandbox: sanitizer", ... */
    const char *page;          /* id of the epoch page */
    uint64_t epoch;
    const struct keeper_state *keeper; /* NULL: away */
};

/* The CRL as last built: a DER file. */
struct crl_status {
    const char *path;
    bool built;
    int64_t number, this_update, next_update, size, built_at;
    int64_t revision;          /* store_revision when its entries were read */
    struct failure failure;    /* why the last build failed; code FAILURE_NONE where it did not */
};

/* What plans and replies may look at. The engine fills it anew for each batch. */
struct world {
    const struct config *config;
    const struct authority *authority;
    const struct policy *policy;
    const struct anchors *anchors;
    struct store *store;
    const struct crl_status *crl;
    const struct vitals *vitals;
    int64_t now;               /* seconds since 1970 */
};

/* One thing that the caller must be permitted. A zeroed one asks for the type in general. */
struct subject {
    enum policy_type type;     /* 0: the row's */
    const struct names *names; /* or, from the index: */
    const char *name, *sans;   /* CN, and SANs one a line */
    const char *profile;
    struct key_type key;
    int64_t life;
};

enum plan_step {
    PLAN_FAILED = -1,
    PLAN_READY = 0,
    PLAN_WORK,     /* authorise, run request->work on the pool, plan again */
    PLAN_AWAIT_CRL, /* plan again when a CRL has been built */
    PLAN_RELOAD,   /* authorise, read the policy again, then reply */
};

/* What would happen. Everything lives in the request's arena. */
struct plan {
    const char *service;       /* "default" */
    struct subject *subjects;  /* all must be permitted */
    size_t subject_count;
    const char *what;          /* for a refusal: "DNS:x", "serial 0a1b" */
    const char *profile;       /* for the audit record */
    struct grant *grant;       /* at most one; its names are freed by the engine */
    struct certificate_row row; /* with a grant: all but serial, fingerprint and DER */
    struct change *change;     /* at most one besides the certificate */
    const struct serial *serials; /* for the audit record */
    size_t serial_count;
    const char *reason;        /* for the audit record */
    bool audited;              /* a record is written even though nothing changes: Export */
    const char *alarm;         /* a record of highest priority, for which nobody waits: what was seen */
    bool changes_verdicts;     /* bump the epoch after COMMIT */
    bool dry_run;              /* authorise, then reply */
};

struct request {
    const struct operation *operation;
    struct arena arena;
    const void *call;          /* the decoded call, of the operation's schema */
    const struct peer *peer;
    bool more;
    struct plan plan;
    struct policy_decision decision; /* of the last subject authorised */
    /* work: slow and pure, on the pool. Touches nothing but the request. */
    void (*work)(struct request *request);
    bool quick_work;           /* under a tenth of a millisecond: done on the loop where nothing else is waiting */
    void *work_state;          /* the operation's, in the arena */
    bool worked;
    struct failure work_failure;
    void (*release)(struct request *request); /* frees what work made outside the arena (secrets); may be NULL */
    /* after signing and commit */
    uint8_t *der;              /* the certificate */
    size_t der_length;
    bool clamped;
    int64_t affected;
    void *stream_state;        /* of an operation that streams */
};

struct operation {
    const char *method;
    enum policy_type type;     /* a row without one does not compile */
    bool change;               /* refusals of it are audited */
    bool shared_reply;         /* the reply depends on the world alone: one text serves every caller until something changes, or for a second */
    enum plan_step (*plan)(const struct world *world, struct request *request, struct failure *failure);
    /* New parameters of the reply; NULL when memory ran out or with *failure. Exactly one of reply and stream. */
    json_t *(*reply)(const struct world *world, struct request *request, struct failure *failure);
    /* Called whenever the caller has taken what was sent: the next reply; *last where none follows. */
    json_t *(*stream)(const struct world *world, struct request *request, bool *last, struct failure *failure);
};

const struct operation *operation_find(const char *method);
extern const struct operation *const operations[];
extern const size_t operation_count;

#define OPERATION(name_, type_, ...)                                                             \
    const struct operation operation_##name_ = {.method = #name_, .type = (type_), __VA_ARGS__};  \
    _Static_assert((type_) > POLICY_NONE && (type_) < POLICY_TYPES, #name_ " needs a policy type")

#endif
