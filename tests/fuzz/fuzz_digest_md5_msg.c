/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The three messages of DIGEST-MD5 and the words inside them. A parsed value, quoted and parsed
 * again, is the same.
 */
#include <stdlib.h>

#include "engine/digest_layer.h"
#include "engine/digest_md5_msg.h"
#include "fuzz.h"

static void put(struct buf *b, const char *name, struct slice value)
{
    if (value.p != NULL) {
        if (b->n > 0) {
            buf_put_byte(b, ',');
        }
        digest_md5_put_quoted(b, name, value);
    }
}

static bool same(struct slice a, struct slice b)
{
    return slice_equal(a, b) && (a.p == NULL) == (b.p == NULL);
}

static void response(struct slice in, struct buf *scratch, struct buf *printed)
{
    struct digest_md5_response m;
    struct digest_md5_response back;
    struct digest_md5_uri uri;
    const char *detail = NULL;
    struct buf again;

    if (digest_md5_parse_response(in, scratch, &m, &detail) != AUTH_OK) {
        FUZZ_CHECK(detail != NULL);
        return;
    }
    FUZZ_CHECK(m.username.n > 0 && m.response.n == 2 * DIGEST_MD5_SIZE);
    FUZZ_CHECK(digest_md5_parse_uri(m.digest_uri, &uri) && uri.service.n > 0 && uri.host.n > 0);
    put(printed, "username", m.username);
    put(printed, "realm", m.realm);
    put(printed, "nonce", m.nonce);
    put(printed, "cnonce", m.cnonce);
    put(printed, "nc", m.nc);
    put(printed, "digest-uri", m.digest_uri);
    put(printed, "response", m.response);
    put(printed, "authzid", m.authzid);
    if (printed->n > DIGEST_MD5_MAX_RESPONSE) {
        return;
    }
    buf_init(&again, MECH_MAX_INPUT);
    FUZZ_CHECK(digest_md5_parse_response(buf_slice(printed), &again, &back, &detail) == AUTH_OK);
    FUZZ_CHECK(same(back.username, m.username) && same(back.realm, m.realm));
    FUZZ_CHECK(same(back.nonce, m.nonce) && same(back.cnonce, m.cnonce));
    FUZZ_CHECK(same(back.digest_uri, m.digest_uri) && same(back.authzid, m.authzid));
    buf_release(&again);
}

static void challenge(struct slice in, struct buf *scratch, struct buf *printed)
{
    struct digest_md5_challenge m;
    struct digest_md5_challenge back;
    const char *detail = NULL;
    struct buf again;

    if (digest_md5_parse_challenge(in, scratch, &m, &detail) != AUTH_OK) {
        FUZZ_CHECK(detail != NULL);
        return;
    }
    FUZZ_CHECK(m.realms.n <= DIGEST_MD5_MAX_REALMS && m.nonce.n > 0);
    FUZZ_CHECK(digest_md5_take_maxbuf(m.maxbuf) >= DIGEST_LAYER_MIN_BUFFER);
    FUZZ_CHECK(digest_md5_take_maxbuf(m.maxbuf) <= DIGEST_LAYER_MAX_BUFFER);
    (void)digest_md5_lists(m.qop, "auth-int");
    (void)digest_md5_lists(m.cipher, "rc4");
    for (size_t i = 0; i < m.realms.n; i++) {
        put(printed, "realm", m.realms.item[i]);
    }
    put(printed, "nonce", m.nonce);
    put(printed, "qop", m.qop);
    put(printed, "algorithm", m.algorithm);
    put(printed, "cipher", m.cipher);
    if (printed->n > DIGEST_MD5_MAX_CHALLENGE) {
        return;
    }
    buf_init(&again, MECH_MAX_INPUT);
    FUZZ_CHECK(digest_md5_parse_challenge(buf_slice(printed), &again, &back, &detail) == AUTH_OK);
    FUZZ_CHECK(back.realms.n == m.realms.n);
    for (size_t i = 0; i < m.realms.n; i++) {
        FUZZ_CHECK(same(back.realms.item[i], m.realms.item[i]));
    }
    FUZZ_CHECK(same(back.nonce, m.nonce) && same(back.qop, m.qop) && same(back.cipher, m.cipher));
    buf_release(&again);
}

static void rspauth(struct slice in, struct buf *scratch, struct buf *printed)
{
    struct slice value;
    const char *detail = NULL;

    (void)printed;
    if (digest_md5_parse_rspauth(in, scratch, &value, &detail) == AUTH_OK) {
        FUZZ_CHECK(value.n == 2 * DIGEST_MD5_SIZE);
    } else {
        FUZZ_CHECK(detail != NULL);
    }
}

/* Any text without controls can be a quoted value and comes back as it was. */
static void quoted(struct slice in, struct buf *scratch, struct buf *printed)
{
    struct digest_md5_challenge m;
    const char *detail = NULL;

    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] < 0x20 || in.p[i] == 0x7f) {
            return;
        }
    }
    digest_md5_put_quoted(printed, "nonce", in);
    buf_put_str(printed, ",algorithm=md5-sess");
    if (in.n > 0 && printed->n <= DIGEST_MD5_MAX_CHALLENGE) {
        FUZZ_CHECK(digest_md5_parse_challenge(buf_slice(printed), scratch, &m, &detail) == AUTH_OK);
        FUZZ_CHECK(slice_equal(m.nonce, in));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parsers[])(struct slice, struct buf *, struct buf *) = {response, challenge,
                                                                                rspauth, quoted};
    struct buf scratch;
    struct buf printed;

    for (size_t i = 0; i < sizeof parsers / sizeof parsers[0]; i++) {
        uint8_t *block = fuzz_block(slice_of(data, size));
        buf_init(&scratch, MECH_MAX_INPUT);
        buf_init(&printed, MECH_MAX_INPUT);
        parsers[i](slice_of(block, size), &scratch, &printed);
        buf_release(&scratch);
        buf_release(&printed);
        free(block);
    }
    return 0;
}
