/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every protocol engine has in common: the engine's side (struct mech_server_ops) and the
 * surroundings it asks (struct mech_host). An engine knows messages and arithmetic; who the user
 * is, where verifiers live and which framework carries the bytes is the host's business. So one
 * engine serves a plugin, a unit test and a fuzzer alike.
 *
 * Life of an exchange: start() once, step() for each message, release() at the end whatever
 * happened. step() returns
 *   AUTH_CONTINUE  `out` is a challenge (possibly empty), another message is expected
 *   AUTH_OK        authenticated; `out` is final data for the client, or empty for none
 *   anything else  refused. Every later step returns AUTH_MALFORMED.
 * Nothing in `out` is to be sent after a refusal.
 *
 * For a user that does not exist, or cannot use the mechanism, the host hands over decoy secrets
 * and the reason. The engine goes through the same steps and the same arithmetic with them and
 * refuses at the end: a peer cannot tell the cases apart.
 */
#ifndef SASL_LMDB_MECH_H
#define SASL_LMDB_MECH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/verifier.h"

enum {
    MECH_MAX_INPUT = 65536,  /* bytes of one client message; longer ones are refused unread */
    MECH_MAX_OUTPUT = 65536, /* bytes of one server message */
    MECH_MAX_NAME = 1023,    /* bytes of one name in a message, as decoded */
};

/* Who wants in: UTF-8 as decoded from the message, not prepared. authzid.p NULL means absent. */
struct mech_identity {
    struct slice authcid;
    struct slice authzid;
};

enum mech_secret_kind { MECH_SECRET_CRAM, MECH_SECRET_DIGEST, MECH_SECRET_SCRAM };

/* Which secret an engine needs. */
struct mech_want {
    enum mech_secret_kind kind;
    enum crypto_hash hash;        /* MECH_SECRET_SCRAM */
    struct slice digest_username; /* MECH_SECRET_DIGEST: the bytes the client hashed */
    struct slice digest_realm;
};

/*
 * The host's answer. verdict is AUTH_OK for a user who may log in with the secrets below, or the
 * reason why this exchange must be refused at its end; the secrets are decoys then.
 */
struct mech_secret {
    enum auth_status verdict;
    struct scram_verifier scram;
    uint8_t cram[CRYPTO_HMAC_MD5_STATE];
    /* The spelling hashed in each of its encodings; for those it lacks, one of the others again. */
    uint8_t digest[VERIFIER_DIGEST_ENCODINGS][16];
};

/*
 * Channel binding data the application supplies (RFC 5056), by the name of its type: "tls-unique",
 * "tls-exporter" (RFC 9266), "tls-server-end-point".
 */
struct mech_binding {
    const char *name;
    struct slice data;
};

/* False for none, and for one without data: every channel would have the same. */
bool mech_can_bind(const struct mech_binding *binding);

/*
 * Which security layers may be negotiated (RFC 4422 3.7), as strength factors: 0 none, 1 integrity,
 * above that the key length of a cipher in bits.
 */
struct mech_layer_limits {
    unsigned min_ssf;
    unsigned max_ssf;
    uint32_t max_buffer; /* bytes we are ready to receive in one packet; 0: no layer */
    bool rc4;            /* configured and available */
};

/* The surroundings of one exchange. Outlives the engine state. Strings are never NULL. */
struct mech_host {
    void *ctx;
    const char *service;     /* "smtp", "imap": lower case */
    const char *server_fqdn; /* for the CRAM-MD5 challenge */
    const char *realm;       /* offered by DIGEST-MD5: lower case */

    const struct mech_binding *binding; /* SCRAM: NULL, the application supplied none */
    bool plus; /* SCRAM: the client chose the -PLUS name, or may not do without a binding */
    struct mech_layer_limits layers; /* DIGEST-MD5 */

    /* n random bytes, what nonces are made of. */
    enum auth_status (*random)(void *ctx, uint8_t *ret, size_t n);

    /*
     * NULL, except where a recorded exchange is replayed: appends the text to use as nonce, for
     * CRAM-MD5 all of the challenge before the "@". The engine's own nonce is not made then.
     */
    enum auth_status (*nonce)(void *ctx, struct buf *ret);

    /*
     * Finds the secret of a user and fills *ret (decoys where the verdict is not AUTH_OK).
     * Returns AUTH_OK when the exchange may go on, AUTH_BAD_NAME, AUTH_TOO_LONG or an outage when
     * it may not. The caller wipes *ret.
     */
    enum auth_status (*find_secret)(void *ctx, const struct mech_identity *who,
                                    const struct mech_want *want, struct mech_secret *ret);

    /*
     * Verifies a clear-text password (PLAIN, LOGIN) by whatever means the host is configured
     * for. AUTH_OK, a verdict, AUTH_BAD_NAME, AUTH_TOO_LONG or an outage.
     */
    enum auth_status (*check_password)(void *ctx, const struct mech_identity *who,
                                       struct slice password);
};

struct digest_layer;

/* The first member of every engine's state. */
struct mech_server {
    const struct mech_host *host;
    const char *detail; /* what was wrong with a message, for the log; static or NULL */
    bool bound;         /* SCRAM, after AUTH_OK: the exchange is tied to host->binding */
};

struct mech_server_ops {
    size_t state_size; /* bytes */

    /*
     * Initialises a zeroed state of state_size bytes. variant is the engine's own parameter from
     * its table (the SCRAM hash), else NULL.
     */
    void (*start)(void *state, const void *variant, const struct mech_host *host);

    /*
     * One message. in.p is NULL when the client sent no initial response, which is not the same
     * as an empty one. out is empty on entry.
     */
    enum auth_status (*step)(void *state, struct slice in, struct buf *out);

    /* Wipes and frees what the state owns; the state itself stays the caller's. */
    void (*release)(void *state);

    /*
     * The security layer agreed on, after AUTH_OK; owned by the state. NULL as a member, or as a
     * result: none.
     */
    struct digest_layer *(*layer)(void *state);
};

/* Records what was wrong with the peer's message and returns AUTH_MALFORMED. */
enum auth_status mech_malformed(struct mech_server *mech, const char *detail);

/* The same with another status: return mech_refuse(mech, AUTH_TOO_LONG, "…"). */
enum auth_status mech_refuse(struct mech_server *mech, enum auth_status status, const char *detail);

/* The answer to any message after success or refusal. */
enum auth_status mech_after_end(struct mech_server *mech);

/*
 * Checks a name as decoded from a message: AUTH_OK, AUTH_MALFORMED if it is empty or holds a NUL,
 * AUTH_TOO_LONG past MECH_MAX_NAME, AUTH_BAD_NAME if it is not UTF-8.
 */
MUST_USE enum auth_status mech_check_name(struct mech_server *mech, struct slice name);

/*
 * Appends a host's recorded nonce if it has one (nonce is not NULL), else a fresh one: 24
 * characters of base64, 144 random bits. Both halves make theirs by it.
 */
MUST_USE enum auth_status
mech_make_nonce(void *ctx, enum auth_status (*draw)(void *ctx, uint8_t *ret, size_t n),
                enum auth_status (*nonce)(void *ctx, struct buf *ret), struct buf *ret);

/* Appends the host's nonce or a fresh one: 24 characters of base64, 144 random bits. */
MUST_USE enum auth_status mech_put_nonce(const struct mech_host *host, struct buf *ret);

/*
 * Ask the host, and hold it to its contract: AUTH_CONTINUE, or a verdict that is none, comes back
 * as AUTH_INTERNAL. The caller wipes *ret.
 */
MUST_USE enum auth_status mech_find_secret(const struct mech_host *host,
                                           const struct mech_identity *who,
                                           const struct mech_want *want, struct mech_secret *ret);
MUST_USE enum auth_status mech_check_password(const struct mech_host *host,
                                              const struct mech_identity *who,
                                              struct slice password);

/*
 * The end of an exchange: the verdict of find_secret() if it was a refusal, else AUTH_OK or
 * AUTH_WRONG_PASSWORD. The arithmetic has been done either way.
 */
enum auth_status mech_verdict(const struct mech_secret *secret, bool match);

#endif
