/* SPDX-License-Identifier: BSD-2-Clause */
/* Changing accounts: the records, the counts of classes and of seals go together. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "store/store_internal.h"

/* A write transaction on the active table. */
struct writing {
    struct store *store;
    struct kv_txn *txn;
    struct store_meta meta;
    const struct key *key;
    unsigned table;
};

static enum auth_status writing_begin(struct writing *writing, struct kv_txn *txn)
{
    char table[KV_MAX_NAME + 1];

    writing->txn = txn;
    enum auth_status status = store_meta_read(writing->store, txn, &writing->meta, &writing->key);
    if (status == AUTH_OK) {
        store_table_name(writing->meta.table, table);
        status = kv_table(txn, table, AUTH_STORE_DAMAGED, &writing->table);
    }
    return status;
}

static enum auth_status writing_end(struct writing *writing)
{
    return store_meta_write(writing->txn, writing->key, &writing->meta);
}

enum auth_status store_account_read(struct kv_txn *txn, unsigned table, const struct key *key,
                                    const uint8_t place[ACCOUNT_KEY], const struct identity *who,
                                    struct record *ret, bool *ret_found)
{
    uint8_t value[KV_MAX_VALUE];
    size_t n = 0;
    struct slice where = slice_of(place, ACCOUNT_KEY);
    enum auth_status status = kv_get(txn, table, where, value, &n, ret_found);

    if (status == AUTH_OK && *ret_found) {
        status = account_open(key, where, slice_of(value, n), ret);
        if (status == AUTH_OK &&
            (strcmp(ret->who.user, who->user) != 0 || strcmp(ret->who.realm, who->realm) != 0)) {
            status = AUTH_STORE_DAMAGED;
        }
    } else {
        memset(ret, 0, sizeof *ret);
    }
    return status;
}

/* Seals and puts one record. */
static enum auth_status put_record(struct writing *writing, const uint8_t place[ACCOUNT_KEY],
                                   const struct record *record)
{
    struct slice where = slice_of(place, ACCOUNT_KEY);
    struct buf value;

    buf_init(&value, KV_MAX_VALUE);
    enum auth_status status = account_put(writing->key, where, record, &value);
    if (status == AUTH_OK) {
        writing->meta.seals++;
        status = kv_put(writing->txn, writing->table, where, buf_slice(&value));
    }
    buf_release(&value);
    return status;
}

struct change {
    struct writing writing;
    const struct identity *who;
    enum store_edit (*edit)(void *ctx, bool exists, struct record *record);
    void *ctx;
    bool existed;
    enum store_edit decision;
};

/* What edit() decided is carried out. old_class: NULL if there was no such account. */
static enum auth_status apply(struct change *change, const uint8_t place[ACCOUNT_KEY],
                              const struct store_class *old_class, const struct record *record)
{
    struct writing *writing = &change->writing;
    struct store_class now = meta_class_of(&record->verifiers);
    enum auth_status status = AUTH_OK;

    if (change->decision == STORE_KEEP || (change->decision == STORE_DELETE && old_class == NULL)) {
        return AUTH_OK;
    }
    if (change->decision == STORE_WRITE) {
        meta_recount(&writing->meta, old_class, &now);
        status = put_record(writing, place, record);
    } else {
        meta_recount(&writing->meta, old_class, NULL);
        status = kv_delete(writing->txn, writing->table, slice_of(place, ACCOUNT_KEY));
    }
    return status == AUTH_OK ? writing_end(writing) : status;
}

static enum auth_status change_run(struct kv_txn *txn, void *ctx)
{
    struct change *change = ctx;
    struct writing *writing = &change->writing;
    struct record record = {0};
    struct store_class old_class = {0};
    uint8_t place[ACCOUNT_KEY];
    int64_t now = (int64_t)time(NULL);
    enum auth_status status = writing_begin(writing, txn);

    if (status == AUTH_OK) {
        status = account_key(writing->key, change->who, place);
    }
    if (status == AUTH_OK) {
        status = store_account_read(txn, writing->table, writing->key, place, change->who, &record,
                                    &change->existed);
        status = store_explain_account(writing->store, change->who, status, kv_detail(txn));
    }
    if (status == AUTH_OK) {
        int64_t created = change->existed ? record.created : now;

        old_class = meta_class_of(&record.verifiers);
        record.who = *change->who;
        change->decision = change->edit(change->ctx, change->existed, &record);
        record.who = *change->who;
        record.created = created;
        record.changed = record.changed == 0 ? now : record.changed;
        status = apply(change, place, change->existed ? &old_class : NULL, &record);
    }
    crypto_wipe(&record, sizeof record);
    return status;
}

enum auth_status
store_change(struct store *store, const struct identity *who,
             enum store_edit (*edit)(void *ctx, bool exists, struct record *record), void *ctx,
             bool *ret_existed, enum store_edit *ret_edit, struct detail *detail)
{
    struct change change = {.writing = {.store = store}, .who = who, .edit = edit, .ctx = ctx};
    enum auth_status status = kv_write(store->kv, KV_SHARED, change_run, &change, detail);

    crypto_wipe(&change.writing.meta, sizeof change.writing.meta);
    if (status == AUTH_OK) {
        if (ret_existed != NULL) {
            *ret_existed = change.existed;
        }
        if (ret_edit != NULL) {
            *ret_edit = change.decision;
        }
    }
    return status;
}

struct batch_item {
    uint8_t place[ACCOUNT_KEY];
    size_t index; /* into records */
};

struct batch {
    struct writing writing;
    const struct record *records;
    struct batch_item *items;
    size_t n;
    size_t n_new;
};

/* By key, so that pages are filled one after the other; equal names in the order given. */
static int compare_items(const void *a, const void *b)
{
    const struct batch_item *x = a;
    const struct batch_item *y = b;
    int order = memcmp(x->place, y->place, sizeof x->place);

    if (order == 0) {
        order = x->index < y->index ? -1 : 1;
    }
    return order;
}

static void set_missing_times(struct record *record)
{
    int64_t now = (int64_t)time(NULL);

    record->created = record->created == 0 ? now : record->created;
    record->changed = record->changed == 0 ? now : record->changed;
}

static enum auth_status batch_put(struct batch *batch, const struct batch_item *item)
{
    struct writing *writing = &batch->writing;
    const struct record *given = &batch->records[item->index];
    struct record record;
    bool exists = false;
    enum auth_status status = store_account_read(writing->txn, writing->table, writing->key,
                                                 item->place, &given->who, &record, &exists);

    status = store_explain_account(writing->store, &given->who, status, kv_detail(writing->txn));
    if (status != AUTH_OK) {
        return status;
    }
    struct store_class old_class = meta_class_of(&record.verifiers);
    struct store_class now = meta_class_of(&given->verifiers);
    int64_t created = record.created;
    int64_t expires = record.expires;
    record = *given;
    if (exists) {
        record.created = created;
        record.expires = expires;
    } else {
        set_missing_times(&record);
        batch->n_new++;
    }
    meta_recount(&writing->meta, exists ? &old_class : NULL, &now);
    status = put_record(writing, item->place, &record);
    if (status == AUTH_BAD_NAME || status == AUTH_MALFORMED || status == AUTH_TOO_LONG) {
        status =
            detail_set(kv_detail(writing->txn), status, "the record of %s@%s cannot be stored: %s",
                       given->who.user, given->who.realm, auth_status_text(status));
    }
    crypto_wipe(&record, sizeof record);
    return status;
}

static enum auth_status batch_run(struct kv_txn *txn, void *ctx)
{
    struct batch *batch = ctx;
    enum auth_status status = writing_begin(&batch->writing, txn);

    batch->n_new = 0;
    for (size_t i = 0; status == AUTH_OK && i < batch->n; i++) {
        batch->items[i].index = i;
        status = account_key(batch->writing.key, &batch->records[i].who, batch->items[i].place);
    }
    if (status == AUTH_OK && batch->n > 0) {
        qsort(batch->items, batch->n, sizeof batch->items[0], compare_items);
    }
    for (size_t i = 0; status == AUTH_OK && i < batch->n; i++) {
        status = batch_put(batch, &batch->items[i]);
    }
    return status == AUTH_OK && batch->n > 0 ? writing_end(&batch->writing) : status;
}

enum auth_status store_write_batch(struct store *store, const struct record *records, size_t n,
                                   size_t *ret_new, struct detail *detail)
{
    struct batch batch = {.writing = {.store = store}, .records = records, .n = n};

    batch.items = calloc(n == 0 ? 1 : n, sizeof batch.items[0]);
    if (batch.items == NULL) {
        return AUTH_NO_MEMORY;
    }
    enum auth_status status = kv_write(store->kv, KV_SHARED, batch_run, &batch, detail);
    if (status == AUTH_OK && ret_new != NULL) {
        *ret_new = batch.n_new;
    }
    free(batch.items);
    crypto_wipe(&batch.writing.meta, sizeof batch.writing.meta);
    return status;
}
