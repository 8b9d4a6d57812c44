/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One deprecated interface of OpenSSL 3 is used, here and nowhere else: only the low-level MD5
 * functions can resume a hash from a stored state, which is what a CRAM-MD5 verifier is. Plain MD5
 * goes that way too: a login with DIGEST-MD5 makes ten digests of a block or two, and EVP's context
 * around each costs as much again. Whether MD5 may be used is the provider's word in either case.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/crypto.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/md5.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

enum { MD5_BLOCK = 64, MAX_BLOCK = 128 /* bytes of a hash's block */ };

/* Everything fetched once by crypto_prepare(); never freed, so that no thread loses it. */
static struct {
    enum auth_status status;
    EVP_MD *md[CRYPTO_HASHES];
    EVP_KDF *hkdf;
    EVP_CIPHER *aead;
} fetched;

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static const char *const hash_names[CRYPTO_HASHES] = {"MD5", "SHA1", "SHA256", "SHA512"};
static const size_t hash_sizes[CRYPTO_HASHES] = {16, 20, 32, 64};
static const size_t block_sizes[CRYPTO_HASHES] = {MD5_BLOCK, 64, 64, MAX_BLOCK};

static void fetch_all(void)
{
    uint8_t seed[1];

    for (int i = 0; i < CRYPTO_HASHES; i++) {
        fetched.md[i] = EVP_MD_fetch(NULL, hash_names[i], NULL);
    }
    fetched.hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    fetched.aead = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    /* The generator is seeded here, while the process may still open files. */
    bool ok = fetched.md[CRYPTO_SHA1] != NULL && fetched.md[CRYPTO_SHA256] != NULL &&
              fetched.md[CRYPTO_SHA512] != NULL && fetched.hkdf != NULL && fetched.aead != NULL &&
              RAND_bytes(seed, sizeof seed) == 1;
    fetched.status = ok ? AUTH_OK : AUTH_CRYPTO;
}

enum auth_status crypto_prepare(void)
{
    if (pthread_once(&fetch_once, fetch_all) != 0) {
        return AUTH_CRYPTO;
    }
    return fetched.status;
}

bool crypto_have(enum crypto_hash hash)
{
    return crypto_prepare() == AUTH_OK && fetched.md[hash] != NULL;
}

size_t crypto_hash_size(enum crypto_hash hash)
{
    return hash_sizes[hash];
}

/* The common beginning of every operation on a hash. */
static enum auth_status need_hash(enum crypto_hash hash)
{
    enum auth_status status = crypto_prepare();

    if (status == AUTH_OK && fetched.md[hash] == NULL) {
        status = AUTH_CRYPTO;
    }
    return status;
}

/* ret = hash of first, then the parts. The context may have been used before. */
static bool digest_with(EVP_MD_CTX *ctx, enum crypto_hash hash, struct slice first,
                        const struct slice *parts, size_t n_parts, uint8_t *ret)
{
    bool ok = EVP_DigestInit_ex2(ctx, fetched.md[hash], NULL) == 1 &&
              (first.n == 0 || EVP_DigestUpdate(ctx, first.p, first.n) == 1);

    for (size_t i = 0; ok && i < n_parts; i++) {
        ok = parts[i].n == 0 || EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1;
    }
    return ok && EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
}

static enum auth_status digest_md5(const struct slice *parts, size_t n_parts, uint8_t *ret)
{
    MD5_CTX ctx;
    bool ok = MD5_Init(&ctx) == 1;

    for (size_t i = 0; ok && i < n_parts; i++) {
        ok = parts[i].n == 0 || MD5_Update(&ctx, parts[i].p, parts[i].n) == 1;
    }
    ok = ok && MD5_Final(ret, &ctx) == 1;
    crypto_wipe(&ctx, sizeof ctx);
    return ok ? AUTH_OK : AUTH_CRYPTO;
}

enum auth_status crypto_digest(enum crypto_hash hash, const struct slice *parts, size_t n_parts,
                               uint8_t *ret)
{
    enum auth_status status = need_hash(hash);

    if (status != AUTH_OK) {
        return status;
    }
    if (hash == CRYPTO_MD5) {
        return digest_md5(parts, n_parts, ret);
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return AUTH_NO_MEMORY;
    }
    bool ok = digest_with(ctx, hash, slice_of(NULL, 0), parts, n_parts, ret);
    EVP_MD_CTX_free(ctx);
    return ok ? AUTH_OK : AUTH_CRYPTO;
}

static void pad_key(uint8_t block[MAX_BLOCK], size_t n, uint8_t pad)
{
    for (size_t i = 0; i < n; i++) {
        block[i] ^= pad;
    }
}

/*
 * HMAC(K, text) = H(K ^ opad, H(K ^ ipad, text)) (RFC 2104 2), in one context: OpenSSL's own HMAC
 * makes three and takes half as long again, and a login makes up to five HMACs.
 */
enum auth_status crypto_hmac(enum crypto_hash hash, struct slice key, const struct slice *parts,
                             size_t n_parts, uint8_t *ret)
{
    enum { IPAD = 0x36, OPAD = 0x5c };
    const size_t n = block_sizes[hash];
    uint8_t block[MAX_BLOCK] = {0};
    uint8_t inner[CRYPTO_MAX_HASH] = {0};
    const struct slice inner_slice = slice_of(inner, hash_sizes[hash]);
    enum auth_status status = need_hash(hash);

    if (status != AUTH_OK) {
        return status;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return AUTH_NO_MEMORY;
    }
    bool ok = true;
    if (key.n > n) {
        ok = digest_with(ctx, hash, key, NULL, 0, block);
    } else if (key.n > 0) {
        memcpy(block, key.p, key.n);
    }
    pad_key(block, n, IPAD);
    ok = ok && digest_with(ctx, hash, slice_of(block, n), parts, n_parts, inner);
    pad_key(block, n, IPAD ^ OPAD);
    ok = ok && digest_with(ctx, hash, slice_of(block, n), &inner_slice, 1, ret);
    EVP_MD_CTX_free(ctx);
    crypto_wipe(block, sizeof block);
    crypto_wipe(inner, sizeof inner);
    return ok ? AUTH_OK : AUTH_CRYPTO;
}

enum auth_status crypto_pbkdf2(enum crypto_hash hash, struct slice password, struct slice salt,
                               uint32_t iterations, uint8_t *ret)
{
    enum auth_status status = need_hash(hash);

    if (status != AUTH_OK) {
        return status;
    }
    if (password.n > INT_MAX || salt.n > INT_MAX || iterations == 0 || iterations > INT_MAX) {
        return AUTH_CRYPTO;
    }
    bool ok = PKCS5_PBKDF2_HMAC(password.n == 0 ? "" : (const char *)password.p, (int)password.n,
                                salt.p, (int)salt.n, (int)iterations, fetched.md[hash],
                                (int)hash_sizes[hash], ret) == 1;
    return ok ? AUTH_OK : AUTH_CRYPTO;
}

enum auth_status crypto_hkdf(struct slice key, struct slice salt, struct slice info, uint8_t *ret,
                             size_t n)
{
    char name[] = "SHA256";
    enum auth_status status = need_hash(CRYPTO_SHA256);

    if (status != AUTH_OK) {
        return status;
    }
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(fetched.hkdf);
    if (ctx == NULL) {
        return AUTH_NO_MEMORY;
    }
    /* Non-const pointers again; OpenSSL only reads through them, and refuses NULL for "empty". */
    union {
        const void *in;
        void *out;
    } k = {key.n == 0 ? "" : (const void *)key.p}, s = {salt.n == 0 ? "" : (const void *)salt.p},
      i = {info.n == 0 ? "" : (const void *)info.p};
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, k.out, key.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, s.out, salt.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, i.out, info.n),
        OSSL_PARAM_construct_end(),
    };
    bool ok = EVP_KDF_derive(ctx, ret, n, params) == 1;
    EVP_KDF_CTX_free(ctx);
    return ok ? AUTH_OK : AUTH_CRYPTO;
}

enum auth_status crypto_random(uint8_t *ret, size_t n)
{
    enum auth_status status = crypto_prepare();

    if (status != AUTH_OK) {
        return status;
    }
    return n <= INT_MAX && RAND_bytes(ret, (int)n) == 1 ? AUTH_OK : AUTH_CRYPTO;
}

/* Feeds the associated data; the calls for sealing and opening are alike but for the direction. */
static bool put_aad(EVP_CIPHER_CTX *ctx, const struct slice *aad, size_t n_aad)
{
    int unused;

    for (size_t i = 0; i < n_aad; i++) {
        if (aad[i].n > INT_MAX ||
            (aad[i].n > 0 && EVP_CipherUpdate(ctx, NULL, &unused, aad[i].p, (int)aad[i].n) != 1)) {
            return false;
        }
    }
    return true;
}

enum auth_status crypto_aead_seal(const uint8_t key[CRYPTO_AEAD_KEY],
                                  const uint8_t nonce[CRYPTO_AEAD_NONCE], const struct slice *aad,
                                  size_t n_aad, struct slice text, uint8_t *ret)
{
    int n = 0;
    int unused = 0;
    enum auth_status status = crypto_prepare();

    if (status != AUTH_OK) {
        return status;
    }
    if (text.n > INT_MAX - CRYPTO_AEAD_TAG) {
        return AUTH_TOO_LONG;
    }
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return AUTH_NO_MEMORY;
    }
    bool ok = EVP_EncryptInit_ex2(ctx, fetched.aead, key, nonce, NULL) == 1 &&
              put_aad(ctx, aad, n_aad) &&
              (text.n == 0 || EVP_EncryptUpdate(ctx, ret, &n, text.p, (int)text.n) == 1) &&
              EVP_EncryptFinal_ex(ctx, ret + n, &unused) == 1 && (size_t)n == text.n &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CRYPTO_AEAD_TAG, ret + text.n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? AUTH_OK : AUTH_CRYPTO;
}

enum auth_status crypto_aead_open(const uint8_t key[CRYPTO_AEAD_KEY],
                                  const uint8_t nonce[CRYPTO_AEAD_NONCE], const struct slice *aad,
                                  size_t n_aad, struct slice sealed, uint8_t *ret)
{
    int n = 0;
    int unused = 0;
    uint8_t tag[CRYPTO_AEAD_TAG];
    uint8_t last[CRYPTO_AEAD_TAG];
    enum auth_status status = crypto_prepare();

    if (status != AUTH_OK) {
        return status;
    }
    if (sealed.n < CRYPTO_AEAD_TAG || sealed.n > INT_MAX) {
        return AUTH_STORE_DAMAGED;
    }
    size_t n_text = sealed.n - CRYPTO_AEAD_TAG;
    memcpy(tag, sealed.p + n_text, sizeof tag);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return AUTH_NO_MEMORY;
    }
    if (EVP_DecryptInit_ex2(ctx, fetched.aead, key, nonce, NULL) != 1 ||
        !put_aad(ctx, aad, n_aad) ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CRYPTO_AEAD_TAG, tag) != 1) {
        status = AUTH_CRYPTO;
    } else if ((n_text > 0 && EVP_DecryptUpdate(ctx, ret, &n, sealed.p, (int)n_text) != 1) ||
               EVP_DecryptFinal_ex(ctx, last, &unused) != 1 || (size_t)n != n_text) {
        crypto_wipe(ret, n_text);
        status = AUTH_STORE_DAMAGED;
    }
    EVP_CIPHER_CTX_free(ctx);
    return status;
}

static void put_words(const MD5_CTX *ctx, uint8_t ret[16])
{
    const MD5_LONG words[4] = {ctx->A, ctx->B, ctx->C, ctx->D};

    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            ret[4 * i + j] = (uint8_t)(words[i] >> (24 - 8 * j));
        }
    }
}

static void take_words(const uint8_t state[16], MD5_CTX *ret)
{
    MD5_LONG words[4];

    for (size_t i = 0; i < 4; i++) {
        words[i] = (MD5_LONG)state[4 * i] << 24 | (MD5_LONG)state[4 * i + 1] << 16 |
                   (MD5_LONG)state[4 * i + 2] << 8 | (MD5_LONG)state[4 * i + 3];
    }
    ret->A = words[0];
    ret->B = words[1];
    ret->C = words[2];
    ret->D = words[3];
    /* One block, the padded key, has gone through already. */
    ret->Nl = MD5_BLOCK * CHAR_BIT;
    ret->Nh = 0;
}

/* RFC 2104 2: the state after the block (key XOR pad). */
static bool absorb_pad(const uint8_t key[MD5_BLOCK], uint8_t pad, uint8_t ret[16])
{
    MD5_CTX ctx;
    uint8_t block[MD5_BLOCK];

    for (size_t i = 0; i < MD5_BLOCK; i++) {
        block[i] = key[i] ^ pad;
    }
    bool ok = MD5_Init(&ctx) == 1 && MD5_Update(&ctx, block, sizeof block) == 1;
    put_words(&ctx, ret);
    crypto_wipe(&ctx, sizeof ctx);
    crypto_wipe(block, sizeof block);
    return ok;
}

enum auth_status crypto_hmac_md5_precompute(struct slice key, uint8_t ret[CRYPTO_HMAC_MD5_STATE])
{
    uint8_t block[MD5_BLOCK] = {0};
    enum auth_status status = need_hash(CRYPTO_MD5);

    if (status != AUTH_OK) {
        return status;
    }
    if (key.n > MD5_BLOCK) {
        status = crypto_digest(CRYPTO_MD5, &key, 1, block);
    } else if (key.n > 0) {
        memcpy(block, key.p, key.n);
    }
    if (status == AUTH_OK && !(absorb_pad(block, 0x36, ret) && absorb_pad(block, 0x5c, ret + 16))) {
        status = AUTH_CRYPTO;
    }
    crypto_wipe(block, sizeof block);
    return status;
}

enum auth_status crypto_hmac_md5_resume(const uint8_t state[CRYPTO_HMAC_MD5_STATE],
                                        struct slice message, uint8_t ret[16])
{
    MD5_CTX ctx;
    enum auth_status status = need_hash(CRYPTO_MD5);

    if (status != AUTH_OK) {
        return status;
    }
    bool ok = MD5_Init(&ctx) == 1;
    take_words(state, &ctx);
    ok = ok && MD5_Update(&ctx, message.p, message.n) == 1 && MD5_Final(ret, &ctx) == 1 &&
         MD5_Init(&ctx) == 1;
    take_words(state + 16, &ctx);
    ok = ok && MD5_Update(&ctx, ret, 16) == 1 && MD5_Final(ret, &ctx) == 1;
    crypto_wipe(&ctx, sizeof ctx);
    return ok ? AUTH_OK : AUTH_CRYPTO;
}

/* The context stays for good, like what crypto_prepare() fetches. */
static EVP_CIPHER *rc4_cipher;
static pthread_once_t rc4_once = PTHREAD_ONCE_INIT;

static void fetch_rc4(void)
{
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();

    if (context == NULL) {
        return;
    }
    OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(context, "legacy");
    if (legacy != NULL) {
        rc4_cipher = EVP_CIPHER_fetch(context, "RC4", NULL);
    }
    if (rc4_cipher == NULL) {
        if (legacy != NULL) {
            (void)OSSL_PROVIDER_unload(legacy);
        }
        OSSL_LIB_CTX_free(context);
    }
}

bool crypto_prepare_rc4(void)
{
    return crypto_prepare() == AUTH_OK && pthread_once(&rc4_once, fetch_rc4) == 0 &&
           rc4_cipher != NULL;
}

bool crypto_have_rc4(void)
{
    return rc4_cipher != NULL;
}

/* There is nothing in it but OpenSSL's context, whose type this only hides. */
static EVP_CIPHER_CTX *rc4_ctx(struct crypto_rc4 *rc4)
{
    return (EVP_CIPHER_CTX *)rc4;
}

enum auth_status crypto_rc4_new(const uint8_t key[CRYPTO_RC4_KEY], struct crypto_rc4 **ret)
{
    if (!crypto_have_rc4()) {
        return AUTH_CRYPTO;
    }
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return AUTH_NO_MEMORY;
    }
    if (EVP_CIPHER_get_key_length(rc4_cipher) != CRYPTO_RC4_KEY ||
        EVP_EncryptInit_ex2(ctx, rc4_cipher, key, NULL, NULL) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        return AUTH_CRYPTO;
    }
    *ret = (struct crypto_rc4 *)ctx;
    return AUTH_OK;
}

void crypto_rc4_free(struct crypto_rc4 *rc4)
{
    EVP_CIPHER_CTX_free(rc4_ctx(rc4));
}

enum auth_status crypto_rc4_apply(struct crypto_rc4 *rc4, const uint8_t *in, uint8_t *ret, size_t n)
{
    int written = 0;

    if (n == 0) {
        return AUTH_OK;
    }
    if (n > INT_MAX) {
        return AUTH_TOO_LONG;
    }
    bool ok =
        EVP_EncryptUpdate(rc4_ctx(rc4), ret, &written, in, (int)n) == 1 && (size_t)written == n;
    return ok ? AUTH_OK : AUTH_CRYPTO;
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
    return n == 0 || CRYPTO_memcmp(a, b, n) == 0;
}

void crypto_wipe(void *p, size_t n)
{
    if (n > 0) {
        explicit_bzero(p, n);
    }
}

void crypto_base64_put(struct buf *b, struct slice bytes)
{
    if (bytes.n > INT_MAX / 2) {
        b->status = AUTH_TOO_LONG;
        return;
    }
    /* EVP_EncodeBlock writes a NUL after the text; buf_extend leaves room for one. */
    uint8_t *at = buf_extend(b, (bytes.n + 2) / 3 * 4);
    if (at != NULL && bytes.n > 0) {
        (void)EVP_EncodeBlock(at, bytes.p, (int)bytes.n);
    }
}

/* The number of "=" at the end of base64 text, at most 2. */
static size_t count_padding(struct slice text)
{
    size_t padding = 0;

    while (padding < 2 && text.p[text.n - 1 - padding] == '=') {
        padding++;
    }
    return padding;
}

enum auth_status crypto_base64_take(struct slice text, uint8_t *ret, size_t cap, size_t *ret_n)
{
    enum { CHUNK = 1024, CHUNK_BYTES = CHUNK / 4 * 3 };
    uint8_t decoded[CHUNK_BYTES];
    uint8_t again[CHUNK + 1];
    size_t n = 0;
    enum auth_status status = AUTH_OK;

    if (text.n == 0) {
        *ret_n = 0;
        return AUTH_OK;
    }
    if (text.n % 4 != 0) {
        return AUTH_MALFORMED;
    }
    size_t padding = count_padding(text);
    if (text.n / 4 * 3 - padding > cap) {
        return AUTH_TOO_LONG;
    }
    for (size_t at = 0; status == AUTH_OK && at < text.n;) {
        size_t n_text = text.n - at < CHUNK ? text.n - at : CHUNK;
        size_t n_bytes = n_text / 4 * 3 - (at + n_text == text.n ? padding : 0);
        /*
         * EVP_DecodeBlock skips white space at the ends and ignores stray trailing bits; encoding
         * the result again and comparing accepts the one canonical text and no other.
         */
        if (EVP_DecodeBlock(decoded, text.p + at, (int)n_text) < 0 ||
            EVP_EncodeBlock(again, decoded, (int)n_bytes) != (int)n_text ||
            !crypto_equal(again, text.p + at, n_text)) {
            status = AUTH_MALFORMED;
        } else {
            memcpy(ret + n, decoded, n_bytes);
            n += n_bytes;
        }
        at += n_text;
    }
    crypto_wipe(decoded, text.n < sizeof decoded ? text.n : sizeof decoded);
    crypto_wipe(again, text.n < sizeof again ? text.n : sizeof again);
    if (status == AUTH_OK) {
        *ret_n = n;
    }
    return status;
}
