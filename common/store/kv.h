/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transactions on tables of keys and values in one LMDB file, made safe for use inside somebody
 * else's process. store_lmdb.c is the only file that includes LMDB's header.
 *
 * What this layer takes care of, so that nobody above has to think of it:
 *  - one environment a process for each (device, inode), whoever opens it how often;
 *  - no transaction at kv_open();
 *  - a forked child opens afresh at its first use and never touches what it inherited, nor what a
 *    process that closed "all" descriptors has closed under us;
 *  - a map that grew is adopted, a map that is full is grown and the transaction run again;
 *  - a full reader table is cleared of the dead, once;
 *  - truncated data and lock files are found by fstat before they are touched (they would raise
 *    SIGBUS), a read-only file system is refused (LMDB would drop locking without a word).
 *
 * A transaction is a function. It may be run again, so it keeps no result of an earlier run; it
 * returns at once with the status when a kv_*() call inside does not return AUTH_OK; it may not
 * begin another transaction. What it gets is copied out of the file, since whoever can write the
 * lock file can have pages rewritten under a reader.
 *
 * Threads: any number may read and write at once. A reader waits for nobody, except in a process
 * that itself writes: there it may have to wait while another thread ends a transaction and grows
 * the map.
 */
#ifndef SASL_LMDB_KV_H
#define SASL_LMDB_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "store/files.h"

#define KV_LOCK_SUFFIX "-lock"

enum {
    KV_MAX_NAME = 23,       /* bytes of a table's name */
    KV_MAX_VALUE = 4096,    /* bytes of a value */
    KV_FIRST_MAP = 1 << 20, /* bytes of a new file's map; it grows by this or a quarter */
    KV_MAX_READERS = 1000,  /* transactions at one time, all processes together; at least */
};

struct kv_env; /* opaque */
struct kv_txn; /* opaque, lives while its function runs */

struct kv_options {
    bool writable;
    bool nolock; /* reading without the lock file */
};

/*
 * Opens a file, or returns the environment this process has open for it and counts one user more
 * (then the options it was opened with stay). Symbolic links in path are resolved once, so that
 * the lock file is the same whatever the link; with nolock an absolute path stays as it is. A
 * writer makes a missing lock file, a reader never.
 * AUTH_STORE_MISSING, _DENIED, _FOREIGN, _DAMAGED; AUTH_STORE_READONLY if it is to be writable and
 * this process has it open for reading.
 */
MUST_USE enum auth_status kv_open(const char *path, const struct kv_options *options,
                                  struct kv_env **ret, struct detail *detail);

/*
 * Makes a new file and its lock file, both with mode 0600, and opens it for writing.
 * AUTH_STORE_EXISTS if either is there; nothing new is left behind on an error. Who else is to
 * have them gets them once the environment is closed (file_give()): whoever can write the lock
 * file can run code in the process that has it mapped.
 */
MUST_USE enum auth_status kv_create(const char *path, struct kv_env **ret, struct detail *detail);

/* The last user's call closes the environment. NULL is fine. */
void kv_close(struct kv_env *env);

/* The absolute path of the data file. */
const char *kv_path(const struct kv_env *env);

/* The group that may read the data file, or FILES_ANY_GROUP. */
gid_t kv_group(const struct kv_env *env);

bool kv_is_writable(const struct kv_env *env);

/*
 * Runs run() in a read transaction and returns its status, or why there was none. detail may be
 * NULL.
 */
MUST_USE enum auth_status kv_read(struct kv_env *env,
                                  enum auth_status (*run)(struct kv_txn *txn, void *ctx), void *ctx,
                                  struct detail *detail);

/*
 * Who else of this process may be in a transaction meanwhile. Making a table changes state that
 * every transaction of the process shares.
 */
enum kv_company { KV_SHARED, KV_ALONE };

/*
 * Runs run() in the write transaction, commits if it returns AUTH_OK, else undoes everything. What
 * was committed is on the disk. AUTH_STORE_FULL without space, AUTH_STORE_READONLY;
 * AUTH_STORE_MISSING if the path leads to another file by now, or did so right after the commit.
 */
MUST_USE enum auth_status kv_write(struct kv_env *env, enum kv_company company,
                                   enum auth_status (*run)(struct kv_txn *txn, void *ctx),
                                   void *ctx, struct detail *detail);

/* The table without a name that every LMDB file has; ours keep the names of the others there. */
#define KV_UNNAMED ""

/*
 * Inside a transaction. A table is a number valid in this transaction only. if_missing is what a
 * missing table means.
 */
MUST_USE enum auth_status kv_table(struct kv_txn *txn, const char *name,
                                   enum auth_status if_missing, unsigned *ret_table);

/* Makes a table, or returns the one that is there. Only in a KV_ALONE write transaction. */
MUST_USE enum auth_status kv_make_table(struct kv_txn *txn, const char *name, unsigned *ret_table);

/* *ret_n is the length of the value, copied to ret; *ret_found says whether there is one. */
MUST_USE enum auth_status kv_get(struct kv_txn *txn, unsigned table, struct slice key,
                                 uint8_t ret[KV_MAX_VALUE], size_t *ret_n, bool *ret_found);

MUST_USE enum auth_status kv_put(struct kv_txn *txn, unsigned table, struct slice key,
                                 struct slice value);

/* Puts it unless the key is there: *ret_exists, and nothing is done. */
MUST_USE enum auth_status kv_put_new(struct kv_txn *txn, unsigned table, struct slice key,
                                     struct slice value, bool *ret_exists);

/* Absent is fine. */
MUST_USE enum auth_status kv_delete(struct kv_txn *txn, unsigned table, struct slice key);

/* The number of keys in a table. */
MUST_USE enum auth_status kv_count(struct kv_txn *txn, unsigned table, uint64_t *ret);

/*
 * Calls visit() for each key that begins with prefix (empty: all), in order. The slices are valid
 * during the call. A status other than AUTH_OK ends the walk and is returned.
 */
MUST_USE enum auth_status
kv_scan(struct kv_txn *txn, unsigned table, struct slice prefix,
        enum auth_status (*visit)(void *ctx, struct slice key, struct slice value), void *ctx);

/*
 * The same, for all keys behind `after` (empty: all). A visit() may write to other tables of the
 * transaction.
 */
MUST_USE enum auth_status kv_scan_after(struct kv_txn *txn, unsigned table, struct slice after,
                                        enum auth_status (*visit)(void *ctx, struct slice key,
                                                                  struct slice value),
                                        void *ctx);

/* Calls visit() for the name of each table of the file, as kv_scan() does. */
MUST_USE enum auth_status kv_each_table(struct kv_txn *txn,
                                        enum auth_status (*visit)(void *ctx, struct slice name),
                                        void *ctx);

/* Deletes the first n keys; *ret_empty says that none is left. */
MUST_USE enum auth_status kv_delete_first(struct kv_txn *txn, unsigned table, size_t n,
                                          bool *ret_empty);

/* Removes a table; only in a KV_ALONE write transaction. Absent is fine. */
MUST_USE enum auth_status kv_drop_table(struct kv_txn *txn, const char *name);

/* The pages of the file by what they are used for. */
struct kv_pages {
    uint64_t page_size;
    uint64_t all;    /* up to the last one ever used; 0: not known, somebody has just written */
    uint64_t used;   /* by tables, and by LMDB itself */
    uint64_t unused; /* on the list of free pages */
};

/*
 * Looks at every page of the file without LMDB's help. AUTH_STORE_DAMAGED, with a detail that
 * names the page, if one is not what it should be, is used twice, or neither used nor free.
 */
MUST_USE enum auth_status kv_check_pages(struct kv_txn *txn, struct kv_pages *ret);

/*
 * The claim: at most one process holds it for a file, and it goes with the process that holds it.
 * Taken inside a write transaction, so that whoever looks at it in another one sees a settled
 * state; it outlives the transaction. AUTH_STORE_BUSY if it is taken, also by this process.
 */
MUST_USE enum auth_status kv_claim(struct kv_txn *txn);
void kv_disclaim(struct kv_env *env);

/* Whether this process holds it; whether anybody does. */
bool kv_holds_claim(const struct kv_txn *txn);
bool kv_is_claimed(const struct kv_txn *txn);

/* Where this transaction's error texts go; may be NULL. */
struct detail *kv_detail(struct kv_txn *txn);

/* The data file's size at the begin of this transaction. */
uint64_t kv_file_size(const struct kv_txn *txn);

#endif
