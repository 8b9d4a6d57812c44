/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many accounts in one transaction, by the order of their keys, into the active table or into one
 * being built. Shared by the files of the store that do so.
 */
#ifndef SASL_LMDB_STORE_BATCH_H
#define SASL_LMDB_STORE_BATCH_H

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

MUST_USE enum auth_status store_batch_init(struct store_batch *batch, struct store *store,
                                           const struct record *records, size_t n);
void store_batch_release(struct store_batch *batch);

/* Inside a transaction, with batch->writing begun: puts all records. Counts, but ends nothing. */
MUST_USE enum auth_status store_batch_put(struct store_batch *batch);

#endif
