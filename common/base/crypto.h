/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All cryptography and base64 of the project. crypto.c is the only file that includes OpenSSL
 * headers; nothing here shows an OpenSSL type.
 *
 * crypto_prepare() fetches every algorithm once. After that no function here opens a file or
 * loads a module, so all of it works in a chroot; it is what plugin initialisation calls. The
 * other functions call it themselves when nobody did. Everything is safe to call from several
 * threads, and in a forked child.
 *
 * Errors: AUTH_CRYPTO when OpenSSL refuses or lacks an algorithm, AUTH_NO_MEMORY.
 */
#ifndef SASL_LMDB_CRYPTO_H
#define SASL_LMDB_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

enum crypto_hash { CRYPTO_MD5, CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA512, CRYPTO_HASHES };

enum {
    CRYPTO_MAX_HASH = 64,       /* bytes of the longest hash */
    CRYPTO_HMAC_MD5_STATE = 32, /* bytes of a precomputed HMAC-MD5 key */
    CRYPTO_RC4_KEY = 16,
    CRYPTO_AEAD_KEY = 32,
    CRYPTO_AEAD_NONCE = 12,
    CRYPTO_AEAD_TAG = 16,
};

/* Fetches all algorithms. Idempotent, thread-safe. MD5 missing (FIPS) is no error here. */
MUST_USE enum auth_status crypto_prepare(void);

/* False if this OpenSSL configuration refuses the hash (MD5 under FIPS). */
bool crypto_have(enum crypto_hash hash);

/* Output size in bytes: 16, 20, 32, 64. */
size_t crypto_hash_size(enum crypto_hash hash);

/* ret = hash of the concatenated parts; ret holds crypto_hash_size(hash) bytes. */
MUST_USE enum auth_status crypto_digest(enum crypto_hash hash, const struct slice *parts,
                                        size_t n_parts, uint8_t *ret);

/* ret = HMAC of the concatenated parts (RFC 2104). The key may be empty. */
MUST_USE enum auth_status crypto_hmac(enum crypto_hash hash, struct slice key,
                                      const struct slice *parts, size_t n_parts, uint8_t *ret);

/*
 * ret = PBKDF2-HMAC (RFC 8018 5.2) of one hash length, which is Hi() of RFC 5802 2.2.
 * iterations is at least 1.
 */
MUST_USE enum auth_status crypto_pbkdf2(enum crypto_hash hash, struct slice password,
                                        struct slice salt, uint32_t iterations, uint8_t *ret);

/* HKDF-SHA-256 (RFC 5869), extract then expand; n is at most 255 * 32 bytes. */
MUST_USE enum auth_status crypto_hkdf(struct slice key, struct slice salt, struct slice info,
                                      uint8_t *ret, size_t n);

/* n bytes fit for keys, salts and nonces. */
MUST_USE enum auth_status crypto_random(uint8_t *ret, size_t n);

/*
 * AES-256-GCM (NIST SP 800-38D). Seal writes text.n + CRYPTO_AEAD_TAG bytes to ret. Open writes
 * sealed.n - CRYPTO_AEAD_TAG bytes to ret; AUTH_STORE_DAMAGED if the tag does not verify, and ret
 * is then wiped. ret may not overlap the input. A nonce must never repeat under one key.
 */
MUST_USE enum auth_status crypto_aead_seal(const uint8_t key[CRYPTO_AEAD_KEY],
                                           const uint8_t nonce[CRYPTO_AEAD_NONCE],
                                           const struct slice *aad, size_t n_aad, struct slice text,
                                           uint8_t *ret);
MUST_USE enum auth_status crypto_aead_open(const uint8_t key[CRYPTO_AEAD_KEY],
                                           const uint8_t nonce[CRYPTO_AEAD_NONCE],
                                           const struct slice *aad, size_t n_aad,
                                           struct slice sealed, uint8_t *ret);

/*
 * HMAC-MD5 with a precomputed key, the verifier of CRAM-MD5: the MD5 states after the inner and
 * after the outer key block, as four big-endian 32-bit words each (the layout Cyrus SASL stores).
 */
MUST_USE enum auth_status crypto_hmac_md5_precompute(struct slice key,
                                                     uint8_t ret[CRYPTO_HMAC_MD5_STATE]);
MUST_USE enum auth_status crypto_hmac_md5_resume(const uint8_t state[CRYPTO_HMAC_MD5_STATE],
                                                 struct slice message, uint8_t ret[16]);

/*
 * RC4, for the one security layer that needs it (RFC 2831 2.4) and for nothing else. OpenSSL keeps
 * it in its legacy provider, which is loaded into a context of our own, so that the host's other
 * users of OpenSSL do not suddenly find old algorithms there. Not part of crypto_prepare(), for few
 * want it: crypto_prepare_rc4() loads it, once, while files can still be opened, and returns
 * whether it is there; before that crypto_have_rc4() is false.
 */
struct crypto_rc4;

bool crypto_prepare_rc4(void);
bool crypto_have_rc4(void);

/* A key stream at its beginning; crypto_rc4_free() wipes it. AUTH_CRYPTO, AUTH_NO_MEMORY. */
MUST_USE enum auth_status crypto_rc4_new(const uint8_t key[CRYPTO_RC4_KEY],
                                         struct crypto_rc4 **ret);
void crypto_rc4_free(struct crypto_rc4 *rc4);

/* Encrypts or decrypts the next n bytes of the stream; in and ret may be the same. AUTH_CRYPTO. */
MUST_USE enum auth_status crypto_rc4_apply(struct crypto_rc4 *rc4, const uint8_t *in, uint8_t *ret,
                                           size_t n);

/* Compares n secret bytes in constant time. */
MUST_USE bool crypto_equal(const void *a, const void *b, size_t n);

/* Overwrites n bytes; the compiler cannot drop it. p may be NULL when n is 0. */
void crypto_wipe(void *p, size_t n);

/* Standard base64 with padding (RFC 4648 4), no line breaks. */
void crypto_base64_put(struct buf *b, struct slice bytes);

/*
 * Strict decoding: AUTH_MALFORMED on any byte outside the alphabet, wrong padding, or non-zero
 * trailing bits; AUTH_TOO_LONG if more than cap bytes come out. Empty text gives 0 bytes.
 */
MUST_USE enum auth_status crypto_base64_take(struct slice text, uint8_t *ret, size_t cap,
                                             size_t *ret_n);

#endif
