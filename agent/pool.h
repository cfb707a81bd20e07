/*
 * pool.h - a few threads for what is slow and pure: key generation, PBKDF2, foreign chains, user look-ups.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A job runs on some thread, touches only its own argument, and comes back to the loop, which is woken by an eventfd.
 */
#ifndef MTLSD_AGENT_POOL_H
#define MTLSD_AGENT_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool_job {
    struct pool_job *next;             /* the pool's */
    void (*run)(struct pool_job *job); /* on a thread of the pool */
    void (*done)(struct pool_job *job); /* on the loop */
};

struct pool;

/* 0, or -1 with errno. Signals must be blocked before. */
int pool_start(unsigned threads, size_t queue_max, struct pool **out);
/* False where queue_max jobs wait already: answer Busy. */
bool pool_submit(struct pool *pool, struct pool_job *job);
/* EPOLLIN when jobs are finished; pool_collect then calls their done. */
int pool_fd(const struct pool *pool);
void pool_collect(struct pool *pool);
/* Jobs submitted and not collected yet. */
size_t pool_pending(const struct pool *pool);
/* Waits for what runs; what waits is dropped without run, but done is called. */
void pool_free(struct pool *pool);

#endif
