/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading accounts. */
#include "store/store.h"

#include <string.h>

#include "base/crypto.h"
#include "store/store_internal.h"
#include "store/store_salvage.h"

/* One lookup: what is copied out in the transaction, so that nothing is decrypted inside it. */
struct lookup {
    struct store *store;
    const struct identity *who;
    struct store_view view;
    uint8_t place[ACCOUNT_KEY];
    bool found;
    size_t n;
    uint8_t value[KV_MAX_VALUE];
};

/*
 * A table whose accounts have all gone at once has lost them: then nobody is told that he does not
 * exist.
 */
static enum auth_status check_table(struct kv_txn *txn, const struct lookup *lookup, unsigned table)
{
    uint64_t n = 0;
    enum auth_status status = kv_count(txn, table, &n);

    if (status == AUTH_OK && n == 0 && lookup->view.accounts > 0) {
        status = detail_set(kv_detail(txn), AUTH_STORE_DAMAGED,
                            "store %s: the table of accounts is empty, but should have %llu",
                            kv_path(lookup->store->kv), (unsigned long long)lookup->view.accounts);
    }
    return status;
}

static enum auth_status lookup_run(struct kv_txn *txn, void *ctx)
{
    struct lookup *lookup = ctx;
    unsigned table = 0;
    enum auth_status status = store_view_get(lookup->store, txn, &lookup->view);

    if (status == AUTH_OK) {
        status = kv_table(txn, lookup->view.table, AUTH_STORE_DAMAGED, &table);
    }
    if (status == AUTH_OK) {
        status = store_place(lookup->store, &lookup->view, lookup->who, lookup->place);
    }
    if (status == AUTH_OK) {
        status = kv_get(txn, table, slice_of(lookup->place, sizeof lookup->place), lookup->value,
                        &lookup->n, &lookup->found);
    }
    if (status == AUTH_OK) {
        status = check_table(txn, lookup, table);
    }
    return status;
}

static bool same_identity(const struct identity *a, const struct identity *b)
{
    return strcmp(a->user, b->user) == 0 && strcmp(a->realm, b->realm) == 0;
}

enum auth_status store_explain_account(const struct store *store, const struct identity *who,
                                       enum auth_status status, struct detail *detail)
{
    if (status == AUTH_STORE_DAMAGED) {
        return detail_set(detail, status, "store %s: the record of %s@%s is damaged",
                          kv_path(store->kv), who->user, who->realm);
    }
    if (status == AUTH_STORE_FOREIGN) {
        return detail_set(detail, status,
                          "store %s: the record of %s@%s was written by a later version",
                          kv_path(store->kv), who->user, who->realm);
    }
    return status;
}

/* Opens the record, or the dummy for an unknown name: the same work, and one cannot do without. */
static enum auth_status open_answer(const struct lookup *lookup, struct record *ret)
{
    const struct store_dummy *dummy = lookup->view.dummy;
    const struct key *key = lookup->found ? lookup->view.key : &dummy->key;
    const uint8_t *place = lookup->found ? lookup->place : dummy->place;
    struct slice value =
        lookup->found ? slice_of(lookup->value, lookup->n) : slice_of(dummy->value, dummy->n);
    enum auth_status status = account_open(key, slice_of(place, ACCOUNT_KEY), value, ret);

    if (status == AUTH_OK && lookup->found && !same_identity(&ret->who, lookup->who)) {
        status = AUTH_STORE_DAMAGED;
    }
    return status;
}

/*
 * What an account has is shown for it in whatever state it is: who looks at its salt again and
 * again does not see when it is disabled or expires. The keys remain those nobody can satisfy. For
 * a name that is not there the same bytes are moved, onto themselves.
 */
static void show_own(const struct lookup *lookup, unsigned wanted, struct store_answer *ret)
{
    const struct verifier_set *set = &ret->record.verifiers;
    const unsigned kinds = lookup->found ? verifier_kinds(set) & VERIFIER_SCRAM : 0;

    for (size_t slot = 0; slot < VERIFIER_SCRAM_HASHES; slot++) {
        struct scram_verifier *shown = &ret->decoys.scram[slot];
        const struct scram_verifier *from =
            (kinds & wanted & meta_scram_kind(slot)) != 0 ? &set->scram[slot] : shown;

        shown->iterations = from->iterations;
        shown->salt_len = from->salt_len;
        memmove(shown->salt, from->salt, sizeof shown->salt);
    }
    ret->decoy_kinds = kinds != 0 ? kinds : ret->decoy_kinds;
}

/* Nothing of the dummy is left for the caller; the same amount of work is done for a known name. */
static void finish_answer(struct lookup *lookup, int64_t now, struct store_answer *ret)
{
    _Static_assert(sizeof lookup->value <= sizeof ret->record &&
                       sizeof ret->record - sizeof lookup->value < sizeof lookup->value / 4,
                   "wiping one takes about as long as wiping the other");

    if (lookup->found) {
        ret->verdict = record_verdict(&ret->record, now);
        ret->wants_ticket = lookup->view.have_ticket_key && ret->verdict == AUTH_OK &&
                            verifier_missing(&ret->record.verifiers, lookup->view.kinds) != 0;
        if (ret->wants_ticket) {
            ret->target = lookup->view.target;
            /* The end of the seal's tag: no two seals have the same. */
            memcpy(ret->target.version, lookup->value + lookup->n - TICKET_VERSION, TICKET_VERSION);
        }
        crypto_wipe(lookup->value, sizeof lookup->value);
    } else {
        ret->verdict = AUTH_UNKNOWN_USER;
        crypto_wipe(&ret->record, sizeof ret->record);
    }
}

enum auth_status store_lookup(struct store *store, const struct identity *who, int64_t now,
                              unsigned decoys, struct store_answer *ret, struct detail *detail)
{
    struct lookup lookup;

    lookup.store = store;
    lookup.who = who;
    memset(ret, 0, sizeof *ret);
    enum auth_status status = kv_read(store->kv, lookup_run, &lookup, detail);
    if (status == AUTH_OK) {
        status = store_explain_account(store, who, open_answer(&lookup, &ret->record), detail);
    }
    if (status == AUTH_OK) {
        ret->decoy_digests = lookup.view.plan.n_digest;
        if (decoys != 0) {
            const struct store_class own = meta_class_of(&ret->record.verifiers);
            status = decoy_make(&lookup.view.plan, who, lookup.found ? &own : NULL, decoys,
                                &ret->decoys, &ret->decoy_kinds);
            show_own(&lookup, decoys, ret);
        }
    }
    if (status == AUTH_OK) {
        finish_answer(&lookup, now, ret);
    } else {
        crypto_wipe(ret, sizeof *ret);
    }
    crypto_wipe(&lookup.view, sizeof lookup.view);
    return status;
}

enum auth_status store_get(struct store *store, const struct identity *who, struct record *ret,
                           struct detail *detail)
{
    struct lookup lookup;

    lookup.store = store;
    lookup.who = who;
    enum auth_status status = kv_read(store->kv, lookup_run, &lookup, detail);
    if (status != AUTH_OK) {
        crypto_wipe(&lookup.view, sizeof lookup.view);
        return status;
    }
    status = lookup.found ? open_answer(&lookup, ret) : AUTH_UNKNOWN_USER;
    if (status != AUTH_OK) {
        crypto_wipe(ret, sizeof *ret);
        status = store_explain_account(store, who, status, detail);
    }
    crypto_wipe(&lookup.view, sizeof lookup.view);
    return status;
}

struct walk {
    struct store *store;
    const char *realm; /* NULL: all */
    const struct store_visitor *visitor;
    struct store_view view;
    struct detail *detail;
};

static enum auth_status walk_past(struct walk *walk, struct slice key, struct slice value,
                                  enum auth_status status)
{
    const struct store_visitor *visitor = walk->visitor;
    struct store_unreadable what = {.status = status, .place = key};

    if (visitor->unreadable == NULL) {
        return detail_set(walk->detail, status,
                          "store %s: a record is damaged or of a later "
                          "version",
                          kv_path(walk->store->kv));
    }
    what.have_who = store_salvage_name(walk->view.key, key, value, &what.who);
    visitor->unreadable(visitor->unreadable_ctx, &what);
    return AUTH_OK;
}

static enum auth_status walk_visit(void *ctx, struct slice key, struct slice value)
{
    struct walk *walk = ctx;
    struct record record;
    enum auth_status status = account_open(walk->view.key, key, value, &record);

    if (status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN) {
        return walk_past(walk, key, value, status);
    }
    /* Eight bytes of a hash choose the range, the name itself decides. */
    if (status == AUTH_OK && (walk->realm == NULL || strcmp(record.who.realm, walk->realm) == 0)) {
        status = walk->visitor->visit(walk->visitor->ctx, &record);
    }
    crypto_wipe(&record, sizeof record);
    return status;
}

static enum auth_status walk_run(struct kv_txn *txn, void *ctx)
{
    struct walk *walk = ctx;
    uint8_t prefix[ACCOUNT_REALM_KEY];
    size_t n = 0;
    unsigned table = 0;
    enum auth_status status = store_view_get(walk->store, txn, &walk->view);

    if (status == AUTH_OK) {
        status = kv_table(txn, walk->view.table, AUTH_STORE_DAMAGED, &table);
    }
    if (status == AUTH_OK && walk->realm != NULL) {
        status = account_realm_key(walk->view.key, walk->realm, prefix);
        n = sizeof prefix;
    }
    if (status == AUTH_OK) {
        status = kv_scan(txn, table, slice_of(prefix, n), walk_visit, walk);
    }
    return status;
}

enum auth_status store_each(struct store *store, const char *realm,
                            const struct store_visitor *visitor, struct detail *detail)
{
    struct walk walk = {.store = store, .realm = realm, .visitor = visitor, .detail = detail};
    enum auth_status status = kv_read(store->kv, walk_run, &walk, detail);

    crypto_wipe(&walk.view, sizeof walk.view);
    return status;
}

struct describe {
    struct store *store;
    struct store_info *info;
};

static enum auth_status describe_run(struct kv_txn *txn, void *ctx)
{
    struct describe *describe = ctx;
    struct store_info *info = describe->info;
    struct store_meta meta;
    const struct key *key = NULL;
    enum auth_status status = store_meta_read(describe->store, txn, &meta, &key);

    if (status == AUTH_OK) {
        memset(info, 0, sizeof *info);
        memcpy(info->store_id, meta.store_id, sizeof info->store_id);
        info->format = meta.format;
        info->key_id = meta.key_id;
        info->generation = meta.table;
        info->accounts = meta_accounts(&meta);
        info->seals = meta.seals;
        info->file_size = kv_file_size(txn);
        info->policy = meta.policy;
        info->have_ticket_key = meta.have_ticket_key;
        memcpy(info->ticket_key, meta.ticket_key, sizeof info->ticket_key);
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

enum auth_status store_describe(struct store *store, struct store_info *ret, struct detail *detail)
{
    struct describe describe = {store, ret};

    return kv_read(store->kv, describe_run, &describe, detail);
}
