/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is shown for a name that has no SCRAM verifier to show: the same salt and iterations from
 * every process and after every restart, drawn by the name from the mix of the store's own
 * accounts, and keys nobody can satisfy. They depend on the store's decoy secret and not on its
 * keys, so changing keys changes no decoy.
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

/* Shares of a mix: names whose point is below `below` (and in no earlier share). */
struct decoy_share {
    uint64_t below; /* 0 to 2^32 */
    uint32_t iterations;
    uint8_t salt_len;
    uint8_t kinds; /* of the class, bits of enum verifier_kind */
};

struct decoy_mix {
    unsigned n; /* at least 1 */
    struct decoy_share shares[META_MAX_CLASSES];
};

struct decoy_plan {
    uint8_t secret[META_DECOY_SECRET];
    uint8_t keys[CRYPTO_MAX_HASH];                 /* StoredKey and ServerKey of every decoy */
    struct decoy_mix scram[VERIFIER_SCRAM_HASHES]; /* among accounts that have this hash */
    struct decoy_mix whole;                        /* among all; only kinds is set */
    unsigned n_digest; /* spellings of DIGEST-MD5 that an account of the store's policy gets */
};

/* SCRAM verifiers nobody can satisfy, by verifier_scram_slot(). */
struct decoy_set {
    struct scram_verifier scram[VERIFIER_SCRAM_HASHES];
};

/* Makes the plan for a store as it is now. */
MUST_USE enum auth_status decoy_plan_make(const struct store_meta *meta, struct decoy_plan *ret);

/*
 * Fills those of *ret that are wanted (SCRAM kinds of enum verifier_kind) and leaves the others
 * alone; *ret_kinds: the SCRAM kinds of the account that the decoy pretends to be. The work does
 * not depend on the name, but for salts longer than 32 bytes. AUTH_CRYPTO, AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status decoy_make(const struct decoy_plan *plan, const struct identity *who,
                                     unsigned wanted, struct decoy_set *ret, unsigned *ret_kinds);

#endif
