/* SPDX-License-Identifier: BSD-2-Clause */
#include "crypt_hash.h"

#include <crypt.h>
#include <string.h>

#include "engine/crypt_cost.h"

/* What crypt(5) lists: how a method's hashes begin, and how long they are behind the last "$". */
static const struct {
    const char *prefix;
    size_t tail;
} methods[] = {
    {"$y$", 43}, {"$gy$", 43}, {"$7$", 43},    {"$6$", 86}, {"$5$", 43},
    {"$1$", 22}, {"$md5", 22}, {"$sha1$", 28}, {"$3$", 32},
};

/* "$2b$", two digits of cost, "$", 22 characters of salt and 31 of hash. */
static const char *const bcrypt_prefixes[] = {"$2b$", "$2y$", "$2a$", "$2x$"};

enum { BCRYPT_LENGTH = 60, DES_LENGTH = 13, BSDI_LENGTH = 20 };

static bool is_hash_text(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if ((c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '.' &&
            c != '/') {
            return false;
        }
    }
    return true;
}

static bool starts_with(struct slice text, const char *prefix)
{
    return slice_take_literal(&text, prefix);
}

/* What stands behind the last "$"; all of it if there is none. */
static struct slice tail_of(struct slice hash)
{
    size_t at = 0;
    while (slice_find(hash, '$', &at)) {
        hash = slice_of(hash.p + at + 1, hash.n - at - 1);
    }
    return hash;
}

static bool has_shape(struct slice hash)
{
    for (size_t i = 0; i < sizeof bcrypt_prefixes / sizeof bcrypt_prefixes[0]; i++) {
        if (starts_with(hash, bcrypt_prefixes[i])) {
            return hash.n == BCRYPT_LENGTH && is_hash_text(tail_of(hash));
        }
    }
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (starts_with(hash, methods[i].prefix)) {
            struct slice tail = tail_of(hash);
            return tail.n == methods[i].tail && is_hash_text(tail);
        }
    }
    if (starts_with(hash, "_")) {
        return hash.n == BSDI_LENGTH && is_hash_text(slice_of(hash.p + 1, hash.n - 1));
    }
    return hash.n == DES_LENGTH && is_hash_text(hash);
}

enum auth_status crypt_hash_take(struct slice hash, struct verifier_set *set, struct detail *why)
{
    char text[VERIFIER_MAX_CRYPT + 1] = "";
    enum auth_status status = AUTH_OK;
    if (starts_with(hash, "$apr1$")) {
        return detail_set(why, AUTH_NO_VERIFIER,
                          "an Apache MD5 hash ($apr1$), which crypt(3) cannot compare");
    }
    if (hash.n > VERIFIER_MAX_CRYPT || !slice_is_printable(hash) || slice_find(hash, ' ', NULL) ||
        slice_find(hash, ':', NULL) || !has_shape(hash)) {
        return detail_set(why, AUTH_NO_VERIFIER, "not a hash of crypt(3)");
    }
    if (!crypt_cost_fits(hash)) {
        return detail_set(why, AUTH_NO_VERIFIER,
                          "a hash that costs a server more than the limits in sasl-lmdb(5)");
    }
    memcpy(text, hash.p, hash.n);
    int verdict = crypt_checksalt(text);
    if (verdict == CRYPT_SALT_INVALID || verdict == CRYPT_SALT_METHOD_DISABLED) {
        status = detail_set(why, AUTH_NO_VERIFIER, "a hash that this system's crypt(3) refuses");
    } else {
        memcpy(set->crypt, text, sizeof text);
    }
    crypto_wipe(text, sizeof text);
    return status;
}
