/*
 * test_pool.c - slow work beside the loop: it runs elsewhere, comes back here, in bounded number, and nothing is lost at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "agent/pool.h"
#include "tests/unit/unit.h"

enum { MANY = 500 };

struct task {
    struct pool_job job;
    pthread_t ran_on, done_on;
    bool ran, done;
    size_t answer;
    sem_t *gate;    /* wait here first */
};

static void task_run(struct pool_job *job)
{
    struct task *task = (struct task *)job;
    if (task->gate)
        while (sem_wait(task->gate) && errno == EINTR)
            ;
    task->ran_on = pthread_self();
    task->answer = task->answer * 2 + 1;
    task->ran = true;
}

static void task_done(struct pool_job *job)
{
    struct task *task = (struct task *)job;
    task->done_on = pthread_self();
    task->done = true;
}

static void task_set(struct task *task, size_t answer, sem_t *gate)
{
    *task = (struct task){.job = {.run = task_run, .done = task_done}, .answer = answer, .gate = gate};
}

static struct pool *start(unsigned threads, size_t queue_max)
{
    struct pool *pool;
    ck_assert_int_eq(pool_start(threads, queue_max, &pool), 0);
    return pool;
}

static void collect_all(struct pool *pool)
{
    while (pool_pending(pool)) {
        struct pollfd ready = {.fd = pool_fd(pool), .events = POLLIN};
        ck_assert_int_eq(poll(&ready, 1, 20000), 1);
        pool_collect(pool);
    }
}

START_TEST(work_runs_on_another_thread_and_is_done_on_ours)
{
    struct pool *pool = start(2, 8);
    struct task task;
    task_set(&task, 20, NULL);
    ck_assert(pool_submit(pool, &task.job));
    ck_assert_uint_eq(pool_pending(pool), 1);
    collect_all(pool);
    ck_assert(task.ran && task.done);
    ck_assert_uint_eq(task.answer, 41);
    ck_assert(!pthread_equal(task.ran_on, pthread_self()));
    ck_assert(pthread_equal(task.done_on, pthread_self()));
    pool_free(pool);
}
END_TEST

START_TEST(every_job_runs_once_and_is_done_once)
{
    struct pool *pool = start(2, MANY);
    struct task *tasks = calloc(MANY, sizeof *tasks);
    for (size_t i = 0; i < MANY; i++) {
        task_set(&tasks[i], i, NULL);
        ck_assert(pool_submit(pool, &tasks[i].job));
    }
    ck_assert_uint_eq(pool_pending(pool), MANY);
    collect_all(pool);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert(tasks[i].ran && tasks[i].done);
        ck_assert_uint_eq(tasks[i].answer, 2 * i + 1);
    }
    free(tasks);
    pool_free(pool);
}
END_TEST

/* One runs, three wait: the fifth is told so at once instead of being queued without bound. */
START_TEST(past_its_queue_it_says_so)
{
    struct pool *pool = start(1, 3);
    struct task tasks[5];
    struct task first;
    sem_t gate;
    sem_init(&gate, 0, 0);
    task_set(&first, 0, &gate);
    ck_assert(pool_submit(pool, &first.job));
    for (size_t i = 0; i < 5; i++)
        task_set(&tasks[i], i, NULL);
    /* Until the thread has taken the first one up, that one waits too. */
    size_t taken = 0;
    while (taken < 3) {
        if (pool_submit(pool, &tasks[taken].job))
            taken++;
        else
            sched_yield();
    }
    ck_assert(!pool_submit(pool, &tasks[3].job));
    ck_assert_uint_eq(pool_pending(pool), 4);
    sem_post(&gate);
    collect_all(pool);
    ck_assert(!tasks[3].ran && !tasks[3].done);
    ck_assert(pool_submit(pool, &tasks[3].job)); /* there is room again */
    collect_all(pool);
    ck_assert(tasks[3].ran && tasks[3].done);
    pool_free(pool);
    sem_destroy(&gate);
}
END_TEST

static atomic_bool finished;

static void slow_run(struct pool_job *job)
{
    task_run(job);
    finished = true;
}

/* What runs is waited for; what waits is not run, but its owner gets it back. */
START_TEST(free_gives_every_job_back)
{
    struct pool *pool = start(1, 8);
    struct task running, waiting[4];
    sem_t gate;
    sem_init(&gate, 0, 0);
    task_set(&running, 0, &gate);
    running.job.run = slow_run;
    ck_assert(pool_submit(pool, &running.job));
    for (size_t i = 0; i < 4; i++) {
        task_set(&waiting[i], i, &gate);
        ck_assert(pool_submit(pool, &waiting[i].job));
    }
    for (size_t i = 0; i < 5; i++)
        sem_post(&gate);
    pool_free(pool);
    size_t ran = 0;
    for (size_t i = 0; i < 4; i++) {
        ck_assert(waiting[i].done);
        ran += waiting[i].ran;
    }
    ck_assert(running.done);
    ck_assert(running.ran == finished);
    ck_assert_uint_le(ran, 4);
    sem_destroy(&gate);
}
END_TEST

/* The eventfd tells of work that is finished, and of nothing else. */
START_TEST(the_descriptor_is_quiet_until_something_is_finished)
{
    struct pool *pool = start(1, 8);
    struct pollfd ready = {.fd = pool_fd(pool), .events = POLLIN};
    struct task task;
    sem_t gate;
    sem_init(&gate, 0, 0);
    ck_assert_int_eq(poll(&ready, 1, 0), 0);
    task_set(&task, 1, &gate);
    ck_assert(pool_submit(pool, &task.job));
    ck_assert_int_eq(poll(&ready, 1, 20), 0);
    pool_collect(pool);
    ck_assert(!task.done);
    sem_post(&gate);
    ck_assert_int_eq(poll(&ready, 1, 20000), 1);
    pool_collect(pool);
    ck_assert(task.done);
    ck_assert_int_eq(poll(&ready, 1, 0), 0);
    pool_free(pool);
    sem_destroy(&gate);
}
END_TEST

static struct pool *chained_pool;
static struct task second_task;

static void submit_another(struct pool_job *job)
{
    task_done(job);
    task_set(&second_task, 5, NULL);
    ck_assert(pool_submit(chained_pool, &second_task.job));
}

/* A done() may submit again: the list that is being told is not disturbed. */
START_TEST(work_may_lead_to_more_work)
{
    struct task first, other;
    chained_pool = start(2, 8);
    task_set(&first, 1, NULL);
    task_set(&other, 2, NULL);
    first.job.done = submit_another;
    ck_assert(pool_submit(chained_pool, &first.job));
    ck_assert(pool_submit(chained_pool, &other.job));
    collect_all(chained_pool);
    ck_assert(first.done && other.done && second_task.done);
    ck_assert_uint_eq(second_task.answer, 11);
    pool_free(chained_pool);
}
END_TEST

START_TEST(no_pool_is_nothing_to_free)
{
    pool_free(NULL);
}
END_TEST

UNIT_MAIN("pool", work_runs_on_another_thread_and_is_done_on_ours, every_job_runs_once_and_is_done_once, past_its_queue_it_says_so,
          free_gives_every_job_back, the_descriptor_is_quiet_until_something_is_finished, work_may_lead_to_more_work,
          no_pool_is_nothing_to_free)
