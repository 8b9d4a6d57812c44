/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's side of a mechanism: what every client engine has in common. The mirror image of
 * mech.h; the same rules hold.
 *
 * Life: start() once, step() for each message of the server, release() at the end. The first
 * step's input is absent (p NULL) where the client speaks first, else the server's challenge.
 *   AUTH_CONTINUE    `out` is to be sent (possibly empty), the server's answer is expected; in the
 *                    first step without input an untouched `out` means no initial response
 *   AUTH_OK          done as far as the client is concerned; `out` is a last message, or empty
 *                    with p NULL when there is nothing to send. For mechanisms that authenticate
 *                    the server too, AUTH_OK is only returned once it has proved itself.
 *   AUTH_NEED_INPUT  the host's choose_realm() has to ask a person first: nothing has happened,
 *                    and the same step is to be repeated with the same input
 *   anything else    failed; every later step returns AUTH_MALFORMED
 */
#ifndef SASL_LMDB_MECH_CLIENT_H
#define SASL_LMDB_MECH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/mech.h"

enum {
    CLIENT_MIN_ITERATIONS = 4096,    /* RFC 5802 5.1: fewer are refused */
    CLIENT_MAX_ITERATIONS = 1000000, /* more would let a server keep the client busy */
};

/* Who logs in. Bytes as the user typed them (UTF-8); each engine prepares what its RFC says. */
struct mech_account {
    struct slice authcid;
    struct slice authzid; /* n 0: act as authcid */
    struct slice password;
};

/* What is to become of the binding (RFC 5802 6). */
enum mech_binding_use {
    MECH_BINDING_NONE,      /* not to be mentioned: the application has none, or wants none */
    MECH_BINDING_UNOFFERED, /* it has one, and the server offered no mechanism that takes it */
    MECH_BINDING_USED,      /* it is to be used; binding is not NULL */
};

/* The surroundings of one client exchange. Outlives the engine state. Strings are never NULL. */
struct mech_client_host {
    void *ctx;
    const char *service;     /* lower case */
    const char *server_fqdn; /* lower case; for digest-uri */
    uint32_t min_iterations;
    uint32_t max_iterations;
    const struct mech_binding *binding; /* NULL: the application gave none */
    enum mech_binding_use binding_use;
    struct mech_layer_limits layers;

    enum auth_status (*random)(void *ctx, uint8_t *ret, size_t n);

    /* NULL, except where a recorded exchange is replayed: appends the client's nonce. */
    enum auth_status (*nonce)(void *ctx, struct buf *ret);

    /*
     * DIGEST-MD5: which of the n realms the server offered (may be none) to use. *ret lives as
     * long as the exchange. AUTH_OK, AUTH_NEED_INPUT, or a failure.
     */
    enum auth_status (*choose_realm)(void *ctx, const struct slice *offered, size_t n,
                                     struct slice *ret);
};

/* The first member of every client engine's state. */
struct mech_client {
    const struct mech_client_host *host;
    const struct mech_account *account; /* outlives the state */
    const char *detail;                 /* what was wrong with the server's message, or NULL */
};

struct digest_layer;

struct mech_client_ops {
    size_t state_size; /* bytes */
    void (*start)(void *state, const void *variant, const struct mech_client_host *host,
                  const struct mech_account *account);
    enum auth_status (*step)(void *state, struct slice in, struct buf *out);
    void (*release)(void *state);

    /*
     * The security layer agreed on, after AUTH_OK; owned by the state. NULL as a member, or as a
     * result: none.
     */
    struct digest_layer *(*layer)(void *state);
};

/* Records why the exchange ends and returns status. detail is static. */
enum auth_status mech_client_refuse(struct mech_client *mech, enum auth_status status,
                                    const char *detail);

/* The same with AUTH_MALFORMED. */
enum auth_status mech_client_malformed(struct mech_client *mech, const char *detail);

/* The answer to any message after the end. */
enum auth_status mech_client_after_end(struct mech_client *mech);

/*
 * Append a name or a password for the wire: SASLprep, unassigned code points allowed (RFC 4013, a
 * query). AUTH_BAD_NAME, AUTH_BAD_PASSWORD or AUTH_TOO_LONG with a sentence in detail that a person
 * can act on; AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status mech_client_put_name(struct mech_client *mech, struct slice name,
                                               struct buf *ret);
MUST_USE enum auth_status mech_client_put_password(struct mech_client *mech, struct slice password,
                                                   struct buf *ret);

/*
 * The same for mechanisms that say nothing of preparation: the bytes as they are, neither empty nor
 * longer than a name or password may be, without NUL.
 */
MUST_USE enum auth_status mech_client_put_raw_name(struct mech_client *mech, struct slice name,
                                                   struct buf *ret);
MUST_USE enum auth_status mech_client_put_raw_password(struct mech_client *mech,
                                                       struct slice password, struct buf *ret);

/* Appends the host's nonce or a fresh one: 24 characters of base64, 144 random bits. */
MUST_USE enum auth_status mech_client_put_nonce(const struct mech_client_host *host,
                                                struct buf *ret);

#endif
