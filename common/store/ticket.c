/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/ticket.h"

#include <string.h>

#include "base/buf.h"

enum { TICKET_FORMAT = 1, KEY_AND_NONCE = CRYPTO_AEAD_KEY + CRYPTO_AEAD_NONCE };

static const char magic[TICKET_MAGIC + 1] = "sasl-lmdb ticket";

/* The two sides of the exchange, as the ticket names them. */
struct sides {
    const uint8_t *ticket; /* public key in the ticket */
    const uint8_t *store;  /* public key of the store */
};

/* One key for one ticket, so its nonce can come out of the same derivation. */
static enum auth_status derive(const uint8_t private_key[CRYPTO_X25519],
                               const uint8_t peer[CRYPTO_X25519], const struct sides *sides,
                               uint8_t ret[KEY_AND_NONCE])
{
    static const char label[] = "sasl-lmdb ticket, key and nonce, v1";
    uint8_t shared[CRYPTO_X25519];
    uint8_t salt[2 * CRYPTO_X25519];

    memcpy(salt, sides->ticket, CRYPTO_X25519);
    memcpy(salt + CRYPTO_X25519, sides->store, CRYPTO_X25519);
    enum auth_status status = crypto_x25519(private_key, peer, shared);
    if (status == AUTH_OK) {
        status = crypto_hkdf(slice_of(shared, sizeof shared), slice_of(salt, sizeof salt),
                             slice_str(label), ret, KEY_AND_NONCE);
    }
    crypto_wipe(shared, sizeof shared);
    return status;
}

static enum auth_status put_header(const struct ticket_target *target, uint8_t private_key[],
                                   uint8_t ret[TICKET_HEADER])
{
    struct buf header;
    uint8_t public_key[CRYPTO_X25519];
    enum auth_status status = crypto_random(private_key, CRYPTO_X25519);

    if (status == AUTH_OK) {
        status = crypto_x25519_public(private_key, public_key);
    }
    if (status != AUTH_OK) {
        return status;
    }
    buf_init(&header, TICKET_HEADER);
    buf_put(&header, magic, TICKET_MAGIC);
    buf_put_u32(&header, TICKET_FORMAT);
    buf_put(&header, target->store_id, TICKET_STORE_ID);
    buf_put(&header, public_key, sizeof public_key);
    status = buf_status(&header);
    if (status == AUTH_OK) {
        memcpy(ret, header.p, TICKET_HEADER);
    }
    buf_release(&header);
    return status;
}

static void put_field(struct buf *b, struct slice field)
{
    buf_put_u16(b, (uint16_t)field.n);
    buf_put_slice(b, field);
}

static enum auth_status put_text(const struct identity *who, struct slice password,
                                 struct buf *text)
{
    put_field(text, slice_str(who->user));
    put_field(text, slice_str(who->realm));
    put_field(text, password);
    uint8_t *rest = buf_status(text) == AUTH_OK ? buf_extend(text, TICKET_TEXT - text->n) : NULL;
    if (rest != NULL) {
        memset(rest, 0, (size_t)(text->p + TICKET_TEXT - rest));
    }
    return buf_status(text);
}

enum auth_status ticket_seal(const struct ticket_target *target, const struct identity *who,
                             struct slice password, uint8_t ret[TICKET_SIZE])
{
    uint8_t private_key[CRYPTO_X25519];
    uint8_t secret[KEY_AND_NONCE];
    const struct sides sides = {ret + TICKET_HEADER - CRYPTO_X25519, target->public_key};
    const struct slice header = slice_of(ret, TICKET_HEADER);
    struct buf text;

    if (password.n == 0 || password.n > IDENTITY_MAX_PASSWORD) {
        return AUTH_TOO_LONG;
    }
    buf_init(&text, TICKET_TEXT);
    enum auth_status status = put_header(target, private_key, ret);
    if (status == AUTH_OK) {
        status = derive(private_key, target->public_key, &sides, secret);
    }
    if (status == AUTH_OK) {
        status = put_text(who, password, &text);
    }
    if (status == AUTH_OK) {
        status = crypto_aead_seal(secret, secret + CRYPTO_AEAD_KEY, &header, 1, buf_slice(&text),
                                  ret + TICKET_HEADER);
    }
    buf_release(&text);
    crypto_wipe(private_key, sizeof private_key);
    crypto_wipe(secret, sizeof secret);
    return status;
}

static bool take_field(struct slice *text, size_t max, struct slice *ret)
{
    uint16_t n;

    return slice_take_u16(text, &n) && n > 0 && n <= max && slice_take(text, n, ret);
}

/* The name must be one that identity_split() makes, so that nothing else is ever looked up. */
static bool take_name(struct slice user, struct slice realm, struct identity *ret)
{
    struct buf name;

    buf_init(&name, IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM);
    buf_put_slice(&name, user);
    buf_put_byte(&name, '@');
    buf_put_slice(&name, realm);
    bool fits = buf_status(&name) == AUTH_OK &&
                identity_split(buf_slice(&name), NULL, ret) == AUTH_OK &&
                slice_equal_str(user, ret->user) && slice_equal_str(realm, ret->realm);
    buf_release(&name);
    return fits;
}

static bool take_text(struct slice text, struct ticket *ret)
{
    struct slice user;
    struct slice realm;
    struct slice password;

    if (!take_field(&text, IDENTITY_MAX_USER, &user) ||
        !take_field(&text, IDENTITY_MAX_REALM, &realm) ||
        !take_field(&text, IDENTITY_MAX_PASSWORD, &password) || slice_find(password, 0, NULL) ||
        !take_name(user, realm, &ret->who)) {
        return false;
    }
    ret->n_password = password.n;
    memcpy(ret->password, password.p, password.n);
    return true;
}

enum auth_status ticket_open(const struct ticket_opener *opener, const uint8_t bytes[TICKET_SIZE],
                             struct ticket *ret)
{
    uint8_t secret[KEY_AND_NONCE];
    uint8_t text[TICKET_TEXT];
    const uint8_t *ticket_key = bytes + TICKET_HEADER - CRYPTO_X25519;
    const struct sides sides = {ticket_key, opener->target.public_key};
    const struct slice header = slice_of(bytes, TICKET_HEADER);
    struct slice rest = header;
    struct slice store_id;
    uint32_t format = 0;

    memset(ret, 0, sizeof *ret);
    if (!slice_take_literal(&rest, magic) || !slice_take_u32(&rest, &format) ||
        format != TICKET_FORMAT || !slice_take(&rest, TICKET_STORE_ID, &store_id) ||
        !slice_equal(store_id, slice_of(opener->target.store_id, TICKET_STORE_ID))) {
        return AUTH_STORE_FOREIGN;
    }
    enum auth_status status = derive(opener->private_key, ticket_key, &sides, secret);
    if (status == AUTH_OK) {
        status =
            crypto_aead_open(secret, secret + CRYPTO_AEAD_KEY, &header, 1,
                             slice_of(bytes + TICKET_HEADER, TICKET_SIZE - TICKET_HEADER), text);
    } else if (status == AUTH_MALFORMED) {
        status = AUTH_STORE_DAMAGED;
    }
    if (status == AUTH_OK && !take_text(slice_of(text, sizeof text), ret)) {
        status = AUTH_STORE_DAMAGED;
    }
    if (status != AUTH_OK) {
        crypto_wipe(ret, sizeof *ret);
    }
    crypto_wipe(text, sizeof text);
    crypto_wipe(secret, sizeof secret);
    return status;
}

bool ticket_find(struct slice *rest)
{
    size_t at;

    while (rest->n >= TICKET_SIZE && slice_find(*rest, (uint8_t)magic[0], &at)) {
        struct slice here = slice_of(rest->p + at, rest->n - at);
        struct slice after = here;

        if (here.n >= TICKET_SIZE && slice_take_literal(&after, magic)) {
            *rest = here;
            return true;
        }
        *rest = slice_of(here.p + 1, here.n - 1);
    }
    return false;
}
