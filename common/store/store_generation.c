/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store_generation.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "store/store_job.h"

#define TABLE_PREFIX "users."

/*
 * Accounts removed in one transaction. LMDB writes the list of pages one transaction has freed
 * again with each small one that follows, so a million of them at once would slow all down.
 */
enum { SWEEP_BATCH = 10000 };

enum {
    GATHER_BYTES = 256 * 1024 * 1024, /* what is gathered before it is written */
    ADD_BATCH = 16384,                /* accounts of that in one transaction */
};

/* What the tables of a file are to each other. */
struct tables {
    uint32_t active;
    uint32_t previous; /* 0: none */
    uint32_t building; /* 0: none, or by nobody alive */
    uint32_t last;     /* the highest number there is */
    uint32_t garbage;  /* one that is none of the above; 0: none */
};

static enum auth_status note_table(void *ctx, struct slice name)
{
    struct tables *tables = ctx;
    uint32_t number = 0;

    if (!slice_take_literal(&name, TABLE_PREFIX) ||
        !slice_take_decimal(&name, UINT32_MAX, &number) || name.n != 0 || number == 0) {
        return AUTH_OK;
    }
    tables->last = number > tables->last ? number : tables->last;
    if (number != tables->active && number != tables->previous && number != tables->building) {
        tables->garbage = number;
    }
    return AUTH_OK;
}

/* The table a description names, 0 if there is no such row. Needs no key. */
static enum auth_status peek_table(struct kv_txn *txn, const char *row, uint32_t *ret)
{
    uint8_t value[KV_MAX_VALUE];
    struct store_meta meta;
    size_t n = 0;
    enum auth_status status = store_row_read(txn, row, value, &n);

    *ret = 0;
    if (status == AUTH_OK && n > 0) {
        status = meta_peek(slice_of(value, n), &meta);
        *ret = meta.table;
    }
    return status;
}

/*
 * settled: inside a write transaction, where nobody else is just looking whether the claim is taken
 * (which takes it for a moment). Otherwise a job counts as dead, to be looked at again.
 */
static enum auth_status survey(struct store *store, struct kv_txn *txn, bool settled,
                               struct tables *ret, bool *ret_dead_job)
{
    struct store_meta meta;
    struct store_job job;
    const struct key *key = NULL;
    uint8_t value[KV_MAX_VALUE];
    size_t n = 0;
    bool found = false;
    enum auth_status status = store_meta_read(store, txn, &meta, &key);

    memset(ret, 0, sizeof *ret);
    *ret_dead_job = false;
    ret->active = meta.table;
    crypto_wipe(&meta, sizeof meta);
    if (status == AUTH_OK) {
        status = peek_table(txn, META_PREVIOUS_ROW, &ret->previous);
    }
    if (status == AUTH_OK) {
        status = store_job_read(txn, key, &job, &found);
    }
    if (status == AUTH_OK) {
        status = store_row_read(txn, JOB_ROW, value, &n);
    }
    if (status == AUTH_OK && n > 0) {
        *ret_dead_job = !settled || !found || !kv_is_claimed(txn);
        ret->building = *ret_dead_job ? 0 : job.table;
    }
    return status == AUTH_OK ? kv_each_table(txn, note_table, ret) : status;
}

struct sweep {
    struct store *store;
    bool more;
};

static enum auth_status look_run(struct kv_txn *txn, void *ctx)
{
    struct sweep *sweep = ctx;
    struct tables tables;
    bool dead_job = false;
    enum auth_status status = survey(sweep->store, txn, false, &tables, &dead_job);

    sweep->more = status == AUTH_OK && (tables.garbage != 0 || dead_job);
    return status;
}

static enum auth_status sweep_run(struct kv_txn *txn, void *ctx)
{
    struct sweep *sweep = ctx;
    struct tables tables;
    char name[KV_MAX_NAME + 1];
    unsigned table = 0;
    bool dead_job = false;
    bool empty = false;
    enum auth_status status = survey(sweep->store, txn, true, &tables, &dead_job);

    sweep->more = status == AUTH_OK && tables.garbage != 0;
    if (status == AUTH_OK && dead_job) {
        status = store_row_delete(txn, JOB_ROW);
    }
    if (status != AUTH_OK || tables.garbage == 0) {
        return status;
    }
    store_table_name(tables.garbage, name);
    status = kv_table(txn, name, AUTH_STORE_DAMAGED, &table);
    if (status == AUTH_OK) {
        status = kv_delete_first(txn, table, SWEEP_BATCH, &empty);
    }
    return status == AUTH_OK && empty ? kv_drop_table(txn, name) : status;
}

/* stopped: NULL, or whether to leave what is left to the next writer. */
static enum auth_status sweep_until(struct store *store, bool (*stopped)(void),
                                    struct detail *detail)
{
    struct sweep sweep = {.store = store};
    enum auth_status status = kv_read(store->kv, look_run, &sweep, detail);

    while (status == AUTH_OK && sweep.more) {
        status = kv_write(store->kv, KV_ALONE, sweep_run, &sweep, detail);
        sweep.more = sweep.more && (stopped == NULL || !stopped());
    }
    return status;
}

enum auth_status store_sweep(struct store *store, struct detail *detail)
{
    return sweep_until(store, NULL, detail);
}

struct begin {
    struct store_build *build;
    const struct key *to;
};

static enum auth_status begin_run(struct kv_txn *txn, void *ctx)
{
    struct begin *begin = ctx;
    struct store_build *build = begin->build;
    struct tables tables;
    struct store_meta meta;
    const struct key *key = NULL;
    char name[KV_MAX_NAME + 1];
    unsigned table = 0;
    bool dead_job = false;
    enum auth_status status =
        build->begun && kv_holds_claim(txn) ? AUTH_OK : kv_claim(txn); /* it may be run again */

    if (status != AUTH_OK) {
        return status;
    }
    build->begun = true;
    status = survey(build->store, txn, true, &tables, &dead_job);
    if (status == AUTH_OK) {
        status = store_meta_read(build->store, txn, &meta, &key);
    }
    if (status == AUTH_OK && tables.last == UINT32_MAX) {
        status = detail_set(kv_detail(txn), AUTH_STORE_FULL, "no table number is left");
    }
    if (status == AUTH_OK && build->job.kind == JOB_REKEY && meta.key_id != build->from_key_id) {
        status =
            detail_set(kv_detail(txn), AUTH_STORE_BUSY,
                       "somebody else has just changed the key of %s", kv_path(build->store->kv));
    }
    if (status == AUTH_OK) {
        build->key = begin->to == NULL ? key : begin->to;
        build->job.table = tables.last + 1;
        build->job.key_id = build->key->id;
        memcpy(build->job.check, build->key->check, sizeof build->job.check);
        store_table_name(build->job.table, name);
        status = kv_make_table(txn, name, &table);
    }
    if (status == AUTH_OK && build->job.kind == JOB_REKEY) {
        /* Its key is gone, or store_rekey() would not have come so far. */
        status = store_row_delete(txn, META_PREVIOUS_ROW);
    }
    if (status == AUTH_OK) {
        meta.seals++;
        status = store_job_write(txn, key, &build->job);
    }
    if (status == AUTH_OK) {
        status = store_meta_write(txn, key, &meta);
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

enum auth_status store_job_begin(struct store_build *build, enum job_kind kind,
                                 const struct key *to, struct detail *detail)
{
    struct begin begin = {build, to};
    enum auth_status status = store_sweep(build->store, detail);

    build->job.kind = kind;
    if (status == AUTH_OK) {
        status = crypto_random(build->job.token, sizeof build->job.token);
    }
    if (status == AUTH_OK) {
        status = kv_write(build->store->kv, KV_ALONE, begin_run, &begin, detail);
    }
    return status;
}

enum auth_status store_job_check(struct store_build *build, struct kv_txn *txn,
                                 struct store_meta *ret_meta, const struct key **ret_key,
                                 unsigned *ret_table)
{
    struct store_job found_job;
    char name[KV_MAX_NAME + 1];
    bool found = false;
    enum auth_status status = store_meta_read(build->store, txn, ret_meta, ret_key);

    if (status == AUTH_OK) {
        status = store_job_read(txn, *ret_key, &found_job, &found);
    }
    if (status == AUTH_OK &&
        (!found || !kv_holds_claim(txn) ||
         memcmp(found_job.token, build->job.token, sizeof found_job.token) != 0)) {
        status = detail_set(kv_detail(txn), AUTH_STORE_BUSY,
                            "the new generation of %s was given up by another process",
                            kv_path(build->store->kv));
    }
    if (status == AUTH_OK) {
        build->job.seals = found_job.seals;
        store_table_name(build->job.table, name);
        status = kv_table(txn, name, AUTH_STORE_DAMAGED, ret_table);
    }
    return status;
}

enum auth_status store_job_end(struct store_build *build, struct detail *detail)
{
    if (!build->begun) {
        return AUTH_OK;
    }
    kv_disclaim(build->store->kv);
    build->begun = false;
    return sweep_until(build->store, build->stopped, detail);
}

static void build_free(struct store_build *build)
{
    gather_release(&build->gather);
    crypto_wipe(build, sizeof *build);
    free(build);
}

enum auth_status store_build_begin(struct store *store, struct store_build **ret,
                                   struct detail *detail)
{
    struct store_build *build = calloc(1, sizeof *build);

    if (build == NULL) {
        return AUTH_NO_MEMORY;
    }
    build->store = store;
    enum auth_status status = store_job_begin(build, JOB_LOAD, NULL, detail);
    if (status == AUTH_OK) {
        *ret = build;
    } else {
        store_build_abandon(build);
    }
    return status;
}

void store_build_stop_if(struct store_build *build, bool (*stopped)(void))
{
    build->stopped = stopped;
}

/* Exchanges the counts of the active accounts for those of the new ones. */
static void set_classes(struct store_meta *meta, const struct store_class *classes, unsigned n)
{
    memcpy(meta->classes, classes, META_MAX_CLASSES * sizeof classes[0]);
    meta->n_classes = n;
}

/* A part of what was gathered, on its way into the table. */
struct add {
    struct store_build *build;
    const struct gathered *items; /* in order */
    size_t n;
    uint64_t seals;     /* made since the last time, also of what came again */
    unsigned n_classes; /* as they are if this is committed */
    struct store_class classes[META_MAX_CLASSES];
};

/* Puts one, over an older one of the same name if need be. */
static enum auth_status add_one(struct kv_txn *txn, unsigned table, const struct key *key,
                                const struct gathered *item, struct store_meta *counts)
{
    const struct slice place = slice_of(item->place, sizeof item->place);
    const struct slice value = slice_of(item->value, item->n);
    uint8_t bytes[KV_MAX_VALUE];
    struct record old;
    size_t n = 0;
    bool exists = false;
    enum auth_status status = kv_put_new(txn, table, place, value, &exists);

    if (status != AUTH_OK || !exists) {
        meta_recount(counts, NULL, &item->class);
        return status;
    }
    status = kv_get(txn, table, place, bytes, &n, &exists);
    if (status == AUTH_OK) {
        status = account_open(key, place, slice_of(bytes, n), &old);
    }
    if (status == AUTH_OK) {
        struct store_class class = meta_class_of(&old.verifiers);

        meta_recount(counts, &class, &item->class);
        crypto_wipe(&old, sizeof old);
        status = kv_put(txn, table, place, value);
    }
    return status;
}

static enum auth_status add_run(struct kv_txn *txn, void *ctx)
{
    struct add *add = ctx;
    const struct store_build *build = add->build;
    struct store_meta meta;
    struct store_meta counts = {.format = 0};
    const struct key *key = NULL;
    unsigned table = 0;
    enum auth_status status = store_job_check(add->build, txn, &meta, &key, &table);

    if (status == AUTH_OK && key != build->key) {
        status = AUTH_INTERNAL;
    }
    set_classes(&counts, build->classes, build->n_classes);
    for (size_t i = 0; status == AUTH_OK && i < add->n; i++) {
        status = add_one(txn, table, key, &add->items[i], &counts);
    }
    if (status == AUTH_OK) {
        add->n_classes = counts.n_classes;
        memcpy(add->classes, counts.classes, sizeof add->classes);
        meta.seals += add->seals;
        status = store_meta_write(txn, key, &meta);
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

enum auth_status store_build_settle(struct store_build *build, struct detail *detail)
{
    struct add add = {.build = build, .seals = build->gather.n};
    const struct gathered *items = gather_in_order(&build->gather);
    const size_t all = build->gather.n;
    enum auth_status status = AUTH_OK;

    for (size_t at = 0; status == AUTH_OK && at < all; at += add.n) {
        add.items = items + at;
        add.n = all - at < ADD_BATCH ? all - at : ADD_BATCH;
        status = build->stopped != NULL && build->stopped()
                     ? AUTH_UNAVAILABLE
                     : kv_write(build->store->kv, KV_SHARED, add_run, &add, detail);
        if (status == AUTH_OK) {
            add.seals = 0;
            build->n_classes = add.n_classes;
            memcpy(build->classes, add.classes, sizeof build->classes);
        }
    }
    gather_clear(&build->gather);
    return status;
}

/* What is ready, or made so now. */
static enum auth_status gather_one(struct store_build *build, const struct record *given,
                                   const struct store_sealed *sealed, struct detail *detail)
{
    const struct store_class class = meta_class_of(&given->verifiers);
    struct store_sealed own;
    struct record record;

    if (sealed != NULL && sealed->key == build->key) {
        return gather_add(&build->gather, sealed, &class);
    }
    record = *given;
    store_sealed_init(&own);
    enum auth_status status = store_seal(build->key, &record, &own);
    if (status == AUTH_OK) {
        status = gather_add(&build->gather, &own, &class);
    } else {
        status = store_explain_unstorable(&given->who, status, detail);
    }
    store_sealed_release(&own);
    crypto_wipe(&record, sizeof record);
    return status;
}

enum auth_status store_build_add(struct store_build *build, const struct record *records,
                                 const struct store_sealed *sealed, size_t n, struct detail *detail)
{
    const size_t before = build->gather.n;
    enum auth_status status = AUTH_OK;

    for (size_t i = 0; status == AUTH_OK && i < n; i++) {
        status = gather_one(build, &records[i], sealed == NULL ? NULL : &sealed[i], detail);
    }
    if (status != AUTH_OK) {
        gather_cut(&build->gather, before);
        return status;
    }
    return build->gather.bytes < GATHER_BYTES ? AUTH_OK : store_build_settle(build, detail);
}

uint64_t store_build_accounts(const struct store_build *build)
{
    uint64_t n = build->gather.n;

    for (unsigned i = 0; i < build->n_classes; i++) {
        n += build->classes[i].count;
    }
    return n;
}

static enum auth_status finish_run(struct kv_txn *txn, void *ctx)
{
    struct store_build *build = ctx;
    struct store_meta meta;
    const struct key *key = NULL;
    unsigned table = 0;
    uint64_t n = 0;
    enum auth_status status = store_job_check(build, txn, &meta, &key, &table);

    if (status == AUTH_OK) {
        status = kv_count(txn, table, &n);
    }
    if (status == AUTH_OK && (key != build->key || n != store_build_accounts(build))) {
        status = detail_set(kv_detail(txn), AUTH_INTERNAL,
                            "%llu accounts were written and %llu are there",
                            (unsigned long long)store_build_accounts(build), (unsigned long long)n);
    }
    if (status == AUTH_OK) {
        status = store_row_delete(txn, JOB_ROW);
    }
    if (status == AUTH_OK) {
        status = store_row_delete(txn, META_PREVIOUS_ROW);
    }
    if (status == AUTH_OK) {
        meta.table = build->job.table;
        set_classes(&meta, build->classes, build->n_classes);
        if (build->have_heritage) {
            meta.policy = build->heritage.policy;
            memcpy(meta.decoy_secret, build->heritage.decoy_secret, sizeof meta.decoy_secret);
        }
        status = store_meta_write(txn, key, &meta);
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

enum auth_status store_build_finish(struct store_build *build, struct detail *detail)
{
    enum auth_status status = store_build_settle(build, detail);

    if (status == AUTH_OK) {
        status = kv_write(build->store->kv, KV_SHARED, finish_run, build, detail);
    }
    /* Once the new generation is active, sweeping up is a kindness: the next writer does it too. */
    if (store_job_end(build, NULL) != AUTH_OK && status == AUTH_OK) {
        status = AUTH_OK;
    }
    build_free(build);
    return status;
}

void store_build_abandon(struct store_build *build)
{
    if (build != NULL) {
        if (store_job_end(build, NULL) != AUTH_OK) {
            /* The next writer sweeps. */
        }
        build_free(build);
    }
}
