/*
 * committer.h - the only writer of the index: a thread that commits what is ready in one transaction with one fsync.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * One struct commit is one request's change with its audit record: all of it or nothing (a savepoint). Many are put into
 * one transaction; the loop is woken by an eventfd when they are durable. Every write states its precondition in SQL.
 * synchronous=FULL; checkpoints run beside and between transactions, never inside COMMIT (wal_autocheckpoint=0).
 */
#ifndef MTLSD_AGENT_STORE_COMMITTER_H
#define MTLSD_AGENT_STORE_COMMITTER_H

#include "agent/store/store.h"

enum change_kind {
    CHANGE_INSERT,  /* a certificate with its status (an import may bring a revoked one; last_* are not written); an (authority,
                       serial) that is there already is CONFLICT */
    CHANGE_REVOKE,  /* the listed serials, live or held -> revoked (or held where reason is 6, live ones only); what is so already
                       is left as it is; a serial that is not in the index is CONFLICT */
    CHANGE_RESUME,  /* one serial, held -> live; else CONFLICT */
    CHANGE_SETTING, /* name = value */
};

struct change {
    enum change_kind kind;
    union {
        struct certificate_row insert;
        struct {
            const struct serial *serials;
            size_t count;
            const struct certificate_filter *filter; /* selected again inside the transaction, with its own now (0: `at`): where it
                                                        finds one more that is not listed and that this change would change, the outcome
                                                        is COMMIT_REPLAN. NULL: not checked */
            int reason;
            int64_t at;
        } revoke;
        struct { struct serial serial; } resume;
        struct { const char *name; int64_t value; } setting;
    } u;
};

enum commit_outcome {
    COMMIT_WAITING = 0,
    COMMIT_DONE,     /* durable */
    COMMIT_CONFLICT, /* a precondition did not hold: nothing of it is written; *failure is CONFLICT */
    COMMIT_REPLAN,   /* see CHANGE_REVOKE: plan and authorise again */
    COMMIT_REFUSED,  /* rolled back and known not to be there: disk full, database busy (*failure is BUSY with the reason), or, before
                        COMMIT, a damaged database (INTERNAL) */
    COMMIT_UNKNOWN,  /* any other error at COMMIT: it may or may not be there. The agent answers nobody and exits */
};

struct commit {
    struct commit *next;    /* the committer's */
    void *owner;            /* the caller's */
    struct change *changes; /* borrowed until taken back */
    size_t change_count;
    const char *audit;      /* body of one audit record (JSON object text without sequence, time, chain), or NULL */
    /* set by the committer: */
    enum commit_outcome outcome;
    int64_t affected;       /* rows that really changed */
    int64_t audit_sequence; /* 0 where no record */
    struct failure failure;
};

struct committer;

struct committer_counters {
    uint64_t transactions;     /* COMMITs that succeeded */
    uint64_t commits;          /* struct commits in them */
    uint64_t syncs;            /* fsyncs of the log during COMMIT; one each, and one more when the log begins anew after a checkpoint */
    uint64_t checkpoints;      /* with fsyncs of their own, outside COMMIT */
};

/* Create the database where there is none (mode 0600), migrate, read the audit head, start the thread. */
int committer_start(const char *path, const uint8_t authority[static FINGERPRINT_SIZE], struct committer **out, struct failure *failure);
/* Hand over a list of n commits (linked by next). Never blocks for the disk. */
void committer_submit(struct committer *committer, struct commit *list);
/* Readable (EPOLLIN) when something is finished; committer_take resets it and returns the finished list, in order. */
int committer_fd(const struct committer *committer);
struct commit *committer_take(struct committer *committer);
/* True while a COMMIT is under way (for the count of overlapped grants). Any thread. */
bool committer_is_committing(const struct committer *committer);
void committer_read_counters(const struct committer *committer, struct committer_counters *out);
/* The audit head as of the last commit. */
void committer_audit_head(const struct committer *committer, uint64_t *sequence, uint8_t head[static 32]);
/* Finish what was submitted and stop the thread; the finished list can still be taken before committer_free, which moves the log into the
 * database where it is the last to have it open. */
void committer_stop(struct committer *committer);
void committer_free(struct committer *committer);

/* Check the audit chain of a database file (read-only): 0 whole, *sequence being the last record; 1 broken at *sequence with *failure
 * saying how; -1 cannot read. Records cut off at the end cannot be seen from inside: hold *sequence against a head kept elsewhere. */
int audit_chain_verify(const char *path, uint64_t *sequence, struct failure *failure);

#endif
