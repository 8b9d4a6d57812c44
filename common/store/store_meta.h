/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store's description of itself: one value in the table "meta".
 *
 *   magic 16 | format 4 | store id 16 | active table 4 | active key id 4 | check value 16
 *   | a seal (see seal.h), whose place is all of the above
 *
 * The clear part is what one has to know before any key fits: which key is wanted. Sealed: what a
 * new password is turned into, the decoy secret, the number of accounts by class and of seals
 * made. Sealed items are type, 16-bit length, value; types from 0x80 on may be skipped, and are
 * not kept by a program that does not know them.
 *
 * Plain data, no state; a struct store_meta holds secrets and is wiped by whoever filled it.
 */
#ifndef SASL_LMDB_STORE_META_H
#define SASL_LMDB_STORE_META_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/verifier.h"
#include "store/keyring.h"
#include "store/ticket.h"

#define META_TABLE "meta"
#define META_ROW "store"

/* The description of the generation before a change of keys, while it is kept in step. */
#define META_PREVIOUS_ROW "previous"

enum {
    META_FORMAT = 1,
    META_DECOY_SECRET = 32,
    META_MAX_CLASSES = 16,
    META_MAX_VALUE = 3584, /* bytes, sealed */
};

/* NIST SP 800-38D 8.3: so many seals with random nonces under one key. */
#define META_MAX_SEALS (UINT64_C(1) << 32)

/*
 * Accounts that look alike to somebody who may only ask for challenges: for each SCRAM hash the
 * same iterations (0: no such verifier) and length of salt. Decoys are made after these.
 */
struct store_class {
    uint64_t count;
    struct {
        uint32_t iterations;
        uint8_t salt_len;
    } scram[VERIFIER_SCRAM_HASHES];
};

struct store_meta {
    /* in clear */
    uint32_t format;
    uint8_t store_id[STORE_ID_SIZE];
    uint32_t table; /* the active user table is users.<table> */
    uint32_t key_id;
    uint8_t check[KEY_CHECK_SIZE];

    /* sealed */
    struct verifier_policy policy;
    uint8_t decoy_secret[META_DECOY_SECRET]; /* survives every change of keys */
    uint64_t seals;                          /* made under this key */
    bool have_group;
    gid_t group; /* given at init */
    bool have_ticket_key;
    uint8_t ticket_key[CRYPTO_X25519]; /* public: tickets are sealed to it */
    unsigned n_classes;
    struct store_class classes[META_MAX_CLASSES]; /* sorted, counts above 0 */
};

/*
 * Reads the clear part. AUTH_STORE_FOREIGN if it is none of ours or of a later format,
 * AUTH_STORE_DAMAGED if it is cut short.
 */
MUST_USE enum auth_status meta_peek(struct slice value, struct store_meta *ret);

/*
 * Reads all of it with the key meta_peek() asks for. AUTH_STORE_DAMAGED or _FOREIGN, and *ret is
 * wiped.
 */
MUST_USE enum auth_status meta_open(const struct key *key, struct slice value,
                                    struct store_meta *ret);

/*
 * Appends the value to ret, with id and check value of key, counting one more seal in *meta.
 * AUTH_STORE_FULL when the key has made all the seals it may.
 */
MUST_USE enum auth_status meta_put(const struct key *key, struct store_meta *meta, struct buf *ret);

/* Whether two classes are the same but for their counts. */
bool meta_same_class(const struct store_class *a, const struct store_class *b);

/* The bit of enum verifier_kind for the SCRAM hash of a slot. */
unsigned meta_scram_kind(size_t slot);

/* The number of accounts. */
uint64_t meta_accounts(const struct store_meta *meta);

/* The class of an account with these verifiers; count is 1. */
struct store_class meta_class_of(const struct verifier_set *set);

/*
 * Takes an account of class `old` away and adds one of class `now`; either may be NULL. The sum is
 * exact. The seventeenth class is counted with the largest.
 */
void meta_recount(struct store_meta *meta, const struct store_class *old,
                  const struct store_class *now);

#endif
