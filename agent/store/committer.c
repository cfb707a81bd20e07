/*
 * committer.c - the thread that writes: takes what is queued, one transaction for all of it, and wakes the loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/committer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/writer.h"

struct queue {
    struct commit *first, **last;
};

struct committer {
    struct writer writer; /* the thread's alone, but for `committing` */
    pthread_t thread;
    bool started;
    int event;
    pthread_mutex_t lock; /* held for pointers and numbers only, never while the disk works */
    pthread_cond_t wake;
    bool stopping;
    struct queue submitted, finished;
    struct committer_counters counters; /* copies for other threads */
    struct chain_head head;
};

static void queue_append(struct queue *queue, struct commit *list)
{
    *queue->last = list;
    while (*queue->last)
        queue->last = &(*queue->last)->next;
}

static struct commit *queue_take(struct queue *queue)
{
    struct commit *list = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    return list;
}

/* Everything that waits, or NULL when the end has come and nothing waits. */
static struct commit *next_batch(struct committer *committer)
{
    pthread_mutex_lock(&committer->lock);
    while (!committer->submitted.first && !committer->stopping)
        pthread_cond_wait(&committer->wake, &committer->lock);
    struct commit *list = queue_take(&committer->submitted);
    pthread_mutex_unlock(&committer->lock);
    return list;
}

static void publish(struct committer *committer, struct commit *list)
{
    pthread_mutex_lock(&committer->lock);
    committer->counters = committer->writer.counters;
    committer->head = committer->writer.durable.head;
    queue_append(&committer->finished, list);
    pthread_mutex_unlock(&committer->lock);
    const uint64_t one = 1;
    while (write(committer->event, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void *run(void *argument)
{
    struct committer *committer = argument;
    for (struct commit *list; (list = next_batch(committer));) {
        writer_run(&committer->writer, list, (int64_t)time(NULL));
        publish(committer, list); /* first the answers, then the housekeeping */
        writer_checkpoint(&committer->writer);
    }
    return NULL;
}

/* The loop's signals are the loop's: a thread inherits the mask that it is made under. */
static int start_thread(struct committer *committer)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&committer->thread, NULL, run, committer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error)
        pthread_setname_np(committer->thread, "committer");
    committer->started = !error;
    return error;
}

int committer_start(const char *path, const uint8_t authority[static FINGERPRINT_SIZE], struct committer **out, struct failure *failure)
{
    if (sodium_init() < 0)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "libsodium cannot start: no source of random bytes");
    struct committer *committer = calloc(1, sizeof *committer);
    if (!committer)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory starting the committer");
    committer->submitted.last = &committer->submitted.first;
    committer->finished.last = &committer->finished.first;
    committer->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&committer->lock, NULL);
    pthread_cond_init(&committer->wake, NULL);
    if (committer->event < 0) {
        failure_set(failure, FAILURE_INTERNAL, NULL, "cannot make an eventfd for the committer: %s", strerrordesc_np(errno));
        goto failed;
    }
    if (writer_open(path, authority, &committer->writer, failure))
        goto failed;
    committer->head = committer->writer.durable.head;
    int error = start_thread(committer);
    if (error) {
        failure_set(failure, FAILURE_INTERNAL, NULL, "cannot start the committer's thread: %s", strerrordesc_np(error));
        goto failed;
    }
    *out = committer;
    return 0;
failed:
    committer_free(committer);
    return -1;
}

void committer_submit(struct committer *committer, struct commit *list)
{
    if (!list)
        return;
    pthread_mutex_lock(&committer->lock);
    queue_append(&committer->submitted, list);
    pthread_cond_signal(&committer->wake);
    pthread_mutex_unlock(&committer->lock);
}

int committer_fd(const struct committer *committer)
{
    return committer->event;
}

struct commit *committer_take(struct committer *committer)
{
    /* First the event, then the list: what is finished in between wakes the loop once more, for nothing. */
    uint64_t count;
    while (read(committer->event, &count, sizeof count) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&committer->lock);
    struct commit *list = queue_take(&committer->finished);
    pthread_mutex_unlock(&committer->lock);
    return list;
}

bool committer_is_committing(const struct committer *committer)
{
    return atomic_load_explicit(&committer->writer.committing, memory_order_acquire);
}

void committer_read_counters(const struct committer *committer, struct committer_counters *out)
{
    struct committer *self = (struct committer *)committer;
    pthread_mutex_lock(&self->lock);
    *out = self->counters;
    pthread_mutex_unlock(&self->lock);
}

void committer_audit_head(const struct committer *committer, uint64_t *sequence, uint8_t head[static 32])
{
    struct committer *self = (struct committer *)committer;
    pthread_mutex_lock(&self->lock);
    *sequence = self->head.sequence;
    memcpy(head, self->head.hash, CHAIN_HASH_SIZE);
    pthread_mutex_unlock(&self->lock);
}

void committer_stop(struct committer *committer)
{
    if (!committer->started)
        return;
    pthread_mutex_lock(&committer->lock);
    committer->stopping = true;
    pthread_cond_signal(&committer->wake);
    pthread_mutex_unlock(&committer->lock);
    pthread_join(committer->thread, NULL);
    committer->started = false;
}

void committer_free(struct committer *committer)
{
    if (!committer)
        return;
    committer_stop(committer);
    writer_close(&committer->writer);
    pthread_cond_destroy(&committer->wake);
    pthread_mutex_destroy(&committer->lock);
    if (committer->event >= 0)
        close(committer->event);
    free(committer);
}
