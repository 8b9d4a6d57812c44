/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/record.h"

#include <string.h>

/* Stored: do not renumber. An item is a type byte, a 16-bit length and that many bytes. */
enum item {
    ITEM_USER = 0x01,
    ITEM_REALM = 0x02,
    ITEM_SCRAM = 0x10,       /* slot, iterations, salt length, salt, StoredKey, ServerKey */
    ITEM_CRAM = 0x11,        /* the two MD5 states */
    ITEM_CHECKPASS = 0x12,   /* as Cyrus SASL compares it */
    ITEM_DIGEST = 0x13,      /* form bits, realm kind, index of the further realm, H(A1) */
    ITEM_EXTRA_REALM = 0x14, /* a further realm; the first one has index 0 */
    ITEM_CRYPT = 0x15,       /* a crypt(3) hash */
    ITEM_SKIPPABLE = 0x80,   /* from here on a reader may pass over what it does not know */
};

enum { DIGEST_FULL_NAME = 1, DIGEST_LATIN1 = 2, DIGEST_UTF8_NAMES = 4 };

enum {
    ITEM_HEAD = 1 + 2,      /* bytes: type and length */
    SCRAM_ITEM = 1 + 4 + 1, /* without salt and keys */
    DIGEST_ITEM = 3 + 16,
};

enum auth_status record_verdict(const struct record *record, int64_t now)
{
    if ((record->flags & RECORD_DISABLED) != 0) {
        return AUTH_DISABLED;
    }
    if (record->expires != 0 && now >= record->expires) {
        return AUTH_EXPIRED;
    }
    return AUTH_OK;
}

/* Names like most: letters, digits and marks that need no second look. */
static bool is_plain(const char *s, bool is_realm)
{
    const char *p = s;

    while ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '.' || *p == '-' ||
           *p == '_' || (!is_realm && *p >= 'A' && *p <= 'Z')) {
        p++;
    }
    return p != s && *p == '\0';
}

/* True if the name is one that identity_split() makes, letter for letter. */
static bool name_is_sound(const struct identity *who)
{
    struct identity again;

    if (is_plain(who->user, false) && is_plain(who->realm, true)) {
        return true;
    }
    return identity_split(slice_str(who->user), who->realm, &again) == AUTH_OK &&
           strcmp(who->user, again.user) == 0 && strcmp(who->realm, again.realm) == 0;
}

static bool scram_is_sound(const struct scram_verifier *scram, size_t slot)
{
    return scram->hash == verifier_scram_hash(slot) &&
           scram->iterations <= VERIFIER_MAX_ITERATIONS && scram->salt_len > 0 &&
           scram->salt_len <= VERIFIER_MAX_SALT;
}

_Static_assert((int)VERIFIER_MAX_DIGEST <= 64, "a bit for each form");

/* One of 64 bits, its own for each form of a sound digest. */
static uint64_t digest_form(const struct digest_verifier *d)
{
    const unsigned realm = (unsigned)d->realm_kind + d->extra;
    const unsigned encoding = (unsigned)d->latin1 + (unsigned)d->utf8_names;

    return UINT64_C(1) << ((2 * realm + d->full_name) * VERIFIER_DIGEST_ENCODINGS + encoding);
}

/* Every form once, and each further realm that is referred to is there. */
static bool digests_are_sound(const struct verifier_set *set)
{
    uint64_t seen = 0;

    if (set->n_digest > VERIFIER_MAX_DIGEST || set->n_extra_realms > VERIFIER_MAX_EXTRA_REALMS) {
        return false;
    }
    for (unsigned i = 0; i < set->n_digest; i++) {
        const struct digest_verifier *digest = &set->digest[i];

        if (digest->realm_kind > DIGEST_REALM_EXTRA || (digest->utf8_names && !digest->latin1) ||
            (digest->realm_kind == DIGEST_REALM_EXTRA ? digest->extra >= set->n_extra_realms
                                                      : digest->extra != 0)) {
            return false;
        }
        const uint64_t form = digest_form(digest);
        if ((seen & form) != 0) {
            return false;
        }
        seen |= form;
    }
    return true;
}

static void put_item(struct buf *b, enum item type, size_t n)
{
    buf_put_u8(b, (uint8_t)type);
    buf_put_u16(b, (uint16_t)n);
}

static void put_bytes(struct buf *b, enum item type, const void *p, size_t n)
{
    put_item(b, type, n);
    buf_put(b, p, n);
}

static void put_scram(struct buf *b, const struct scram_verifier *scram, size_t slot)
{
    size_t size = crypto_hash_size(scram->hash);

    put_item(b, ITEM_SCRAM, SCRAM_ITEM + (size_t)scram->salt_len + 2 * size);
    buf_put_u8(b, (uint8_t)slot);
    buf_put_u32(b, scram->iterations);
    buf_put_u8(b, scram->salt_len);
    buf_put(b, scram->salt, scram->salt_len);
    buf_put(b, scram->stored_key, size);
    buf_put(b, scram->server_key, size);
}

static void put_digest(struct buf *b, const struct digest_verifier *digest)
{
    put_item(b, ITEM_DIGEST, DIGEST_ITEM);
    buf_put_u8(b, (uint8_t)((digest->full_name ? DIGEST_FULL_NAME : 0) |
                            (digest->latin1 ? DIGEST_LATIN1 : 0) |
                            (digest->utf8_names ? DIGEST_UTF8_NAMES : 0)));
    buf_put_u8(b, (uint8_t)digest->realm_kind);
    buf_put_u8(b, digest->extra);
    buf_put(b, digest->ha1, sizeof digest->ha1);
}

enum auth_status record_encode(const struct record *record, struct buf *ret)
{
    const struct verifier_set *set = &record->verifiers;
    size_t start = ret->n;

    if (!name_is_sound(&record->who)) {
        return AUTH_BAD_NAME;
    }
    if (!digests_are_sound(set)) {
        return AUTH_MALFORMED;
    }
    put_bytes(ret, ITEM_USER, record->who.user, strlen(record->who.user));
    put_bytes(ret, ITEM_REALM, record->who.realm, strlen(record->who.realm));
    for (size_t slot = 0; slot < VERIFIER_SCRAM_HASHES; slot++) {
        if (set->scram[slot].iterations == 0) {
            continue;
        }
        if (!scram_is_sound(&set->scram[slot], slot)) {
            buf_truncate(ret, start);
            return AUTH_MALFORMED;
        }
        put_scram(ret, &set->scram[slot], slot);
    }
    if (set->has_cram) {
        put_bytes(ret, ITEM_CRAM, set->cram, sizeof set->cram);
    }
    if (set->has_checkpass) {
        put_bytes(ret, ITEM_CHECKPASS, set->checkpass, sizeof set->checkpass);
    }
    for (unsigned i = 0; i < set->n_extra_realms; i++) {
        put_bytes(ret, ITEM_EXTRA_REALM, set->extra_realm[i], strlen(set->extra_realm[i]));
    }
    for (unsigned i = 0; i < set->n_digest; i++) {
        put_digest(ret, &set->digest[i]);
    }
    if (set->crypt[0] != '\0') {
        put_bytes(ret, ITEM_CRYPT, set->crypt, strlen(set->crypt));
    }
    enum auth_status status = buf_status(ret);
    if (status == AUTH_OK && ret->n - start > RECORD_MAX_BODY) {
        status = AUTH_TOO_LONG;
        buf_truncate(ret, start);
    }
    return status;
}

/* Copies text of 1 to cap - 1 bytes without NUL; refused if there is something in ret already. */
static bool take_text(struct slice value, char *ret, size_t cap)
{
    if (ret[0] != '\0' || value.n == 0 || value.n >= cap || slice_find(value, 0, NULL)) {
        return false;
    }
    memcpy(ret, value.p, value.n);
    ret[value.n] = '\0';
    return true;
}

size_t record_longest(const struct verifier_policy *policy)
{
    size_t n = ITEM_HEAD + IDENTITY_MAX_USER + ITEM_HEAD + IDENTITY_MAX_REALM;

    for (size_t slot = 0; (policy->kinds & VERIFIER_SCRAM) != 0 && slot < VERIFIER_SCRAM_HASHES;
         slot++) {
        n += ITEM_HEAD + SCRAM_ITEM + VERIFIER_NEW_SALT +
             2 * crypto_hash_size(verifier_scram_hash(slot));
    }
    n += ITEM_HEAD + CRYPTO_HMAC_MD5_STATE + ITEM_HEAD + VERIFIER_CHECKPASS;
    if ((policy->kinds & VERIFIER_DIGEST_MD5) != 0) {
        n += 2 * VERIFIER_DIGEST_ENCODINGS * (2 + (size_t)policy->n_extra_realms) *
             (ITEM_HEAD + DIGEST_ITEM);
        for (unsigned i = 0; i < policy->n_extra_realms; i++) {
            n += ITEM_HEAD + strlen(policy->extra_realm[i]);
        }
    }
    return n;
}

static bool take_exact(struct slice value, uint8_t *ret, size_t n)
{
    if (value.n != n) {
        return false;
    }
    memcpy(ret, value.p, n);
    return true;
}

static bool take_scram(struct slice value, struct verifier_set *set)
{
    struct slice salt;
    struct slice stored_key;
    struct slice server_key;
    uint8_t slot;
    uint32_t iterations;
    uint8_t salt_len;

    if (!slice_take_u8(&value, &slot) || slot >= VERIFIER_SCRAM_HASHES ||
        set->scram[slot].iterations != 0 || !slice_take_u32(&value, &iterations) ||
        iterations == 0 || iterations > VERIFIER_MAX_ITERATIONS ||
        !slice_take_u8(&value, &salt_len) || salt_len == 0 || salt_len > VERIFIER_MAX_SALT) {
        return false;
    }
    struct scram_verifier *scram = &set->scram[slot];
    size_t size = crypto_hash_size(scram->hash);
    if (!slice_take(&value, salt_len, &salt) || !slice_take(&value, size, &stored_key) ||
        !slice_take(&value, size, &server_key) || value.n != 0) {
        return false;
    }
    scram->iterations = iterations;
    scram->salt_len = salt_len;
    memcpy(scram->salt, salt.p, salt_len);
    memcpy(scram->stored_key, stored_key.p, size);
    memcpy(scram->server_key, server_key.p, size);
    return true;
}

static bool take_digest(struct slice value, struct verifier_set *set)
{
    uint8_t form;
    uint8_t kind;
    uint8_t extra;

    if (set->n_digest >= VERIFIER_MAX_DIGEST || !slice_take_u8(&value, &form) ||
        (form & ~(DIGEST_FULL_NAME | DIGEST_LATIN1 | DIGEST_UTF8_NAMES)) != 0 ||
        !slice_take_u8(&value, &kind) || kind > DIGEST_REALM_EXTRA ||
        !slice_take_u8(&value, &extra)) {
        return false;
    }
    struct digest_verifier *digest = &set->digest[set->n_digest];
    digest->full_name = (form & DIGEST_FULL_NAME) != 0;
    digest->latin1 = (form & DIGEST_LATIN1) != 0;
    digest->utf8_names = (form & DIGEST_UTF8_NAMES) != 0;
    digest->realm_kind = (enum digest_realm_kind)kind;
    digest->extra = extra;
    set->n_digest++;
    return take_exact(value, digest->ha1, sizeof digest->ha1);
}

static bool take_extra_realm(struct slice value, struct verifier_set *set)
{
    if (set->n_extra_realms >= VERIFIER_MAX_EXTRA_REALMS ||
        !take_text(value, set->extra_realm[set->n_extra_realms], sizeof set->extra_realm[0])) {
        return false;
    }
    set->n_extra_realms++;
    return true;
}

static bool take_item(uint8_t type, struct slice value, struct record *ret)
{
    struct verifier_set *set = &ret->verifiers;

    switch (type) {
    case ITEM_USER:
        return take_text(value, ret->who.user, sizeof ret->who.user);
    case ITEM_REALM:
        return take_text(value, ret->who.realm, sizeof ret->who.realm);
    case ITEM_SCRAM:
        return take_scram(value, set);
    case ITEM_CRAM:
        if (set->has_cram) {
            return false;
        }
        set->has_cram = true;
        return take_exact(value, set->cram, sizeof set->cram);
    case ITEM_CHECKPASS:
        if (set->has_checkpass) {
            return false;
        }
        set->has_checkpass = true;
        return take_exact(value, set->checkpass, sizeof set->checkpass);
    case ITEM_DIGEST:
        return take_digest(value, set);
    case ITEM_EXTRA_REALM:
        return take_extra_realm(value, set);
    case ITEM_CRYPT:
        return slice_is_printable(value) && take_text(value, set->crypt, sizeof set->crypt);
    default:
        return type >= ITEM_SKIPPABLE;
    }
}

enum auth_status record_decode(struct slice body, struct record *ret)
{
    struct slice value;
    uint8_t type;
    uint16_t n;
    bool ok = body.n <= RECORD_MAX_BODY;

    memset(&ret->who, 0, sizeof ret->who);
    memset(&ret->verifiers, 0, sizeof ret->verifiers);
    for (size_t slot = 0; slot < VERIFIER_SCRAM_HASHES; slot++) {
        ret->verifiers.scram[slot].hash = verifier_scram_hash(slot);
    }
    while (ok && body.n > 0) {
        ok = slice_take_u8(&body, &type) && slice_take_u16(&body, &n) &&
             slice_take(&body, n, &value) && take_item(type, value, ret);
    }
    if (!ok || !name_is_sound(&ret->who) || !digests_are_sound(&ret->verifiers)) {
        crypto_wipe(&ret->who, sizeof ret->who);
        crypto_wipe(&ret->verifiers, sizeof ret->verifiers);
        return AUTH_STORE_DAMAGED;
    }
    return AUTH_OK;
}
