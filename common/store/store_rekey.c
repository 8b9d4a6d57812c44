/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store_rekey.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "store/store_job.h"

enum { REKEY_BATCH = 2000, FIRST_CAPACITY = 4096 };

/* Where an account lies, and where it will. */
struct move {
    uint8_t to[ACCOUNT_KEY];
    uint8_t from[ACCOUNT_KEY];
};

struct rekey {
    struct store_build build;
    struct move *moves; /* by `to`, so that the new table is filled from left to right */
    size_t n;
    size_t capacity;
    size_t done;
    size_t batch_end;
    const struct key *from; /* in this transaction */
};

struct state {
    struct store *store;
    struct store_key_state *ret;
};

static enum auth_status state_run(struct kv_txn *txn, void *ctx)
{
    struct state *state = ctx;
    struct store_key_state *ret = state->ret;
    uint8_t value[KV_MAX_VALUE];
    struct store_meta meta;
    struct store_meta previous = {.key_id = 0};
    const struct key *key = NULL;
    size_t n = 0;
    enum auth_status status = store_meta_read(state->store, txn, &meta, &key);

    if (status == AUTH_OK) {
        status = store_row_read(txn, META_PREVIOUS_ROW, value, &n);
    }
    if (status == AUTH_OK && n > 0) {
        status = meta_peek(slice_of(value, n), &previous);
    }
    if (status == AUTH_OK) {
        memcpy(ret->store_id, meta.store_id, sizeof ret->store_id);
        ret->active = meta.key_id;
        ret->previous = previous.key_id;
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

enum auth_status store_key_state(struct store *store, struct store_key_state *ret,
                                 struct detail *detail)
{
    struct state state = {store, ret};
    struct keyring *ring = NULL;

    memset(ret, 0, sizeof *ret);
    enum auth_status status = kv_read(store->kv, state_run, &state, detail);
    if (status == AUTH_OK) {
        status = keyring_load(store->key_path, kv_group(store->kv), &ring, detail);
    }
    if (status == AUTH_OK) {
        ret->latest = keyring_latest(ring, ret->store_id);
        ret->oldest = keyring_next(ring, ret->store_id, 0);
        const struct key *key = keyring_find(ring, ret->store_id, ret->active);
        ret->since = key == NULL ? 0 : key->since;
        if (keyring_find(ring, ret->store_id, ret->previous) == NULL) {
            ret->previous = 0; /* no writer can keep it in step any longer */
        }
    }
    keyring_free(ring);
    return status;
}

enum auth_status store_rekey_check(const struct store_key_state *state, struct detail *detail)
{
    return state->previous == 0
               ? AUTH_OK
               : detail_set(detail, AUTH_NOT_ALLOWED,
                            "servers that know only key %u are still served: restart those that "
                            "cannot read the key file (\"postfix reload\"), then run \"sasl-lmdb "
                            "rekey --retire\"",
                            (unsigned)state->previous);
}

/*
 * The key to change to, kept by the store like every key it meets. A key is found by its number
 * and its check value; the latter is taken from the file, since no store has it yet.
 */
static enum auth_status find_new_key(struct store *store, const struct store_key_state *state,
                                     uint32_t key_id, const struct key **ret, struct detail *detail)
{
    struct store_meta wanted = {.key_id = key_id};
    struct keyring *ring = NULL;
    enum auth_status status = keyring_load(store->key_path, kv_group(store->kv), &ring, detail);

    if (status != AUTH_OK) {
        return status;
    }
    const struct key *key = keyring_find(ring, state->store_id, key_id);
    if (key == NULL || key_id == state->active) {
        status = detail_set(detail, AUTH_KEY_WRONG, "%s has no key %u to change to",
                            store->key_path, (unsigned)key_id);
    } else {
        memcpy(wanted.store_id, state->store_id, sizeof wanted.store_id);
        memcpy(wanted.check, key->check, sizeof wanted.check);
    }
    keyring_free(ring);
    return status == AUTH_OK ? store_find_key(store, &wanted, ret, detail) : status;
}

static enum auth_status add_move(void *ctx, struct slice key, struct slice value)
{
    struct rekey *rekey = ctx;
    struct record record;

    if (key.n != ACCOUNT_KEY) {
        return AUTH_STORE_DAMAGED;
    }
    if (rekey->n == rekey->capacity) {
        size_t capacity = rekey->capacity == 0 ? FIRST_CAPACITY : rekey->capacity * 2;
        struct move *grown = reallocarray(rekey->moves, capacity, sizeof *grown);

        if (grown == NULL) {
            return AUTH_NO_MEMORY;
        }
        rekey->moves = grown;
        rekey->capacity = capacity;
    }
    enum auth_status status = account_open(rekey->from, key, value, &record);
    if (status == AUTH_OK) {
        struct move *move = &rekey->moves[rekey->n];

        memcpy(move->from, key.p, sizeof move->from);
        status = account_key(rekey->build.key, &record.who, move->to);
        rekey->n++;
    }
    crypto_wipe(&record, sizeof record);
    return status;
}

static enum auth_status explain(const struct rekey *rekey, enum auth_status status,
                                struct detail *detail)
{
    return status != AUTH_STORE_DAMAGED
               ? status
               : detail_set(detail, status,
                            "store %s holds a damaged record: \"sasl-lmdb check\" tells which",
                            kv_path(rekey->build.store->kv));
}

/* All accounts as they are now; what is changed from now on is written to both tables. */
static enum auth_status plan_run(struct kv_txn *txn, void *ctx)
{
    struct rekey *rekey = ctx;
    struct store_meta meta;
    char name[KV_MAX_NAME + 1];
    unsigned table = 0;

    rekey->n = 0;
    enum auth_status status = store_meta_read(rekey->build.store, txn, &meta, &rekey->from);
    if (status == AUTH_OK) {
        store_table_name(meta.table, name);
        status = kv_table(txn, name, AUTH_STORE_DAMAGED, &table);
    }
    if (status == AUTH_OK) {
        status = kv_scan(txn, table, slice_of(NULL, 0), add_move, rekey);
        status = explain(rekey, status, kv_detail(txn));
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

static int compare_moves(const void *a, const void *b)
{
    return memcmp(((const struct move *)a)->to, ((const struct move *)b)->to, ACCOUNT_KEY);
}

/* One account; as it is now, and not at all if it is gone. */
static enum auth_status move_one(struct rekey *rekey, struct kv_txn *txn, unsigned from,
                                 unsigned to, const struct move *move)
{
    struct slice place = slice_of(move->from, sizeof move->from);
    uint8_t value[KV_MAX_VALUE];
    struct record record;
    size_t n = 0;
    bool found = false;
    enum auth_status status = kv_get(txn, from, place, value, &n, &found);

    if (status != AUTH_OK || !found) {
        return status;
    }
    status = account_open(rekey->from, place, slice_of(value, n), &record);
    if (status == AUTH_OK) {
        status = store_record_put(txn, to, rekey->build.key, move->to, &record);
        rekey->build.job.seals++;
    }
    crypto_wipe(&record, sizeof record);
    return explain(rekey, status, kv_detail(txn));
}

static enum auth_status move_run(struct kv_txn *txn, void *ctx)
{
    struct rekey *rekey = ctx;
    struct store_meta meta;
    char name[KV_MAX_NAME + 1];
    unsigned from = 0;
    unsigned to = 0;
    enum auth_status status = store_job_check(&rekey->build, txn, &meta, &rekey->from, &to);

    if (status == AUTH_OK) {
        store_table_name(meta.table, name);
        status = kv_table(txn, name, AUTH_STORE_DAMAGED, &from);
    }
    for (size_t i = rekey->done; status == AUTH_OK && i < rekey->batch_end; i++) {
        status = move_one(rekey, txn, from, to, &rekey->moves[i]);
    }
    if (status == AUTH_OK) {
        meta.seals++;
        status = store_job_write(txn, rekey->from, &rekey->build.job);
    }
    if (status == AUTH_OK) {
        status = store_meta_write(txn, rekey->from, &meta);
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

/* The old description becomes the previous one, and a copy under the new key the active one. */
static enum auth_status flip_run(struct kv_txn *txn, void *ctx)
{
    struct rekey *rekey = ctx;
    struct store_build *build = &rekey->build;
    struct store_meta meta;
    unsigned table = 0;
    uint64_t n = 0;
    enum auth_status status = store_job_check(build, txn, &meta, &rekey->from, &table);

    if (status == AUTH_OK) {
        status = kv_count(txn, table, &n);
    }
    if (status == AUTH_OK && n != meta_accounts(&meta)) {
        status = detail_set(kv_detail(txn), AUTH_STORE_DAMAGED,
                            "store %s should hold %llu accounts and holds %llu: see \"sasl-lmdb "
                            "check\"",
                            kv_path(build->store->kv), (unsigned long long)meta_accounts(&meta),
                            (unsigned long long)n);
    }
    if (status == AUTH_OK) {
        status = store_row_delete(txn, JOB_ROW);
    }
    if (status == AUTH_OK) {
        status = store_meta_write_row(txn, META_PREVIOUS_ROW, rekey->from, &meta);
    }
    if (status == AUTH_OK) {
        meta.table = build->job.table;
        meta.seals = build->job.seals;
        status = store_meta_write(txn, build->key, &meta);
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

static enum auth_status move_all(struct rekey *rekey, const struct store_watch *watch,
                                 struct detail *detail)
{
    struct kv_env *kv = rekey->build.store->kv;
    enum auth_status status = kv_read(kv, plan_run, rekey, detail);

    if (status == AUTH_OK && rekey->n > 1) {
        qsort(rekey->moves, rekey->n, sizeof rekey->moves[0], compare_moves);
    }
    while (status == AUTH_OK && rekey->done < rekey->n) {
        size_t left = rekey->n - rekey->done;

        rekey->batch_end = rekey->done + (left < REKEY_BATCH ? left : REKEY_BATCH);
        status = kv_write(kv, KV_SHARED, move_run, rekey, detail);
        rekey->done = rekey->batch_end;
        if (watch != NULL) {
            watch->progress(watch->ctx, rekey->done, rekey->n);
        }
    }
    return status == AUTH_OK ? kv_write(kv, KV_SHARED, flip_run, rekey, detail) : status;
}

enum auth_status store_rekey(struct store *store, uint32_t key_id, const struct store_watch *watch,
                             struct detail *detail)
{
    struct rekey rekey = {.build = {.store = store}};
    struct store_key_state state;
    const struct key *to = NULL;
    enum auth_status status = store_key_state(store, &state, detail);

    if (status == AUTH_OK) {
        status = store_rekey_check(&state, detail);
    }
    if (status == AUTH_OK) {
        status = find_new_key(store, &state, key_id, &to, detail);
    }
    if (status == AUTH_OK) {
        rekey.build.from_key_id = state.active;
        status = store_job_begin(&rekey.build, JOB_REKEY, to, detail);
        if (status == AUTH_OK) {
            status = move_all(&rekey, watch, detail);
        }
        if (store_job_end(&rekey.build, NULL) != AUTH_OK) {
            /* The next writer sweeps. */
        }
    }
    free(rekey.moves);
    return status;
}

static enum auth_status retire_run(struct kv_txn *txn, void *ctx)
{
    (void)ctx;
    return store_row_delete(txn, META_PREVIOUS_ROW);
}

enum auth_status store_rekey_retire(struct store *store, struct detail *detail)
{
    enum auth_status status = kv_write(store->kv, KV_SHARED, retire_run, NULL, detail);

    return status == AUTH_OK ? store_sweep(store, detail) : status;
}
