/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stored passwords in the form {SCHEME}value (RFC 2307 5.3 and what Dovecot made of it), with
 * Dovecot's encodings: {SCHEME.b64}, {SCHEME.base64}, {SCHEME.hex}.
 *
 *   PLAIN, CLEAR, CLEARTEXT            the password
 *   CRYPT, DES-CRYPT, MD5-CRYPT, BLF-CRYPT, SHA256-CRYPT, SHA512-CRYPT
 *                                      a crypt(3) hash
 *   SCRAM-SHA-1, -256, -512            iterations,salt,StoredKey,ServerKey; base64 but the first
 *   CRAM-MD5, HMAC-MD5                 the MD5 states, outer before inner, little-endian words
 *   DIGEST-MD5                         H(user:realm:password), user and realm as they were named
 */
#ifndef SASL_LMDB_SCHEME_H
#define SASL_LMDB_SCHEME_H

#include "base/buf.h"
#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "import_source.h"

struct scheme_account {
    struct slice name;          /* as the source spells it, with its realm if that is in it */
    const struct identity *who; /* what became of it */
    const char *default_scheme; /* of a value without "{": "CRYPT" or "PLAIN" */
};

/*
 * Adds what the value holds: a verifier to ret->record, or a password, which goes to `password`
 * and into ret->password. AUTH_NO_VERIFIER for a scheme that cannot be used here, AUTH_MALFORMED,
 * AUTH_BAD_PASSWORD; AUTH_DISABLED for a hash that somebody has locked.
 */
MUST_USE enum auth_status scheme_take(struct slice value, const struct scheme_account *account,
                                      struct buf *password, struct import_entry *ret,
                                      struct detail *why);

/* Whether the value is a password in the clear, as it is; of those any byte may be one of them. */
MUST_USE bool scheme_is_clear(struct slice value);

/* AUTH_DISABLED if a hash is made impossible on purpose ("!", "*" in front), AUTH_OK if not. */
MUST_USE enum auth_status scheme_check_locked(struct slice hash, struct detail *why);

#endif
