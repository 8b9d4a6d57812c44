/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/seal.h"

#include <string.h>

enum { SEAL_VERSION = 1, MAX_LABEL = 14 };

enum { MAX_AAD = MAX_LABEL + 1 + STORE_ID_SIZE + 2 + SEAL_MAX_PLACE + SEAL_HEADER };

/*
 * The version byte that follows is no letter, so no label with its version is a beginning of
 * another.
 */
static const char *const labels[] = {
    [SEAL_RECORD] = "sasl-lmdb",
    [SEAL_META] = "sasl-lmdb meta",
    [SEAL_JOB] = "sasl-lmdb job",
};

static size_t append(uint8_t *at, size_t n, const void *p, size_t n_p)
{
    if (n_p > 0) {
        memcpy(at + n, p, n_p);
    }
    return n + n_p;
}

/* In one piece, because every further piece costs as much as sealing a hundred bytes. */
static struct slice make_aad(enum seal_kind kind, const struct key *key, struct slice place,
                             const uint8_t header[SEAL_HEADER], uint8_t ret[MAX_AAD])
{
    const uint8_t version = SEAL_VERSION;
    const uint8_t place_len[2] = {(uint8_t)(place.n >> 8), (uint8_t)place.n};
    size_t n = 0;

    n = append(ret, n, labels[kind], strlen(labels[kind]));
    n = append(ret, n, &version, sizeof version);
    n = append(ret, n, key->store_id, sizeof key->store_id);
    n = append(ret, n, place_len, sizeof place_len);
    n = append(ret, n, place.p, place.n);
    n = append(ret, n, header, SEAL_HEADER);
    return slice_of(ret, n);
}

enum auth_status seal_put(enum seal_kind kind, const struct key *key, struct slice place,
                          const struct seal_header *header, struct slice text, struct buf *ret)
{
    uint8_t nonce[CRYPTO_AEAD_NONCE];
    uint8_t aad_bytes[MAX_AAD];
    size_t start = ret->n;

    if (place.n > SEAL_MAX_PLACE) {
        return AUTH_TOO_LONG;
    }
    if (header->created < 0 || header->changed < 0 || header->expires < 0) {
        return AUTH_MALFORMED;
    }
    enum auth_status status = crypto_random(nonce, sizeof nonce);
    if (status != AUTH_OK) {
        return status;
    }
    buf_put_u8(ret, SEAL_VERSION);
    buf_put_u8(ret, header->flags);
    buf_put_u16(ret, 0);
    buf_put_u32(ret, key->id);
    buf_put_u64(ret, (uint64_t)header->created);
    buf_put_u64(ret, (uint64_t)header->changed);
    buf_put_u64(ret, (uint64_t)header->expires);
    buf_put(ret, nonce, sizeof nonce);
    uint8_t *blob = buf_extend(ret, text.n + CRYPTO_AEAD_TAG);
    if (blob != NULL) {
        struct slice aad = make_aad(kind, key, place, blob - SEAL_HEADER, aad_bytes);

        status = crypto_aead_seal(key->seal, nonce, &aad, 1, text, blob);
    } else {
        status = buf_status(ret);
    }
    if (status != AUTH_OK) {
        buf_truncate(ret, start);
    }
    return status;
}

/* Reads the header's integers; false if it is not one that seal_put() writes. */
static bool take_header(struct slice *value, struct seal_header *ret)
{
    uint16_t reserved;
    uint64_t created;
    uint64_t changed;
    uint64_t expires;

    if (!slice_take_u8(value, &ret->flags) || !slice_take_u16(value, &reserved) || reserved != 0 ||
        !slice_take_u32(value, &ret->key_id) || !slice_take_u64(value, &created) ||
        !slice_take_u64(value, &changed) || !slice_take_u64(value, &expires) ||
        created > INT64_MAX || changed > INT64_MAX || expires > INT64_MAX) {
        return false;
    }
    ret->created = (int64_t)created;
    ret->changed = (int64_t)changed;
    ret->expires = (int64_t)expires;
    return true;
}

enum auth_status seal_open(enum seal_kind kind, const struct key *key, struct slice place,
                           struct slice value, struct seal_header *ret_header, uint8_t *ret,
                           size_t cap, size_t *ret_n)
{
    struct seal_header header;
    struct slice rest = value;
    struct slice nonce;
    uint8_t aad_bytes[MAX_AAD];
    uint8_t version;

    if (!slice_take_u8(&rest, &version)) {
        return AUTH_STORE_DAMAGED;
    }
    if (version > SEAL_VERSION) {
        return AUTH_STORE_FOREIGN;
    }
    if (version != SEAL_VERSION || !take_header(&rest, &header) ||
        !slice_take(&rest, CRYPTO_AEAD_NONCE, &nonce) || rest.n < CRYPTO_AEAD_TAG ||
        rest.n - CRYPTO_AEAD_TAG > cap || place.n > SEAL_MAX_PLACE) {
        return AUTH_STORE_DAMAGED;
    }
    if (header.key_id != key->id) {
        return AUTH_KEY_WRONG;
    }
    struct slice aad = make_aad(kind, key, place, value.p, aad_bytes);
    enum auth_status status = crypto_aead_open(key->seal, nonce.p, &aad, 1, rest, ret);
    if (status == AUTH_OK) {
        *ret_header = header;
        *ret_n = rest.n - CRYPTO_AEAD_TAG;
    }
    return status;
}
