/* SPDX-License-Identifier: BSD-2-Clause */
/* Changing accounts: the records, the counts of classes and of seals go together. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "store/store_batch.h"

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
        writing_recount(writing, old_class, &now);
        status = writing_put(writing, place, record);
    } else {
        writing_recount(writing, old_class, NULL);
        status = writing_delete(writing, place, &record->who);
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

    crypto_wipe(&change.writing, sizeof change.writing);
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

/* By key, so that pages are filled one after the other; equal names in the order given. */
static int compare_items(const void *a, const void *b)
{
    const struct store_batch_item *x = a;
    const struct store_batch_item *y = b;
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

static enum auth_status batch_put(struct store_batch *batch, const struct store_batch_item *item)
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
    uint8_t flags = record.flags;
    record = *given;
    if (exists && !batch->whole) {
        record.created = created;
        record.expires = expires;
        record.flags = flags; /* a new password does not enable a disabled account */
    }
    set_missing_times(&record);
    batch->n_new += exists ? 0 : 1;
    writing_recount(writing, exists ? &old_class : NULL, &now);
    status = writing_put(writing, item->place, &record);
    if (status == AUTH_BAD_NAME || status == AUTH_MALFORMED || status == AUTH_TOO_LONG) {
        status =
            detail_set(kv_detail(writing->txn), status, "the record of %s@%s cannot be stored: %s",
                       given->who.user, given->who.realm, auth_status_text(status));
    }
    crypto_wipe(&record, sizeof record);
    return status;
}

enum auth_status store_batch_put(struct store_batch *batch)
{
    enum auth_status status = AUTH_OK;

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
    return status;
}

static enum auth_status batch_run(struct kv_txn *txn, void *ctx)
{
    struct store_batch *batch = ctx;
    enum auth_status status = writing_begin(&batch->writing, txn);

    if (status == AUTH_OK) {
        status = store_batch_put(batch);
    }
    return status == AUTH_OK && batch->n > 0 ? writing_end(&batch->writing) : status;
}

enum auth_status store_batch_init(struct store_batch *batch, struct store *store,
                                  const struct record *records, size_t n)
{
    *batch = (struct store_batch){.writing = {.store = store}, .records = records, .n = n};
    batch->items = calloc(n == 0 ? 1 : n, sizeof batch->items[0]);
    return batch->items == NULL ? AUTH_NO_MEMORY : AUTH_OK;
}

void store_batch_release(struct store_batch *batch)
{
    free(batch->items);
    crypto_wipe(batch, sizeof *batch);
}

static enum auth_status write_records(struct store *store, const struct record *records, size_t n,
                                      bool whole, size_t *ret_new, struct detail *detail)
{
    struct store_batch batch;
    enum auth_status status = store_batch_init(&batch, store, records, n);

    if (status != AUTH_OK) {
        return status;
    }
    batch.whole = whole;
    status = kv_write(store->kv, KV_SHARED, batch_run, &batch, detail);
    if (status == AUTH_OK && ret_new != NULL) {
        *ret_new = batch.n_new;
    }
    store_batch_release(&batch);
    return status;
}

enum auth_status store_write_batch(struct store *store, const struct record *records, size_t n,
                                   size_t *ret_new, struct detail *detail)
{
    return write_records(store, records, n, false, ret_new, detail);
}

enum auth_status store_replace_batch(struct store *store, const struct record *records, size_t n,
                                     size_t *ret_new, struct detail *detail)
{
    return write_records(store, records, n, true, ret_new, detail);
}
