/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key file, and the keys derived from it.
 *
 * File: text, one key a line, `id store-id base64(32 random bytes) since`; id is a decimal number
 * from 1 on, store-id 32 hex digits, since (which may be missing) the time it was made in seconds
 * since 1970; empty lines and lines starting with "#" are skipped. Several keys of one store are
 * there while a key is being replaced; several stores may share a file.
 *
 * From each raw key HKDF-SHA-256 derives the seal key, the name key and the check value. Only the
 * derived keys stay in memory, in pages of their own that are not dumped and, where the limits
 * allow, not swapped; raw keys are wiped as soon as they are read.
 */
#ifndef SASL_LMDB_KEYRING_H
#define SASL_LMDB_KEYRING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/crypto.h"
#include "base/detail.h"
#include "base/status.h"
#include "store/files.h"

enum { STORE_ID_SIZE = 16, KEY_CHECK_SIZE = 16 };

struct keyring; /* opaque; immutable once loaded, so any thread may read it */

struct key {
    uint32_t id;
    uint32_t since; /* when it was made, in seconds since 1970; 0: the file does not say */
    uint8_t store_id[STORE_ID_SIZE];
    uint8_t seal[CRYPTO_AEAD_KEY];
    uint8_t name[32];
    uint8_t check[KEY_CHECK_SIZE]; /* kept in clear in the store: tells a wrong key from damage */
};

/*
 * Reads a key file. data_group: group of the data file if that file is group-readable, else
 * (gid_t)-1; the key file may then be readable by this group too.
 * AUTH_KEY_MISSING, AUTH_KEY_EXPOSED (the detail names the chmod that mends it), AUTH_KEY_DAMAGED
 * (with the line number), AUTH_STORE_DENIED, AUTH_CRYPTO, AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status keyring_load(const char *path, gid_t data_group, struct keyring **ret,
                                       struct detail *detail);

/* Wipes and frees. NULL is fine. */
void keyring_free(struct keyring *ring);

/* The key with this id for this store, or NULL. Lives as long as the ring. */
const struct key *keyring_find(const struct keyring *ring, const uint8_t store_id[STORE_ID_SIZE],
                               uint32_t id);

/* The largest id among the keys of this store, 0 if there is none. */
uint32_t keyring_latest(const struct keyring *ring, const uint8_t store_id[STORE_ID_SIZE]);

/* The smallest id above `after` among the keys of this store, 0 if there is none. */
uint32_t keyring_next(const struct keyring *ring, const uint8_t store_id[STORE_ID_SIZE],
                      uint32_t after);

/*
 * Adds a new random key for store_id to the file, making the file if needed (directory must
 * exist), written to a temporary file, synced and renamed. mode and gid as given ((gid_t)-1: leave
 * it). *ret_id is the new key's id: one more than the largest for this store, or 1.
 */
MUST_USE enum auth_status keyring_add(const char *path, const uint8_t store_id[STORE_ID_SIZE],
                                      mode_t mode, gid_t gid, uint32_t *ret_id,
                                      struct detail *detail);

/*
 * Removes one key from the file, the same way. Absent is fine. before NULL: the file keeps its mode
 * and owner, and goes with its last key. Else the file was there before a key was added: it stays,
 * even without a key, and gets this mode and owner back.
 */
MUST_USE enum auth_status keyring_remove(const char *path, const uint8_t store_id[STORE_ID_SIZE],
                                         uint32_t id, const struct file_mode *before,
                                         struct detail *detail);

#endif
