/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that turn passwords into verifiers, one for each processor. PBKDF2 is nearly all the
 * cost of an import; reading and writing go on in the caller's thread meanwhile.
 *
 * The caller owns groups and jobs and leaves them alone between submit and the end of the wait (or
 * derive_pool_stop()). Groups are worked on in the order they were submitted.
 */
#ifndef SASL_LMDB_DERIVE_POOL_H
#define SASL_LMDB_DERIVE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"
#include "engine/verifier.h"
#include "store/record.h"

/* One account: record->who and the password are given, record->verifiers is made. */
struct derive_job {
    struct record *record;
    bool ready;          /* no password: record->verifiers is given, and nothing to do */
    struct buf password; /* wiped as soon as it has been used */
};

struct derive_group {
    struct derive_job *jobs;
    size_t n;

    /* The pool's. */
    size_t taken;
    size_t done;
    enum auth_status status; /* the first failure of a job, AUTH_OK without one */
    struct derive_group *next;
};

struct derive_pool; /* opaque */

/* Starts the threads. The policy is copied. AUTH_NO_MEMORY, AUTH_UNAVAILABLE. */
MUST_USE enum auth_status derive_pool_start(const struct verifier_policy *policy,
                                            struct derive_pool **ret);

/* Hands over a group of at least one job. */
void derive_pool_submit(struct derive_pool *pool, struct derive_group *group);

/* Waits a while for all jobs of the group. True when they are done; its status tells how. */
MUST_USE bool derive_pool_wait(struct derive_pool *pool, struct derive_group *group,
                               unsigned milliseconds);

/* Lets the threads finish the job each is at, drops all others, and frees. NULL is fine. */
void derive_pool_stop(struct derive_pool *pool);

#endif
