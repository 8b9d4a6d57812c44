/* SPDX-License-Identifier: BSD-2-Clause */
/* Many accounts in one transaction; what can be made ready before it begins is. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "store/store_sealed.h"
#include "store/store_writing.h"

struct store_batch_item {
    uint8_t place[ACCOUNT_KEY];
    size_t index; /* into records */
};

struct store_batch {
    struct writing writing;
    const struct record *records;      /* not owned */
    const struct store_sealed *sealed; /* of each record, or NULL; not owned */
    struct store_batch_item *items;
    size_t n;
    size_t n_new;     /* those that did not exist */
    unsigned *before; /* of each record: the kinds of verifiers there were; or NULL; not owned */
    bool whole;       /* one that exists becomes the record as given, flags and times too */
};

static void set_missing_times(struct record *record)
{
    int64_t now = (int64_t)time(NULL);

    record->created = record->created == 0 ? now : record->created;
    record->changed = record->changed == 0 ? now : record->changed;
}

void store_sealed_init(struct store_sealed *sealed)
{
    sealed->key = NULL;
    buf_init(&sealed->value, KV_MAX_VALUE);
}

void store_sealed_release(struct store_sealed *sealed)
{
    sealed->key = NULL;
    buf_release(&sealed->value);
}

enum auth_status store_seal(const struct key *key, struct record *record, struct store_sealed *ret)
{
    ret->key = NULL;
    ret->value.n = 0; /* what is in it is sealed: nothing to wipe */
    set_missing_times(record);
    enum auth_status status = account_key(key, &record->who, ret->place);
    if (status == AUTH_OK) {
        status = account_put(key, slice_of(ret->place, ACCOUNT_KEY), record, &ret->value);
    }
    if (status == AUTH_OK) {
        ret->key = key;
    }
    return status;
}

struct active {
    struct store *store;
    const struct key *key;
};

static enum auth_status active_run(struct kv_txn *txn, void *ctx)
{
    struct active *active = ctx;
    struct store_meta meta;
    enum auth_status status = store_meta_read(active->store, txn, &meta, &active->key);

    crypto_wipe(&meta, sizeof meta);
    return status;
}

enum auth_status store_active_key(struct store *store, const struct key **ret,
                                  struct detail *detail)
{
    struct active active = {.store = store};
    enum auth_status status = kv_read(store->kv, active_run, &active, detail);

    if (status == AUTH_OK) {
        *ret = active.key;
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

/* As it was given, or with what stays of the one that exists. */
static void merge(const struct store_batch *batch, const struct record *old, bool exists,
                  struct record *record)
{
    if (exists && !batch->whole) {
        record->created = old->created;
        /* Whoever shuts an account out has his way: neither side opens what the other closes. */
        record->flags |= old->flags;
        if (old->expires != 0 && (record->expires == 0 || old->expires < record->expires)) {
            record->expires = old->expires;
        }
    }
    set_missing_times(record);
}

static void note_before(struct store_batch *batch, const struct store_batch_item *item,
                        unsigned kinds)
{
    if (batch->before != NULL) {
        batch->before[item->index] = kinds;
    }
}

/* Seals and puts one, with a look at what is there. */
static enum auth_status put_over(struct store_batch *batch, const struct store_batch_item *item)
{
    struct writing *writing = &batch->writing;
    const struct record *given = &batch->records[item->index];
    struct record record;
    struct record old;
    bool exists = false;
    enum auth_status status = store_account_read(writing->txn, writing->table, writing->key,
                                                 item->place, &given->who, &old, &exists);

    status = store_explain_account(writing->store, &given->who, status, kv_detail(writing->txn));
    if (status != AUTH_OK) {
        return status;
    }
    struct store_class old_class = meta_class_of(&old.verifiers);
    struct store_class now = meta_class_of(&given->verifiers);
    record = *given;
    merge(batch, &old, exists, &record);
    batch->n_new += exists ? 0 : 1;
    note_before(batch, item, exists ? verifier_kinds(&old.verifiers) : 0);
    writing_recount(writing, exists ? &old_class : NULL, &now);
    status = writing_put(writing, item->place, &record);
    crypto_wipe(&record, sizeof record);
    crypto_wipe(&old, sizeof old);
    return status;
}

/* Puts one that is ready, if there is none of that name. */
static enum auth_status put_new(struct store_batch *batch, const struct store_batch_item *item,
                                bool *ret_exists)
{
    struct writing *writing = &batch->writing;
    const struct record *given = &batch->records[item->index];
    struct slice value = buf_slice(&batch->sealed[item->index].value);
    enum auth_status status = writing_put_new(writing, item->place, given, value, ret_exists);

    if (status == AUTH_OK && !*ret_exists) {
        struct store_class now = meta_class_of(&given->verifiers);

        batch->n_new++;
        note_before(batch, item, 0);
        writing_recount(writing, NULL, &now);
    }
    return status;
}

static bool is_ready(const struct store_batch *batch, size_t index)
{
    return batch->sealed != NULL && batch->sealed[index].key != NULL &&
           batch->sealed[index].key == batch->writing.key;
}

static enum auth_status batch_put(struct store_batch *batch, const struct store_batch_item *item)
{
    const struct record *given = &batch->records[item->index];
    bool exists = true;
    enum auth_status status = AUTH_OK;

    if (is_ready(batch, item->index)) {
        status = put_new(batch, item, &exists);
    }
    if (status == AUTH_OK && exists) {
        status = put_over(batch, item);
    }
    return store_explain_unstorable(&given->who, status, kv_detail(batch->writing.txn));
}

/* Where each one goes. */
static enum auth_status find_places(struct store_batch *batch)
{
    enum auth_status status = AUTH_OK;

    for (size_t i = 0; status == AUTH_OK && i < batch->n; i++) {
        struct store_batch_item *item = &batch->items[i];

        item->index = i;
        if (is_ready(batch, i)) {
            memcpy(item->place, batch->sealed[i].place, sizeof item->place);
        } else {
            status = account_key(batch->writing.key, &batch->records[i].who, item->place);
        }
    }
    return status;
}

/* Inside a transaction, with batch->writing begun: puts all records. Counts, but ends nothing. */
static enum auth_status put_all(struct store_batch *batch)
{
    enum auth_status status = find_places(batch);

    batch->n_new = 0;
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
        status = put_all(batch);
    }
    return status == AUTH_OK && batch->n > 0 ? writing_end(&batch->writing) : status;
}

static enum auth_status batch_init(struct store_batch *batch, struct store *store,
                                   const struct record *records, size_t n)
{
    *batch = (struct store_batch){.writing = {.store = store}, .records = records, .n = n};
    batch->items = calloc(n == 0 ? 1 : n, sizeof batch->items[0]);
    return batch->items == NULL ? AUTH_NO_MEMORY : AUTH_OK;
}

static void batch_release(struct store_batch *batch)
{
    free(batch->items);
    crypto_wipe(batch, sizeof *batch);
}

enum auth_status store_write_sealed(struct store *store, const struct record *records,
                                    const struct store_sealed *sealed, size_t n, bool whole,
                                    size_t *ret_new, unsigned *ret_before, struct detail *detail)
{
    struct store_batch batch;
    enum auth_status status = batch_init(&batch, store, records, n);

    if (status != AUTH_OK) {
        return status;
    }
    batch.sealed = sealed;
    batch.whole = whole;
    batch.before = ret_before;
    status = kv_write(store->kv, KV_SHARED, batch_run, &batch, detail);
    if (status == AUTH_OK && ret_new != NULL) {
        *ret_new = batch.n_new;
    }
    batch_release(&batch);
    return status;
}

enum auth_status store_write_batch(struct store *store, const struct record *records, size_t n,
                                   size_t *ret_new, struct detail *detail)
{
    return store_write_sealed(store, records, NULL, n, false, ret_new, NULL, detail);
}

enum auth_status store_replace_batch(struct store *store, const struct record *records, size_t n,
                                     size_t *ret_new, struct detail *detail)
{
    return store_write_sealed(store, records, NULL, n, true, ret_new, NULL, detail);
}
