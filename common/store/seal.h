/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seal around what the store holds: a clear header, then one AES-256-GCM blob.
 *
 *   version 1 | flags 1 | reserved 2 | key id 4 | created 8 | changed 8 | expires 8 | nonce 12
 *   | sealed text n | tag 16
 *
 * Integers are big-endian. The associated data binds a value to its place: what kind of value it
 * is, the version, the store's id, the place (the key of a record; the clear part before the
 * store's own description) with its length, and the whole header. So whoever can write the file
 * cannot change, move or mix values; he can only delete one, or put back an older one of the same
 * place.
 *
 * Nonces are random: at most 2^32 seals under one key (NIST SP 800-38D 8.3); the store counts.
 * No state, any thread.
 */
#ifndef SASL_LMDB_SEAL_H
#define SASL_LMDB_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "store/keyring.h"

enum {
    SEAL_HEADER = 44,                              /* bytes in clear */
    SEAL_OVERHEAD = SEAL_HEADER + CRYPTO_AEAD_TAG, /* bytes a seal adds to a text */
    SEAL_MAX_PLACE = 64,                           /* bytes of a place */
};

/* What a value is; one kind can never be taken for another. */
enum seal_kind { SEAL_RECORD, SEAL_META, SEAL_JOB };

/* The clear header without the nonce. Times in seconds since 1970-01-01 UTC, never negative. */
struct seal_header {
    uint8_t flags;
    uint32_t key_id;
    int64_t created;
    int64_t changed;
    int64_t expires;
};

/*
 * Appends the sealed value to ret, under a fresh nonce; header->key_id is ignored, key->id goes
 * in. AUTH_TOO_LONG (the buffer's ceiling, or a place over SEAL_MAX_PLACE), AUTH_NO_MEMORY,
 * AUTH_CRYPTO; ret is then as it was. A negative time is AUTH_MALFORMED.
 */
MUST_USE enum auth_status seal_put(enum seal_kind kind, const struct key *key, struct slice place,
                                   const struct seal_header *header, struct slice text,
                                   struct buf *ret);

/*
 * Opens a value: ret gets the text (at most cap bytes), *ret_n its length, *ret_header the header.
 * AUTH_KEY_WRONG if the value names another key id, AUTH_STORE_FOREIGN for a version to come,
 * AUTH_STORE_DAMAGED for everything else that is not exactly what seal_put() made; ret is then
 * wiped and the other outputs are untouched.
 */
MUST_USE enum auth_status seal_open(enum seal_kind kind, const struct key *key, struct slice place,
                                    struct slice value, struct seal_header *ret_header,
                                    uint8_t *ret, size_t cap, size_t *ret_n);

#endif
