/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One lock for the process: its read side is held around every transaction, its write side while
 * anything changes that transactions share: environments opened, reopened, resized or closed,
 * table handles opened. LMDB forbids all of those beside a transaction and checks none of it.
 *
 * fork() may happen at any time in any thread. The child's handler only makes the lock usable
 * again; the first use in the child sees that it is another process and opens afresh. What was
 * inherited is closed first, which drops nothing of the parent's (fcntl locks are not inherited,
 * reader slots carry the parent's process id), unless the parent was just changing or writing it:
 * then it may be half-changed and is left alone.
 */
#include "store/kv.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/kv_internal.h"

/* Runs of one transaction: the map grows geometrically, so this many are never needed. */
enum { MAX_RUNS = 64 };

static pthread_rwlock_t lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct kv_env *environments;

/* A page the kernel zeroes in a child, however it was made; NULL where it cannot do that. */
static uint64_t *process_mark;
static uint64_t process_number;

static void after_fork_in_child(void)
{
    static const pthread_rwlock_t unlocked = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

    lock = unlocked;
    for (struct kv_env *env = environments; env != NULL; env = env->next) {
        if (env->changing || atomic_load(&env->writing) > 0) {
            env->mdb = NULL;
        }
        env->changing = false;
        atomic_store(&env->writing, 0);
    }
}

static void prepare_once(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p != MAP_FAILED) {
        if (madvise(p, page, MADV_WIPEONFORK) == 0) {
            process_mark = p;
        } else {
            munmap(p, page);
        }
    }
    (void)pthread_atfork(NULL, NULL, after_fork_in_child);
}

uint64_t kv_process(void)
{
    return process_mark == NULL ? (uint64_t)getpid() : *process_mark;
}

/* The same, and gives a new process its number; with the write side held. */
static uint64_t claim_process(void)
{
    if (process_mark != NULL && *process_mark == 0) {
        process_number++;
        *process_mark = process_number;
    }
    return kv_process();
}

bool kv_descriptors_hold(const struct kv_env *env, uint64_t *ret_data_size, uint64_t *ret_lock_size)
{
    *ret_lock_size = env->lock_size;
    return kv_files_is(env->data_fd, &env->data_id, ret_data_size) &&
           (env->lock_fd < 0 || kv_files_is(env->lock_fd, &env->lock_id, ret_lock_size));
}

static void env_shut(struct kv_env *env)
{
    uint64_t data_size;
    uint64_t lock_size;

    /* Without its descriptors an environment is left alone: LMDB would close somebody's files. */
    if (env->mdb != NULL && kv_descriptors_hold(env, &data_size, &lock_size)) {
        lmdb_close(env);
        if (env->lock_fd >= 0) {
            close(env->lock_fd);
        }
    }
    env->mdb = NULL;
    env->lock_fd = -1;
    env->n_handles = 0;
    env->claimed = false;
    atomic_store(&env->is_broken, false);
}

/* Learns what later checks compare with, and that both files still are the ones looked at. */
static enum auth_status learn_files(struct kv_env *env, struct detail *detail)
{
    uint64_t size;
    struct stat st;
    bool same = kv_files_is(env->data_fd, &env->data_id, &size);

    env->process = claim_process();
    if (same && fstat(env->data_fd, &st) == 0) {
        env->group = (st.st_mode & S_IRGRP) != 0 ? st.st_gid : FILES_ANY_GROUP;
    }
    if (same && env->lock_fd >= 0) {
        same = kv_files_is(env->lock_fd, &env->lock_id, &env->lock_size) &&
               kv_files_has_name(env->lock_path, &env->lock_id);
    }
    if (!same) {
        return detail_set(detail, AUTH_STORE_MISSING,
                          "store %s was replaced by another file while it was opened", env->path);
    }
    return AUTH_OK;
}

/* With the write side held, env->mdb NULL and env->data_id what it must be. */
static enum auth_status env_open(struct kv_env *env, bool is_new, struct detail *detail)
{
    enum auth_status status = AUTH_OK;

    env->lock_fd = -1;
    env->lock_size = 0;
    if (!env->options.nolock) {
        status = kv_files_watch_lock(env->lock_path, &env->lock_fd, &env->lock_id, detail);
    }
    if (status == AUTH_OK) {
        status = lmdb_open(env, is_new, detail);
    }
    if (status == AUTH_OK) {
        status = learn_files(env, detail);
        if (status != AUTH_OK) {
            lmdb_close(env);
        }
    }
    if (status != AUTH_OK) {
        env->mdb = NULL;
        if (env->lock_fd >= 0) {
            close(env->lock_fd);
            env->lock_fd = -1;
        }
    }
    return status;
}

static enum auth_status env_reopen(struct kv_env *env, struct detail *detail)
{
    struct file_id now;

    env_shut(env);
    enum auth_status status =
        kv_files_check(env->path, env->lock_path, &env->options, &now, detail);
    if (status != AUTH_OK) {
        return status;
    }
    if (!file_id_equal(&now, &env->data_id)) {
        return detail_set(detail, AUTH_STORE_MISSING,
                          "store %s was replaced by another file: restart this service", env->path);
    }
    return env_open(env, false, detail);
}

static void env_free(struct kv_env *env)
{
    if (env != NULL) {
        free(env->path);
        free(env->lock_path);
        free(env);
    }
}

/* Takes path over. */
static struct kv_env *env_new(char *path, const struct kv_options *options)
{
    struct kv_env *env = calloc(1, sizeof *env);

    if (env == NULL) {
        free(path);
        return NULL;
    }
    env->path = path;
    env->lock_path = file_suffixed(path, KV_LOCK_SUFFIX);
    env->options = *options;
    env->group = FILES_ANY_GROUP;
    env->lock_fd = -1;
    env->users = 1;
    if (env->lock_path == NULL) {
        env_free(env);
        return NULL;
    }
    return env;
}

static void register_env(struct kv_env *env)
{
    env->next = environments;
    environments = env;
}

static struct kv_env *find_env(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return NULL;
    }
    struct file_id id = file_id_of(&st);
    for (struct kv_env *env = environments; env != NULL; env = env->next) {
        if (file_id_equal(&env->data_id, &id)) {
            return env;
        }
    }
    return NULL;
}

static enum auth_status open_new(const char *path, const struct kv_options *options,
                                 struct kv_env **ret, struct detail *detail)
{
    /* Without a lock file the name is nobody's concern, and /proc's for a descriptor leads to none.
     */
    const bool as_it_is = options->nolock && path[0] == '/';
    char *resolved = as_it_is ? strdup(path) : realpath(path, NULL);

    if (resolved == NULL) {
        return file_explain("store", path, errno, detail);
    }
    struct kv_env *env = env_new(resolved, options);
    if (env == NULL) {
        return AUTH_NO_MEMORY;
    }
    enum auth_status status =
        kv_files_check(env->path, env->lock_path, options, &env->data_id, detail);
    if (status == AUTH_OK) {
        status = env_open(env, false, detail);
    }
    if (status == AUTH_OK) {
        register_env(env);
        *ret = env;
    } else {
        env_free(env);
    }
    return status;
}

enum auth_status kv_open(const char *path, const struct kv_options *options, struct kv_env **ret,
                         struct detail *detail)
{
    enum auth_status status = AUTH_OK;

    if (options->writable && options->nolock) {
        return detail_set(detail, AUTH_STORE_READONLY,
                          "store %s: nothing is written without the lock file", path);
    }
    (void)pthread_once(&once, prepare_once);
    pthread_rwlock_wrlock(&lock);
    struct kv_env *env = find_env(path);
    if (env == NULL) {
        status = open_new(path, options, ret, detail);
    } else if (options->writable && !env->options.writable) {
        status = detail_set(detail, AUTH_STORE_READONLY,
                            "store %s is open in this process for reading only", path);
    } else {
        env->users++;
        *ret = env;
    }
    pthread_rwlock_unlock(&lock);
    return status;
}

enum auth_status kv_create(const char *path, struct kv_env **ret, struct detail *detail)
{
    const struct kv_options options = {.writable = true};
    struct file_limit_guard guard;
    char *copy = strdup(path);
    struct kv_env *env = copy == NULL ? NULL : env_new(copy, &options);

    if (env == NULL) {
        return AUTH_NO_MEMORY;
    }
    (void)pthread_once(&once, prepare_once);
    pthread_rwlock_wrlock(&lock);
    enum auth_status status = kv_files_create(env->path, env->lock_path, &env->data_id, detail);
    if (status == AUTH_OK) {
        file_limit_hold(&guard);
        status = env_open(env, true, detail);
        file_limit_release(&guard);
        if (status != AUTH_OK) {
            unlink(env->path);
            unlink(env->lock_path);
        }
    }
    if (status == AUTH_OK) {
        register_env(env);
        *ret = env;
    } else {
        env_free(env);
    }
    pthread_rwlock_unlock(&lock);
    return status;
}

void kv_close(struct kv_env *env)
{
    if (env == NULL) {
        return;
    }
    pthread_rwlock_wrlock(&lock);
    if (--env->users == 0) {
        struct kv_env **link = &environments;

        while (*link != env) {
            link = &(*link)->next;
        }
        *link = env->next;
        env_shut(env);
        env_free(env);
    }
    pthread_rwlock_unlock(&lock);
}

const char *kv_path(const struct kv_env *env)
{
    return env->path;
}

gid_t kv_group(const struct kv_env *env)
{
    return env->group;
}

bool kv_is_writable(const struct kv_env *env)
{
    return env->options.writable;
}

/* Opens again unless another thread has done so in the meantime. */
static enum auth_status satisfy_open(struct kv_env *env, struct detail *detail)
{
    uint64_t data_size;
    uint64_t lock_size;

    if (env->mdb != NULL && env->process == kv_process() && !atomic_load(&env->is_broken) &&
        kv_descriptors_hold(env, &data_size, &lock_size)) {
        return AUTH_OK;
    }
    return env_reopen(env, detail);
}

static enum auth_status satisfy(struct kv_txn *txn, unsigned runs)
{
    struct kv_env *env = txn->env;
    enum auth_status status = AUTH_OK;

    pthread_rwlock_wrlock(&lock);
    env->changing = true;
    status = satisfy_open(env, txn->detail);
    if (status == AUTH_OK) {
        switch (txn->need) {
        case KV_ADOPT:
            status = lmdb_adopt(env, txn->detail);
            break;
        case KV_GROW:
            status = lmdb_grow(txn, runs);
            break;
        case KV_TABLE:
            status = lmdb_open_table(txn);
            break;
        case KV_OPEN:
        case KV_NOTHING:
            break;
        }
    }
    env->changing = false;
    pthread_rwlock_unlock(&lock);
    return status;
}

static enum auth_status run_read(struct kv_txn *txn,
                                 enum auth_status (*run)(struct kv_txn *txn, void *ctx), void *ctx)
{
    enum auth_status status = lmdb_begin(txn, false);

    if (status == AUTH_OK) {
        status = run(txn, ctx);
        lmdb_abort(txn);
    }
    return status;
}

static enum auth_status give_up(const struct kv_env *env, struct detail *detail)
{
    return detail_set(detail, AUTH_STORE_BUSY, "store %s: it kept changing under a transaction",
                      env->path);
}

enum auth_status kv_read(struct kv_env *env, enum auth_status (*run)(struct kv_txn *txn, void *ctx),
                         void *ctx, struct detail *detail)
{
    for (unsigned runs = 0; runs < MAX_RUNS; runs++) {
        struct kv_txn txn = {.env = env, .detail = detail};

        pthread_rwlock_rdlock(&lock);
        enum auth_status status = run_read(&txn, run, ctx);
        pthread_rwlock_unlock(&lock);
        if (txn.need == KV_NOTHING) {
            return status;
        }
        status = satisfy(&txn, runs);
        if (status != AUTH_OK) {
            return status;
        }
    }
    return give_up(env, detail);
}

/*
 * A store that was moved away while it is open here, perhaps with a new one in its place, can still
 * be written, but nobody would look there for what was acknowledged. Nor does a writer whose lock
 * file is another one wait for this one.
 */
static enum auth_status check_names(struct kv_txn *txn, const char *became)
{
    const struct kv_env *env = txn->env;

    return kv_files_has_name(env->path, &env->data_id) &&
                   kv_files_has_name(env->lock_path, &env->lock_id)
               ? AUTH_OK
               : detail_set(txn->detail, AUTH_STORE_MISSING,
                            "store %s or its lock file was moved away or replaced while it was "
                            "open here: %s",
                            env->path, became);
}

static enum auth_status run_write(struct kv_txn *txn,
                                  enum auth_status (*run)(struct kv_txn *txn, void *ctx), void *ctx)
{
    enum auth_status status = lmdb_begin(txn, true);

    if (status != AUTH_OK) {
        return status;
    }
    status = check_names(txn, "nothing was written");
    if (status == AUTH_OK) {
        status = run(txn, ctx);
    }
    if (status != AUTH_OK || txn->need != KV_NOTHING) {
        lmdb_abort(txn);
        return status;
    }
    status = lmdb_commit(txn);
    if (status == AUTH_OK) {
        status = check_names(txn, "what was written last is in the file that was moved");
    }
    return status;
}

/* A map that was grown for nothing is taken back, so that what still fits can be written. */
static void undo_growth(struct kv_env *env)
{
    struct kv_txn txn = {.env = env, .need = KV_ADOPT};
    enum auth_status status = satisfy(&txn, 0);

    (void)status; /* on an error it is closed, and opened again when it is next used */
}

enum auth_status kv_write(struct kv_env *env, enum kv_company company,
                          enum auth_status (*run)(struct kv_txn *txn, void *ctx), void *ctx,
                          struct detail *detail)
{
    struct file_limit_guard guard;
    enum auth_status status = AUTH_OK;
    bool done = false;
    bool grew = false;

    if (!env->options.writable) {
        return detail_set(detail, AUTH_STORE_READONLY, "store %s is open for reading only",
                          env->path);
    }
    file_limit_hold(&guard);
    for (unsigned runs = 0; status == AUTH_OK && !done && runs < MAX_RUNS; runs++) {
        struct kv_txn txn = {.env = env, .detail = detail, .alone = company == KV_ALONE};

        if (txn.alone) {
            pthread_rwlock_wrlock(&lock);
        } else {
            pthread_rwlock_rdlock(&lock);
        }
        atomic_fetch_add(&env->writing, 1);
        status = run_write(&txn, run, ctx);
        atomic_fetch_sub(&env->writing, 1);
        pthread_rwlock_unlock(&lock);
        done = txn.need == KV_NOTHING;
        if (!done) {
            grew = grew || txn.need == KV_GROW;
            status = satisfy(&txn, runs);
        }
    }
    if (status == AUTH_STORE_FULL && grew) {
        undo_growth(env);
    }
    file_limit_release(&guard);
    return done || status != AUTH_OK ? status : give_up(env, detail);
}
