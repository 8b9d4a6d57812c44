/* SPDX-License-Identifier: BSD-2-Clause */
/* Changing accounts: the records, the counts of classes and of seals go together. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "store/store_writing.h"

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
    bool remove; /* whatever is there, also what does not open; edit is NULL */
    bool existed;
    bool damaged;
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

struct recount {
    const struct writing *writing;
    struct store_meta *meta;
    uint64_t damaged;
};

static enum auth_status recount_visit(void *ctx, struct slice key, struct slice value)
{
    struct recount *recount = ctx;
    struct record record;
    enum auth_status status = account_open(recount->writing->key, key, value, &record);

    if (status == AUTH_OK) {
        struct store_class class = meta_class_of(&record.verifiers);

        meta_recount(recount->meta, NULL, &class);
    } else if (status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN) {
        recount->damaged++;
        status = AUTH_OK;
    }
    crypto_wipe(&record, sizeof record);
    return status;
}

/*
 * Of which class an account was whose record does not open, nobody knows: all are counted again.
 * Others that do not open are counted as if they were of the first class, so that the sum is right.
 */
static enum auth_status recount(struct writing *writing)
{
    struct store_meta *meta = &writing->meta;
    struct recount recount = {.writing = writing, .meta = meta};

    meta->n_classes = 0;
    enum auth_status status =
        kv_scan(writing->txn, writing->table, slice_of(NULL, 0), recount_visit, &recount);
    struct store_class stand_in =
        meta->n_classes > 0 ? meta->classes[0] : (struct store_class){.count = 0};
    for (uint64_t i = 0; status == AUTH_OK && i < recount.damaged; i++) {
        meta_recount(meta, NULL, &stand_in);
    }
    memcpy(writing->mirror.meta.classes, meta->classes, sizeof meta->classes);
    writing->mirror.meta.n_classes = meta->n_classes;
    return status;
}

static enum auth_status remove_damaged(struct change *change, const uint8_t place[ACCOUNT_KEY])
{
    struct writing *writing = &change->writing;
    enum auth_status status = writing_delete(writing, place, change->who);

    change->existed = true;
    change->damaged = true;
    change->decision = STORE_DELETE;
    if (status == AUTH_OK) {
        status = recount(writing);
    }
    return status == AUTH_OK ? writing_end(writing) : status;
}

/* What becomes of an account that opens, or of a name without one. */
static enum auth_status edit_account(struct change *change, const uint8_t place[ACCOUNT_KEY],
                                     struct record *record)
{
    int64_t now = (int64_t)time(NULL);
    int64_t created = change->existed ? record->created : now;
    struct store_class old_class = meta_class_of(&record->verifiers);

    record->who = *change->who;
    change->decision =
        change->remove ? STORE_DELETE : change->edit(change->ctx, change->existed, record);
    record->who = *change->who;
    record->created = created;
    record->changed = record->changed == 0 ? now : record->changed;
    return apply(change, place, change->existed ? &old_class : NULL, record);
}

static enum auth_status change_run(struct kv_txn *txn, void *ctx)
{
    struct change *change = ctx;
    struct writing *writing = &change->writing;
    struct record record = {0};
    uint8_t place[ACCOUNT_KEY];
    enum auth_status status = writing_begin(writing, txn);

    change->damaged = false;
    if (status == AUTH_OK) {
        status = account_key(writing->key, change->who, place);
    }
    if (status == AUTH_OK) {
        status = store_account_read(txn, writing->table, writing->key, place, change->who, &record,
                                    &change->existed);
        if (change->remove && status == AUTH_STORE_DAMAGED) {
            return remove_damaged(change, place);
        }
        status = store_explain_account(writing->store, change->who, status, kv_detail(txn));
    }
    if (status == AUTH_OK) {
        status = edit_account(change, place, &record);
    }
    crypto_wipe(&record, sizeof record);
    return status;
}

enum auth_status store_delete(struct store *store, const struct identity *who, bool *ret_existed,
                              bool *ret_damaged, struct detail *detail)
{
    struct change change = {.writing = {.store = store}, .who = who, .remove = true};
    enum auth_status status = kv_write(store->kv, KV_SHARED, change_run, &change, detail);

    crypto_wipe(&change.writing, sizeof change.writing);
    if (status == AUTH_OK) {
        *ret_existed = change.existed || change.damaged;
        *ret_damaged = change.damaged;
    }
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

struct ticket_key_change {
    struct writing writing;
    const uint8_t *key;
};

static void set_ticket_key(struct store_meta *meta, const uint8_t *key)
{
    meta->have_ticket_key = true;
    memcpy(meta->ticket_key, key, sizeof meta->ticket_key);
}

static enum auth_status ticket_key_run(struct kv_txn *txn, void *ctx)
{
    struct ticket_key_change *change = ctx;
    struct writing *writing = &change->writing;
    enum auth_status status = writing_begin(writing, txn);

    if (status != AUTH_OK) {
        return status;
    }
    set_ticket_key(&writing->meta, change->key);
    if (writing->mirror.kind == MIRROR_PREVIOUS) {
        set_ticket_key(&writing->mirror.meta, change->key);
    }
    return writing_end(writing);
}

enum auth_status store_set_ticket_key(struct store *store, const uint8_t key[CRYPTO_X25519],
                                      struct detail *detail)
{
    struct ticket_key_change change = {.writing = {.store = store}, .key = key};
    enum auth_status status = kv_write(store->kv, KV_SHARED, ticket_key_run, &change, detail);

    crypto_wipe(&change.writing, sizeof change.writing);
    return status;
}
