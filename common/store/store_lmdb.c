/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * With store_lmdb_tables.c the only file that includes LMDB's header; kv.c says when what may be
 * called.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "store/kv_internal.h"

enum {
    OPEN_TRIES = 10,
    OPEN_PAUSE_NS = 1000000,
    META_PAGES = 2,     /* a data file has at least these */
    GROWTH_DIVISOR = 4, /* a full map grows by a quarter */
    MAX_DOUBLINGS = 20, /* of that step within one call */
    SPARE_BLOCKS = 64,  /* a file system with fewer left is full */
};

static enum auth_status explain(const struct kv_env *env, int rc, struct detail *detail)
{
    enum auth_status status = AUTH_STORE_DAMAGED;

    if (rc > 0) {
        return file_explain("store", env->path, rc, detail);
    }
    switch (rc) {
    case MDB_SUCCESS:
        return AUTH_OK;
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return detail_set(detail, AUTH_STORE_FOREIGN,
                          "store %s or its lock file is not in the format of this LMDB: %s",
                          env->path, mdb_strerror(rc));
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        status = AUTH_STORE_FULL;
        break;
    case MDB_READERS_FULL:
        return detail_set(detail, AUTH_STORE_BUSY,
                          "store %s: all places of its reader table are taken", env->path);
    default:
        break;
    }
    return detail_set(detail, status, "store %s: %s", env->path, mdb_strerror(rc));
}

enum auth_status lmdb_explain(const struct kv_env *env, int rc, struct detail *detail)
{
    return explain(env, rc, detail);
}

static int try_open(struct kv_env *env, bool is_new)
{
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS;

    flags |= env->options.writable ? 0 : MDB_RDONLY;
    flags |= env->options.nolock ? MDB_NOLOCK : 0;
    int rc = mdb_env_create(&env->mdb);
    if (rc != 0) {
        env->mdb = NULL;
        return rc;
    }
    rc = mdb_env_set_maxreaders(env->mdb, KV_MAX_READERS);
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(env->mdb, KV_MAX_HANDLES + KV_MAX_FRESH);
    }
    if (rc == 0 && is_new) {
        rc = mdb_env_set_mapsize(env->mdb, KV_FIRST_MAP);
    }
    if (rc == 0) {
        rc = mdb_env_open(env->mdb, env->path, flags, S_IRUSR | S_IWUSR);
    }
    if (rc != 0) {
        lmdb_close(env);
    }
    return rc;
}

/*
 * Two processes opening and closing at one moment can meet a lock file that is just being set up,
 * which passes; so these errors are worth another try.
 */
static bool may_pass(int rc)
{
    return rc == MDB_INVALID || rc == EAGAIN || rc == EINTR || rc == EINVAL;
}

enum auth_status lmdb_open(struct kv_env *env, bool is_new, struct detail *detail)
{
    static const struct timespec pause = {0, OPEN_PAUSE_NS};
    MDB_stat st;
    int rc = EAGAIN;

    for (int i = 0; i < OPEN_TRIES && may_pass(rc); i++) {
        if (i > 0) {
            (void)nanosleep(&pause, NULL);
        }
        rc = try_open(env, is_new);
    }
    if (rc != 0) {
        return explain(env, rc, detail);
    }
    if (mdb_env_get_fd(env->mdb, &env->data_fd) != 0 || mdb_env_stat(env->mdb, &st) != 0) {
        lmdb_close(env);
        return AUTH_INTERNAL;
    }
    /* LMDB leaves this one descriptor open across exec. */
    (void)fcntl(env->data_fd, F_SETFD, FD_CLOEXEC);
    env->page_size = st.ms_psize;
    return AUTH_OK;
}

void lmdb_close(struct kv_env *env)
{
    mdb_env_close(env->mdb);
    env->mdb = NULL;
}

/* mdb_env_set_mapsize() that fails has unmapped the file already: only closing is left. */
static enum auth_status set_map_size(struct kv_env *env, size_t size, struct detail *detail)
{
    int rc = mdb_env_set_mapsize(env->mdb, size);

    if (rc == 0) {
        return AUTH_OK;
    }
    lmdb_close(env);
    if (env->lock_fd >= 0) {
        close(env->lock_fd);
        env->lock_fd = -1;
    }
    env->n_handles = 0;
    if (rc == ENOMEM) {
        return detail_set(detail, AUTH_NO_MEMORY,
                          "store %s does not fit into the address space this process is allowed",
                          env->path);
    }
    return explain(env, rc, detail);
}

enum auth_status lmdb_adopt(struct kv_env *env, struct detail *detail)
{
    return set_map_size(env, 0, detail);
}

/* Whether n more bytes of address space can be had, without giving up what is mapped now. */
static bool address_space_left(size_t n)
{
    void *p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        return false;
    }
    munmap(p, n);
    return true;
}

/*
 * The map stays near the file's size, because hosts limit address space and readers map as much:
 * a quarter more, at least KV_FIRST_MAP, doubled for each time this did not suffice.
 */
enum auth_status lmdb_grow(struct kv_txn *txn, unsigned runs)
{
    struct kv_env *env = txn->env;
    MDB_envinfo info;

    if (mdb_env_info(env->mdb, &info) != 0) {
        return AUTH_INTERNAL;
    }
    if (info.me_mapsize > txn->map_size) {
        return AUTH_OK; /* another thread grew it */
    }
    size_t step = info.me_mapsize / GROWTH_DIVISOR / env->page_size * env->page_size;
    if (step < KV_FIRST_MAP) {
        step = KV_FIRST_MAP;
    }
    for (unsigned i = 0; i < runs && i < MAX_DOUBLINGS && step < SIZE_MAX / 4; i++) {
        step *= 2;
    }
    if (info.me_mapsize > SIZE_MAX / 2 - step || !address_space_left(step)) {
        return detail_set(txn->detail, AUTH_STORE_FULL,
                          "store %s cannot grow: no address space is left for its map", env->path);
    }
    return set_map_size(env, info.me_mapsize + step, txn->detail);
}

struct kv_handle *lmdb_find_handle(struct kv_handle *handles, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(handles[i].name, name) == 0) {
            return &handles[i];
        }
    }
    return NULL;
}

static void add_handle(struct kv_env *env, const struct kv_handle *handle)
{
    if (env->n_handles == KV_MAX_HANDLES) {
        /* The oldest but the first, which is the store's description and always wanted. */
        mdb_dbi_close(env->mdb, env->handles[1].dbi);
        memmove(&env->handles[1], &env->handles[2], (KV_MAX_HANDLES - 2) * sizeof env->handles[0]);
        env->n_handles--;
    }
    env->handles[env->n_handles] = *handle;
    env->n_handles++;
}

void lmdb_forget_table(struct kv_env *env, const char *name)
{
    struct kv_handle *handle = lmdb_find_handle(env->handles, env->n_handles, name);

    if (handle != NULL) {
        env->n_handles--;
        memmove(handle, handle + 1,
                (size_t)(&env->handles[env->n_handles] - handle) * sizeof *handle);
    }
}

enum auth_status lmdb_open_table(struct kv_txn *txn)
{
    struct kv_env *env = txn->env;
    struct kv_handle handle = {"", 0};
    struct kv_txn own = {.env = env, .detail = txn->detail};

    if (lmdb_find_handle(env->handles, env->n_handles, txn->wanted) != NULL) {
        return AUTH_OK; /* another thread opened it */
    }
    enum auth_status status = lmdb_begin(&own, false);
    if (own.need == KV_ADOPT) {
        own.need = KV_NOTHING;
        status = lmdb_adopt(env, txn->detail);
        if (status == AUTH_OK) {
            status = lmdb_begin(&own, false);
        }
    }
    if (status != AUTH_OK) {
        return status;
    }
    const char *name = strcmp(txn->wanted, KV_UNNAMED) == 0 ? NULL : txn->wanted;
    int rc = mdb_dbi_open(own.mdb, name, 0, &handle.dbi);
    if (rc == 0) {
        /* Only a commit keeps the handle. */
        rc = mdb_txn_commit(own.mdb);
    } else {
        mdb_txn_abort(own.mdb);
    }
    if ((rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE) && own.moment != txn->moment) {
        return AUTH_OK; /* it was there: whoever asked looks again and finds what is there now */
    }
    if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE) {
        return detail_set(txn->detail, txn->if_missing, "store %s has no table \"%s\"", env->path,
                          txn->wanted);
    }
    if (rc != 0) {
        return explain(env, rc, txn->detail);
    }
    memcpy(handle.name, txn->wanted, sizeof handle.name);
    add_handle(env, &handle);
    return AUTH_OK;
}

static enum auth_status need(struct kv_txn *txn, enum kv_need what)
{
    txn->need = what;
    return AUTH_CONTINUE;
}

/* Both files as long as they have to be; reading past the end of a mapped file is a SIGBUS. */
static enum auth_status check_sizes(struct kv_txn *txn)
{
    struct kv_env *env = txn->env;
    uint64_t lock_size;

    if (!kv_descriptors_hold(env, &txn->file_size, &lock_size)) {
        return need(txn, KV_OPEN);
    }
    if (lock_size < env->lock_size) {
        return detail_set(txn->detail, AUTH_STORE_DAMAGED,
                          "lock file %s is truncated to %llu bytes", env->lock_path,
                          (unsigned long long)lock_size);
    }
    if (txn->file_size < META_PAGES * (uint64_t)env->page_size) {
        return detail_set(txn->detail, AUTH_STORE_DAMAGED, "store %s is truncated to %llu bytes",
                          env->path, (unsigned long long)txn->file_size);
    }
    return AUTH_OK;
}

/* The pages a transaction may touch are in the file. Writers extend it before they commit. */
static enum auth_status check_extent(struct kv_txn *txn)
{
    struct kv_env *env = txn->env;
    MDB_envinfo info;

    if (mdb_env_info(env->mdb, &info) != 0) {
        return AUTH_INTERNAL;
    }
    txn->map_size = info.me_mapsize;
    if (info.me_last_pgno < txn->file_size / env->page_size) {
        return AUTH_OK;
    }
    /* Perhaps it grew since we looked. */
    if (kv_files_is(env->data_fd, &env->data_id, &txn->file_size) &&
        info.me_last_pgno < txn->file_size / env->page_size) {
        return AUTH_OK;
    }
    return detail_set(
        txn->detail, AUTH_STORE_DAMAGED,
        "store %s is truncated: it has %llu bytes and needs %llu more pages of %zu", env->path,
        (unsigned long long)txn->file_size,
        (unsigned long long)(info.me_last_pgno + 1 - (size_t)(txn->file_size / env->page_size)),
        env->page_size);
}

static int begin_reading(struct kv_env *env, MDB_txn **ret)
{
    int dead = 0;
    int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, ret);

    /* Slots of processes that died in a transaction can be had back; once is enough to know. */
    if (rc == MDB_READERS_FULL && mdb_reader_check(env->mdb, &dead) == 0 && dead > 0) {
        rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, ret);
    }
    return rc;
}

enum auth_status lmdb_begin(struct kv_txn *txn, bool write)
{
    struct kv_env *env = txn->env;

    txn->mdb = NULL;
    txn->write = write;
    if (env->mdb == NULL || env->process != kv_process() || atomic_load(&env->is_broken)) {
        return need(txn, KV_OPEN);
    }
    enum auth_status status = check_sizes(txn);
    if (status != AUTH_OK) {
        return status;
    }
    int rc = write ? mdb_txn_begin(env->mdb, NULL, 0, &txn->mdb) : begin_reading(env, &txn->mdb);
    if (rc == MDB_MAP_RESIZED) {
        return need(txn, KV_ADOPT);
    }
    if (rc == MDB_PANIC) {
        atomic_store(&env->is_broken, true);
        return need(txn, KV_OPEN);
    }
    if (rc == 0) {
        txn->moment = mdb_txn_id(txn->mdb) - (write ? 1 : 0);
    }
    status = rc == 0 ? check_extent(txn) : explain(env, rc, txn->detail);
    if (status != AUTH_OK && rc == 0) {
        mdb_txn_abort(txn->mdb);
    }
    return status;
}

void lmdb_abort(struct kv_txn *txn)
{
    mdb_txn_abort(txn->mdb);
    txn->mdb = NULL;
}

/*
 * LMDB writes no page it allocated and freed within a transaction, so that its last page may lie
 * past the end of the file. With the file as long as the map, readers can tell a sound file from a
 * truncated one; the added part takes no room on the disk.
 */
static int extend_file(const struct kv_txn *txn)
{
    struct stat st;

    if (fstat(txn->env->data_fd, &st) != 0) {
        return errno;
    }
    if ((uint64_t)st.st_size >= txn->map_size) {
        return 0;
    }
    return ftruncate(txn->env->data_fd, (off_t)txn->map_size) == 0 ? 0 : errno;
}

/* LMDB says EIO when a write was cut short, which is what a full disk does first. */
static enum auth_status explain_commit(const struct kv_txn *txn, int rc)
{
    const struct kv_env *env = txn->env;
    struct statvfs fs;
    struct rlimit limit;

    if (rc == EIO && ((fstatvfs(env->data_fd, &fs) == 0 && fs.f_bavail < SPARE_BLOCKS) ||
                      (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur <= txn->map_size))) {
        rc = ENOSPC;
    }
    return explain(env, rc, txn->detail);
}

enum auth_status lmdb_commit(struct kv_txn *txn)
{
    struct kv_env *env = txn->env;
    int rc = extend_file(txn);

    if (rc != 0) {
        lmdb_abort(txn);
        return explain(env, rc, txn->detail);
    }
    rc = mdb_txn_commit(txn->mdb);
    txn->mdb = NULL;
    if (rc == MDB_MAP_FULL) {
        return need(txn, KV_GROW);
    }
    if (rc != 0) {
        return explain_commit(txn, rc);
    }
    for (unsigned i = 0; i < txn->n_fresh; i++) {
        add_handle(env, &txn->fresh[i]);
    }
    return AUTH_OK;
}

struct detail *kv_detail(struct kv_txn *txn)
{
    return txn->detail;
}

uint64_t kv_file_size(const struct kv_txn *txn)
{
    return txn->file_size;
}
