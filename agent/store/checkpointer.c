/*
 * checkpointer.c - the thread that moves the write-ahead log into the database beside the writer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/checkpointer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/database.h"

struct checkpointer {
    sqlite3 *db;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool wanted, working, stopping;
};

static bool next_round(struct checkpointer *checkpointer)
{
    pthread_mutex_lock(&checkpointer->lock);
    checkpointer->working = false;
    while (!checkpointer->wanted && !checkpointer->stopping)
        pthread_cond_wait(&checkpointer->wake, &checkpointer->lock);
    bool go_on = !checkpointer->stopping;
    checkpointer->wanted = false;
    checkpointer->working = go_on;
    pthread_mutex_unlock(&checkpointer->lock);
    return go_on;
}

/* PASSIVE waits for no reader and no writer. It syncs the database only where it came to the end of the log, which it cannot while
 * the writer writes: then the writer's own last step would sync all that was copied here. An error (a full disk) leaves everything in
 * the log, for the next round. */
static void run_round(struct checkpointer *checkpointer)
{
    sqlite3_file *file = NULL;
    if (sqlite3_wal_checkpoint_v2(checkpointer->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK &&
        sqlite3_file_control(checkpointer->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK)
        (void)file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

static void *run(void *argument)
{
    struct checkpointer *checkpointer = argument;
    while (next_round(checkpointer))
        run_round(checkpointer);
    return NULL;
}

int checkpointer_start(const char *path, struct checkpointer **out, struct failure *failure)
{
    struct checkpointer *checkpointer = calloc(1, sizeof *checkpointer);
    if (!checkpointer)
        return failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory starting the checkpointer");
    pthread_mutex_init(&checkpointer->lock, NULL);
    pthread_cond_init(&checkpointer->wake, NULL);
    if (database_open(path, DATABASE_CHECKPOINT, &checkpointer->db, failure)) {
        checkpointer_stop(checkpointer);
        return -1;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    int error = pthread_create(&checkpointer->thread, NULL, run, checkpointer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    checkpointer->started = !error;
    if (error) {
        checkpointer_stop(checkpointer);
        return failure_set(failure, FAILURE_INTERNAL, NULL, "cannot start the checkpointer's thread: %s", strerrordesc_np(error));
    }
    pthread_setname_np(checkpointer->thread, "checkpointer");
    *out = checkpointer;
    return 0;
}

void checkpointer_wake(struct checkpointer *checkpointer)
{
    pthread_mutex_lock(&checkpointer->lock);
    checkpointer->wanted = !checkpointer->working;
    pthread_cond_signal(&checkpointer->wake);
    pthread_mutex_unlock(&checkpointer->lock);
}

bool checkpointer_is_working(struct checkpointer *checkpointer)
{
    pthread_mutex_lock(&checkpointer->lock);
    bool working = checkpointer->working || checkpointer->wanted;
    pthread_mutex_unlock(&checkpointer->lock);
    return working;
}

void checkpointer_stop(struct checkpointer *checkpointer)
{
    if (!checkpointer)
        return;
    if (checkpointer->started) {
        pthread_mutex_lock(&checkpointer->lock);
        checkpointer->stopping = true;
        pthread_cond_signal(&checkpointer->wake);
        pthread_mutex_unlock(&checkpointer->lock);
        pthread_join(checkpointer->thread, NULL);
    }
    sqlite3_close(checkpointer->db);
    pthread_cond_destroy(&checkpointer->wake);
    pthread_mutex_destroy(&checkpointer->lock);
    free(checkpointer);
}
