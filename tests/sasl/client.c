/* SPDX-License-Identifier: BSD-2-Clause */
#include "client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_MESSAGE = 8192 };

void client_init(struct client *c, const char *authcid, const char *password)
{
    memset(c, 0, sizeof *c);
    c->authcid = authcid;
    c->password = password;
    buf_init(&c->first_bare, MAX_MESSAGE);
    buf_init(&c->gs2, MAX_MESSAGE);
    buf_init(&c->server_first, MAX_MESSAGE);
}

void client_release(struct client *c)
{
    buf_release(&c->first_bare);
    buf_release(&c->gs2);
    buf_release(&c->server_first);
}

void client_plain(const struct client *c, struct buf *ret)
{
    buf_put_str(ret, c->authzid == NULL ? "" : c->authzid);
    buf_put_byte(ret, 0);
    buf_put_str(ret, c->authcid);
    buf_put_byte(ret, 0);
    buf_put_str(ret, c->password);
}

void client_cram(const struct client *c, struct slice challenge, struct buf *ret)
{
    uint8_t mac[16];

    assert_int_equal(crypto_hmac(CRYPTO_MD5, slice_str(c->password), &challenge, 1, mac), AUTH_OK);
    buf_put_str(ret, c->authcid);
    buf_put_byte(ret, ' ');
    buf_put_hex(ret, mac, sizeof mac);
}

/* The quoted value of a directive of the challenge. */
static struct slice directive(struct slice challenge, const char *name)
{
    struct slice value = slice_of(NULL, 0);
    struct buf key;

    buf_init(&key, 64);
    buf_put_str(&key, name);
    buf_put_str(&key, "=\"");
    while (challenge.n > 0) {
        uint8_t skipped;
        if (slice_take_literal(&challenge, buf_text(&key))) {
            assert_true(slice_take_until(&challenge, '"', &value));
            break;
        }
        assert_true(slice_take_byte(&challenge, &skipped));
    }
    buf_release(&key);
    return value;
}

static void hex_digest(const struct slice *parts, size_t n, char ret[33])
{
    uint8_t hash[16];
    struct buf hex;

    assert_int_equal(crypto_digest(CRYPTO_MD5, parts, n, hash), AUTH_OK);
    buf_init(&hex, 32);
    buf_put_hex(&hex, hash, sizeof hash);
    memcpy(ret, buf_text(&hex), 33);
    buf_release(&hex);
}

/* RFC 2831 2.1.2.1; a2_prefix is "AUTHENTICATE:" or, for rspauth, ":". */
static void digest_value(const uint8_t ha1_raw[16], struct slice nonce, const char *cnonce,
                         const char *authzid, const char *a2_prefix, char ret[33])
{
    char ha1[33];
    char ha2[33];
    const struct slice a1[] = {
        slice_of(ha1_raw, 16), slice_str(":"),    nonce,
        slice_str(":"),        slice_str(cnonce), slice_str(authzid == NULL ? "" : ":"),
        slice_str(authzid)};
    const struct slice a2[] = {slice_str(a2_prefix), slice_str("smtp/mail.lab.test")};

    hex_digest(a1, 7, ha1);
    hex_digest(a2, 2, ha2);
    const struct slice kd[] = {slice_str(ha1),          slice_str(":"),    nonce,
                               slice_str(":00000001:"), slice_str(cnonce), slice_str(":auth:"),
                               slice_str(ha2)};
    hex_digest(kd, 7, ret);
}

void client_digest(const struct client *c, struct slice challenge, struct buf *ret,
                   struct buf *ret_rspauth)
{
    static const char cnonce[] = "OA6MHXh6VqTrRk";
    struct slice nonce = directive(challenge, "nonce");
    struct slice realm = c->realm == NULL ? directive(challenge, "realm") : slice_str(c->realm);
    uint8_t ha1[16];
    char hex[33];

    assert_true(nonce.n > 0);
    assert_int_equal(verifier_digest_ha1(slice_str(c->authcid), realm, slice_str(c->password), ha1),
                     AUTH_OK);
    buf_put_str(ret, c->no_charset ? "" : "charset=utf-8,");
    buf_put_str(ret, "username=\"");
    buf_put_str(ret, c->authcid);
    buf_put_str(ret, "\",realm=\"");
    buf_put_slice(ret, realm);
    buf_put_str(ret, "\",nonce=\"");
    buf_put_slice(ret, nonce);
    buf_put_str(ret, "\",cnonce=\"");
    buf_put_str(ret, cnonce);
    buf_put_str(ret, "\",nc=00000001,qop=auth,digest-uri=\"smtp/mail.lab.test\",response=");
    digest_value(ha1, nonce, cnonce, c->authzid, "AUTHENTICATE:", hex);
    buf_put_str(ret, hex);
    if (c->authzid != NULL) {
        buf_put_str(ret, ",authzid=\"");
        buf_put_str(ret, c->authzid);
        buf_put_str(ret, "\"");
    }
    digest_value(ha1, nonce, cnonce, c->authzid, ":", hex);
    buf_put_str(ret_rspauth, "rspauth=");
    buf_put_str(ret_rspauth, hex);
}

void client_scram_first(struct client *c, struct buf *ret)
{
    buf_put_str(&c->gs2, "n,");
    if (c->authzid != NULL) {
        buf_put_str(&c->gs2, "a=");
        buf_put_str(&c->gs2, c->authzid);
    }
    buf_put_str(&c->gs2, ",");
    buf_put_str(&c->first_bare, "n=");
    buf_put_str(&c->first_bare, c->authcid);
    buf_put_str(&c->first_bare, ",r=fyko+d2lbbFgONRv9qkxdawL");
    buf_put_slice(ret, buf_slice(&c->gs2));
    buf_put_slice(ret, buf_slice(&c->first_bare));
}

/* A derived key that is kept; iterations 0: none yet. */
struct kept {
    enum crypto_hash hash;
    uint32_t iterations;
    char password[256];
    uint8_t salt[VERIFIER_MAX_SALT];
    size_t salt_len;
    uint8_t salted[CRYPTO_MAX_HASH];
};

/* The place for that key: its own, a free one, or the last that was looked at. */
static struct kept *kept_place(enum crypto_hash hash, const char *password, struct slice salt,
                               uint32_t iterations, bool *ret_same)
{
    enum { KEPT = 1024, PROBES = 16 };
    static _Thread_local struct kept all[KEPT];
    const size_t at = salt.n > 1 ? (size_t)salt.p[0] << 8 | salt.p[1] : 0;
    struct kept *kept = NULL;

    *ret_same = false;
    for (size_t i = 0; i < PROBES && !*ret_same; i++) {
        kept = &all[(at + i) % KEPT];
        if (kept->iterations == 0) {
            break;
        }
        *ret_same = kept->hash == hash && kept->iterations == iterations &&
                    strcmp(kept->password, password) == 0 &&
                    slice_equal(slice_of(kept->salt, kept->salt_len), salt);
    }
    return kept;
}

/* SaltedPassword, kept as real clients do (RFC 5802 5.1): several, for who takes turns. */
static void salted_password(enum crypto_hash hash, const char *password, struct slice salt,
                            uint32_t iterations, uint8_t *ret)
{
    bool same;
    struct kept *kept = kept_place(hash, password, salt, iterations, &same);

    if (!same) {
        assert_true(strlen(password) < sizeof kept->password && salt.n <= sizeof kept->salt);
        assert_int_equal(crypto_pbkdf2(hash, slice_str(password), salt, iterations, kept->salted),
                         AUTH_OK);
        kept->hash = hash;
        kept->iterations = iterations;
        memcpy(kept->password, password, strlen(password) + 1);
        memcpy(kept->salt, salt.p, salt.n);
        kept->salt_len = salt.n;
    }
    memcpy(ret, kept->salted, crypto_hash_size(hash));
}

/* The keys under SaltedPassword (RFC 5802 3). */
static void scram_keys(enum crypto_hash hash, const char *password, struct slice salt,
                       uint32_t iterations, uint8_t *client_key, uint8_t *stored_key,
                       uint8_t *server_key)
{
    uint8_t salted[CRYPTO_MAX_HASH];
    size_t size = crypto_hash_size(hash);
    const struct slice client_label = slice_str("Client Key");
    const struct slice server_label = slice_str("Server Key");
    const struct slice key = slice_of(client_key, size);

    salted_password(hash, password, salt, iterations, salted);
    assert_int_equal(crypto_hmac(hash, slice_of(salted, size), &client_label, 1, client_key),
                     AUTH_OK);
    assert_int_equal(crypto_digest(hash, &key, 1, stored_key), AUTH_OK);
    assert_int_equal(crypto_hmac(hash, slice_of(salted, size), &server_label, 1, server_key),
                     AUTH_OK);
}

void client_scram_final(struct client *c, enum crypto_hash hash, struct slice server_first,
                        struct buf *ret)
{
    struct slice rest = server_first;
    struct slice nonce = {0};
    struct slice salt64 = {0};
    uint32_t iterations = 0;
    uint8_t salt[VERIFIER_MAX_SALT];
    size_t salt_len;
    uint8_t client_key[CRYPTO_MAX_HASH];
    uint8_t stored_key[CRYPTO_MAX_HASH];
    uint8_t server_key[CRYPTO_MAX_HASH];
    uint8_t proof[CRYPTO_MAX_HASH];
    size_t size = crypto_hash_size(hash);
    struct buf without_proof;

    assert_true(slice_take_literal(&rest, "r=") && slice_take_until(&rest, ',', &nonce));
    assert_true(slice_take_literal(&rest, "s=") && slice_take_until(&rest, ',', &salt64));
    assert_true(slice_take_literal(&rest, "i=") &&
                slice_take_decimal(&rest, VERIFIER_MAX_ITERATIONS, &iterations));
    assert_int_equal(rest.n, 0);
    assert_int_equal(crypto_base64_take(salt64, salt, sizeof salt, &salt_len), AUTH_OK);
    scram_keys(hash, c->password, slice_of(salt, salt_len), iterations, client_key, stored_key,
               server_key);
    buf_init(&without_proof, MAX_MESSAGE);
    buf_put_str(&without_proof, "c=");
    crypto_base64_put(&without_proof, buf_slice(&c->gs2));
    buf_put_str(&without_proof, ",r=");
    buf_put_slice(&without_proof, nonce);
    const struct slice message[] = {buf_slice(&c->first_bare), slice_str(","), server_first,
                                    slice_str(","), buf_slice(&without_proof)};
    assert_int_equal(crypto_hmac(hash, slice_of(stored_key, size), message, 5, proof), AUTH_OK);
    for (size_t i = 0; i < size; i++) {
        proof[i] ^= client_key[i];
    }
    assert_int_equal(crypto_hmac(hash, slice_of(server_key, size), message, 5, c->server_signature),
                     AUTH_OK);
    buf_put_slice(ret, buf_slice(&without_proof));
    buf_put_str(ret, ",p=");
    crypto_base64_put(ret, slice_of(proof, size));
    buf_release(&without_proof);
}

bool client_scram_verify(const struct client *c, enum crypto_hash hash, struct slice server_final)
{
    struct buf expected;

    buf_init(&expected, MAX_MESSAGE);
    buf_put_str(&expected, "v=");
    crypto_base64_put(&expected, slice_of(c->server_signature, crypto_hash_size(hash)));
    bool same = slice_equal(buf_slice(&expected), server_final);
    buf_release(&expected);
    return same;
}
