/* SPDX-License-Identifier: BSD-2-Clause */
#include "work_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 256 };

struct work_pool {
    pthread_mutex_t lock; /* guards everything below, and the pool's part of each group */
    pthread_cond_t work;  /* a group came, or the end */
    pthread_cond_t progress;
    struct work_group *first;
    bool stop;
    size_t n_threads;
    pthread_t threads[THREADS_MAX];
};

/* Some jobs nobody has taken; the lock is held. A group leaves the queue with its last job. */
static struct work_group *take_jobs(struct work_pool *pool, size_t *ret_first, size_t *ret_n)
{
    struct work_group *group = pool->first;
    if (group == NULL) {
        return NULL;
    }
    size_t left = group->n - group->taken;
    *ret_first = group->taken;
    *ret_n = left < group->grain ? left : group->grain;
    group->taken += *ret_n;
    if (group->taken == group->n) {
        pool->first = group->next;
    }
    return group;
}

static enum auth_status run_jobs(const struct work_group *group, size_t first, size_t n)
{
    enum auth_status status = AUTH_OK;
    for (size_t i = first; i < first + n; i++) {
        enum auth_status one = group->run(group->ctx, i);
        status = status == AUTH_OK ? one : status;
    }
    return status;
}

static void *work(void *argument)
{
    struct work_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop) {
        size_t first = 0;
        size_t n = 0;
        struct work_group *group = take_jobs(pool, &first, &n);
        if (group == NULL) {
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        enum auth_status status = run_jobs(group, first, n);
        pthread_mutex_lock(&pool->lock);
        if (group->status == AUTH_OK) {
            group->status = status;
        }
        group->done += n;
        if (group->done == group->n) {
            pthread_cond_broadcast(&pool->progress);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static size_t processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1) {
        return 1;
    }
    return n > THREADS_MAX ? THREADS_MAX : (size_t)n;
}

enum auth_status work_pool_start(size_t n_threads, struct work_pool **ret)
{
    struct work_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return AUTH_NO_MEMORY;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->progress, NULL);

    /* Signals are for the caller's thread. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    size_t wanted = n_threads == WORK_POOL_ALL ? processors() : n_threads;
    while (pool->n_threads < wanted &&
           pthread_create(&pool->threads[pool->n_threads], NULL, work, pool) == 0) {
        pool->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pool->n_threads == 0) {
        work_pool_stop(pool);
        return AUTH_UNAVAILABLE;
    }
    *ret = pool;
    return AUTH_OK;
}

void work_pool_submit(struct work_pool *pool, struct work_group *group)
{
    pthread_mutex_lock(&pool->lock);
    group->taken = 0;
    group->done = 0;
    group->status = AUTH_OK;
    group->next = NULL;
    struct work_group **end = &pool->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = group;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

bool work_pool_wait(struct work_pool *pool, struct work_group *group, unsigned milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&pool->lock);
    int rc = 0;
    while (group->done < group->n && rc == 0) {
        rc = pthread_cond_timedwait(&pool->progress, &pool->lock, &until);
    }
    bool done = group->done == group->n;
    pthread_mutex_unlock(&pool->lock);
    return done;
}

void work_pool_stop(struct work_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->n_threads; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->progress);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
