/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ticket: who has just logged in and with which password, sealed so that only the owner of a
 * private key can read it. A server leaves one when the account lacks verifiers that the store
 * would make of a new password; the tool makes them of it (tools/tickets.h).
 *
 *   magic 16 | format 4 | store id 16 | public key 32 | 1540 sealed bytes | tag 16
 *
 * The public key is of a pair made for this ticket alone. Key and nonce of the seal (AES-256-GCM)
 * come from the X25519 secret of that pair and the store's ticket key, by HKDF-SHA-256 with both
 * public keys as salt; all that stands before the seal is its associated data. Sealed: user, realm
 * and password, each with a 16-bit length before it, and zeros up to the full size, so that the
 * size says nothing about the password.
 *
 * Anybody may have written a ticket: whoever opens it checks the password against the account.
 * No state, any thread. Passwords are the caller's to wipe.
 */
#ifndef SASL_LMDB_TICKET_H
#define SASL_LMDB_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/crypto_x25519.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/identity.h"

enum {
    TICKET_STORE_ID = 16,
    TICKET_MAGIC = 16,
    TICKET_VERSION = 8,
    TICKET_HEADER = TICKET_MAGIC + 4 + TICKET_STORE_ID + CRYPTO_X25519,
    TICKET_TEXT = 2 + IDENTITY_MAX_USER + 2 + IDENTITY_MAX_REALM + 2 + IDENTITY_MAX_PASSWORD,
    TICKET_SIZE = TICKET_HEADER + TICKET_TEXT + CRYPTO_AEAD_TAG,
};

/* To whom tickets of a store are sealed, and for which state of an account. */
struct ticket_target {
    uint8_t store_id[TICKET_STORE_ID];
    uint8_t public_key[CRYPTO_X25519];
    uint8_t
        version[TICKET_VERSION]; /* not in a ticket: another one after each change of the account */
};

struct ticket {
    struct identity who;
    size_t n_password;
    uint8_t password[IDENTITY_MAX_PASSWORD];
};

/* Who can open them. */
struct ticket_opener {
    struct ticket_target target;
    uint8_t private_key[CRYPTO_X25519];
};

/*
 * Writes TICKET_SIZE bytes. AUTH_TOO_LONG for an empty or overlong password, AUTH_MALFORMED for a
 * target that is no key, AUTH_CRYPTO, AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status ticket_seal(const struct ticket_target *target,
                                      const struct identity *who, struct slice password,
                                      uint8_t ret[TICKET_SIZE]);

/*
 * Opens TICKET_SIZE bytes. AUTH_STORE_FOREIGN: of another store or format. AUTH_STORE_DAMAGED: it
 * does not open, or holds what cannot be a name and a password; *ret is wiped. The caller wipes
 * *ret after use.
 */
MUST_USE enum auth_status ticket_open(const struct ticket_opener *opener,
                                      const uint8_t bytes[TICKET_SIZE], struct ticket *ret);

/*
 * Moves *rest to the next place where a ticket may begin and a whole one has room; false if there
 * is none. What stands before (a torn ticket, zeros, anything) is passed over.
 */
MUST_USE bool ticket_find(struct slice *rest);

#endif
