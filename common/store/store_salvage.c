/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store_salvage.h"

#include <string.h>

#include "base/crypto.h"
#include "store/seal.h"

enum {
    NONCE_AT = SEAL_HEADER - CRYPTO_AEAD_NONCE,
    ITEM_HEAD = 3,     /* type and length, see record.c */
    ITEM_USER = 0x01,  /* the first item of a record */
    ITEM_REALM = 0x02, /* the second one */
    NAMES_MAX = 2 * ITEM_HEAD + IDENTITY_MAX_USER + IDENTITY_MAX_REALM,
    BITS = 8,
};

static bool take_name(struct slice *text, uint8_t item, char *ret, size_t cap)
{
    struct slice name;
    uint8_t type;
    uint16_t n;

    if (!slice_take_u8(text, &type) || type != item || !slice_take_u16(text, &n) || n >= cap ||
        !slice_take(text, n, &name) || slice_find(name, 0, NULL)) {
        return false;
    }
    memcpy(ret, name.p, n);
    ret[n] = '\0';
    return true;
}

/* The names at the front of a record's text, if the key confirms them but for one bit. */
static bool names_fit(const struct key *key, struct slice place, struct slice text,
                      struct identity *ret)
{
    uint8_t right[ACCOUNT_KEY];
    unsigned wrong = 0;

    if (!take_name(&text, ITEM_USER, ret->user, sizeof ret->user) ||
        !take_name(&text, ITEM_REALM, ret->realm, sizeof ret->realm) ||
        account_key(key, ret, right) != AUTH_OK) {
        return false;
    }
    for (size_t i = 0; i < sizeof right; i++) {
        wrong += (unsigned)__builtin_popcount((unsigned)(right[i] ^ place.p[i]));
    }
    return wrong <= 1;
}

/* Without the tag GCM is a stream cipher: what it makes of zeros is its key stream. */
static bool decrypt(const struct key *key, const uint8_t nonce[CRYPTO_AEAD_NONCE],
                    struct slice sealed, uint8_t *ret)
{
    static const uint8_t zeros[NAMES_MAX];
    uint8_t stream[NAMES_MAX + CRYPTO_AEAD_TAG];

    if (crypto_aead_seal(key->seal, nonce, NULL, 0, slice_of(zeros, sealed.n), stream) != AUTH_OK) {
        return false;
    }
    for (size_t i = 0; i < sealed.n; i++) {
        ret[i] = sealed.p[i] ^ stream[i];
    }
    crypto_wipe(stream, sizeof stream);
    return true;
}

static bool try_nonces(const struct key *key, struct slice place, const uint8_t *nonce,
                       struct slice sealed, struct identity *ret)
{
    uint8_t other[CRYPTO_AEAD_NONCE];
    uint8_t text[NAMES_MAX];
    bool found = false;

    for (size_t bit = 0; !found && bit < sizeof other * BITS; bit++) {
        memcpy(other, nonce, sizeof other);
        other[bit / BITS] ^= (uint8_t)(1U << bit % BITS);
        found = decrypt(key, other, sealed, text) &&
                names_fit(key, place, slice_of(text, sealed.n), ret);
    }
    crypto_wipe(text, sizeof text);
    return found;
}

bool store_salvage_name(const struct key *key, struct slice place, struct slice value,
                        struct identity *ret)
{
    uint8_t text[NAMES_MAX];
    struct identity who;

    if (place.n != ACCOUNT_KEY || value.n < SEAL_OVERHEAD) {
        return false;
    }
    size_t n = value.n - SEAL_OVERHEAD;
    struct slice sealed = slice_of(value.p + SEAL_HEADER, n < NAMES_MAX ? n : NAMES_MAX);
    struct slice front = slice_of(text, sealed.n);
    if (!decrypt(key, value.p + NONCE_AT, sealed, text)) {
        return false;
    }
    bool found = names_fit(key, place, front, &who);
    for (size_t bit = 0; !found && bit < sealed.n * BITS; bit++) {
        text[bit / BITS] ^= (uint8_t)(1U << bit % BITS);
        found = names_fit(key, place, front, &who);
        text[bit / BITS] ^= (uint8_t)(1U << bit % BITS);
    }
    crypto_wipe(text, sizeof text);
    found = found || try_nonces(key, place, value.p + NONCE_AT, sealed, &who);
    if (found) {
        *ret = who;
    }
    return found;
}
