/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A write transaction on the accounts: records, counts of classes and of seals go together, and a
 * second generation under another key is kept in step where there is one.
 *
 * There is one while keys are changed: the generation being built under the new key, so that
 * nothing written meanwhile is lost; and after it the one under the old key, so that servers which
 * know only that key go on. While a generation is loaded from elsewhere (a restore) nothing else
 * is written: it would be gone with the next moment.
 *
 * The table "meta" has a row for what is being built: a seal (SEAL_JOB, under the active key) of
 *   kind 1 | table 4 | token 16 | key id 4 | check value 16 | seals 8
 *
 * Only the files of the store that write include this. Not shared between threads.
 */
#ifndef SASL_LMDB_STORE_WRITING_H
#define SASL_LMDB_STORE_WRITING_H

#include "store/store_internal.h"

#define JOB_ROW "build"

enum { JOB_TOKEN = 16 };

/* Stored: do not renumber. */
enum job_kind { JOB_LOAD = 1, JOB_REKEY = 2 };

struct store_job {
    enum job_kind kind;
    uint32_t table;           /* users.<table> is being built */
    uint8_t token[JOB_TOKEN]; /* whose it is */
    uint32_t key_id;          /* the key it is sealed under */
    uint8_t check[KEY_CHECK_SIZE];
    uint64_t seals; /* made under that key, if it is not the active one */
};

/* *ret_found false if there is none, or none that the active key has sealed. */
MUST_USE enum auth_status store_job_read(struct kv_txn *txn, const struct key *active,
                                         struct store_job *ret, bool *ret_found);
MUST_USE enum auth_status store_job_write(struct kv_txn *txn, const struct key *active,
                                          const struct store_job *job);
MUST_USE enum auth_status store_row_delete(struct kv_txn *txn, const char *row);

enum mirror_kind { MIRROR_NONE, MIRROR_BUILD, MIRROR_PREVIOUS };

struct store_mirror {
    enum mirror_kind kind;
    const struct key *key;
    unsigned table;
    struct store_job job;   /* MIRROR_BUILD */
    struct store_meta meta; /* MIRROR_PREVIOUS */
};

struct writing {
    struct store *store;
    struct kv_txn *txn;
    struct store_meta meta;
    const struct key *key;
    unsigned table;
    struct store_mirror mirror;
};

/*
 * Starts on the active table and finds its mirror. writing->store must be set. AUTH_STORE_BUSY
 * while a generation is loaded. The caller wipes *writing.
 */
MUST_USE enum auth_status writing_begin(struct writing *writing, struct kv_txn *txn);

/* Seals and puts one record, here and in the mirror. place is its key in the active table. */
MUST_USE enum auth_status writing_put(struct writing *writing, const uint8_t place[ACCOUNT_KEY],
                                      const struct record *record);

/*
 * Puts what is sealed for that place, unless there is something: *ret_exists, and nothing is done.
 */
MUST_USE enum auth_status writing_put_new(struct writing *writing, const uint8_t place[ACCOUNT_KEY],
                                          const struct record *record, struct slice sealed,
                                          bool *ret_exists);
MUST_USE enum auth_status writing_delete(struct writing *writing, const uint8_t place[ACCOUNT_KEY],
                                         const struct identity *who);

/* As meta_recount(). */
void writing_recount(struct writing *writing, const struct store_class *old,
                     const struct store_class *now);

/* Writes the descriptions back. */
MUST_USE enum auth_status writing_end(struct writing *writing);

/* Seals and puts one record into a table. */
MUST_USE enum auth_status store_record_put(struct kv_txn *txn, unsigned table,
                                           const struct key *key, const uint8_t place[ACCOUNT_KEY],
                                           const struct record *record);

/* The same status; for a record that cannot be stored, with a detail that says whose it is. */
enum auth_status store_explain_unstorable(const struct identity *who, enum auth_status status,
                                          struct detail *detail);

#endif
