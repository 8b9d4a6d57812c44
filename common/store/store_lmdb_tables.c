/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole tables through LMDB: walking, emptying and dropping them. */
#include <lmdb.h>
#include <string.h>

#include "store/kv_internal.h"

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

uint64_t lmdb_txn_id(const struct kv_txn *txn)
{
    return mdb_txn_id(txn->mdb);
}
