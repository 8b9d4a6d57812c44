/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accounts sealed before the transaction that writes them begins, so that several threads can do
 * it while another one writes. What is ready is used if the account did not exist or is replaced
 * whole, and the store's key is still the one it was sealed under; else it is sealed again.
 *
 * The caller owns a struct store_sealed; one may be used for one account after the other. Different
 * ones may be filled in different threads.
 */
#ifndef SASL_LMDB_STORE_SEALED_H
#define SASL_LMDB_STORE_SEALED_H

#include "base/buf.h"
#include "store/account.h"
#include "store/store.h"

struct store_sealed {
    const struct key *key; /* NULL: nothing is ready */
    uint8_t place[ACCOUNT_KEY];
    struct buf value;
};

void store_sealed_init(struct store_sealed *sealed);
void store_sealed_release(struct store_sealed *sealed);

/* The key accounts are sealed under now. It lives as long as the store. */
MUST_USE enum auth_status store_active_key(struct store *store, const struct key **ret,
                                           struct detail *detail);

/*
 * Sets the times that are 0 to now and seals. Any thread. AUTH_BAD_NAME, AUTH_MALFORMED,
 * AUTH_TOO_LONG if the record cannot be stored; nothing is ready then.
 */
MUST_USE enum auth_status store_seal(const struct key *key, struct record *record,
                                     struct store_sealed *ret);

/*
 * store_write_batch(), or with whole store_replace_batch(), with what is ready: sealed[i] is made
 * of records[i] or holds nothing. ret_before[i], which may be NULL: the kinds of verifiers (bits of
 * enum verifier_kind) that the account had before, 0 if it is new.
 */
MUST_USE enum auth_status store_write_sealed(struct store *store, const struct record *records,
                                             const struct store_sealed *sealed, size_t n,
                                             bool whole, size_t *ret_new, unsigned *ret_before,
                                             struct detail *detail);

#endif
