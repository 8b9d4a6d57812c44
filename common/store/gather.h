/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sealed accounts held in memory until there are enough of them to be written in the order of their
 * keys. Keys are keyed hashes, so that accounts written as they come would each touch a page of its
 * own, and each page would be written again and again.
 *
 * What is held is sealed: nothing to wipe. Not shared between threads.
 */
#ifndef SASL_LMDB_GATHER_H
#define SASL_LMDB_GATHER_H

#include "store/store_meta.h"
#include "store/store_sealed.h"

struct gathered {
    uint8_t place[ACCOUNT_KEY];
    uint16_t n;
    const uint8_t *value; /* n bytes in a block */
    struct store_class class;
};

struct gather_block; /* opaque */

/* All zero is an empty one. */
struct gather {
    struct gathered *items;
    size_t n;
    size_t cap;
    size_t bytes; /* of all that is allocated for it */
    struct gather_block *blocks;
};

/* Copies an account that is ready. AUTH_NO_MEMORY, and nothing has changed. */
MUST_USE enum auth_status gather_add(struct gather *gather, const struct store_sealed *sealed,
                                     const struct store_class *class);

/* Forgets all but the first n. Not after gather_in_order(), which makes others the first. */
void gather_cut(struct gather *gather, size_t n);

/*
 * Sorts by place; of several at one place only the last one added is left. gather->n items, valid
 * until the next call.
 */
const struct gathered *gather_in_order(struct gather *gather);

/* Forgets all; gather_release() also frees. */
void gather_clear(struct gather *gather);
void gather_release(struct gather *gather);

#endif
