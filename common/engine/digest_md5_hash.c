/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/digest_md5_hash.h"

#include "base/crypto.h"

enum { HEX_SIZE = 2 * DIGEST_MD5_SIZE };

static void to_hex(const uint8_t bytes[DIGEST_MD5_SIZE], uint8_t ret[HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_MD5_SIZE; i++) {
        ret[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        ret[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
}

enum auth_status digest_md5_session_key(const uint8_t ha1[DIGEST_MD5_SIZE],
                                        const struct digest_md5_response *fields,
                                        const struct slice *authzid, uint8_t ret[DIGEST_MD5_SIZE])
{
    const struct slice colon = slice_str(":");
    struct slice a1[7] = {slice_of(ha1, DIGEST_MD5_SIZE), colon, fields->nonce, colon,
                          fields->cnonce};
    size_t n = 5;

    if (authzid != NULL) {
        a1[n++] = colon;
        a1[n++] = *authzid;
    }
    return crypto_digest(CRYPTO_MD5, a1, n, ret);
}

/*
 * A2 = prefix digest-uri-value, the prefix being "AUTHENTICATE:" or ":", and with a layer the hash
 * of a body that is not there.
 */
enum auth_status digest_md5_hash_a2(const struct digest_md5_response *f, bool from_server,
                                    struct digest_md5_a2 *ret)
{
    enum digest_md5_qop qop = DIGEST_MD5_AUTH;
    uint8_t digest[DIGEST_MD5_SIZE];
    const bool layer = digest_md5_take_qop(f->qop, &qop) && qop != DIGEST_MD5_AUTH;
    const struct slice a2[] = {slice_str(from_server ? ":" : "AUTHENTICATE:"), f->digest_uri,
                               slice_str(layer ? ":00000000000000000000000000000000" : "")};

    enum auth_status status = crypto_digest(CRYPTO_MD5, a2, 3, digest);
    if (status == AUTH_OK) {
        to_hex(digest, ret->hex);
    }
    return status;
}

/*
 * response-value = HEX( KD( HEX(H(A1)), nonce ":" nc ":" cnonce ":" qop ":" HEX(H(A2)) ) ), raw
 * here.
 */
enum auth_status digest_md5_proof(const uint8_t session_key[DIGEST_MD5_SIZE],
                                  const struct digest_md5_response *fields,
                                  const struct digest_md5_a2 *a2, uint8_t ret[DIGEST_MD5_SIZE])
{
    const struct slice colon = slice_str(":");
    uint8_t a1[HEX_SIZE];

    to_hex(session_key, a1);
    /* The client's spelling of qop is what it hashed (RFC 2831 2.1.2.1); absent means auth. */
    const struct slice qop = fields->qop.p != NULL ? fields->qop : slice_str("auth");
    const struct slice parts[] = {slice_of(a1, HEX_SIZE),
                                  colon,
                                  fields->nonce,
                                  colon,
                                  fields->nc,
                                  colon,
                                  fields->cnonce,
                                  colon,
                                  qop,
                                  colon,
                                  slice_of(a2->hex, sizeof a2->hex)};
    enum auth_status status = crypto_digest(CRYPTO_MD5, parts, sizeof parts / sizeof parts[0], ret);
    crypto_wipe(a1, sizeof a1);
    return status;
}
