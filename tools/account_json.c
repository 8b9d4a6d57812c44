/* SPDX-License-Identifier: BSD-2-Clause */
#include "account_json.h"

#include <string.h>

#include "base/crypto.h"
#include "crypt_hash.h"
#include "moment.h"
#include "view.h"

enum {
    TIME_MAX = 32,
    VALUE_MAX = 1024, /* bytes of a verifier as text */
    MD5_SIZE = 16,
};

#define KEY_SCRAM "authPassword"
#define KEY_CRAM "cmusaslsecretCRAM-MD5"
#define KEY_CHECKPASS "cmusaslsecretPLAIN"
#define KEY_DIGEST "cmusaslsecretDIGEST-MD5"
#define KEY_CRYPT "crypt"

/* Whatever was put into text, as a JSON string. */
static json_t *text_json(struct buf *text)
{
    json_t *value = NULL;
    if (buf_status(text) == AUTH_OK) {
        value = json_stringn(buf_text(text), text->n);
    }
    buf_release(text);
    return value;
}

static json_t *time_json(int64_t when)
{
    if (when == 0) {
        return json_null();
    }
    struct buf text;
    buf_init(&text, TIME_MAX);
    moment_put(&text, when);
    return text_json(&text);
}

static json_t *base64_json(const uint8_t *bytes, size_t n)
{
    struct buf text;
    buf_init(&text, VALUE_MAX);
    crypto_base64_put(&text, slice_of(bytes, n));
    return text_json(&text);
}

static json_t *scrams_json(const struct verifier_set *set, unsigned kinds)
{
    static const unsigned slot_kind[VERIFIER_SCRAM_HASHES] = {
        VERIFIER_SCRAM_SHA_1, VERIFIER_SCRAM_SHA_256, VERIFIER_SCRAM_SHA_512};
    json_t *values = json_array();
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if ((kinds & slot_kind[i]) != 0) {
            struct buf text;
            buf_init(&text, VALUE_MAX);
            verifier_put_rfc5803(&text, &set->scram[i]);
            json_array_append_new(values, text_json(&text));
        }
    }
    return values;
}

/* The realm that was hashed. */
static const char *digest_realm(const struct record *record, const struct digest_verifier *digest)
{
    switch (digest->realm_kind) {
    case DIGEST_REALM_OWN:
        return record->who.realm;
    case DIGEST_REALM_EXTRA:
        return record->verifiers.extra_realm[digest->extra];
    default:
        return "";
    }
}

static bool put_if_true(json_t *object, const char *key, bool value)
{
    return !value || json_object_set_new(object, key, json_true()) == 0;
}

static json_t *digests_json(const struct record *record)
{
    const struct verifier_set *set = &record->verifiers;
    json_t *values = json_array();
    for (unsigned i = 0; i < set->n_digest; i++) {
        const struct digest_verifier *digest = &set->digest[i];
        struct buf hex;
        buf_init(&hex, VALUE_MAX);
        buf_put_hex(&hex, digest->ha1, sizeof digest->ha1);
        json_t *value =
            json_pack("{s:s, s:o}", "realm", digest_realm(record, digest), "ha1", text_json(&hex));
        if (!put_if_true(value, "full_name", digest->full_name) ||
            !put_if_true(value, "latin1", digest->latin1) ||
            !put_if_true(value, "utf8_names", digest->utf8_names)) {
            json_decref(value);
            value = NULL;
        }
        if (json_array_append_new(values, value) != 0) {
            json_decref(values);
            return NULL;
        }
    }
    return values;
}

/* json_object_set_new() with NULL fails; so does everything built without memory. */
static bool put_secrets(json_t *object, const struct record *record, unsigned kinds)
{
    const struct verifier_set *set = &record->verifiers;
    bool ok = true;
    if ((kinds & VERIFIER_SCRAM) != 0) {
        ok = json_object_set_new(object, KEY_SCRAM, scrams_json(set, kinds)) == 0;
    }
    if (ok && (kinds & VERIFIER_CRAM_MD5) != 0) {
        ok = json_object_set_new(object, KEY_CRAM, base64_json(set->cram, sizeof set->cram)) == 0;
    }
    if (ok && (kinds & VERIFIER_DIGEST_MD5) != 0) {
        ok = json_object_set_new(object, KEY_DIGEST, digests_json(record)) == 0;
    }
    if (ok && (kinds & VERIFIER_CHECKPASS_MD5) != 0) {
        ok = json_object_set_new(object, KEY_CHECKPASS,
                                 base64_json(set->checkpass, sizeof set->checkpass)) == 0;
    }
    if (ok && (kinds & VERIFIER_CRYPT) != 0) {
        ok = json_object_set_new(object, KEY_CRYPT, json_string(set->crypt)) == 0;
    }
    return ok;
}

json_t *account_json(const struct record *record, unsigned kinds)
{
    unsigned held = verifier_kinds(&record->verifiers);
    json_t *object =
        json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "user", record->who.user, "realm",
                  record->who.realm, "disabled", (record->flags & RECORD_DISABLED) != 0 ? 1 : 0,
                  "created", time_json(record->created), "changed", time_json(record->changed),
                  "expires", time_json(record->expires));
    bool ok = (held & ~kinds) == 0 ||
              json_object_set_new(object, "verifiers", view_kinds_json(held)) == 0;
    if (!ok || !put_secrets(object, record, kinds & held)) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

static enum auth_status wrong(const char *key, const char *should, struct detail *why)
{
    return detail_set(why, AUTH_MALFORMED, "\"%s\" is not %s", key, should);
}

static struct slice string_slice(const json_t *value)
{
    return slice_of(json_string_value(value), json_string_length(value));
}

static enum auth_status take_time(const char *key, const json_t *value, int64_t *ret,
                                  struct detail *why)
{
    if (json_is_null(value)) {
        *ret = 0;
        return AUTH_OK;
    }
    return json_is_string(value) && moment_take(string_slice(value), ret)
               ? AUTH_OK
               : wrong(key, "a time such as 2026-11-24T15:56:02Z, or null", why);
}

static enum auth_status take_base64(const char *key, const json_t *value, uint8_t *ret, size_t n,
                                    struct detail *why)
{
    size_t got = 0;
    if (json_is_string(value) && crypto_base64_take(string_slice(value), ret, n, &got) == AUTH_OK &&
        got == n) {
        return AUTH_OK;
    }
    return detail_set(why, AUTH_MALFORMED, "\"%s\" is not the base64 of %zu bytes", key, n);
}

static enum auth_status take_scrams(const json_t *values, struct verifier_set *set,
                                    struct detail *why)
{
    size_t i;
    json_t *value;
    if (!json_is_array(values)) {
        return wrong(KEY_SCRAM, "an array of strings", why);
    }
    json_array_foreach(values, i, value)
    {
        struct scram_verifier scram;
        if (!json_is_string(value) ||
            verifier_take_rfc5803(string_slice(value), &scram) != AUTH_OK) {
            return wrong(KEY_SCRAM, "an array of SCRAM verifiers (RFC 5803)", why);
        }
        struct scram_verifier *place = &set->scram[verifier_scram_slot(scram.hash)];
        if (place->iterations != 0) {
            return wrong(KEY_SCRAM, "one verifier for each hash", why);
        }
        *place = scram;
        crypto_wipe(&scram, sizeof scram);
    }
    return AUTH_OK;
}

/* Which of the realms of a set this is; a new one is added. */
static bool take_digest_realm(const char *realm, const struct identity *who,
                              struct verifier_set *set, struct digest_verifier *ret)
{
    if (realm[0] == '\0' || strcmp(realm, who->realm) == 0) {
        ret->realm_kind = realm[0] == '\0' ? DIGEST_REALM_EMPTY : DIGEST_REALM_OWN;
        return true;
    }
    ret->realm_kind = DIGEST_REALM_EXTRA;
    unsigned i = 0;
    while (i < set->n_extra_realms && strcmp(set->extra_realm[i], realm) != 0) {
        i++;
    }
    struct identity checked;
    if (i == set->n_extra_realms) {
        if (i == VERIFIER_MAX_EXTRA_REALMS ||
            identity_split(slice_str("user"), realm, &checked) != AUTH_OK ||
            strcmp(checked.realm, realm) != 0) {
            return false;
        }
        memcpy(set->extra_realm[i], checked.realm, sizeof checked.realm);
        set->n_extra_realms++;
    }
    ret->extra = (uint8_t)i;
    return true;
}

/* A member that is missing is false. *n counts those that are there; false if it is no boolean. */
static bool take_flag(const json_t *object, const char *key, bool *ret, size_t *n)
{
    const json_t *value = json_object_get(object, key);
    *ret = json_is_true(value);
    *n += value != NULL;
    return value == NULL || json_is_boolean(value);
}

static bool take_digest(json_t *value, const struct identity *who, struct verifier_set *set)
{
    const json_t *realm_value = json_object_get(value, "realm");
    const json_t *ha1 = json_object_get(value, "ha1");
    const char *realm = json_string_value(realm_value);
    size_t members = 2; /* realm and ha1 */
    struct digest_verifier digest = {.extra = 0};
    if (set->n_digest == VERIFIER_MAX_DIGEST || realm == NULL ||
        strlen(realm) != json_string_length(realm_value) || !json_is_string(ha1) ||
        !take_flag(value, "full_name", &digest.full_name, &members) ||
        !take_flag(value, "latin1", &digest.latin1, &members) ||
        !take_flag(value, "utf8_names", &digest.utf8_names, &members) ||
        json_object_size(value) != members || (digest.utf8_names && !digest.latin1)) {
        return false;
    }
    if (!verifier_decode_md5(string_slice(ha1), digest.ha1) ||
        !take_digest_realm(realm, who, set, &digest)) {
        return false;
    }
    unsigned place = set->n_digest;
    for (unsigned i = 0; i < set->n_digest; i++) {
        const struct digest_verifier *other = &set->digest[i];
        if (!verifier_same_spelling(other, &digest)) {
            continue;
        }
        if (other->latin1 == digest.latin1 && other->utf8_names == digest.utf8_names) {
            return false;
        }
        place = i + 1;
    }
    memmove(&set->digest[place + 1], &set->digest[place],
            (set->n_digest - place) * sizeof set->digest[0]);
    set->digest[place] = digest;
    set->n_digest++;
    return true;
}

static enum auth_status take_digests(const json_t *values, struct record *ret, struct detail *why)
{
    size_t i;
    json_t *value;
    if (!json_is_array(values)) {
        return wrong(KEY_DIGEST, "an array of objects", why);
    }
    json_array_foreach(values, i, value)
    {
        if (!take_digest(value, &ret->who, &ret->verifiers)) {
            return wrong(
                KEY_DIGEST,
                "an array of {\"realm\", \"ha1\"}, with \"full_name\" and \"latin1\" where "
                "they are true, each spelling once",
                why);
        }
    }
    return AUTH_OK;
}

static enum auth_status take_crypt(const json_t *value, struct verifier_set *set,
                                   struct detail *why)
{
    return json_is_string(value) ? crypt_hash_take(string_slice(value), set, why)
                                 : wrong(KEY_CRYPT, "a crypt(3) hash", why);
}

static enum auth_status take_member(const char *key, json_t *value, struct record *ret,
                                    struct detail *why)
{
    struct verifier_set *set = &ret->verifiers;
    if (strcmp(key, "disabled") == 0) {
        ret->flags = json_is_true(value) ? RECORD_DISABLED : 0;
        return json_is_boolean(value) ? AUTH_OK : wrong(key, "true or false", why);
    }
    if (strcmp(key, "created") == 0) {
        return take_time(key, value, &ret->created, why);
    }
    if (strcmp(key, "changed") == 0) {
        return take_time(key, value, &ret->changed, why);
    }
    if (strcmp(key, "expires") == 0) {
        return take_time(key, value, &ret->expires, why);
    }
    if (strcmp(key, KEY_SCRAM) == 0) {
        return take_scrams(value, set, why);
    }
    if (strcmp(key, KEY_DIGEST) == 0) {
        return take_digests(value, ret, why);
    }
    if (strcmp(key, KEY_CRAM) == 0) {
        set->has_cram = true;
        return take_base64(key, value, set->cram, sizeof set->cram, why);
    }
    if (strcmp(key, KEY_CHECKPASS) == 0) {
        set->has_checkpass = true;
        return take_base64(key, value, set->checkpass, sizeof set->checkpass, why);
    }
    if (strcmp(key, KEY_CRYPT) == 0) {
        return take_crypt(value, set, why);
    }
    return detail_set(why, AUTH_MALFORMED, "a member of this name is not known: \"%.64s\"", key);
}

enum auth_status account_json_take(json_t *object, struct record *ret, struct detail *why)
{
    static const char *const others[] = {"user", "realm", "password", "verifiers"};
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        bool other = false;
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
            other = other || strcmp(key, others[i]) == 0;
        }
        enum auth_status status = other ? AUTH_OK : take_member(key, value, ret, why);
        if (status != AUTH_OK) {
            return status;
        }
    }
    return AUTH_OK;
}
