/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the store share among themselves. Nobody else includes this.
 *
 * Locks, in the order they are taken: the list of stores (store_open.c), kv.c's, a store's mutex.
 */
#ifndef SASL_LMDB_STORE_INTERNAL_H
#define SASL_LMDB_STORE_INTERNAL_H

#include <pthread.h>

#include "store/account.h"
#include "store/decoy.h"
#include "store/kv.h"
#include "store/store.h"
#include "store/store_meta.h"
#include "store/ticket.h"

/*
 * A record of the usual kind under a key of its own, opened in place of the one that an unknown
 * name does not have. Made once, then only read.
 */
struct store_dummy {
    struct key key;
    uint8_t place[ACCOUNT_KEY];
    size_t n;
    uint8_t value[KV_MAX_VALUE];
};

/* What a lookup needs to know of the store as it is in this transaction. */
struct store_view {
    const struct key *key; /* lives as long as the store */
    const struct store_dummy *dummy;
    char table[KV_MAX_NAME + 1];
    uint64_t accounts;
    struct decoy_plan plan;
    char realm[IDENTITY_MAX_REALM + 1]; /* of the last lookup, "" for none, and its key */
    uint8_t realm_key[ACCOUNT_REALM_KEY];
    unsigned kinds; /* of a new password */
    bool have_ticket_key;
    struct ticket_target target;
};

/* Key files read one after the other: a running server meets a new key at the first need. */
struct store_keys {
    struct store_keys *next;
    struct keyring *ring;
};

struct store {
    struct store *next;
    unsigned users;
    struct kv_env *kv;
    char *key_path;

    pthread_mutex_t mutex;   /* guards what follows */
    bool in_use;             /* somebody holds the mutex */
    struct store_keys *keys; /* the newest first; freed with the store */
    struct store_dummy *dummy;
    size_t n_cached; /* 0: nothing is cached */
    uint8_t cached_value[KV_MAX_VALUE];
    struct store_view cached;
    size_t n_passed_over; /* a description whose key is not known, and the previous one serves */
    uint8_t passed_over[KV_MAX_VALUE];
};

/* The name of user table number n. */
void store_table_name(uint32_t n, char ret[KV_MAX_NAME + 1]);

/*
 * Inside a transaction: the view of the store, from the cache if its description has not changed
 * by a byte. The caller wipes *ret.
 */
MUST_USE enum auth_status store_view_get(struct store *store, struct kv_txn *txn,
                                         struct store_view *ret);

/*
 * The key of an account in the view's table. Most lookups are for the realm of the one before,
 * whose part of the key is remembered.
 */
MUST_USE enum auth_status store_place(struct store *store, struct store_view *view,
                                      const struct identity *who, uint8_t ret[ACCOUNT_KEY]);

/*
 * Inside a transaction: the whole description and the key it is under. The caller wipes *ret.
 * AUTH_KEY_WRONG with a detail that says which key is wanted.
 */
MUST_USE enum auth_status store_meta_read(struct store *store, struct kv_txn *txn,
                                          struct store_meta *ret, const struct key **ret_key);

/* Inside a write transaction: writes it back, as row META_ROW or META_PREVIOUS_ROW. */
MUST_USE enum auth_status store_meta_write(struct kv_txn *txn, const struct key *key,
                                           struct store_meta *meta);
MUST_USE enum auth_status store_meta_write_row(struct kv_txn *txn, const char *row,
                                               const struct key *key, struct store_meta *meta);

/* Inside a transaction: a row of the table of descriptions as it lies there; *ret_n 0 for none. */
MUST_USE enum auth_status store_row_read(struct kv_txn *txn, const char *row,
                                         uint8_t ret[KV_MAX_VALUE], size_t *ret_n);

/*
 * The key a description's clear part asks for; the key file is read again where it has to be.
 * AUTH_KEY_WRONG with a detail that says which one is wanted.
 */
MUST_USE enum auth_status store_find_key(struct store *store, const struct store_meta *meta,
                                         const struct key **ret, struct detail *detail);

/*
 * Inside a transaction: reads one account. *ret_found false: *ret is zero. AUTH_STORE_DAMAGED if
 * it is not the account of that name. The caller wipes *ret.
 */
MUST_USE enum auth_status store_account_read(struct kv_txn *txn, unsigned table,
                                             const struct key *key,
                                             const uint8_t place[ACCOUNT_KEY],
                                             const struct identity *who, struct record *ret,
                                             bool *ret_found);

/* Names the account in a detail of status DAMAGED or FOREIGN; returns the status. */
enum auth_status store_explain_account(const struct store *store, const struct identity *who,
                                       enum auth_status status, struct detail *detail);

#endif
