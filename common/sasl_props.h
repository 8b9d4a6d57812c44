/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Credentials as auxiliary properties: asking for them, turning the values into the secrets an
 * engine wants, and wiping them.
 *
 * libsasl2 keeps property values in its own pool: prop_erase() clears a value only up to its first
 * NUL and prop_clear() clears nothing, so every value is overwritten here, by its real length,
 * before it is erased. A connection may carry several attempts (SMTP clients try again on the
 * same one), so a mechanism erases its properties before it asks and after it has used them: what
 * was looked up for one name is never seen by an attempt under another.
 *
 * Values come from our own store (verifiers only) or from any other auxprop plugin; where that
 * one has only a clear password, the secret is derived from it, as the stock mechanisms do.
 */
#ifndef SASL_LMDB_SASL_PROPS_H
#define SASL_LMDB_SASL_PROPS_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/status.h"
#include "engine/mech.h"

/* Property names without the "*" that marks the authentication identity's own. */
#define PROP_PASSWORD "userPassword"      /* never served by our store */
#define PROP_AUTH_PASSWORD "authPassword" /* RFC 5803 values, several or newline-separated */
#define PROP_CRAM "cmusaslsecretCRAM-MD5" /* 32 bytes */
#define PROP_DIGEST_RAW "cmusaslsecretDIGEST-MD5" /* 16 bytes, spelling unknown */
#define PROP_CHECKPASS "cmusaslsecretPLAIN"       /* 33 bytes */
#define PROP_DIGEST "lmdbDigest"                  /* ours: texts of verifier_put_digests() */
#define PROP_CRYPT "lmdbCrypt"                    /* ours: one crypt(3) hash */
#define PROP_DECOY "lmdbDecoy" /* ours: stands in for values that are not there */
/* The same for one SCRAM hash. Who asks for such names only is served verifiers of those hashes. */
#define PROP_DECOY_SHA_1 "lmdbDecoySHA-1"
#define PROP_DECOY_SHA_256 "lmdbDecoySHA-256"
#define PROP_DECOY_SHA_512 "lmdbDecoySHA-512"
#define PROP_UPGRADE                                                                               \
    "lmdbUpgrade" /* ours: base64(store id, ticket key, version), if a ticket is wanted */

enum { PROPS_MAX = 5 };

/*
 * A bit of sasl_server_params_t's flags, of which libsasl2 uses the lowest: set while one of our
 * mechanisms looks a name up. Names stay asked for as long as the connection lasts, through lookups
 * of libsasl2 and of other mechanisms too, which must not pass for ours. No property could say so:
 * servers that ask for some of their own in between (slapd) clear the values of all.
 */
enum { PROPS_FOR_US = 1 << 30 };

/* The starred names a secret is made from. NULL-terminated, static. */
const char *const *props_for(const struct mech_want *want);

/*
 * For PLAIN and LOGIN. alone: no other store is asked, so libsasl2 need not be either, and what it
 * would compare is asked for (of an SQL server that would be one query more). upgrade: with what a
 * ticket needs.
 */
const char *const *props_for_password(bool alone, bool upgrade);

/*
 * The one value that a lookup gave of PROP_UPGRADE, valid until the properties are erased. False
 * for none, and for several: then another store has answered too.
 */
MUST_USE bool props_ticket_target(sasl_server_params_t *sparams, struct slice *ret);

/* Asks for the names at the next lookup. AUTH_OK or AUTH_NO_MEMORY. */
MUST_USE enum auth_status props_request(sasl_server_params_t *sparams, const char *const *names);

/*
 * Overwrites and erases the values of every name a mechanism of ours ever asks for. A name once
 * asked for stays so for the connection, and every later lookup fills it.
 */
void props_erase_all(sasl_server_params_t *sparams);

/* The same for one name. */
void props_erase(sasl_server_params_t *sparams, const char *name);

/*
 * What decoys and derived verifiers are made from where the store has no say. The bytes are the
 * same for the life of the process, or for longer if they come from a file.
 */
struct props_key {
    uint8_t bytes[32];
    uint32_t iterations; /* should be those of the accounts that have SCRAM verifiers */
    bool has_verifiers;  /* there are such accounts; else that is known once one has been seen */
};

/*
 * Fills ret->scram, ->cram or ->digest from what the lookup brought. name: the canonical name,
 * for salts. A verdict of AUTH_OK in ret on entry becomes AUTH_NO_VERIFIER if nothing fits. When
 * the verdict is not AUTH_OK in the end, decoys are filled in. AUTH_OK, or an outage.
 */
MUST_USE enum auth_status props_secret(sasl_server_params_t *sparams, const struct mech_want *want,
                                       struct slice name, const struct props_key *key,
                                       struct mech_secret *ret);

/*
 * Checks a clear password against what the lookup brought: AUTH_OK, AUTH_WRONG_PASSWORD, or an
 * outage. AUTH_NO_VERIFIER: no verifier that was asked for came, *ret_ours tells whether the store
 * is one that serves decoys. verdict: what the lookup said of the account; anything but AUTH_OK
 * costs the same work and is returned in the end.
 */
MUST_USE enum auth_status props_check_password(sasl_server_params_t *sparams,
                                               enum auth_status verdict, struct slice password,
                                               bool *ret_ours);

/*
 * For a store that serves no decoys: spends the time of checking the password of an account that
 * has a SCRAM verifier, if such accounts may be there. For names where nothing was checked.
 */
void props_spend(const struct props_key *key, struct slice password);

#endif
