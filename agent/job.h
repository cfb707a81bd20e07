/*
 * job.h - one request under way, and the places where it can be. Shared by the files of the engine alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A request is in exactly one place: the ready list, the pool, the keeper's window, the signed list, the committer, or parked (waiting for
 * a CRL, for a reload, for its caller to drain). engine.c plans, engine_reply.c answers, engine_commit.c signs and commits.
 */
#ifndef MTLSD_AGENT_JOB_H
#define MTLSD_AGENT_JOB_H

#include "agent/crl_publisher.h"
#include "agent/engine.h"
#include "agent/keeper_link.h"
#include "agent/refusals.h"
#include "proto/message.h"

enum place { PLACE_READY, PLACE_POOL, PLACE_KEEPER, PLACE_SIGNED, PLACE_COMMITTER, PLACE_CRL, PLACE_RELOAD, PLACE_STREAM };

/* One request under way, with what only the engine needs to know of it. */
struct job {
    struct request request; /* first: an operation's request is the job */
    struct job *next, *previous; /* all jobs */
    struct job *queued;     /* the next in the list of its place */
    struct engine *engine;
    void *caller;           /* NULL: gone */
    enum place place;
    struct message_call message;
    const struct method_schema *schema;
    uint64_t id;
    unsigned replans;
    int64_t generation;     /* of the policy that its plan was authorised under */
    bool named;             /* the peer's name has been looked up, for a refusal */
    bool refused;           /* the plan that is there has been refused, and is to be again with that name */
    struct pool_job pool_job;
    struct commit commit;
    struct change changes[2];
    char *audit;
};

struct job_list {
    struct job *first, **last;
    size_t count;
};

/* A reply that serves every caller while the world is the same. */
struct shared_reply {
    const struct operation *operation;
    uint64_t version;
    char *text;
    size_t length;
};
enum { SHARED_REPLIES = 4 };

struct engine {
    struct engine_parts parts;
    const struct engine_callbacks *callbacks;
    void *context;
    sd_event_source *pool_io, *committer_io;
    struct world world;
    struct vitals vitals;
    struct crl_publisher *publisher;
    struct refusals *refusals;
    struct job *jobs;
    size_t under_way;
    struct job_list ready, signed_jobs, crl_waiting, reload_waiting;
    struct job **window;    /* jobs at the keeper, by id % window_size */
    size_t window_size;
    uint64_t next_id;
    bool reload_wanted, running;
    bool urgent;            /* among signed_jobs is one that did not come from the keeper, and must not wait for it */
    int64_t told_connections;
    uint64_t version;       /* of the world: moves with whatever a shared reply can tell */
    struct shared_reply shared[SHARED_REPLIES];
    sd_event_source *again; /* runs engine_run once more */
    struct commit crl_commit;
};

/* engine.c */
void list_init(struct job_list *list);
void list_push(struct job_list *list, struct job *job, enum place place);
struct job *list_pop(struct job_list *list);
void plan_clear(struct job *job); /* what the last plan holds outside the arena, so that it can be planned again or end */
void job_free(struct job *job);
void world_refresh(struct engine *engine);
void crl_waiting_release(struct engine *engine);

/* engine_reply.c */
void job_finish(struct job *job, json_t *parameters, const struct failure *failure); /* the only way out: reply and free; takes over parameters */
void job_reply(struct job *job);  /* the operation's own reply, or the first of its stream */
void stream_next(struct job *job);

/* engine_commit.c */
char *job_audit(struct job *job, const char *outcome, const char *reason);
void job_to_keeper(struct job *job);
void job_to_commit(struct job *job);
void submit_signed(struct engine *engine);
int engine_on_committed(sd_event_source *source, int fd, uint32_t events, void *userdata);

/* engine_refuse.c */
void job_fail(struct job *job, const struct failure *failure); /* reply, and record it if a policy refused a change */
void job_alarm(struct job *job);
bool job_to_naming(struct job *job);

/* engine_reload.c */
void reload_at_once(struct engine *engine);

#endif
