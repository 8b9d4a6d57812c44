/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One account as a key and a value of a user table.
 *
 * Key: HMAC(name key, realm)[8], then HMAC(name key, realm NUL user)[16], with HMAC-SHA-256. So the
 * accounts of a realm lie side by side, and the file shows which are of one realm, but no names.
 * Value: a seal (seal.h) around a record (record.h), in the place of that key.
 *
 * No state, any thread.
 */
#ifndef SASL_LMDB_ACCOUNT_H
#define SASL_LMDB_ACCOUNT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "store/keyring.h"
#include "store/record.h"

enum { ACCOUNT_REALM_KEY = 8, ACCOUNT_USER_KEY = 16 };
enum { ACCOUNT_KEY = ACCOUNT_REALM_KEY + ACCOUNT_USER_KEY };

/* The first bytes of the keys of all accounts of a realm. */
MUST_USE enum auth_status account_realm_key(const struct key *key, const char *realm,
                                            uint8_t ret[ACCOUNT_REALM_KEY]);

/* What follows them in the key of one account. */
MUST_USE enum auth_status account_user_key(const struct key *key, const struct identity *who,
                                           uint8_t ret[ACCOUNT_USER_KEY]);

/* Both. */
MUST_USE enum auth_status account_key(const struct key *key, const struct identity *who,
                                      uint8_t ret[ACCOUNT_KEY]);

/*
 * Opens a value that lay under place. AUTH_STORE_DAMAGED (also when it is sealed under another
 * key), AUTH_STORE_FOREIGN for what a later version wrote and this one must not ignore. On an
 * error *ret is wiped.
 */
MUST_USE enum auth_status account_open(const struct key *key, struct slice place,
                                       struct slice value, struct record *ret);

/*
 * AUTH_OK if account_put() can store the record; else AUTH_MALFORMED, AUTH_BAD_NAME, AUTH_TOO_LONG,
 * or AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status account_check(const struct record *record);

/*
 * Appends the value for place to ret. Errors of record_encode() and seal_put().
 */
MUST_USE enum auth_status account_put(const struct key *key, struct slice place,
                                      const struct record *record, struct buf *ret);

#endif
