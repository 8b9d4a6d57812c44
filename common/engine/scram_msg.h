/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The four messages of SCRAM (RFC 5802 7), parsed and printed, both directions for both halves.
 * Nothing here computes. A parsed message is slices into the bytes it was parsed from: no copies,
 * nothing to free. Base64 stays as it was sent; a name stays in its escaped form until
 * scram_decode_name().
 *
 * The parsers take exactly one whole message. They return AUTH_OK, or AUTH_MALFORMED, AUTH_TOO_LONG
 * with *ret_detail (static) saying why. Extensions (attr-val) are passed over if they are well
 * formed and use none of the letters that have a meaning of their own; a mandatory extension ("m=")
 * is refused, as RFC 5802 5.1 demands of those who do not know it.
 */
#ifndef SASL_LMDB_SCRAM_MSG_H
#define SASL_LMDB_SCRAM_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    SCRAM_MAX_MESSAGE = 8192, /* bytes; RFC 5802 sets no limit */
    SCRAM_MAX_NONCE = 1024,   /* bytes of the client's part */
    SCRAM_MAX_FULL_NONCE = 2 * SCRAM_MAX_NONCE,
};

/* The mechanisms differ in their hash and in nothing else. */
struct scram_variant {
    const char *name; /* "SCRAM-SHA-256" */
    enum crypto_hash hash;
};

extern const struct scram_variant scram_sha_1;
extern const struct scram_variant scram_sha_256;
extern const struct scram_variant scram_sha_512;

/* gs2-cbind-flag (RFC 5801 4, RFC 5802 7), by the letter that stands for it. */
enum scram_binding {
    SCRAM_BINDING_NONE = 'n',   /* the client does not support channel binding */
    SCRAM_BINDING_UNUSED = 'y', /* it does, and thinks that the server does not */
    SCRAM_BINDING_USED = 'p',   /* it does, with the type in binding_name */
};

struct scram_gs2 {
    enum scram_binding binding;
    struct slice binding_name; /* cb-name; p is NULL unless binding is SCRAM_BINDING_USED */
    struct slice authzid;      /* saslname, escaped; empty where there is none */
    struct slice header;       /* all of the above as sent, with both commas; not printed from */
};

/* client-first-message = gs2-header client-first-message-bare */
struct scram_client_first {
    struct scram_gs2 gs2;
    struct slice username; /* saslname, escaped */
    struct slice nonce;
    struct slice bare; /* client-first-message-bare as sent; not printed from */
};

/* server-first-message = nonce "," salt "," iteration-count */
struct scram_server_first {
    struct slice nonce; /* the client's, then the server's */
    struct slice salt;  /* base64 */
    uint32_t iterations;
};

/* client-final-message = client-final-message-without-proof "," proof */
struct scram_client_final {
    struct slice binding; /* base64 of the gs2-header and the channel-binding data */
    struct slice nonce;
    struct slice proof;         /* base64 */
    struct slice without_proof; /* as sent; not printed from */
};

/* server-final-message = server-error / verifier: one of the two, the other's p is NULL */
struct scram_server_final {
    struct slice verifier; /* base64 */
    struct slice error;
};

MUST_USE enum auth_status scram_parse_client_first(struct slice in, struct scram_client_first *ret,
                                                   const char **ret_detail);
MUST_USE enum auth_status scram_parse_server_first(struct slice in, struct scram_server_first *ret,
                                                   const char **ret_detail);
MUST_USE enum auth_status scram_parse_client_final(struct slice in, struct scram_client_final *ret,
                                                   const char **ret_detail);
MUST_USE enum auth_status scram_parse_server_final(struct slice in, struct scram_server_final *ret,
                                                   const char **ret_detail);

/* Append gs2-header, client-first-message-bare, and so on; no extensions. */
void scram_put_gs2(struct buf *b, const struct scram_gs2 *gs2);
void scram_put_client_first_bare(struct buf *b, const struct scram_client_first *message);
void scram_put_server_first(struct buf *b, const struct scram_server_first *message);
void scram_put_client_final_without_proof(struct buf *b, const struct scram_client_final *message);
void scram_put_proof(struct buf *b, struct slice proof);
void scram_put_server_final(struct buf *b, const struct scram_server_final *message);

/*
 * Appends a saslname's text: "=2C" is a comma, "=3D" an equals sign, any other "=" an error (RFC
 * 5802 5.1). False if it is malformed; ret then holds nothing new.
 */
MUST_USE bool scram_decode_name(struct slice name, struct buf *ret);

/* Appends a name in that form. */
void scram_put_name(struct buf *b, struct slice name);

#endif
