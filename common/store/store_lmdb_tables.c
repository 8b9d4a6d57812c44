/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done with tables, keys and values inside a transaction, through LMDB. */
#include <lmdb.h>
#include <string.h>
#include <unistd.h>

#include "store/kv_internal.h"

enum { PAGE_HEADER = 16 };

/* MDB_val holds pointers to non-const; LMDB only reads through those that are handed in. */
static MDB_val val_of(struct slice s)
{
    union {
        const void *in;
        void *out;
    } p = {s.p};

    return (MDB_val){s.n, p.out};
}

static enum auth_status need(struct kv_txn *txn, enum kv_need what)
{
    txn->need = what;
    return AUTH_CONTINUE;
}

/* What is left to do when LMDB returns rc from inside a transaction. */
static enum auth_status result(struct kv_txn *txn, int rc)
{
    if (rc == MDB_MAP_FULL) {
        return need(txn, KV_GROW);
    }
    return rc == MDB_NOTFOUND ? AUTH_OK : lmdb_explain(txn->env, rc, txn->detail);
}

enum auth_status kv_table(struct kv_txn *txn, const char *name, enum auth_status if_missing,
                          unsigned *ret_table)
{
    struct kv_env *env = txn->env;
    struct kv_handle *handle = lmdb_find_handle(env->handles, env->n_handles, name);

    if (handle == NULL) {
        handle = lmdb_find_handle(txn->fresh, txn->n_fresh, name);
    }
    if (handle != NULL) {
        *ret_table = handle->dbi;
        return AUTH_OK;
    }
    size_t n = strlen(name);
    if (n > KV_MAX_NAME) {
        return AUTH_INTERNAL;
    }
    memcpy(txn->wanted, name, n + 1);
    txn->if_missing = if_missing;
    return need(txn, KV_TABLE);
}

enum auth_status kv_make_table(struct kv_txn *txn, const char *name, unsigned *ret_table)
{
    struct kv_env *env = txn->env;
    struct kv_handle *handle = lmdb_find_handle(env->handles, env->n_handles, name);
    size_t n = strlen(name);

    if (handle == NULL) {
        if (!txn->alone || txn->n_fresh == KV_MAX_FRESH || n > KV_MAX_NAME) {
            return AUTH_INTERNAL;
        }
        handle = &txn->fresh[txn->n_fresh];
        int rc = mdb_dbi_open(txn->mdb, name, MDB_CREATE, &handle->dbi);
        if (rc == MDB_MAP_FULL) {
            return need(txn, KV_GROW);
        }
        if (rc != 0) {
            return lmdb_explain(env, rc, txn->detail);
        }
        memcpy(handle->name, name, n + 1);
        txn->n_fresh++;
    }
    *ret_table = handle->dbi;
    return AUTH_OK;
}

static enum auth_status too_long(const struct kv_txn *txn)
{
    return detail_set(txn->detail, AUTH_STORE_DAMAGED, "store %s holds a value that is too long",
                      txn->env->path);
}

/*
 * LMDB believes the lengths it finds, and one that is wrong leads past the end of the file. What it
 * hands out lies within a page, or behind the header of pages that hold nothing else. The map
 * begins on a page of the machine, so that larger ones cannot be told, nor the pages that a writer
 * has in memory of his own.
 */
static bool is_within_page(const struct kv_txn *txn, const MDB_val *v)
{
    const size_t size = txn->env->page_size;
    const size_t at = (uintptr_t)v->mv_data % size;

    return txn->write || v->mv_size == 0 || at == PAGE_HEADER ||
           size > (size_t)sysconf(_SC_PAGESIZE) || (at > PAGE_HEADER && v->mv_size <= size - at);
}

/* Before anybody reads a key or a value. */
static enum auth_status check_extent(const struct kv_txn *txn, const MDB_val *v)
{
    return is_within_page(txn, v)
               ? AUTH_OK
               : detail_set(txn->detail, AUTH_STORE_DAMAGED,
                            "store %s holds a length that leads out of its page", txn->env->path);
}

static enum auth_status check_value(const struct kv_txn *txn, const MDB_val *v)
{
    return v->mv_size > KV_MAX_VALUE ? too_long(txn) : check_extent(txn, v);
}

enum auth_status kv_get(struct kv_txn *txn, unsigned table, struct slice key,
                        uint8_t ret[KV_MAX_VALUE], size_t *ret_n, bool *ret_found)
{
    MDB_val k = val_of(key);
    MDB_val v;
    int rc = mdb_get(txn->mdb, table, &k, &v);

    if (rc == MDB_NOTFOUND) {
        *ret_found = false;
        *ret_n = 0;
        return AUTH_OK;
    }
    if (rc != 0) {
        return lmdb_explain(txn->env, rc, txn->detail);
    }
    enum auth_status status = check_value(txn, &v);
    if (status != AUTH_OK) {
        return status;
    }
    memcpy(ret, v.mv_data, v.mv_size);
    *ret_n = v.mv_size;
    *ret_found = true;
    return AUTH_OK;
}

static enum auth_status put(struct kv_txn *txn, unsigned table, struct slice key,
                            struct slice value, unsigned flags, bool *ret_exists)
{
    MDB_val k = val_of(key);
    MDB_val v = val_of(value);

    if (value.n > KV_MAX_VALUE) {
        return AUTH_TOO_LONG;
    }
    int rc = mdb_put(txn->mdb, table, &k, &v, flags);
    *ret_exists = rc == MDB_KEYEXIST;
    return *ret_exists ? AUTH_OK : result(txn, rc);
}

enum auth_status kv_put(struct kv_txn *txn, unsigned table, struct slice key, struct slice value)
{
    bool exists;

    return put(txn, table, key, value, 0, &exists);
}

enum auth_status kv_put_new(struct kv_txn *txn, unsigned table, struct slice key,
                            struct slice value, bool *ret_exists)
{
    return put(txn, table, key, value, MDB_NOOVERWRITE, ret_exists);
}

enum auth_status kv_delete(struct kv_txn *txn, unsigned table, struct slice key)
{
    MDB_val k = val_of(key);

    return result(txn, mdb_del(txn->mdb, table, &k, NULL));
}

enum auth_status kv_count(struct kv_txn *txn, unsigned table, uint64_t *ret)
{
    MDB_stat st;
    int rc = mdb_stat(txn->mdb, table, &st);

    if (rc != 0) {
        return lmdb_explain(txn->env, rc, txn->detail);
    }
    *ret = st.ms_entries;
    return AUTH_OK;
}

/* From `first` on (empty: from the beginning); behind it if `behind` is set. */
static int first_key(MDB_cursor *cursor, struct slice first, bool behind, MDB_val *key,
                     MDB_val *value)
{
    if (first.n == 0) {
        return mdb_cursor_get(cursor, key, value, MDB_FIRST);
    }
    *key = val_of(first);
    int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    if (rc == 0 && behind && slice_equal(slice_of(key->mv_data, key->mv_size), first)) {
        rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
    }
    return rc;
}

static bool has_prefix(const MDB_val *key, struct slice prefix)
{
    return key->mv_size >= prefix.n &&
           (prefix.n == 0 || memcmp(key->mv_data, prefix.p, prefix.n) == 0);
}

/* Where a walk begins, and what all its keys begin with. */
struct range {
    struct slice first;
    bool behind;
    struct slice prefix;
};

static enum auth_status
walk(struct kv_txn *txn, unsigned table, const struct range *range,
     enum auth_status (*visit)(void *ctx, struct slice key, struct slice value), void *ctx)
{
    uint8_t copy[KV_MAX_VALUE];
    enum auth_status status = AUTH_OK;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    int rc = mdb_cursor_open(txn->mdb, table, &cursor);

    if (rc != 0) {
        return result(txn, rc);
    }
    rc = first_key(cursor, range->first, range->behind, &key, &value);
    while (rc == 0 && status == AUTH_OK) {
        status = check_extent(txn, &key);
        if (status == AUTH_OK && !has_prefix(&key, range->prefix)) {
            break;
        }
        if (status == AUTH_OK) {
            status = check_value(txn, &value);
        }
        if (status == AUTH_OK) {
            memcpy(copy, value.mv_data, value.mv_size);
            status = visit(ctx, slice_of(key.mv_data, key.mv_size), slice_of(copy, value.mv_size));
        }
        if (status == AUTH_OK) {
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    return status == AUTH_OK ? result(txn, rc) : status;
}

enum auth_status kv_scan(struct kv_txn *txn, unsigned table, struct slice prefix,
                         enum auth_status (*visit)(void *ctx, struct slice key, struct slice value),
                         void *ctx)
{
    const struct range range = {.first = prefix, .prefix = prefix};

    return walk(txn, table, &range, visit, ctx);
}

enum auth_status
kv_scan_after(struct kv_txn *txn, unsigned table, struct slice after,
              enum auth_status (*visit)(void *ctx, struct slice key, struct slice value), void *ctx)
{
    const struct range range = {.first = after, .behind = true, .prefix = slice_of(NULL, 0)};

    return walk(txn, table, &range, visit, ctx);
}

/* The table without a name holds the others' names. */
static int open_names(struct kv_txn *txn, MDB_dbi *ret_dbi, MDB_cursor **ret)
{
    int rc = mdb_dbi_open(txn->mdb, NULL, 0, ret_dbi);

    return rc == 0 ? mdb_cursor_open(txn->mdb, *ret_dbi, ret) : rc;
}

enum auth_status kv_each_table(struct kv_txn *txn,
                               enum auth_status (*visit)(void *ctx, struct slice name), void *ctx)
{
    enum auth_status status = AUTH_OK;
    MDB_cursor *cursor;
    MDB_dbi dbi;
    MDB_val key;
    int rc = open_names(txn, &dbi, &cursor);

    if (rc != 0) {
        return result(txn, rc);
    }
    rc = mdb_cursor_get(cursor, &key, NULL, MDB_FIRST);
    while (rc == 0 && status == AUTH_OK) {
        status = check_extent(txn, &key);
        if (status == AUTH_OK) {
            status = visit(ctx, slice_of(key.mv_data, key.mv_size));
        }
        if (status == AUTH_OK) {
            rc = mdb_cursor_get(cursor, &key, NULL, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    return status == AUTH_OK ? result(txn, rc) : status;
}

enum auth_status kv_delete_first(struct kv_txn *txn, unsigned table, size_t n, bool *ret_empty)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    int rc = mdb_cursor_open(txn->mdb, table, &cursor);

    if (rc != 0) {
        return result(txn, rc);
    }
    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = mdb_cursor_del(cursor, 0);
        if (rc == 0) {
            rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        }
    }
    mdb_cursor_close(cursor);
    *ret_empty = rc == MDB_NOTFOUND;
    return result(txn, rc);
}

enum auth_status kv_drop_table(struct kv_txn *txn, const char *name)
{
    MDB_dbi dbi;

    if (!txn->alone) {
        return AUTH_INTERNAL;
    }
    int rc = mdb_dbi_open(txn->mdb, name, 0, &dbi);
    if (rc == 0) {
        /* LMDB closes the handle with it, even if the transaction is undone. */
        rc = mdb_drop(txn->mdb, dbi, 1);
        lmdb_forget_table(txn->env, name);
    }
    return result(txn, rc);
}

uint64_t lmdb_txn_id(const struct kv_txn *txn)
{
    return mdb_txn_id(txn->mdb);
}
