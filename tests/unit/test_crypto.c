/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Known answers: RFC 1321 A.5, RFC 2202 2 and 3, RFC 4231 4.3, RFC 5869 A.1, RFC 6070 2, RFC 7914
 * 11, RFC 6229 2, the AES-256-GCM test cases 13 and 14 of McGrew and Viega. The SHA-512 PBKDF2
 * value is ours, made with Python's hashlib.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crypto.h"

static void expect_hex(const uint8_t *bytes, size_t n, const char *hex)
{
    struct buf b;

    buf_init(&b, 1024);
    buf_put_hex(&b, bytes, n);
    assert_string_equal(buf_text(&b), hex);
    buf_release(&b);
}

static void digests(void **state)
{
    const struct slice parts[] = {slice_str("ab"), slice_of(NULL, 0), slice_str("c")};
    uint8_t out[CRYPTO_MAX_HASH];

    (void)state;
    assert_int_equal(crypto_digest(CRYPTO_MD5, parts, 3, out), AUTH_OK);
    expect_hex(out, 16, "900150983cd24fb0d6963f7d28e17f72");
    assert_int_equal(crypto_digest(CRYPTO_SHA1, parts, 3, out), AUTH_OK);
    expect_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_int_equal(crypto_digest(CRYPTO_SHA256, NULL, 0, out), AUTH_OK);
    expect_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (int i = 0; i < CRYPTO_HASHES; i++) {
        assert_true(crypto_have((enum crypto_hash)i));
    }
}

static void macs(void **state)
{
    const struct slice data = slice_str("what do ya want for nothing?");
    const struct slice empty = slice_of(NULL, 0);
    uint8_t out[CRYPTO_MAX_HASH];

    (void)state;
    assert_int_equal(crypto_hmac(CRYPTO_MD5, slice_str("Jefe"), &data, 1, out), AUTH_OK);
    expect_hex(out, 16, "750c783e6ab0b503eaa86e310a5db738");
    assert_int_equal(crypto_hmac(CRYPTO_SHA1, slice_str("Jefe"), &data, 1, out), AUTH_OK);
    expect_hex(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    assert_int_equal(crypto_hmac(CRYPTO_SHA256, slice_str("Jefe"), &data, 1, out), AUTH_OK);
    expect_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_int_equal(crypto_hmac(CRYPTO_SHA256, empty, &empty, 1, out), AUTH_OK);
    expect_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void key_derivations(void **state)
{
    static const uint8_t key[22] = {0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
                                    0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
                                    0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b};
    static const uint8_t salt[13] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const uint8_t info[10] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9};
    uint8_t out[CRYPTO_MAX_HASH];

    (void)state;
    assert_int_equal(
        crypto_pbkdf2(CRYPTO_SHA1, slice_str("password"), slice_str("salt"), 4096, out), AUTH_OK);
    expect_hex(out, 20, "4b007901b765489abead49d926f721d065a429c1");
    assert_int_equal(crypto_pbkdf2(CRYPTO_SHA256, slice_str("passwd"), slice_str("salt"), 1, out),
                     AUTH_OK);
    expect_hex(out, 32, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    assert_int_equal(
        crypto_pbkdf2(CRYPTO_SHA512, slice_str("password"), slice_str("salt"), 4096, out), AUTH_OK);
    expect_hex(out, 64,
               "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5"
               "143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5");
    assert_int_equal(crypto_pbkdf2(CRYPTO_SHA1, slice_str("x"), slice_str("y"), 0, out),
                     AUTH_CRYPTO);
    assert_int_equal(crypto_hkdf(slice_of(key, sizeof key), slice_of(salt, sizeof salt),
                                 slice_of(info, sizeof info), out, 42),
                     AUTH_OK);
    expect_hex(out, 42,
               "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
               "34007208d5b887185865");
    /* RFC 5869 A.3: neither salt nor info. */
    assert_int_equal(
        crypto_hkdf(slice_of(key, sizeof key), slice_of(NULL, 0), slice_of(NULL, 0), out, 42),
        AUTH_OK);
    expect_hex(out, 42,
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
               "9d201395faa4b61a96c8");
}

static void aead(void **state)
{
    static const uint8_t key[CRYPTO_AEAD_KEY];
    static const uint8_t nonce[CRYPTO_AEAD_NONCE];
    static const uint8_t text[16];
    const struct slice aad[] = {slice_str("label"), slice_of(NULL, 0), slice_str("header")};
    uint8_t sealed[16 + CRYPTO_AEAD_TAG];
    uint8_t opened[16];

    (void)state;
    assert_int_equal(crypto_aead_seal(key, nonce, NULL, 0, slice_of(NULL, 0), sealed), AUTH_OK);
    expect_hex(sealed, 16, "530f8afbc74536b9a963b4f1c4cb738b");
    assert_int_equal(crypto_aead_seal(key, nonce, NULL, 0, slice_of(text, 16), sealed), AUTH_OK);
    expect_hex(sealed, 32, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    assert_int_equal(crypto_aead_seal(key, nonce, aad, 3, slice_str("sixteen letters."), sealed),
                     AUTH_OK);
    const struct slice whole = slice_of(sealed, sizeof sealed);
    assert_int_equal(crypto_aead_open(key, nonce, aad, 3, whole, opened), AUTH_OK);
    assert_memory_equal(opened, "sixteen letters.", 16);
    assert_int_equal(crypto_aead_open(key, nonce, aad, 2, whole, opened), AUTH_STORE_DAMAGED);
    for (size_t i = 0; i < 8 * sizeof sealed; i++) {
        sealed[i / 8] ^= (uint8_t)(1 << i % 8);
        memset(opened, 'x', sizeof opened);
        assert_int_equal(crypto_aead_open(key, nonce, aad, 3, whole, opened), AUTH_STORE_DAMAGED);
        for (size_t j = 0; j < sizeof opened; j++) {
            assert_int_equal(opened[j], 0);
        }
        sealed[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t n = 0; n < sizeof sealed; n++) {
        assert_int_equal(crypto_aead_open(key, nonce, aad, 3, slice_of(sealed, n), opened),
                         AUTH_STORE_DAMAGED);
    }
}

/* The state resumed gives what the whole HMAC gives, for keys below, at and above one block. */
static void hmac_md5_in_two_halves(void **state)
{
    static const char long_key[] =
        "0123456789012345678901234567890123456789012345678901234567890123"
        "45678901234567890123456789";
    const struct slice message = slice_str("<1896.697170952@postoffice.reston.mci.net>");

    (void)state;
    for (size_t n = 0; n < sizeof long_key; n++) {
        uint8_t half[CRYPTO_HMAC_MD5_STATE];
        uint8_t resumed[16];
        uint8_t whole[16];
        const struct slice key = slice_of(long_key, n);
        assert_int_equal(crypto_hmac_md5_precompute(key, half), AUTH_OK);
        assert_int_equal(crypto_hmac_md5_resume(half, message, resumed), AUTH_OK);
        assert_int_equal(crypto_hmac(CRYPTO_MD5, key, &message, 1, whole), AUTH_OK);
        assert_memory_equal(resumed, whole, 16);
    }
}

static void base64_is_strict(void **state)
{
    static const struct {
        const char *text;
        const char *bytes;
    } good[] = {{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYmFy", "foobar"}};
    static const char *const bad[] = {"Z",      "Zg",   "Zg=",  "Zg==\n",   "Zh==", "Zm9=",
                                      "=g==",   "Z===", "====", "Zg==Zg==", " Zg=", "Zm 9",
                                      "Zm9v\n", "Zm9-", "Zm9_", "Zm\0v",    "Zg=a", "\xc3\xa4zz"};
    uint8_t out[16];
    size_t n;
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(crypto_base64_take(slice_str(good[i].text), out, sizeof out, &n), AUTH_OK);
        assert_int_equal(n, strlen(good[i].bytes));
        assert_memory_equal(out, good[i].bytes, n);
        buf_clear(&b);
        crypto_base64_put(&b, slice_str(good[i].bytes));
        assert_string_equal(buf_text(&b), good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t length = i == 15 ? 4 : strlen(bad[i]);
        char *exact = malloc(length);
        assert_non_null(exact);
        memcpy(exact, bad[i], length);
        if (crypto_base64_take(slice_of(exact, length), out, sizeof out, &n) != AUTH_MALFORMED) {
            fail_msg("accepted '%s'", bad[i]);
        }
        free(exact);
    }
    assert_int_equal(crypto_base64_take(slice_str("Zm9v"), out, 2, &n), AUTH_TOO_LONG);
    buf_release(&b);
}

/* Text longer than the decoder's own chunk, at every remainder. */
static void base64_of_long_input(void **state)
{
    uint8_t bytes[3000];
    uint8_t again[3000];
    size_t n;

    (void)state;
    assert_int_equal(crypto_random(bytes, sizeof bytes), AUTH_OK);
    for (size_t length = 700; length < sizeof bytes; length += 97) {
        struct buf b;
        buf_init(&b, 8000);
        crypto_base64_put(&b, slice_of(bytes, length));
        assert_int_equal(crypto_base64_take(buf_slice(&b), again, sizeof again, &n), AUTH_OK);
        assert_int_equal(n, length);
        assert_memory_equal(again, bytes, length);
        b.p[b.n / 2] = '=';
        assert_int_equal(crypto_base64_take(buf_slice(&b), again, sizeof again, &n),
                         AUTH_MALFORMED);
        buf_release(&b);
    }
}

/* RFC 6229 2, 128-bit key: the key stream at 0 and 16, taken in uneven pieces, then in place. */
static void rc4_stream(void **state)
{
    static const uint8_t key[CRYPTO_RC4_KEY] = {1, 2,  3,  4,  5,  6,  7,  8,
                                                9, 10, 11, 12, 13, 14, 15, 16};
    static const uint8_t zeros[32] = {0};
    struct crypto_rc4 *rc4 = NULL;
    uint8_t out[32];

    (void)state;
    assert_false(crypto_have_rc4());
    assert_int_equal(crypto_rc4_new(key, &rc4), AUTH_CRYPTO);
    assert_true(crypto_prepare_rc4());
    assert_true(crypto_prepare_rc4());
    assert_true(crypto_have_rc4());
    assert_int_equal(crypto_rc4_new(key, &rc4), AUTH_OK);
    assert_int_equal(crypto_rc4_apply(rc4, zeros, out, 3), AUTH_OK);
    assert_int_equal(crypto_rc4_apply(rc4, zeros, out + 3, 0), AUTH_OK);
    assert_int_equal(crypto_rc4_apply(rc4, zeros, out + 3, 29), AUTH_OK);
    expect_hex(out, 32, "9ac7cc9a609d1ef7b2932899cde41b975248c4959014126a6e8a84f11d1a9e1c");
    crypto_rc4_free(rc4);
    assert_int_equal(crypto_rc4_new(key, &rc4), AUTH_OK);
    assert_int_equal(crypto_rc4_apply(rc4, out, out, sizeof out), AUTH_OK);
    assert_memory_equal(out, zeros, sizeof out);
    crypto_rc4_free(rc4);
    crypto_rc4_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests),
        cmocka_unit_test(macs),
        cmocka_unit_test(key_derivations),
        cmocka_unit_test(aead),
        cmocka_unit_test(hmac_md5_in_two_halves),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(base64_of_long_input),
        cmocka_unit_test(rc4_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
