/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole tables through LMDB: walking, emptying, dropping them, and what the file is used for. */
#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "store/kv_internal.h"

enum {
    FREE_TABLE = 0, /* LMDB's own table of pages that are free, by transaction */
    META_PAGES = 2,
};

/* MDB_val holds pointers to non-const; LMDB only reads through those that are handed in. */
static MDB_val val_of(struct slice s)
{
    union {
        const void *in;
        void *out;
    } p = {s.p};

    return (MDB_val){s.n, p.out};
}

/* What is left to do when LMDB returns rc from inside a transaction. */
static enum auth_status result(struct kv_txn *txn, int rc)
{
    if (rc == MDB_MAP_FULL) {
        txn->need = KV_GROW;
        return AUTH_CONTINUE;
    }
    return rc == MDB_NOTFOUND ? AUTH_OK : lmdb_explain(txn->env, rc, txn->detail);
}

static int first_after(MDB_cursor *cursor, struct slice after, MDB_val *key, MDB_val *value)
{
    if (after.n == 0) {
        return mdb_cursor_get(cursor, key, value, MDB_FIRST);
    }
    *key = val_of(after);
    int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    if (rc == 0 && slice_equal(slice_of(key->mv_data, key->mv_size), after)) {
        rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
    }
    return rc;
}

enum auth_status
kv_scan_after(struct kv_txn *txn, unsigned table, struct slice after,
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
    rc = first_after(cursor, after, &key, &value);
    while (rc == 0 && status == AUTH_OK) {
        if (value.mv_size > sizeof copy) {
            status = detail_set(txn->detail, AUTH_STORE_DAMAGED,
                                "store %s holds a value that is too long", txn->env->path);
            break;
        }
        memcpy(copy, value.mv_data, value.mv_size);
        status = visit(ctx, slice_of(key.mv_data, key.mv_size), slice_of(copy, value.mv_size));
        if (status == AUTH_OK) {
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    return status == AUTH_OK ? result(txn, rc) : status;
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
        status = visit(ctx, slice_of(key.mv_data, key.mv_size));
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

/* Pages one table takes. */
static int add_pages(MDB_txn *mdb, MDB_dbi dbi, uint64_t *sum)
{
    MDB_stat st;
    int rc = mdb_stat(mdb, dbi, &st);

    if (rc == 0) {
        *sum += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
    }
    return rc;
}

/*
 * Adds the named tables. Their handles are not opened, which would have to be done alone: what is
 * wanted stands in the value, LMDB's own description of a table (MDB_db of its file format).
 */
static int add_named(MDB_cursor *cursor, uint64_t *sum)
{
    struct description {
        uint32_t pad;
        uint16_t flags;
        uint16_t depth;
        size_t branch_pages;
        size_t leaf_pages;
        size_t overflow_pages;
        size_t entries;
        size_t root;
    } table;
    MDB_val key;
    MDB_val value;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);

    while (rc == 0) {
        if (value.mv_size != sizeof table) {
            return MDB_CORRUPTED;
        }
        memcpy(&table, value.mv_data, sizeof table);
        *sum += table.branch_pages + table.leaf_pages + table.overflow_pages;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* One list: its length, then page numbers from the largest down. A bit for each page seen. */
static bool take_list(const MDB_val *value, uint64_t all, uint8_t *seen, uint64_t *sum)
{
    size_t n = value->mv_size / sizeof(size_t);
    size_t length = 0;

    if (n == 0 || value->mv_size % sizeof(size_t) != 0) {
        return false;
    }
    memcpy(&length, value->mv_data, sizeof length);
    if (length >= n) {
        return false;
    }
    for (size_t i = 1; i <= length; i++) {
        size_t page;

        memcpy(&page, (const uint8_t *)value->mv_data + i * sizeof page, sizeof page);
        if (page < META_PAGES || page >= all || (seen[page / 8] & (1U << page % 8)) != 0) {
            return false;
        }
        seen[page / 8] |= (uint8_t)(1U << page % 8);
    }
    *sum += length;
    return true;
}

static int add_free(MDB_txn *mdb, uint64_t all, uint64_t *sum)
{
    uint8_t *seen = calloc(all / 8 + 1, 1);
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int rc = seen == NULL ? ENOMEM : mdb_cursor_open(mdb, FREE_TABLE, &cursor);

    if (rc == 0) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    }
    while (rc == 0) {
        rc = take_list(&value, all, seen, sum) ? mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
                                               : MDB_CORRUPTED;
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    free(seen);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

enum auth_status kv_count_pages(struct kv_txn *txn, struct kv_pages *ret)
{
    MDB_envinfo info;
    MDB_cursor *cursor = NULL;
    MDB_dbi names = 0;
    int rc = mdb_env_info(txn->env->mdb, &info);

    memset(ret, 0, sizeof *ret);
    ret->page_size = txn->env->page_size;
    ret->all = info.me_last_pgno + 1;
    ret->used = META_PAGES;
    if (rc == 0 && info.me_last_txnid != mdb_txn_id(txn->mdb)) {
        ret->all = 0;
        return AUTH_OK;
    }
    if (rc == 0) {
        rc = add_free(txn->mdb, ret->all, &ret->unused);
    }
    if (rc == 0) {
        rc = add_pages(txn->mdb, FREE_TABLE, &ret->used);
    }
    if (rc == 0) {
        rc = open_names(txn, &names, &cursor);
    }
    if (rc == 0) {
        rc = add_pages(txn->mdb, names, &ret->used);
    }
    if (rc == 0) {
        rc = add_named(cursor, &ret->used);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc == MDB_CORRUPTED
               ? detail_set(txn->detail, AUTH_STORE_DAMAGED,
                            "store %s: the list of free pages is damaged", txn->env->path)
               : result(txn, rc);
}
