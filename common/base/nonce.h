/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random bytes for challenges, drawn from OpenSSL many at a time: one by one they would be an
 * eighth of what a login costs. For nonces only, never for keys or salts, since what is drawn ahead
 * lies in memory until it is used.
 *
 * No byte is handed out twice, by any thread or process: the supply lies in a page that the kernel
 * zeroes in a child (MADV_WIPEONFORK) and leaves out of core dumps, what is handed out is wiped
 * there, and where the kernel cannot do that, or another thread is at the supply, the bytes come
 * straight from crypto_random().
 */
#ifndef SASL_LMDB_NONCE_H
#define SASL_LMDB_NONCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* n bytes nobody can foresee. AUTH_CRYPTO. */
MUST_USE enum auth_status nonce_draw(uint8_t *ret, size_t n);

#endif
