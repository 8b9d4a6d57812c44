/* SPDX-License-Identifier: BSD-2-Clause */
/* Who builds a new generation in a file: one process at most. */
#include <errno.h>
#include <sys/file.h>

#include "store/kv_internal.h"

/*
 * flock() belongs to the open file, so it goes with the last descriptor on it and has nothing to do
 * with the fcntl() locks that LMDB's lock file carries. A reader can hold it too and keep the claim
 * from its owner; but a reader can as well hold the lock that every writer needs, which lies in the
 * lock file, so a file of the owner's alone would win nothing.
 */
static bool lock_data(const struct kv_env *env)
{
    int rc;

    do {
        rc = flock(env->data_fd, LOCK_EX | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

enum auth_status kv_claim(struct kv_txn *txn)
{
    struct kv_env *env = txn->env;

    if (env->claimed || !lock_data(env)) {
        return detail_set(txn->detail, AUTH_STORE_BUSY,
                          "store %s: a restore, a rekey or an import --replace is running",
                          env->path);
    }
    env->claimed = true;
    return AUTH_OK;
}

void kv_disclaim(struct kv_env *env)
{
    if (env->claimed && env->mdb != NULL && env->process == kv_process()) {
        (void)flock(env->data_fd, LOCK_UN);
    }
    env->claimed = false;
}

bool kv_holds_claim(const struct kv_txn *txn)
{
    return txn->env->claimed;
}

bool kv_is_claimed(const struct kv_txn *txn)
{
    if (txn->env->claimed || !lock_data(txn->env)) {
        return true;
    }
    (void)flock(txn->env->data_fd, LOCK_UN);
    return false;
}
