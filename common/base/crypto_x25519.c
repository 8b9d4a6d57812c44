/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/crypto_x25519.h"

#include <pthread.h>

#include <openssl/evp.h>

#include "base/crypto.h"

static const char algorithm[] = "X25519";

static pthread_once_t try_once = PTHREAD_ONCE_INIT;
static enum auth_status tried;

/* One exchange with oneself makes OpenSSL fetch all that any later one needs. */
static void try_out(void)
{
    uint8_t private_key[CRYPTO_X25519];
    uint8_t public_key[CRYPTO_X25519];
    uint8_t shared[CRYPTO_X25519];

    tried = crypto_random(private_key, sizeof private_key);
    if (tried == AUTH_OK) {
        tried = crypto_x25519_public(private_key, public_key);
    }
    if (tried == AUTH_OK) {
        tried = crypto_x25519(private_key, public_key, shared);
    }
    crypto_wipe(private_key, sizeof private_key);
    crypto_wipe(shared, sizeof shared);
}

enum auth_status crypto_prepare_x25519(void)
{
    enum auth_status status = crypto_prepare();

    if (status != AUTH_OK) {
        return status;
    }
    return pthread_once(&try_once, try_out) == 0 ? tried : AUTH_CRYPTO;
}

enum auth_status crypto_x25519_public(const uint8_t private_key[CRYPTO_X25519],
                                      uint8_t ret[CRYPTO_X25519])
{
    size_t n = CRYPTO_X25519;
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key_ex(NULL, algorithm, NULL, private_key, CRYPTO_X25519);
    bool ok = key != NULL && EVP_PKEY_get_raw_public_key(key, ret, &n) == 1 && n == CRYPTO_X25519;

    EVP_PKEY_free(key);
    return ok ? AUTH_OK : AUTH_CRYPTO;
}

/* False if OpenSSL lacks something; *ret_shared tells whether a secret came out. */
static bool derive(EVP_PKEY *own, EVP_PKEY *peer, uint8_t ret[CRYPTO_X25519], bool *ret_shared)
{
    size_t n = CRYPTO_X25519;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    bool ok =
        ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1;

    /* With both keys in place, only a secret of zero makes it fail. */
    *ret_shared = ok && EVP_PKEY_derive(ctx, ret, &n) == 1 && n == CRYPTO_X25519;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

enum auth_status crypto_x25519(const uint8_t private_key[CRYPTO_X25519],
                               const uint8_t public_key[CRYPTO_X25519], uint8_t ret[CRYPTO_X25519])
{
    static const uint8_t zero[CRYPTO_X25519];
    bool shared = false;
    EVP_PKEY *own =
        EVP_PKEY_new_raw_private_key_ex(NULL, algorithm, NULL, private_key, CRYPTO_X25519);
    EVP_PKEY *peer =
        EVP_PKEY_new_raw_public_key_ex(NULL, algorithm, NULL, public_key, CRYPTO_X25519);
    bool ok = own != NULL && peer != NULL && derive(own, peer, ret, &shared);

    EVP_PKEY_free(own);
    EVP_PKEY_free(peer);
    if (ok && shared && !crypto_equal(ret, zero, sizeof zero)) {
        return AUTH_OK;
    }
    crypto_wipe(ret, CRYPTO_X25519);
    return ok ? AUTH_MALFORMED : AUTH_CRYPTO;
}
