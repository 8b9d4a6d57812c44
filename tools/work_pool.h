/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that work on groups of equal jobs: lines to be read as accounts, passwords to be made
 * verifiers of, records to be sealed; one thread alone where jobs must keep their order.
 *
 * The caller owns groups and what their jobs work on, and leaves both alone between submit and the
 * end of the wait (or work_pool_stop()). Groups are worked on in the order they were submitted.
 */
#ifndef SASL_LMDB_WORK_POOL_H
#define SASL_LMDB_WORK_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct work_group {
    enum auth_status (*run)(void *ctx, size_t i); /* job i, in any thread */
    void *ctx;
    size_t n;
    size_t grain; /* jobs a thread takes at once: 1, or more where a job takes microseconds */

    /* The pool's. */
    size_t taken;
    size_t done;
    enum auth_status status; /* the first failure of a job, AUTH_OK without one */
    struct work_group *next;
};

struct work_pool; /* opaque */

enum { WORK_POOL_ALL = 0 /* a thread for each processor */ };

/* Starts that many threads. AUTH_NO_MEMORY, AUTH_UNAVAILABLE. */
MUST_USE enum auth_status work_pool_start(size_t n_threads, struct work_pool **ret);

/* Hands over a group of at least one job. */
void work_pool_submit(struct work_pool *pool, struct work_group *group);

/* Waits a while for all jobs of the group. True when they are done; its status tells how. */
MUST_USE bool work_pool_wait(struct work_pool *pool, struct work_group *group,
                             unsigned milliseconds);

/* Lets the threads finish the job each is at, drops all others, and frees. NULL is fine. */
void work_pool_stop(struct work_pool *pool);

#endif
