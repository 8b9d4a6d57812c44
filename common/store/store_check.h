/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks at everything in a store: that each record opens, is the one its key says, can be found by
 * its key, and that the sums are right.
 *
 * A damaged page can make LMDB read wherever the damage points to. So a program calls this in a
 * process it can afford to lose, and learns through the observer how far it came.
 */
#ifndef SASL_LMDB_STORE_CHECK_H
#define SASL_LMDB_STORE_CHECK_H

#include "store/store.h"

/* Which generation a finding is about. */
enum check_part { CHECK_ACCOUNTS, CHECK_PREVIOUS, CHECK_FILE };

struct check_finding {
    enum check_part part;
    bool have_key;
    uint8_t key[64]; /* the record's, as it lies in the file */
    size_t n_key;
    bool have_who; /* the name could be told with certainty, though the seal does not open */
    struct identity who;
    char what[320]; /* a clause for people */
};

/* found() is called for each finding, at() before a record is looked at. */
struct check_observer {
    void (*found)(void *ctx, const struct check_finding *finding);
    void (*at)(void *ctx, const uint8_t *key, size_t n_key, uint64_t done, uint64_t all);
    void *ctx;
};

struct check_counts {
    uint64_t expected; /* accounts by the store's description */
    uint64_t accounts; /* records there are */
    uint64_t sound;
    uint64_t later; /* written by a later version; cannot be judged */
    uint64_t findings;
    uint64_t kinds[7]; /* sound accounts with verifiers of kind 1 << i (enum verifier_kind) */
    uint64_t disabled;
    uint64_t expiring; /* with a time of expiry */
    bool pages_known;  /* false if somebody wrote at the same moment */
    uint64_t pages;
    uint64_t pages_unused;
};

/*
 * AUTH_OK if all could be looked at, whatever was found. Otherwise what stopped it, for instance
 * AUTH_KEY_WRONG, or AUTH_STORE_DAMAGED where not even the description opens. *ret is filled as far
 * as it came.
 */
MUST_USE enum auth_status store_check(struct store *store, const struct check_observer *observer,
                                      struct check_counts *ret, struct detail *detail);

#endif
