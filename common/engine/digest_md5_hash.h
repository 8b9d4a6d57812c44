/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arithmetic of DIGEST-MD5 (RFC 2831 2.1.2.1, 2.1.3) over the fields of a response, the same
 * for both halves. Results are raw bytes and secret until they are sent.
 */
#ifndef SASL_LMDB_DIGEST_MD5_HASH_H
#define SASL_LMDB_DIGEST_MD5_HASH_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/digest_md5_msg.h"

/*
 * H(A1), the key of this exchange and of its security layer, from H(username ":" realm ":"
 * password) and the authorization identity as hashed: NULL to leave it and its colon out.
 */
MUST_USE enum auth_status digest_md5_session_key(const uint8_t ha1[DIGEST_MD5_SIZE],
                                                 const struct digest_md5_response *fields,
                                                 const struct slice *authzid,
                                                 uint8_t ret[DIGEST_MD5_SIZE]);

/* HEX(H(A2)), of which no part is secret: the same for every key that is tried. */
struct digest_md5_a2 {
    uint8_t hex[2 * DIGEST_MD5_SIZE];
};

/* Of the client's proof, or of the server's answer (rspauth). */
MUST_USE enum auth_status digest_md5_hash_a2(const struct digest_md5_response *fields,
                                             bool from_server, struct digest_md5_a2 *ret);

/* What the client has to prove, or what the server answers, by the A2. */
MUST_USE enum auth_status digest_md5_proof(const uint8_t session_key[DIGEST_MD5_SIZE],
                                           const struct digest_md5_response *fields,
                                           const struct digest_md5_a2 *a2,
                                           uint8_t ret[DIGEST_MD5_SIZE]);

#endif
