/*
 * pool.c - a few threads for what is slow and pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job_queue {
    struct pool_job *first, **last;
    size_t count;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job_queue waiting, finished;
    size_t queue_max, pending; /* pending is the loop's alone */
    bool stopping;
    int eventfd;
    unsigned threads;
    pthread_t thread[];
};

static void queue_init(struct job_queue *queue)
{
    *queue = (struct job_queue){.last = &queue->first};
}

static void queue_push(struct job_queue *queue, struct pool_job *job)
{
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
    queue->count++;
}

static struct pool_job *queue_pop(struct job_queue *queue)
{
    struct pool_job *job = queue->first;
    if (!job)
        return NULL;
    queue->first = job->next;
    if (!queue->first)
        queue->last = &queue->first;
    queue->count--;
    return job;
}

static void *pool_thread(void *argument)
{
    struct pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct pool_job *job = pool->stopping ? NULL : queue_pop(&pool->waiting);
        if (pool->stopping)
            break;
        if (!job) {
            pthread_cond_wait(&pool->wake, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
        queue_push(&pool->finished, job);
        if (eventfd_write(pool->eventfd, 1) && errno != EAGAIN)
            abort(); /* an eventfd of ours cannot fail otherwise */
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int pool_start(unsigned threads, size_t queue_max, struct pool **out)
{
    struct pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->thread[0]);
    if (!pool)
        return -1;
    pool->queue_max = queue_max;
    queue_init(&pool->waiting);
    queue_init(&pool->finished);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (; pool->eventfd >= 0 && pool->threads < threads; pool->threads++) {
        int error = pthread_create(&pool->thread[pool->threads], NULL, pool_thread, pool);
        if (error) {
            errno = error;
            break;
        }
    }
    if (pool->threads < threads) {
        int error = errno;
        pool_free(pool);
        errno = error;
        return -1;
    }
    *out = pool;
    return 0;
}

bool pool_submit(struct pool *pool, struct pool_job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool room = pool->waiting.count < pool->queue_max;
    if (room) {
        queue_push(&pool->waiting, job);
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    pool->pending += room;
    return room;
}

int pool_fd(const struct pool *pool)
{
    return pool->eventfd;
}

void pool_collect(struct pool *pool)
{
    eventfd_t count;
    (void)eventfd_read(pool->eventfd, &count); /* EAGAIN: somebody collected before us */
    pthread_mutex_lock(&pool->lock);
    struct pool_job *job = pool->finished.first;
    queue_init(&pool->finished);
    pthread_mutex_unlock(&pool->lock);
    while (job) {
        struct pool_job *next = job->next;
        pool->pending--;
        job->done(job);
        job = next;
    }
}

size_t pool_pending(const struct pool *pool)
{
    return pool->pending;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->threads; i++)
        pthread_join(pool->thread[i], NULL);
    for (struct pool_job *job; (job = queue_pop(&pool->waiting));)
        queue_push(&pool->finished, job);
    pool_collect(pool);
    if (pool->eventfd >= 0)
        close(pool->eventfd);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
