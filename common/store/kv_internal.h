/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between kv.c, which decides when an environment is opened, changed and closed and who must stand
 * aside meanwhile, and store_lmdb.c, which speaks to LMDB. Nobody else includes this.
 */
#ifndef SASL_LMDB_KV_INTERNAL_H
#define SASL_LMDB_KV_INTERNAL_H

#include <stdatomic.h>

#include "store/kv.h"
#include "store/kv_files.h"

/* LMDB's own types, by their tags, so that its header stays in one file. */
struct MDB_env;
struct MDB_txn;

enum {
    KV_MAX_HANDLES = 4, /* the store's description, the active table, one being made, one spare */
    KV_MAX_FRESH = 2,   /* tables made in one transaction */
};

struct kv_handle {
    char name[KV_MAX_NAME + 1];
    unsigned dbi;
};

struct kv_env {
    struct kv_env *next;
    unsigned users;
    char *path;
    char *lock_path;
    struct kv_options options;
    struct file_id data_id;
    gid_t group;

    /* What follows describes the environment while it is open in one process. */
    struct MDB_env *mdb; /* NULL: not open */
    uint64_t process;    /* that one, by kv_process() */
    int data_fd;         /* LMDB's own */
    int lock_fd;         /* ours, O_PATH; -1 without a lock file */
    struct file_id lock_id;
    uint64_t lock_size;
    size_t page_size;
    unsigned n_handles;
    struct kv_handle handles[KV_MAX_HANDLES];

    bool claimed;          /* this process holds the claim, a lock on data_fd */
    bool changing;         /* the write side is held to change this environment */
    atomic_uint writing;   /* threads in a write transaction */
    atomic_bool is_broken; /* LMDB says it must be closed */
};

/* What has to be done, with the write side held, before the transaction can run again. */
enum kv_need { KV_NOTHING, KV_OPEN, KV_ADOPT, KV_GROW, KV_TABLE };

struct kv_txn {
    struct kv_env *env;
    struct MDB_txn *mdb;
    struct detail *detail;
    enum kv_need need;
    uint64_t moment; /* the number of the last commit it sees */
    size_t map_size; /* when it was full */
    uint64_t file_size;
    char wanted[KV_MAX_NAME + 1];
    enum auth_status if_missing;
    bool alone;
    bool write;
    unsigned n_fresh;
    struct kv_handle fresh[KV_MAX_FRESH];
};

/*
 * True while the descriptors LMDB works with are still on the files they were opened on. Some
 * daemons close every descriptor they do not know; the number may be another file by now.
 */
bool kv_descriptors_hold(const struct kv_env *env, uint64_t *ret_data_size,
                         uint64_t *ret_lock_size);

/*
 * A number of this process that differs from those of its ancestors: what getpid() would tell, but
 * a lookup cannot afford a system call to hear that nothing has changed. 0 in a child that has not
 * opened anything yet.
 */
uint64_t kv_process(void);

/* --- store_lmdb.c; all but the last seven with the write side of the lock held --- */

/* Opens env->mdb. is_new: the files are empty and become a new environment. */
MUST_USE enum auth_status lmdb_open(struct kv_env *env, bool is_new, struct detail *detail);

/* Closes env->mdb, which must be open and whole; also right in a child that inherited it. */
void lmdb_close(struct kv_env *env);

/* Maps as much as the file now wants. An environment that fails to is closed. */
MUST_USE enum auth_status lmdb_adopt(struct kv_env *env, struct detail *detail);

/* Makes the map larger than txn->map_size, the more so the more runs there were. */
MUST_USE enum auth_status lmdb_grow(struct kv_txn *txn, unsigned runs);

/* Opens the handle of the table txn->wanted. */
MUST_USE enum auth_status lmdb_open_table(struct kv_txn *txn);

/* Begins; on AUTH_OK txn->mdb is set. Otherwise txn->need may say what is to be done. */
MUST_USE enum auth_status lmdb_begin(struct kv_txn *txn, bool write);
MUST_USE enum auth_status lmdb_commit(struct kv_txn *txn);
void lmdb_abort(struct kv_txn *txn);

/* A return code of LMDB as a status, with its detail. */
enum auth_status lmdb_explain(const struct kv_env *env, int rc, struct detail *detail);

/* The number of the transaction whose moment this one sees. */
uint64_t lmdb_txn_id(const struct kv_txn *txn);

/* One of n handles, or NULL. */
struct kv_handle *lmdb_find_handle(struct kv_handle *handles, unsigned n, const char *name);

/* A table that is gone has no handle. */
void lmdb_forget_table(struct kv_env *env, const char *name);

#endif
