/* SPDX-License-Identifier: BSD-2-Clause */
/* What writing and reading a backup have in common. Only the two include this. */
#ifndef SASL_LMDB_STORE_DUMP_H
#define SASL_LMDB_STORE_DUMP_H

#include "base/crypto.h"
#include "store/store_backup.h"
#include "store/store_internal.h"

#define DUMP_MAGIC "sasl-lmdb backup"

enum {
    DUMP_FORMAT = 1,
    DUMP_MAC = 32,
    DUMP_CHUNK = 65536,
    DUMP_WATCH_STEP = 1000, /* accounts between two calls of progress() */
};

/* The HMAC over everything so far. The owner wipes it. */
struct dump_chain {
    uint8_t key[DUMP_MAC];
    uint8_t mac[DUMP_MAC];
};

/* Starts with the head of the file. */
MUST_USE enum auth_status dump_chain_start(struct dump_chain *chain, const struct key *key,
                                           struct slice head);
MUST_USE enum auth_status dump_chain_add(struct dump_chain *chain, struct slice piece);

#endif
