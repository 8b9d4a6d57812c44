/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * X25519 (RFC 7748), for passwords that are sealed to somebody who is not here: see ticket.h. Apart
 * from crypto.h because few processes need it.
 *
 * crypto_prepare_x25519() loads what is needed once; after it nothing here opens a file, so that
 * all of it works in a chroot. Safe from several threads and in a forked child.
 */
#ifndef SASL_LMDB_CRYPTO_X25519_H
#define SASL_LMDB_CRYPTO_X25519_H

#include <stdint.h>

#include "base/status.h"

enum { CRYPTO_X25519 = 32 /* bytes of a private key, a public key and a shared secret */ };

/* Idempotent. AUTH_CRYPTO where OpenSSL has no X25519 (some FIPS configurations). */
MUST_USE enum auth_status crypto_prepare_x25519(void);

/* The public key of a private one, which is any 32 random bytes. AUTH_CRYPTO, AUTH_NO_MEMORY. */
MUST_USE enum auth_status crypto_x25519_public(const uint8_t private_key[CRYPTO_X25519],
                                               uint8_t ret[CRYPTO_X25519]);

/*
 * The secret shared with the owner of a public key. AUTH_MALFORMED for a public key of small order,
 * which would make the secret zero whatever the private key is (RFC 7748 6.1); ret is zero then.
 */
MUST_USE enum auth_status crypto_x25519(const uint8_t private_key[CRYPTO_X25519],
                                        const uint8_t public_key[CRYPTO_X25519],
                                        uint8_t ret[CRYPTO_X25519]);

#endif
