/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of building a generation that loading one and changing keys have in common. Only the
 * files of the store include this.
 */
#ifndef SASL_LMDB_STORE_JOB_H
#define SASL_LMDB_STORE_JOB_H

#include "store/gather.h"
#include "store/store_generation.h"
#include "store/store_writing.h"

/* What a description takes from elsewhere when a restore becomes active. */
struct store_heritage {
    struct verifier_policy policy;
    uint8_t decoy_secret[META_DECOY_SECRET];
};

struct store_build {
    struct store *store;
    struct store_job job;
    const struct key *key; /* of the new generation */
    uint32_t from_key_id;  /* JOB_REKEY: the key that was active when this was decided on */
    bool begun;
    bool (*stopped)(void); /* NULL: never */
    struct gather gather;  /* added, but not in the table yet */
    unsigned n_classes;    /* of the accounts in it */
    struct store_class classes[META_MAX_CLASSES];
    bool have_heritage;
    struct store_heritage heritage;
};

/*
 * Sweeps, claims the store and makes the table. to: the key of the new generation for JOB_REKEY,
 * NULL for the active one. The build is to be ended with store_job_end() also on an error.
 */
MUST_USE enum auth_status store_job_begin(struct store_build *build, enum job_kind kind,
                                          const struct key *to, struct detail *detail);

/*
 * Inside a write transaction: the active description and its key, having made sure that the job is
 * still ours. AUTH_STORE_BUSY if not.
 */
MUST_USE enum auth_status store_job_check(struct store_build *build, struct kv_txn *txn,
                                          struct store_meta *ret_meta, const struct key **ret_key,
                                          unsigned *ret_table);

/* Gives the claim back and sweeps away what is not active then. */
MUST_USE enum auth_status store_job_end(struct store_build *build, struct detail *detail);

#endif
