/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "store/store_internal.h"
#include "store/store_salvage.h"

struct check {
    struct store *store;
    const struct check_observer *observer;
    struct check_counts *counts;

    /* the generation that is being walked */
    struct kv_txn *txn;
    enum check_part part;
    const struct key *key;
    unsigned table;
    uint64_t expected;
    uint64_t seen;
    size_t n_last;
    uint8_t last[64];
    struct store_meta sums; /* classes counted again */
};

static void report(struct check *check, struct check_finding *finding, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

static void report(struct check *check, struct check_finding *finding, const char *what, ...)
{
    va_list args;

    va_start(args, what);
    (void)vsnprintf(finding->what, sizeof finding->what, what, args);
    va_end(args);
    check->counts->findings++;
    check->observer->found(check->observer->ctx, finding);
}

static void report_sum(struct check *check, enum check_part part, const char *what, uint64_t is,
                       uint64_t should)
{
    struct check_finding finding = {.part = part};

    report(check, &finding, "%s: %llu, but should be %llu", what, (unsigned long long)is,
           (unsigned long long)should);
}

static void count_record(struct check *check, const struct record *record)
{
    const struct store_class class = meta_class_of(&record->verifiers);
    struct check_counts *counts = check->counts;

    meta_recount(&check->sums, NULL, &class);
    if (check->part != CHECK_ACCOUNTS) {
        return;
    }
    unsigned kinds = verifier_kinds(&record->verifiers);
    for (unsigned i = 0; i < sizeof counts->kinds / sizeof counts->kinds[0]; i++) {
        counts->kinds[i] += (kinds & (1U << i)) != 0;
    }
    counts->sound++;
    counts->disabled += (record->flags & RECORD_DISABLED) != 0;
    counts->expiring += record->expires != 0;
}

/* Looks the key up as a login would: a damaged page further up can hide what the walk comes by. */
static bool can_be_found(struct check *check, struct slice key, struct slice value)
{
    uint8_t found_value[KV_MAX_VALUE];
    size_t n = 0;
    bool found = false;

    return kv_get(check->txn, check->table, key, found_value, &n, &found) == AUTH_OK && found &&
           slice_equal(slice_of(found_value, n), value);
}

static void check_record(struct check *check, struct slice key, struct slice value,
                         struct check_finding *finding)
{
    struct record record;
    uint8_t place[ACCOUNT_KEY];
    enum auth_status status = account_open(check->key, key, value, &record);

    if (status == AUTH_STORE_FOREIGN) {
        check->counts->later++;
        finding->have_who = store_salvage_name(check->key, key, value, &finding->who);
        report(check, finding, "it was written by a later version");
    } else if (status != AUTH_OK) {
        finding->have_who = store_salvage_name(check->key, key, value, &finding->who);
        report(check, finding, "%s",
               status == AUTH_STORE_DAMAGED ? "its seal does not open" : auth_status_text(status));
    } else {
        finding->have_who = true;
        finding->who = record.who;
        if (account_key(check->key, &record.who, place) != AUTH_OK ||
            memcmp(place, key.p, sizeof place) != 0) {
            report(check, finding, "its name is not the one of its key");
        } else if (!can_be_found(check, key, value)) {
            report(check, finding, "it is there, but is not found by its key");
        } else {
            count_record(check, &record);
        }
    }
    crypto_wipe(&record, sizeof record);
}

static int compare_keys(struct slice a, struct slice b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static enum auth_status check_visit(void *ctx, struct slice key, struct slice value)
{
    struct check *check = ctx;
    struct check_finding finding = {.part = check->part, .have_key = true};

    finding.n_key = key.n < sizeof finding.key ? key.n : sizeof finding.key;
    memcpy(finding.key, key.p, finding.n_key);
    check->observer->at(check->observer->ctx, finding.key, finding.n_key, check->seen,
                        check->expected);
    if (check->seen > 0 && compare_keys(slice_of(check->last, check->n_last), key) >= 0) {
        report(check, &finding, "the keys are out of order");
        if (check->seen > 2 * check->expected) {
            return AUTH_STORE_DAMAGED; /* pages that lead back to themselves */
        }
    }
    check->seen++;
    check->n_last = finding.n_key;
    memcpy(check->last, finding.key, finding.n_key);
    if (key.n == ACCOUNT_KEY) {
        check_record(check, key, value, &finding);
    } else {
        report(check, &finding, "its key has %zu bytes instead of %d", key.n, ACCOUNT_KEY);
    }
    return AUTH_OK;
}

static bool same_classes(const struct store_meta *a, const struct store_meta *b)
{
    bool same = a->n_classes == b->n_classes;

    for (unsigned i = 0; same && i < a->n_classes; i++) {
        same = meta_same_class(&a->classes[i], &b->classes[i]) &&
               a->classes[i].count == b->classes[i].count;
    }
    return same;
}

/* Walks one generation and compares it with what its description says. */
static enum auth_status check_generation(struct check *check, struct kv_txn *txn,
                                         enum check_part part, const struct store_meta *meta,
                                         const struct key *key)
{
    char name[KV_MAX_NAME + 1];
    struct check_finding finding = {.part = part};
    uint64_t before = check->counts->findings;
    uint64_t entries = 0;

    check->txn = txn;
    check->part = part;
    check->key = key;
    check->expected = meta_accounts(meta);
    check->seen = 0;
    check->sums.n_classes = 0;
    store_table_name(meta->table, name);
    enum auth_status status = kv_table(txn, name, AUTH_STORE_DAMAGED, &check->table);
    if (status == AUTH_OK) {
        status = kv_count(txn, check->table, &entries);
    }
    if (status == AUTH_OK) {
        status = kv_scan(txn, check->table, slice_of(NULL, 0), check_visit, check);
    }
    if (part == CHECK_ACCOUNTS) {
        check->counts->accounts = check->seen;
    }
    if (status != AUTH_OK) {
        return status;
    }
    if (check->seen != check->expected) {
        report_sum(check, part, "the number of accounts", check->seen, check->expected);
    }
    if (check->seen != entries) {
        report_sum(check, part, "the number of accounts in LMDB's own count", entries, check->seen);
    }
    /* A seventeenth class is counted with another one, depending on who came first. */
    if (check->counts->findings == before && meta->n_classes < META_MAX_CLASSES &&
        !same_classes(meta, &check->sums)) {
        report(check, &finding, "the counts of accounts by their kind of verifiers are wrong");
    }
    return AUTH_OK;
}

static enum auth_status check_pages(struct check *check, struct kv_txn *txn)
{
    struct kv_pages pages;
    struct check_finding finding = {.part = CHECK_FILE};
    struct detail *detail = kv_detail(txn);
    enum auth_status status = kv_check_pages(txn, &pages);

    if (status == AUTH_STORE_DAMAGED) {
        report(check, &finding, "%s", detail_text(detail, status));
        status = AUTH_OK;
    } else if (status == AUTH_OK && pages.all != 0) {
        check->counts->pages_known = true;
        check->counts->pages = pages.all;
        check->counts->pages_unused = pages.unused;
    }
    return status;
}

static enum auth_status check_previous(struct check *check, struct kv_txn *txn)
{
    uint8_t value[KV_MAX_VALUE];
    struct store_meta meta;
    struct check_finding finding = {.part = CHECK_PREVIOUS};
    const struct key *key = NULL;
    size_t n = 0;
    enum auth_status status = store_row_read(txn, META_PREVIOUS_ROW, value, &n);

    if (status != AUTH_OK || n == 0) {
        return status;
    }
    status = meta_peek(slice_of(value, n), &meta);
    if (status == AUTH_OK && store_find_key(check->store, &meta, &key, NULL) != AUTH_OK) {
        return AUTH_OK; /* its key is gone: nobody uses it, and the next writer removes it */
    }
    if (status == AUTH_OK) {
        status = meta_open(key, slice_of(value, n), &meta);
    }
    if (status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN) {
        report(check, &finding, "its description does not open");
        status = AUTH_OK;
    } else if (status == AUTH_OK) {
        status = check_generation(check, txn, CHECK_PREVIOUS, &meta, key);
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

/* What makes the transaction start over, a table not open yet, comes before anything is told. */
static enum auth_status open_previous(struct kv_txn *txn)
{
    uint8_t value[KV_MAX_VALUE];
    struct store_meta meta;
    char name[KV_MAX_NAME + 1];
    unsigned table = 0;
    size_t n = 0;
    enum auth_status status = store_row_read(txn, META_PREVIOUS_ROW, value, &n);

    if (status == AUTH_OK && n > 0 && meta_peek(slice_of(value, n), &meta) == AUTH_OK) {
        store_table_name(meta.table, name);
        status = kv_table(txn, name, AUTH_STORE_DAMAGED, &table);
    }
    return status;
}

static enum auth_status check_run(struct kv_txn *txn, void *ctx)
{
    struct check *check = ctx;
    struct store_meta meta;
    const struct key *key = NULL;
    char name[KV_MAX_NAME + 1];
    unsigned table = 0;
    enum auth_status status = store_meta_read(check->store, txn, &meta, &key);

    if (status == AUTH_OK) {
        check->counts->expected = meta_accounts(&meta);
        store_table_name(meta.table, name);
        status = kv_table(txn, name, AUTH_STORE_DAMAGED, &table);
    }
    if (status == AUTH_OK) {
        status = open_previous(txn);
    }
    if (status == AUTH_OK) {
        status = check_pages(check, txn);
    }
    if (status == AUTH_OK) {
        status = check_generation(check, txn, CHECK_ACCOUNTS, &meta, key);
    }
    if (status == AUTH_OK) {
        status = check_previous(check, txn);
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

enum auth_status store_check(struct store *store, const struct check_observer *observer,
                             struct check_counts *ret, struct detail *detail)
{
    struct check check = {.store = store, .observer = observer, .counts = ret};

    memset(ret, 0, sizeof *ret);
    enum auth_status status = kv_read(store->kv, check_run, &check, detail);
    crypto_wipe(&check, sizeof check);
    return status;
}
