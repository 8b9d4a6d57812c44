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
