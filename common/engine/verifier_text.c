/* SPDX-License-Identifier: BSD-2-Clause */
/* The text forms of verifiers: what crosses libsasl2 as a property, and what exports carry. */
#include <string.h>

#include "engine/verifier.h"

enum { MD5_SIZE = 16 };

static const char *const scram_names[VERIFIER_SCRAM_HASHES] = {"SCRAM-SHA-1", "SCRAM-SHA-256",
                                                               "SCRAM-SHA-512"};

const char *verifier_scram_name(enum crypto_hash hash)
{
    return scram_names[verifier_scram_slot(hash)];
}

void verifier_put_rfc5803(struct buf *b, const struct scram_verifier *verifier)
{
    const size_t size = crypto_hash_size(verifier->hash);

    buf_put_str(b, verifier_scram_name(verifier->hash));
    buf_put_byte(b, '$');
    buf_put_decimal(b, verifier->iterations);
    buf_put_byte(b, ':');
    crypto_base64_put(b, slice_of(verifier->salt, verifier->salt_len));
    buf_put_byte(b, '$');
    crypto_base64_put(b, slice_of(verifier->stored_key, size));
    buf_put_byte(b, ':');
    crypto_base64_put(b, slice_of(verifier->server_key, size));
}

static bool is_scheme_char(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c >= '-' && c <= '/') || c == '_';
}

/* scheme = 1*( upper-case letter / digit / "-" / "." / "/" / "_" ) (RFC 3112 2). */
static bool take_scheme(struct slice *s, struct slice *ret)
{
    size_t n = 0;

    while (n < s->n && is_scheme_char(s->p[n])) {
        n++;
    }
    return n > 0 && slice_take(s, n, ret);
}

/* s = w "$" w, w = *SP (RFC 3112 2). The edges of the value may have spaces too. */
static void skip_spaces(struct slice *s)
{
    while (slice_take_literal(s, " ")) {
    }
}

static bool take_dollar(struct slice *s)
{
    skip_spaces(s);
    if (!slice_take_literal(s, "$")) {
        return false;
    }
    skip_spaces(s);
    return true;
}

static enum auth_status decode_exact(struct slice text, uint8_t *ret, size_t n)
{
    size_t got;

    enum auth_status status = crypto_base64_take(text, ret, n, &got);
    if (status != AUTH_OK) {
        return auth_status_is_outage(status) ? status : AUTH_MALFORMED;
    }
    return got == n ? AUTH_OK : AUTH_MALFORMED;
}

static enum auth_status decode_salt(struct slice text, struct scram_verifier *ret)
{
    size_t got;

    enum auth_status status = crypto_base64_take(text, ret->salt, VERIFIER_MAX_SALT, &got);
    if (status != AUTH_OK) {
        return auth_status_is_outage(status) ? status : AUTH_MALFORMED;
    }
    ret->salt_len = (uint8_t)got;
    return got > 0 ? AUTH_OK : AUTH_MALFORMED;
}

static bool find_scheme(struct slice scheme, enum crypto_hash *ret)
{
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if (slice_equal_str(scheme, scram_names[i])) {
            *ret = verifier_scram_hash(i);
            return true;
        }
    }
    return false;
}

bool verifier_is_of(struct slice text, enum crypto_hash hash)
{
    struct slice scheme;

    skip_spaces(&text);
    return take_scheme(&text, &scheme) && slice_equal_str(scheme, verifier_scram_name(hash));
}

/*
 * authPasswordValue = w scheme s authInfo s authValue w
 * authInfo = iter-count ":" salt, authValue = stored-key ":" server-key (RFC 5803 2)
 */
enum auth_status verifier_take_rfc5803(struct slice text, struct scram_verifier *ret)
{
    enum auth_status status = AUTH_MALFORMED;
    struct scram_verifier made = {.iterations = 0};
    struct slice scheme;
    struct slice salt;
    struct slice stored;
    struct slice server;

    skip_spaces(&text);
    if (!take_scheme(&text, &scheme) || !take_dollar(&text)) {
        return AUTH_MALFORMED;
    }
    if (!find_scheme(scheme, &made.hash)) {
        return AUTH_NO_VERIFIER;
    }
    /* Spaces before "$" and at the end belong to the frame, not to base64, which has none. */
    struct slice salt_field;
    if (!slice_take_decimal(&text, VERIFIER_MAX_ITERATIONS, &made.iterations) ||
        made.iterations == 0 || !slice_take_literal(&text, ":") ||
        !slice_take_until(&text, '$', &salt_field)) {
        return AUTH_MALFORMED;
    }
    skip_spaces(&text);
    slice_take_run(&salt_field, ' ', &salt);
    skip_spaces(&salt_field);
    if (salt_field.n != 0 || !slice_take_until(&text, ':', &stored)) {
        return AUTH_MALFORMED;
    }
    slice_take_run(&text, ' ', &server);
    skip_spaces(&text);
    if (text.n != 0) {
        return AUTH_MALFORMED;
    }
    const size_t size = crypto_hash_size(made.hash);
    if ((status = decode_salt(salt, &made)) == AUTH_OK &&
        (status = decode_exact(stored, made.stored_key, size)) == AUTH_OK &&
        (status = decode_exact(server, made.server_key, size)) == AUTH_OK) {
        *ret = made;
    }
    crypto_wipe(&made, sizeof made);
    return status;
}

bool verifier_same_spelling(const struct digest_verifier *a, const struct digest_verifier *b)
{
    return a->full_name == b->full_name && a->realm_kind == b->realm_kind && a->extra == b->extra;
}

/* As many for every spelling. Returns the index behind the last one. */
static unsigned put_encodings(struct buf *b, const struct verifier_set *set, unsigned first)
{
    const struct digest_verifier *spelling = &set->digest[first];
    unsigned last = first;

    buf_put_hex(b, spelling->ha1, sizeof spelling->ha1);
    for (unsigned i = 1; i < VERIFIER_DIGEST_ENCODINGS; i++) {
        if (last + 1 < set->n_digest && verifier_same_spelling(&set->digest[last + 1], spelling)) {
            last++;
        }
        buf_put_hex(b, set->digest[last].ha1, sizeof set->digest[last].ha1);
    }
    return last + 1;
}

unsigned verifier_put_digests(struct buf *b, const struct verifier_set *set, unsigned first,
                              const struct identity *who)
{
    const struct digest_verifier *spelling = &set->digest[first];
    const struct slice own_realm = slice_str(who->realm);
    struct slice realm = slice_of("", 0);
    uint8_t name[IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM];
    size_t n = strlen(who->user);

    memcpy(name, who->user, n);
    if (spelling->full_name) {
        name[n] = '@';
        memcpy(name + n + 1, own_realm.p, own_realm.n);
        n += 1 + own_realm.n;
    }
    if (spelling->realm_kind == DIGEST_REALM_OWN) {
        realm = own_realm;
    } else if (spelling->realm_kind == DIGEST_REALM_EXTRA &&
               spelling->extra < set->n_extra_realms) {
        realm = slice_str(set->extra_realm[spelling->extra]);
    }
    const unsigned behind = put_encodings(b, set, first);
    buf_put_byte(b, ' ');
    crypto_base64_put(b, slice_of(name, n));
    buf_put_byte(b, ' ');
    crypto_base64_put(b, realm);
    return behind;
}

/*
 * Without a branch that the digits decide, and in bytes, so that the compiler does it sixteen at a
 * time: a login with DIGEST-MD5 decodes eighteen of these.
 */
bool verifier_decode_md5(struct slice hex, uint8_t ret[16])
{
    uint8_t value[2 * MD5_SIZE];
    uint8_t bad = 0;

    if (hex.n != sizeof value) {
        return false;
    }
    for (size_t i = 0; i < sizeof value; i++) {
        const uint8_t digit = (uint8_t)(hex.p[i] - '0');
        const uint8_t letter = (uint8_t)(hex.p[i] - 'a');
        const uint8_t from_digit = digit < 10 ? 0xff : 0;
        const uint8_t from_letter = letter < 6 ? 0xff : 0;

        bad |= (uint8_t) ~(from_digit | from_letter);
        value[i] = (uint8_t)((digit & from_digit) | ((uint8_t)(letter + 10) & from_letter));
    }
    for (size_t i = 0; i < MD5_SIZE; i++) {
        ret[i] = (uint8_t)(value[2 * i] << 4 | value[2 * i + 1]);
    }
    crypto_wipe(value, sizeof value);
    return bad == 0;
}

/* True if what a client sent is this string, as UTF-8 or as ISO-8859-1. */
static enum auth_status same_spelling(struct slice base64, struct slice sent, bool *ret)
{
    enum { MAX_NAME = IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM };
    uint8_t kept[MAX_NAME];
    size_t n;
    struct buf converted;

    enum auth_status status = crypto_base64_take(base64, kept, sizeof kept, &n);
    if (status != AUTH_OK) {
        return auth_status_is_outage(status) ? status : AUTH_MALFORMED;
    }
    *ret = slice_equal(slice_of(kept, n), sent);
    if (*ret || sent.n > MAX_NAME || identity_is_utf8(sent)) {
        return AUTH_OK;
    }
    buf_init(&converted, 2 * (size_t)MAX_NAME);
    identity_from_latin1(sent, &converted);
    status = buf_status(&converted);
    *ret = status == AUTH_OK && slice_equal(slice_of(kept, n), buf_slice(&converted));
    buf_release(&converted);
    return status;
}

static bool take_encodings(struct slice *text, uint8_t ret[VERIFIER_DIGEST_ENCODINGS][MD5_SIZE])
{
    struct slice hex;

    for (unsigned i = 0; i < VERIFIER_DIGEST_ENCODINGS; i++) {
        if (!slice_take(text, 2 * (size_t)MD5_SIZE, &hex) || !verifier_decode_md5(hex, ret[i])) {
            return false;
        }
    }
    return slice_take_literal(text, " ");
}

enum auth_status verifier_match_digests(struct slice text, struct slice username,
                                        struct slice realm,
                                        uint8_t ret[VERIFIER_DIGEST_ENCODINGS][MD5_SIZE],
                                        bool *ret_match)
{
    uint8_t ha1[VERIFIER_DIGEST_ENCODINGS][MD5_SIZE];
    struct slice name;
    bool same_name = false;
    bool same_realm = false;

    *ret_match = false;
    if (!take_encodings(&text, ha1) || !slice_take_until(&text, ' ', &name) || name.n == 0) {
        crypto_wipe(ha1, sizeof ha1);
        return AUTH_MALFORMED;
    }
    enum auth_status status = same_spelling(name, username, &same_name);
    if (status == AUTH_OK) {
        status = same_spelling(text, realm, &same_realm);
    }
    if (status == AUTH_OK && same_name && same_realm) {
        memcpy(ret, ha1, sizeof ha1);
        *ret_match = true;
    }
    crypto_wipe(ha1, sizeof ha1);
    return status;
}
