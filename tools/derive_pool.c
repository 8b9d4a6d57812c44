/* SPDX-License-Identifier: BSD-2-Clause */
#include "derive_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 256 };

struct derive_pool {
    pthread_mutex_t lock; /* guards everything below, and the pool's part of each group */
    pthread_cond_t work;  /* a group came, or the end */
    pthread_cond_t progress;
    struct derive_group *first;
    bool stop;
    struct verifier_policy policy;
    size_t n_threads;
    pthread_t threads[THREADS_MAX];
};

/* The next job nobody has taken; the lock is held. A group leaves the queue with its last job. */
static struct derive_job *take_job(struct derive_pool *pool, struct derive_group **ret_group)
{
    struct derive_group *group = pool->first;
    if (group == NULL) {
        return NULL;
    }
    struct derive_job *job = &group->jobs[group->taken++];
    if (group->taken == group->n) {
        pool->first = group->next;
    }
    *ret_group = group;
    return job;
}

static void *work(void *argument)
{
    struct derive_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop) {
        struct derive_group *group = NULL;
        struct derive_job *job = take_job(pool, &group);
        if (job == NULL) {
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        enum auth_status status = AUTH_OK;
        if (!job->ready) {
            pthread_mutex_unlock(&pool->lock);
            status = verifier_make(&job->record->who, buf_slice(&job->password), &pool->policy,
                                   &job->record->verifiers);
            buf_release(&job->password);
            pthread_mutex_lock(&pool->lock);
        }
        if (group->status == AUTH_OK) {
            group->status = status;
        }
        group->done++;
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

enum auth_status derive_pool_start(const struct verifier_policy *policy, struct derive_pool **ret)
{
    struct derive_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return AUTH_NO_MEMORY;
    }
    pool->policy = *policy;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->progress, NULL);

    /* Signals are for the thread that reads and writes. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    size_t wanted = processors();
    while (pool->n_threads < wanted &&
           pthread_create(&pool->threads[pool->n_threads], NULL, work, pool) == 0) {
        pool->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pool->n_threads == 0) {
        derive_pool_stop(pool);
        return AUTH_UNAVAILABLE;
    }
    *ret = pool;
    return AUTH_OK;
}

void derive_pool_submit(struct derive_pool *pool, struct derive_group *group)
{
    pthread_mutex_lock(&pool->lock);
    group->taken = 0;
    group->done = 0;
    group->status = AUTH_OK;
    group->next = NULL;
    struct derive_group **end = &pool->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = group;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

bool derive_pool_wait(struct derive_pool *pool, struct derive_group *group, unsigned milliseconds)
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

void derive_pool_stop(struct derive_pool *pool)
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
