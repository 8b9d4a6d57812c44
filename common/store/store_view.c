/* SPDX-License-Identifier: BSD-2-Clause */
/* What the store says of itself, found out once and remembered until it changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "store/store_internal.h"

enum { STORE_ID_TEXT = 2 * STORE_ID_SIZE + 1 };

void store_table_name(uint32_t n, char ret[KV_MAX_NAME + 1])
{
    (void)snprintf(ret, KV_MAX_NAME + 1, "users.%u", (unsigned)n);
}

static void hold(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->in_use = true;
}

static void let_go(struct store *store)
{
    store->in_use = false;
    pthread_mutex_unlock(&store->mutex);
}

static const struct key *key_in(const struct store_keys *keys, const struct store_meta *meta)
{
    for (; keys != NULL; keys = keys->next) {
        const struct key *key = keyring_find(keys->ring, meta->store_id, meta->key_id);

        if (key != NULL && crypto_equal(key->check, meta->check, sizeof key->check)) {
            return key;
        }
    }
    return NULL;
}

static bool knows_id(const struct store_keys *keys, const struct store_meta *meta)
{
    for (; keys != NULL; keys = keys->next) {
        if (keyring_find(keys->ring, meta->store_id, meta->key_id) != NULL) {
            return true;
        }
    }
    return false;
}

/* Reads the key file again; keeps it if the wanted key is in it. With the mutex held. */
static const struct key *look_again(struct store *store, const struct store_meta *meta)
{
    struct store_keys *keys = calloc(1, sizeof *keys);

    if (keys == NULL ||
        keyring_load(store->key_path, kv_group(store->kv), &keys->ring, NULL) != AUTH_OK) {
        free(keys);
        return NULL;
    }
    const struct key *key = key_in(keys, meta);
    if (key == NULL) {
        keyring_free(keys->ring);
        free(keys);
        return NULL;
    }
    keys->next = store->keys;
    store->keys = keys;
    return key;
}

static void put_store_id(const uint8_t store_id[STORE_ID_SIZE], char ret[STORE_ID_TEXT])
{
    for (size_t i = 0; i < STORE_ID_SIZE; i++) {
        (void)snprintf(ret + 2 * i, 3, "%02x", store_id[i]);
    }
}

enum auth_status store_find_key(struct store *store, const struct store_meta *meta,
                                const struct key **ret, struct detail *detail)
{
    char store_id[STORE_ID_TEXT];

    hold(store);
    const struct key *key = key_in(store->keys, meta);
    if (key == NULL) {
        key = look_again(store, meta);
    }
    bool other = key == NULL && knows_id(store->keys, meta);
    let_go(store);
    if (key != NULL) {
        *ret = key;
        return AUTH_OK;
    }
    put_store_id(meta->store_id, store_id);
    return detail_set(detail, AUTH_KEY_WRONG, "store %s (id %s) wants key %u: %s %s",
                      kv_path(store->kv), store_id, (unsigned)meta->key_id,
                      other ? "another key has that number in" : "it is not in", store->key_path);
}

enum auth_status store_row_read(struct kv_txn *txn, const char *row, uint8_t ret[KV_MAX_VALUE],
                                size_t *ret_n)
{
    unsigned table = 0;
    bool found = false;
    enum auth_status status = kv_table(txn, META_TABLE, AUTH_STORE_FOREIGN, &table);

    if (status == AUTH_OK) {
        status = kv_get(txn, table, slice_str(row), ret, ret_n, &found);
    }
    return status;
}

/* The description as it lies in the file. */
static enum auth_status read_value(struct kv_txn *txn, uint8_t ret[KV_MAX_VALUE], size_t *ret_n)
{
    enum auth_status status = store_row_read(txn, META_ROW, ret, ret_n);

    if (status == AUTH_OK && *ret_n == 0) {
        status = detail_set(kv_detail(txn), AUTH_STORE_FOREIGN,
                            "the file is an LMDB file but no store of sasl-lmdb");
    }
    return status;
}

static enum auth_status open_value(struct store *store, struct kv_txn *txn, struct slice value,
                                   struct store_meta *ret, const struct key **ret_key)
{
    struct detail *detail = kv_detail(txn);
    const char *path = kv_path(store->kv);
    enum auth_status status = meta_peek(value, ret);

    if (status == AUTH_STORE_FOREIGN && ret->format != 0) {
        return detail_set(detail, status, "store %s has format %u, this program knows format %d",
                          path, (unsigned)ret->format, META_FORMAT);
    }
    if (status == AUTH_OK) {
        status = store_find_key(store, ret, ret_key, detail);
        if (status != AUTH_OK) {
            return status;
        }
        status = meta_open(*ret_key, value, ret);
    }
    if (status == AUTH_STORE_DAMAGED) {
        return detail_set(detail, status, "store %s: the description of the store is damaged",
                          path);
    }
    if (status == AUTH_STORE_FOREIGN) {
        return detail_set(detail, status, "%s is not a store of sasl-lmdb", path);
    }
    return status;
}

enum auth_status store_meta_read(struct store *store, struct kv_txn *txn, struct store_meta *ret,
                                 const struct key **ret_key)
{
    uint8_t value[KV_MAX_VALUE];
    size_t n = 0;
    enum auth_status status = read_value(txn, value, &n);

    if (status == AUTH_OK) {
        status = open_value(store, txn, slice_of(value, n), ret, ret_key);
    }
    return status;
}

enum auth_status store_meta_write(struct kv_txn *txn, const struct key *key,
                                  struct store_meta *meta)
{
    return store_meta_write_row(txn, META_ROW, key, meta);
}

enum auth_status store_meta_write_row(struct kv_txn *txn, const char *row, const struct key *key,
                                      struct store_meta *meta)
{
    struct buf value;
    unsigned table = 0;

    buf_init(&value, META_MAX_VALUE);
    enum auth_status status = kv_table(txn, META_TABLE, AUTH_STORE_FOREIGN, &table);
    if (status == AUTH_OK) {
        status = meta_put(key, meta, &value);
        if (status == AUTH_STORE_FULL) {
            status = detail_set(kv_detail(txn), status,
                                "key %u has sealed all it may: \"sasl-lmdb rekey\" makes a new one",
                                (unsigned)key->id);
        }
    }
    if (status == AUTH_OK) {
        status = kv_put(txn, table, slice_str(row), buf_slice(&value));
    }
    buf_release(&value);
    return status;
}

static bool fill_random(void *p, size_t n)
{
    return crypto_random(p, n) == AUTH_OK;
}

/* An account as the store's policy makes them, of an ordinary name, with random verifiers. */
static bool dummy_record(const struct verifier_policy *policy, struct record *ret)
{
    static const struct identity who = {"someone.else", "mail.example.org"};
    struct verifier_set *set = &ret->verifiers;
    bool ok = true;

    memset(ret, 0, sizeof *ret);
    ret->who = who;
    for (size_t slot = 0; slot < VERIFIER_SCRAM_HASHES; slot++) {
        struct scram_verifier *scram = &set->scram[slot];

        scram->hash = verifier_scram_hash(slot);
        if ((policy->kinds & meta_scram_kind(slot)) != 0) {
            scram->iterations = policy->iterations;
            scram->salt_len = VERIFIER_NEW_SALT;
            ok = ok && fill_random(scram->salt, VERIFIER_NEW_SALT);
        }
    }
    set->has_cram = (policy->kinds & VERIFIER_CRAM_MD5) != 0;
    set->has_checkpass = (policy->kinds & VERIFIER_CHECKPASS_MD5) != 0;
    if ((policy->kinds & VERIFIER_DIGEST_MD5) != 0) {
        set->n_extra_realms = policy->n_extra_realms;
        memcpy(set->extra_realm, policy->extra_realm, sizeof set->extra_realm);
        set->n_digest = 2 * (2 + set->n_extra_realms);
        for (unsigned i = 0; i < set->n_digest; i++) {
            struct digest_verifier *digest = &set->digest[i];

            digest->full_name = i % 2 != 0;
            digest->realm_kind = i < 2   ? DIGEST_REALM_OWN
                                 : i < 4 ? DIGEST_REALM_EMPTY
                                         : DIGEST_REALM_EXTRA;
            digest->extra = (uint8_t)(i < 4 ? 0 : i / 2 - 2);
            ok = ok && fill_random(digest->ha1, sizeof digest->ha1);
        }
    }
    return ok;
}

static struct store_dummy *dummy_make(const struct verifier_policy *policy)
{
    struct store_dummy *dummy = calloc(1, sizeof *dummy);
    struct record record;
    struct buf value;

    if (dummy == NULL) {
        return NULL;
    }
    buf_init(&value, KV_MAX_VALUE);
    bool ok =
        dummy_record(policy, &record) && fill_random(dummy->key.seal, sizeof dummy->key.seal) &&
        fill_random(dummy->place, sizeof dummy->place) &&
        account_put(&dummy->key, slice_of(dummy->place, sizeof dummy->place), &record, &value) ==
            AUTH_OK;
    if (ok) {
        dummy->n = value.n;
        memcpy(dummy->value, value.p, value.n);
    } else {
        free(dummy);
        dummy = NULL;
    }
    buf_release(&value);
    crypto_wipe(&record, sizeof record);
    return dummy;
}

static enum auth_status view_make(const struct store_meta *meta, const struct key *key,
                                  struct store_view *ret)
{
    ret->key = key;
    ret->accounts = meta_accounts(meta);
    ret->realm[0] = '\0';
    ret->kinds = meta->policy.kinds;
    ret->have_ticket_key = meta->have_ticket_key;
    memcpy(ret->target.store_id, meta->store_id, sizeof ret->target.store_id);
    memcpy(ret->target.public_key, meta->ticket_key, sizeof ret->target.public_key);
    store_table_name(meta->table, ret->table);
    return decoy_plan_make(meta, &ret->plan);
}

/* Puts a view into the cache, with the dummy that is there or the first one. */
static enum auth_status remember(struct store *store, struct slice value,
                                 const struct store_meta *meta, struct store_view *view)
{
    hold(store);
    if (store->dummy == NULL) {
        store->dummy = dummy_make(&meta->policy);
    }
    view->dummy = store->dummy;
    if (view->dummy != NULL) {
        memcpy(store->cached_value, value.p, value.n);
        store->n_cached = value.n;
        store->cached = *view;
    }
    let_go(store);
    return view->dummy == NULL ? AUTH_NO_MEMORY : AUTH_OK;
}

static bool recall(struct store *store, struct slice value, struct store_view *ret)
{
    hold(store);
    bool same = value.n > 0 && value.n == store->n_cached &&
                memcmp(value.p, store->cached_value, value.n) == 0;
    if (same) {
        *ret = store->cached;
    }
    let_go(store);
    return same;
}

static bool is_passed_over(struct store *store, struct slice value)
{
    hold(store);
    bool same =
        value.n == store->n_passed_over && memcmp(value.p, store->passed_over, value.n) == 0;
    let_go(store);
    return same;
}

static void pass_over(struct store *store, struct slice value)
{
    hold(store);
    memcpy(store->passed_over, value.p, value.n);
    store->n_passed_over = value.n;
    let_go(store);
}

/* The view that a description gives, from the cache or made and put there. */
static enum auth_status view_of(struct store *store, struct kv_txn *txn, struct slice value,
                                struct store_view *ret)
{
    struct store_meta meta;
    const struct key *key = NULL;

    if (recall(store, value, ret)) {
        return AUTH_OK;
    }
    enum auth_status status = open_value(store, txn, value, &meta, &key);
    if (status == AUTH_OK) {
        status = view_make(&meta, key, ret);
    }
    if (status == AUTH_OK) {
        status = remember(store, value, &meta, ret);
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

/*
 * After a change of keys, a process that started before it and cannot read the key file any more
 * goes on with the generation before, which writers keep in step until it is retired.
 */
static enum auth_status previous_view(struct store *store, struct kv_txn *txn, struct slice value,
                                      struct store_view *ret)
{
    uint8_t bytes[KV_MAX_VALUE];
    struct detail wanted = {""};
    struct detail *detail = kv_detail(txn);
    size_t n = 0;
    enum auth_status status = store_row_read(txn, META_PREVIOUS_ROW, bytes, &n);

    if (status != AUTH_OK || n == 0) {
        return status == AUTH_OK ? AUTH_KEY_WRONG : status;
    }
    if (detail != NULL) {
        wanted = *detail;
    }
    status = view_of(store, txn, slice_of(bytes, n), ret);
    if (status == AUTH_OK) {
        pass_over(store, value);
    } else if (status == AUTH_KEY_WRONG && detail != NULL) {
        *detail = wanted; /* the newer key is the one to ask for */
    }
    return status;
}

enum auth_status store_view_get(struct store *store, struct kv_txn *txn, struct store_view *ret)
{
    uint8_t bytes[KV_MAX_VALUE];
    size_t n = 0;
    enum auth_status status = read_value(txn, bytes, &n);

    if (status != AUTH_OK) {
        return status;
    }
    struct slice value = slice_of(bytes, n);
    bool known = is_passed_over(store, value);
    status = known ? AUTH_KEY_WRONG : view_of(store, txn, value, ret);
    if (status == AUTH_KEY_WRONG) {
        status = previous_view(store, txn, value, ret);
    }
    if (status == AUTH_KEY_WRONG && known) {
        status = view_of(store, txn, value, ret);
    }
    return status;
}

/* Puts the realm into the cache, if the view there is still the same. */
static void remember_realm(struct store *store, const struct store_view *view)
{
    hold(store);
    if (store->n_cached > 0 && store->cached.key == view->key) {
        memcpy(store->cached.realm, view->realm, sizeof view->realm);
        memcpy(store->cached.realm_key, view->realm_key, sizeof view->realm_key);
    }
    let_go(store);
}

enum auth_status store_place(struct store *store, struct store_view *view,
                             const struct identity *who, uint8_t ret[ACCOUNT_KEY])
{
    if (strcmp(view->realm, who->realm) != 0) {
        enum auth_status status = account_realm_key(view->key, who->realm, view->realm_key);

        if (status != AUTH_OK) {
            return status;
        }
        memcpy(view->realm, who->realm, sizeof view->realm);
        remember_realm(store, view);
    }
    memcpy(ret, view->realm_key, ACCOUNT_REALM_KEY);
    return account_user_key(view->key, who, ret + ACCOUNT_REALM_KEY);
}
