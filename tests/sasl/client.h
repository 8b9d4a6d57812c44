/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's side of each mechanism, as far as the tests need it: what to answer to a challenge.
 */
#ifndef TEST_CLIENT_H
#define TEST_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "engine/scram_server.h"

/* Everything a client knows. authzid NULL: none is sent. */
struct client {
    const char *authcid;
    const char *authzid;
    const char *password;
    const char *realm; /* DIGEST-MD5: NULL takes the offered one */
    bool no_charset;   /* DIGEST-MD5: leave charset=utf-8 out */
    struct buf first_bare;
    struct buf gs2;
    struct buf server_first;
    uint8_t server_signature[CRYPTO_MAX_HASH];
};

void client_init(struct client *c, const char *authcid, const char *password);
void client_release(struct client *c);

void client_plain(const struct client *c, struct buf *ret);
void client_cram(const struct client *c, struct slice challenge, struct buf *ret);

/* The response, and the rspauth the server must answer with (RFC 2831 2.1.3). */
void client_digest(const struct client *c, struct slice challenge, struct buf *ret,
                   struct buf *ret_rspauth);

void client_scram_first(struct client *c, struct buf *ret);
void client_scram_final(struct client *c, enum crypto_hash hash, struct slice server_first,
                        struct buf *ret);

/* True if the server's last message carries the right signature. */
bool client_scram_verify(const struct client *c, enum crypto_hash hash, struct slice server_final);

#endif
