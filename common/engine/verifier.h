/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verifiers: what is kept of a password so that each mechanism can check it. None of them is the
 * password. The structs are plain data without pointers, so that one wipe clears them.
 *
 *   SCRAM      StoredKey and ServerKey of RFC 5802 3; also what PLAIN and LOGIN verify against
 *   CRAM-MD5   the two MD5 states of an HMAC key (can be used to log in, see docs/SECURITY.md)
 *   DIGEST-MD5 H(username ":" realm ":" password), RFC 2831 2.1.2.1, one for each spelling of
 *              username and realm that a client may use
 *   checkpass  salt and MD5(salt "sasldb" password), what sasl_checkpass() compares
 *   crypt      a crypt(3) hash brought in from elsewhere, for PLAIN and LOGIN only
 *
 * Which bytes are hashed: SCRAM takes the password as SASLprep prepares it (RFC 4013), the MD5
 * family takes it as it was typed, in UTF-8, and DIGEST-MD5 in ISO-8859-1 too where that differs:
 * with the names as the RFC says, in ISO-8859-1 where they fit, and with the names in UTF-8, as GNU
 * SASL does it.
 */
#ifndef SASL_LMDB_VERIFIER_H
#define SASL_LMDB_VERIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/identity.h"

enum {
    VERIFIER_MIN_ITERATIONS = 4096, /* RFC 5802 5.1, RFC 7677 4 */
    VERIFIER_DEFAULT_ITERATIONS = 10000,
    VERIFIER_STRICT_ITERATIONS = 20000,
    VERIFIER_MAX_ITERATIONS = 1000000, /* a good fraction of a second; what clients take too */
    VERIFIER_MAX_SALT = 64,
    VERIFIER_NEW_SALT = 16,
    VERIFIER_SCRAM_HASHES = 3,
    VERIFIER_MAX_EXTRA_REALMS = 8, /* further DIGEST-MD5 realms of a store */
    VERIFIER_DIGEST_ENCODINGS = 3, /* of one spelling */
    VERIFIER_MAX_DIGEST = 2 * VERIFIER_DIGEST_ENCODINGS * (2 + VERIFIER_MAX_EXTRA_REALMS),
    VERIFIER_MAX_CRYPT = 383, /* libxcrypt: CRYPT_OUTPUT_SIZE - 1 */
    VERIFIER_CHECKPASS = 33,  /* salt(16) NUL md5(16), the layout Cyrus SASL compares */
};

/* Bits of a set of verifier kinds, as `init --verifiers` names them. Stored: do not renumber. */
enum verifier_kind {
    VERIFIER_SCRAM_SHA_1 = 1,
    VERIFIER_SCRAM_SHA_256 = 2,
    VERIFIER_SCRAM_SHA_512 = 4,
    VERIFIER_CRAM_MD5 = 8,
    VERIFIER_DIGEST_MD5 = 16,
    VERIFIER_CHECKPASS_MD5 = 32,
    VERIFIER_CRYPT = 64, /* only ever imported */
    VERIFIER_SCRAM = VERIFIER_SCRAM_SHA_1 | VERIFIER_SCRAM_SHA_256 | VERIFIER_SCRAM_SHA_512,
    VERIFIER_LEGACY = VERIFIER_CRAM_MD5 | VERIFIER_DIGEST_MD5 | VERIFIER_CHECKPASS_MD5,
    VERIFIER_DEFAULT = VERIFIER_SCRAM | VERIFIER_LEGACY,
};

struct scram_verifier {
    enum crypto_hash hash;
    uint32_t iterations; /* 0: there is none */
    uint8_t salt_len;
    uint8_t salt[VERIFIER_MAX_SALT];
    uint8_t stored_key[CRYPTO_MAX_HASH];
    uint8_t server_key[CRYPTO_MAX_HASH];
};

/* How a DIGEST-MD5 client may spell an account user@realm. Stored: do not renumber. */
enum digest_realm_kind { DIGEST_REALM_OWN, DIGEST_REALM_EMPTY, DIGEST_REALM_EXTRA };

struct digest_verifier {
    bool full_name;  /* username is user@realm, not user */
    bool latin1;     /* username, realm, password: each that fits hashed as ISO-8859-1 */
    bool utf8_names; /* with latin1: username and realm are hashed as UTF-8 all the same */
    uint8_t extra;   /* index into extra_realm for DIGEST_REALM_EXTRA */
    enum digest_realm_kind realm_kind;
    uint8_t ha1[16];
};

struct verifier_set {
    struct scram_verifier scram[VERIFIER_SCRAM_HASHES]; /* by verifier_scram_slot() */
    bool has_cram;
    uint8_t cram[CRYPTO_HMAC_MD5_STATE];
    bool has_checkpass;
    uint8_t checkpass[VERIFIER_CHECKPASS];
    unsigned n_digest; /* those of one spelling side by side */
    struct digest_verifier digest[VERIFIER_MAX_DIGEST];
    unsigned n_extra_realms;
    char extra_realm[VERIFIER_MAX_EXTRA_REALMS][IDENTITY_MAX_REALM + 1];
    char crypt[VERIFIER_MAX_CRYPT + 1]; /* "" for none */
};

/* What a store makes of a new password; the sealed defaults of `init`. */
struct verifier_policy {
    unsigned kinds; /* of enum verifier_kind, without VERIFIER_CRYPT */
    uint32_t iterations;
    unsigned n_extra_realms;
    char extra_realm[VERIFIER_MAX_EXTRA_REALMS][IDENTITY_MAX_REALM + 1];
};

/* SHA-1 0, SHA-256 1, SHA-512 2. The index into verifier_set.scram. */
size_t verifier_scram_slot(enum crypto_hash hash);

/* The inverse: the hash of slot 0, 1 or 2. */
enum crypto_hash verifier_scram_hash(size_t slot);

/* "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"; static. */
const char *verifier_scram_name(enum crypto_hash hash);

/* Which kinds the set holds, as bits of enum verifier_kind. */
unsigned verifier_kinds(const struct verifier_set *set);

/* Removes the given kinds, wiping them. */
void verifier_drop(struct verifier_set *set, unsigned kinds);

/*
 * Which of the wanted kinds an account should get when its password becomes known at a login. With
 * nothing but a crypt(3) hash to check passwords against: all that are missing. With a SCRAM
 * verifier: SCRAM-SHA-256 and SCRAM-SHA-512 only, so that nothing weak comes back that somebody has
 * dropped. 0: the account is as it should be, or cannot be checked against a password at all.
 */
unsigned verifier_missing(const struct verifier_set *set, unsigned wanted);

/*
 * True if set->crypt takes this password and none that is longer. Not so for DES (eight characters)
 * and, from 72 bytes on, for bcrypt: what such a hash takes need not be the password its owner
 * chose, and no verifier may be made of it. verifier_missing() is 0 for hashes that never cover
 * one.
 */
bool verifier_crypt_covers(const struct verifier_set *set, struct slice password);

/* Copies those kinds of `from` into set. A crypt(3) hash goes when there is a SCRAM verifier. */
void verifier_add(struct verifier_set *set, const struct verifier_set *from, unsigned kinds);

/*
 * The kinds of policy->kinds that cannot be made here because OpenSSL refuses MD5 (FIPS mode), as
 * bits of enum verifier_kind.
 */
unsigned verifier_refused(const struct verifier_policy *policy);

/*
 * Makes all verifiers of policy->kinds, but for those refused, for one account and password (raw
 * UTF-8, as typed). Overwrites *ret. A fresh salt for each hash. Cost: one PBKDF2 for each SCRAM
 * hash. AUTH_BAD_PASSWORD if the password is empty, longer than IDENTITY_MAX_PASSWORD bytes, not
 * UTF-8, contains NUL, or SASLprep refuses it. AUTH_CRYPTO where all kinds are refused. On error
 * *ret is all zero.
 */
MUST_USE enum auth_status verifier_make(const struct identity *who, struct slice password,
                                        const struct verifier_policy *policy,
                                        struct verifier_set *ret);

/*
 * True if SASLprep changes this password, which verifier_make() takes, and kinds (of enum
 * verifier_kind) hold verifiers of its prepared and of its raw bytes: CRAM-MD5, DIGEST-MD5 and
 * sasl_checkpass() then need it letter for letter, SCRAM, PLAIN and LOGIN take what prepares alike.
 */
bool verifier_password_differs(struct slice password, unsigned kinds);

/*
 * SCRAM verifier from a password already prepared (RFC 5802 3), salt as given. AUTH_INTERNAL for
 * a salt or iterations outside the limits above.
 */
MUST_USE enum auth_status verifier_make_scram(enum crypto_hash hash, struct slice prepared,
                                              struct slice salt, uint32_t iterations,
                                              struct scram_verifier *ret);

/* ret = H(username ":" realm ":" password), bytes as given (RFC 2831 2.1.2.1). */
MUST_USE enum auth_status verifier_digest_ha1(struct slice username, struct slice realm,
                                              struct slice password, uint8_t ret[16]);

/*
 * Checks a password (raw UTF-8, prepared inside as a query) against a SCRAM verifier: AUTH_OK or
 * AUTH_WRONG_PASSWORD. Costs one PBKDF2 of the verifier's iterations whatever the outcome, also
 * for a password SASLprep refuses. The comparison is in constant time. AUTH_NO_VERIFIER if there
 * is none in it.
 */
MUST_USE enum auth_status verifier_check_scram(const struct scram_verifier *verifier,
                                               struct slice password);

/*
 * The same against what sasl_checkpass() would compare, with the password as it was typed. In
 * constant time. AUTH_CRYPTO where OpenSSL refuses MD5.
 */
MUST_USE enum auth_status verifier_check_checkpass(const uint8_t checkpass[VERIFIER_CHECKPASS],
                                                   struct slice password);

/*
 * The same against a crypt(3) hash (NUL-terminated), with the password as it was typed. A password
 * with a NUL, and a "hash" that crypt(3) refuses ("*", "!", "*0"), are AUTH_WRONG_PASSWORD; a hash
 * that costs more than crypt_cost.h allows is not compared: AUTH_NO_VERIFIER.
 */
MUST_USE enum auth_status verifier_check_crypt(const char *hash, struct slice password);

/*
 * The SCRAM verifier PLAIN and LOGIN use: SHA-256 if there, else SHA-512, else SHA-1; NULL if the
 * set has none. SHA-256 first because it is the cheapest for an honest server and no weaker.
 */
const struct scram_verifier *verifier_for_password(const struct verifier_set *set);

/*
 * The RFC 5803 form: SCRAM-SHA-256$10000:base64(salt)$base64(StoredKey):base64(ServerKey).
 */
void verifier_put_rfc5803(struct buf *b, const struct scram_verifier *verifier);

/*
 * Parses that form (RFC 5803, with the optional spaces of RFC 3112 around "$"). AUTH_MALFORMED on
 * anything else, iterations outside 1..VERIFIER_MAX_ITERATIONS, a salt that is empty or over
 * VERIFIER_MAX_SALT bytes, keys of the wrong length. AUTH_NO_VERIFIER for another scheme.
 */
MUST_USE enum auth_status verifier_take_rfc5803(struct slice text, struct scram_verifier *ret);

/* Whether a text begins as that form does for this hash; the rest of it may be anything. */
bool verifier_is_of(struct slice text, enum crypto_hash hash);

/* True for two digests of one spelling. */
bool verifier_same_spelling(const struct digest_verifier *a, const struct digest_verifier *b);

/*
 * The text form of a spelling of DIGEST-MD5, our property lmdbDigest, NUL-free:
 *   96 hex digits SP base64(username) SP base64(realm)
 * The digits are the digests of this spelling in all its encodings, VERIFIER_DIGEST_ENCODINGS of
 * them; where there are fewer, the last one stands for those that lack, so that neither the size of
 * the text nor the work of holding a response against it tells how many there are. Username and
 * realm are UTF-8 also where they were hashed as ISO-8859-1: a client that sends charset=utf-8
 * sends the one and hashes the other (RFC 2831 2.1.2.1), so all digests of a spelling are found
 * under the same strings. A realm may be empty; the text ends in a space then.
 *
 * first: the first digest of the spelling. Returns the index behind its last.
 */
unsigned verifier_put_digests(struct buf *b, const struct verifier_set *set, unsigned first,
                              const struct identity *who);

/*
 * Reads that form. If its username and realm are the strings the client sent, as UTF-8 or as
 * ISO-8859-1, copies the digests to ret and sets *ret_match; else clears it and leaves ret alone.
 * AUTH_MALFORMED if the text is not of the form; AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status verifier_match_digests(struct slice text, struct slice username,
                                                 struct slice realm,
                                                 uint8_t ret[VERIFIER_DIGEST_ENCODINGS][16],
                                                 bool *ret_match);

/* Exactly 32 lower-case hexadecimal digits to 16 bytes; false for anything else. */
MUST_USE bool verifier_decode_md5(struct slice hex, uint8_t ret[16]);

#endif
