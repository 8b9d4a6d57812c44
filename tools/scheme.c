/* SPDX-License-Identifier: BSD-2-Clause */
#include "scheme.h"

#include <string.h>

#include "base/crypto.h"
#include "crypt_hash.h"

enum {
    VALUE_MAX = 4096, /* bytes of a value once decoded */
    WORD = 4,         /* bytes of a word of an MD5 state */
    MD5_SIZE = 16,
};

enum encoding { ENCODING_TEXT, ENCODING_HEX, ENCODING_BASE64 };

/* Where what is being taken goes to. */
struct taking {
    const struct scheme_account *account;
    struct buf *password;
    struct import_entry *entry;
};

static enum auth_status take_plain(const struct taking *taking, struct slice value,
                                   struct detail *why)
{
    enum auth_status status = import_check_password(value, why);
    if (status != AUTH_OK) {
        return status;
    }
    buf_clear(taking->password);
    buf_put_slice(taking->password, value);
    taking->entry->password = buf_slice(taking->password);
    return buf_status(taking->password);
}

enum auth_status scheme_check_locked(struct slice hash, struct detail *why)
{
    if (hash.n > 0 && (hash.p[0] == '!' || hash.p[0] == '*')) {
        return detail_set(why, AUTH_DISABLED, "the account is locked: its hash begins with \"%c\"",
                          hash.p[0]);
    }
    return AUTH_OK;
}

static enum auth_status take_crypt(const struct taking *taking, struct slice value,
                                   struct detail *why)
{
    enum auth_status status = scheme_check_locked(value, why);
    return status == AUTH_OK ? crypt_hash_take(value, &taking->entry->record.verifiers, why)
                             : status;
}

static bool take_base64(struct slice text, uint8_t *ret, size_t cap, size_t *ret_n)
{
    return crypto_base64_take(text, ret, cap, ret_n) == AUTH_OK;
}

static enum auth_status take_scram(enum crypto_hash hash, const struct taking *taking,
                                   struct slice value, struct detail *why)
{
    struct scram_verifier scram = {.hash = hash};
    struct slice salt;
    struct slice stored;
    const size_t size = crypto_hash_size(hash);
    size_t salt_n = 0;
    size_t stored_n = 0;
    size_t server_n = 0;
    bool ok = slice_take_decimal(&value, VERIFIER_MAX_ITERATIONS, &scram.iterations) &&
              scram.iterations != 0 && slice_take_literal(&value, ",") &&
              slice_take_until(&value, ',', &salt) && slice_take_until(&value, ',', &stored) &&
              take_base64(salt, scram.salt, sizeof scram.salt, &salt_n) && salt_n > 0 &&
              take_base64(stored, scram.stored_key, size, &stored_n) && stored_n == size &&
              take_base64(value, scram.server_key, size, &server_n) && server_n == size;
    if (ok) {
        scram.salt_len = (uint8_t)salt_n;
        taking->entry->record.verifiers.scram[verifier_scram_slot(hash)] = scram;
    }
    crypto_wipe(&scram, sizeof scram);
    return ok ? AUTH_OK
              : detail_set(why, AUTH_MALFORMED, "not \"iterations,salt,StoredKey,ServerKey\"");
}

static enum auth_status take_scram_sha_1(const struct taking *taking, struct slice value,
                                         struct detail *why)
{
    return take_scram(CRYPTO_SHA1, taking, value, why);
}

static enum auth_status take_scram_sha_256(const struct taking *taking, struct slice value,
                                           struct detail *why)
{
    return take_scram(CRYPTO_SHA256, taking, value, why);
}

static enum auth_status take_scram_sha_512(const struct taking *taking, struct slice value,
                                           struct detail *why)
{
    return take_scram(CRYPTO_SHA512, taking, value, why);
}

/* The other half first there, and the bytes of each word the other way round. */
static enum auth_status take_cram(const struct taking *taking, struct slice value,
                                  struct detail *why)
{
    struct verifier_set *set = &taking->entry->record.verifiers;
    const size_t half = CRYPTO_HMAC_MD5_STATE / 2;
    if (value.n != CRYPTO_HMAC_MD5_STATE) {
        return detail_set(why, AUTH_MALFORMED, "not %d bytes", CRYPTO_HMAC_MD5_STATE);
    }
    for (size_t i = 0; i < CRYPTO_HMAC_MD5_STATE; i++) {
        const size_t word = i / WORD * WORD;
        set->cram[(word + half) % CRYPTO_HMAC_MD5_STATE + (WORD - 1 - i % WORD)] = value.p[i];
    }
    set->has_cram = true;
    return AUTH_OK;
}

/* Dovecot hashes what stands in front of the last "@" as the user and what follows as the realm. */
static enum auth_status take_digest(const struct taking *taking, struct slice value,
                                    struct detail *why)
{
    const struct identity *who = taking->account->who;
    struct verifier_set *set = &taking->entry->record.verifiers;
    struct digest_verifier digest = {.realm_kind = DIGEST_REALM_EMPTY};
    struct slice realm = taking->account->name;
    struct slice user;
    if (value.n != MD5_SIZE) {
        return detail_set(why, AUTH_MALFORMED, "not %d bytes", MD5_SIZE);
    }
    slice_take_run(&realm, '@', &user);
    if (slice_take_literal(&realm, "@")) {
        digest.realm_kind = DIGEST_REALM_OWN;
    }
    if (!slice_equal_str(user, who->user) ||
        (digest.realm_kind == DIGEST_REALM_OWN && !slice_equal_str(realm, who->realm))) {
        return detail_set(why, AUTH_NO_VERIFIER,
                          "it hashes the name, and the name is kept in another spelling here");
    }
    memcpy(digest.ha1, value.p, sizeof digest.ha1);
    set->digest[0] = digest;
    set->n_digest = 1;
    return AUTH_OK;
}

static const struct scheme {
    const char *name;
    enum encoding encoding; /* unless the value names one */
    enum auth_status (*take)(const struct taking *taking, struct slice value, struct detail *why);
} schemes[] = {
    {"PLAIN", ENCODING_TEXT, take_plain},
    {"CLEAR", ENCODING_TEXT, take_plain},
    {"CLEARTEXT", ENCODING_TEXT, take_plain},
    {"CRYPT", ENCODING_TEXT, take_crypt},
    {"DES-CRYPT", ENCODING_TEXT, take_crypt},
    {"MD5-CRYPT", ENCODING_TEXT, take_crypt},
    {"BLF-CRYPT", ENCODING_TEXT, take_crypt},
    {"SHA256-CRYPT", ENCODING_TEXT, take_crypt},
    {"SHA512-CRYPT", ENCODING_TEXT, take_crypt},
    {"SCRAM-SHA-1", ENCODING_TEXT, take_scram_sha_1},
    {"SCRAM-SHA-256", ENCODING_TEXT, take_scram_sha_256},
    {"SCRAM-SHA-512", ENCODING_TEXT, take_scram_sha_512},
    {"CRAM-MD5", ENCODING_HEX, take_cram},
    {"HMAC-MD5", ENCODING_HEX, take_cram},
    {"DIGEST-MD5", ENCODING_HEX, take_digest},
};

static const struct {
    const char *name;
    enum encoding encoding;
} encodings[] = {{"b64", ENCODING_BASE64}, {"base64", ENCODING_BASE64}, {"hex", ENCODING_HEX}};

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode_hex(struct slice text, uint8_t *ret, size_t cap, size_t *ret_n)
{
    if (text.n % 2 != 0 || text.n / 2 > cap) {
        return false;
    }
    for (size_t i = 0; i < text.n / 2; i++) {
        int high = hex_digit(text.p[2 * i]);
        int low = hex_digit(text.p[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret[i] = (uint8_t)(high * 16 + low);
    }
    *ret_n = text.n / 2;
    return true;
}

/* "{NAME}" or "{NAME.encoding}" in front of the value. */
static bool take_prefix(struct slice *value, struct slice *ret_name, struct slice *ret_encoding)
{
    struct slice rest = *value;
    struct slice inside;
    if (!slice_take_literal(&rest, "{") || !slice_take_until(&rest, '}', &inside)) {
        return false;
    }
    slice_take_run(&inside, '.', ret_name);
    (void)!slice_take_literal(&inside, ".");
    *ret_encoding = inside;
    *value = rest;
    return true;
}

static const struct scheme *find_scheme(struct slice name)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (slice_equal_nocase(name, slice_str(schemes[i].name))) {
            return &schemes[i];
        }
    }
    return NULL;
}

static bool find_encoding(struct slice name, enum encoding *ret)
{
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        if (slice_equal_nocase(name, slice_str(encodings[i].name))) {
            *ret = encodings[i].encoding;
            return true;
        }
    }
    return name.n == 0;
}

bool scheme_is_clear(struct slice value)
{
    struct slice name = slice_of(NULL, 0);
    struct slice encoding = slice_of(NULL, 0);
    (void)!take_prefix(&value, &name, &encoding);
    const struct scheme *scheme = find_scheme(name);
    return scheme != NULL && scheme->take == take_plain && encoding.n == 0;
}

/* Named only if it is a scheme: it might be the beginning of a password. */
static enum auth_status refuse_scheme(struct slice name, struct detail *why)
{
    static const char *const unusable[] = {
        "SASL",        "MD5",         "SMD5",          "LDAP-MD5",      "PLAIN-MD5", "PLAIN-MD4",
        "SHA",         "SSHA",        "SHA1",          "SHA256",        "SSHA256",   "SHA512",
        "SSHA512",     "SHA384",      "SSHA384",       "ARGON2",        "ARGON2I",   "ARGON2ID",
        "PBKDF2",      "OTP",         "NTLM",          "LANMAN",        "RPA",       "SKEY",
        "PLAIN-TRUNC", "PBKDF2-SHA1", "PBKDF2-SHA256", "PBKDF2-SHA512", "SAMBA-NT",  "KERBEROS",
    };
    for (size_t i = 0; i < sizeof unusable / sizeof unusable[0]; i++) {
        if (slice_equal_nocase(name, slice_str(unusable[i]))) {
            return detail_set(why, AUTH_NO_VERIFIER, "no mechanism here can use a {%s} value",
                              unusable[i]);
        }
    }
    return detail_set(why, AUTH_NO_VERIFIER, "the value names a scheme that is not known");
}

enum auth_status scheme_take(struct slice value, const struct scheme_account *account,
                             struct buf *password, struct import_entry *ret, struct detail *why)
{
    const struct taking taking = {.account = account, .password = password, .entry = ret};
    struct slice name = slice_str(account->default_scheme);
    struct slice encoding_name = slice_of(NULL, 0);
    uint8_t bytes[VALUE_MAX];
    size_t n = 0;

    (void)!take_prefix(&value, &name, &encoding_name);
    const struct scheme *scheme = find_scheme(name);
    if (scheme == NULL) {
        return refuse_scheme(name, why);
    }
    enum encoding encoding = scheme->encoding;
    if (!find_encoding(encoding_name, &encoding)) {
        return detail_set(why, AUTH_MALFORMED, "{%s}: an encoding that is not known", scheme->name);
    }
    if (encoding == ENCODING_TEXT) {
        return scheme->take(&taking, value, why);
    }
    bool ok = encoding == ENCODING_HEX ? decode_hex(value, bytes, sizeof bytes, &n)
                                       : take_base64(value, bytes, sizeof bytes, &n);
    enum auth_status status =
        ok ? scheme->take(&taking, slice_of(bytes, n), why)
           : detail_set(why, AUTH_MALFORMED, "{%s}: not %s, or too long", scheme->name,
                        encoding == ENCODING_HEX ? "hexadecimal" : "base64");
    crypto_wipe(bytes, sizeof bytes);
    return status;
}
