/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/account.h"

#include <string.h>

#include "base/crypto.h"
#include "store/seal.h"

enum { HMAC_SIZE = 32 };

enum auth_status account_realm_key(const struct key *key, const char *realm,
                                   uint8_t ret[ACCOUNT_REALM_KEY])
{
    const struct slice part = slice_str(realm);
    uint8_t hmac[HMAC_SIZE];
    enum auth_status status =
        crypto_hmac(CRYPTO_SHA256, slice_of(key->name, sizeof key->name), &part, 1, hmac);

    if (status == AUTH_OK) {
        memcpy(ret, hmac, ACCOUNT_REALM_KEY);
    }
    return status;
}

enum auth_status account_user_key(const struct key *key, const struct identity *who,
                                  uint8_t ret[ACCOUNT_USER_KEY])
{
    const struct slice parts[] = {slice_of(who->realm, strlen(who->realm) + 1),
                                  slice_str(who->user)};
    uint8_t hmac[HMAC_SIZE];
    enum auth_status status =
        crypto_hmac(CRYPTO_SHA256, slice_of(key->name, sizeof key->name), parts, 2, hmac);

    if (status == AUTH_OK) {
        memcpy(ret, hmac, ACCOUNT_USER_KEY);
    }
    return status;
}

enum auth_status account_key(const struct key *key, const struct identity *who,
                             uint8_t ret[ACCOUNT_KEY])
{
    enum auth_status status = account_realm_key(key, who->realm, ret);

    return status == AUTH_OK ? account_user_key(key, who, ret + ACCOUNT_REALM_KEY) : status;
}

enum auth_status account_open(const struct key *key, struct slice place, struct slice value,
                              struct record *ret)
{
    uint8_t body[RECORD_MAX_BODY];
    struct seal_header header;
    size_t n = 0;
    enum auth_status status =
        seal_open(SEAL_RECORD, key, place, value, &header, body, sizeof body, &n);

    if (status == AUTH_OK && (header.flags & ~RECORD_DISABLED) != 0) {
        status = AUTH_STORE_FOREIGN;
    }
    if (status == AUTH_OK) {
        status = record_decode(slice_of(body, n), ret);
    }
    crypto_wipe(body, n);
    if (status == AUTH_OK) {
        ret->flags = header.flags;
        ret->created = header.created;
        ret->changed = header.changed;
        ret->expires = header.expires;
    } else {
        crypto_wipe(ret, sizeof *ret);
    }
    return status == AUTH_KEY_WRONG ? AUTH_STORE_DAMAGED : status;
}

static enum auth_status encode(const struct record *record, struct buf *ret)
{
    if ((record->flags & ~RECORD_DISABLED) != 0) {
        return AUTH_MALFORMED;
    }
    return record_encode(record, ret);
}

enum auth_status account_check(const struct record *record)
{
    struct buf body;

    buf_init(&body, RECORD_MAX_BODY);
    enum auth_status status = encode(record, &body);
    if (status == AUTH_OK && (record->created < 0 || record->changed < 0 || record->expires < 0)) {
        status = AUTH_MALFORMED; /* no header says that */
    }
    buf_release(&body);
    return status;
}

enum auth_status account_put(const struct key *key, struct slice place, const struct record *record,
                             struct buf *ret)
{
    const struct seal_header header = {
        .flags = record->flags,
        .created = record->created,
        .changed = record->changed,
        .expires = record->expires,
    };
    struct buf body;

    buf_init(&body, RECORD_MAX_BODY);
    enum auth_status status = encode(record, &body);
    if (status == AUTH_OK) {
        status = seal_put(SEAL_RECORD, key, place, &header, buf_slice(&body), ret);
    }
    buf_release(&body);
    return status;
}
