/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is shown for a name that has no SCRAM verifier to show: the same salt and iterations from
 * every process and after every restart, drawn by the name from the mix of the store's own
 * accounts, and keys nobody can satisfy. They depend on the store's decoy secret and not on its
 * keys, so changing keys changes no decoy.
 *
 * A name stands for an account of one class, and shows that class for every hash it has. For a hash
 * that it has not, the name is drawn once more, by another point, from the accounts that have it;
 * so are accounts of that class. What all hashes show together is thus spread among names that do
 * not exist as it is among those that do.
 *
 * A name moves to other iterations only when the mix moves past it: classes are kept in a fixed
 * order and the name is a fixed point on their cumulative shares. So one account of n moves no more
 * than one name of n for each class behind it; with two accounts that is every other name.
 *
 * How a name becomes salt and iterations is part of the store's format, and pinned by test_decoy.c:
 * another derivation would change what every unknown name shows, and no account's.
 *
 * Plain data, no state; a plan holds the secret and is wiped by whoever holds it.
 */
#ifndef SASL_LMDB_DECOY_H
#define SASL_LMDB_DECOY_H

#include <stdint.h>

#include "base/status.h"
#include "engine/identity.h"
#include "engine/verifier.h"
#include "store/store_meta.h"

/*
 * The mix: the classes of the store's accounts, in the end the one its policy makes. Class i stands
 * for names whose point is below below[...][i] and not below an earlier one: of all names, and for
 * each hash of those that stand for an account without it.
 */
struct decoy_plan {
    uint8_t secret[META_DECOY_SECRET];
    uint8_t keys[CRYPTO_MAX_HASH]; /* StoredKey and ServerKey of every decoy */
    unsigned n;
    struct store_class classes[META_MAX_CLASSES + 1];
    uint64_t below[VERIFIER_SCRAM_HASHES + 1][META_MAX_CLASSES + 1]; /* 0 to 2^32; last: all */
    unsigned policy_kinds; /* SCRAM kinds of the last class */
    unsigned n_digest;     /* spellings of DIGEST-MD5 that an account of the store's policy gets */
};

/* SCRAM verifiers nobody can satisfy, by verifier_scram_slot(). */
struct decoy_set {
    struct scram_verifier scram[VERIFIER_SCRAM_HASHES];
};

/* Makes the plan for a store as it is now. */
MUST_USE enum auth_status decoy_plan_make(const struct store_meta *meta, struct decoy_plan *ret);

/*
 * Fills those of *ret that are wanted (SCRAM kinds of enum verifier_kind) and leaves the others
 * alone; *ret_kinds: the SCRAM kinds of the account that the decoy pretends to be. own: the class
 * of the account of that name, NULL for a name that does not exist. The work does not depend on the
 * name, but for salts longer than 32 bytes. AUTH_CRYPTO, AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status decoy_make(const struct decoy_plan *plan, const struct identity *who,
                                     const struct store_class *own, unsigned wanted,
                                     struct decoy_set *ret, unsigned *ret_kinds);

#endif
