/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/verifier.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/crypt_cost.h"

static const enum crypto_hash slot_hash[VERIFIER_SCRAM_HASHES] = {CRYPTO_SHA1, CRYPTO_SHA256,
                                                                  CRYPTO_SHA512};
static const unsigned slot_kind[VERIFIER_SCRAM_HASHES] = {
    VERIFIER_SCRAM_SHA_1, VERIFIER_SCRAM_SHA_256, VERIFIER_SCRAM_SHA_512};

size_t verifier_scram_slot(enum crypto_hash hash)
{
    switch (hash) {
    case CRYPTO_SHA256:
        return 1;
    case CRYPTO_SHA512:
        return 2;
    default:
        return 0;
    }
}

enum crypto_hash verifier_scram_hash(size_t slot)
{
    return slot_hash[slot < VERIFIER_SCRAM_HASHES ? slot : 0];
}

unsigned verifier_kinds(const struct verifier_set *set)
{
    unsigned kinds = 0;

    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        kinds |= set->scram[i].iterations > 0 ? slot_kind[i] : 0;
    }
    kinds |= set->has_cram ? VERIFIER_CRAM_MD5 : 0;
    kinds |= set->n_digest > 0 ? VERIFIER_DIGEST_MD5 : 0;
    kinds |= set->has_checkpass ? VERIFIER_CHECKPASS_MD5 : 0;
    kinds |= set->crypt[0] != '\0' ? VERIFIER_CRYPT : 0;
    return kinds;
}

void verifier_drop(struct verifier_set *set, unsigned kinds)
{
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if ((kinds & slot_kind[i]) != 0) {
            crypto_wipe(&set->scram[i], sizeof set->scram[i]);
        }
    }
    if ((kinds & VERIFIER_CRAM_MD5) != 0) {
        crypto_wipe(set->cram, sizeof set->cram);
        set->has_cram = false;
    }
    if ((kinds & VERIFIER_DIGEST_MD5) != 0) {
        crypto_wipe(set->digest, sizeof set->digest);
        crypto_wipe(set->extra_realm, sizeof set->extra_realm);
        set->n_digest = 0;
        set->n_extra_realms = 0;
    }
    if ((kinds & VERIFIER_CHECKPASS_MD5) != 0) {
        crypto_wipe(set->checkpass, sizeof set->checkpass);
        set->has_checkpass = false;
    }
    if ((kinds & VERIFIER_CRYPT) != 0) {
        crypto_wipe(set->crypt, sizeof set->crypt);
    }
}

enum { BCRYPT_PASSWORD = 72 }; /* bytes that count; of one that long the end may be missing */

/*
 * What has no "$" in front is of the DES kind: eight characters count, or seven bits of each. The
 * "$2x$" of bcrypt took several passwords for one.
 */
static bool crypt_is_partial(const char *hash)
{
    struct slice text = slice_str(hash);

    return hash[0] != '$' || slice_take_literal(&text, "$2x$");
}

bool verifier_crypt_covers(const struct verifier_set *set, struct slice password)
{
    struct slice text = slice_str(set->crypt);
    const bool bcrypt = slice_take_literal(&text, "$2");

    return !crypt_is_partial(set->crypt) && !(bcrypt && password.n >= BCRYPT_PASSWORD);
}

unsigned verifier_missing(const struct verifier_set *set, unsigned wanted)
{
    const unsigned held = verifier_kinds(set);

    if ((held & VERIFIER_SCRAM) != 0) {
        return wanted & ~held & (VERIFIER_SCRAM_SHA_256 | VERIFIER_SCRAM_SHA_512);
    }
    return (held & VERIFIER_CRYPT) != 0 && !crypt_is_partial(set->crypt) ? wanted & ~held : 0;
}

void verifier_add(struct verifier_set *set, const struct verifier_set *from, unsigned kinds)
{
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if ((kinds & slot_kind[i]) != 0) {
            set->scram[i] = from->scram[i];
        }
    }
    if ((kinds & VERIFIER_CRAM_MD5) != 0) {
        set->has_cram = from->has_cram;
        memcpy(set->cram, from->cram, sizeof set->cram);
    }
    if ((kinds & VERIFIER_DIGEST_MD5) != 0) {
        set->n_digest = from->n_digest;
        memcpy(set->digest, from->digest, sizeof set->digest);
        set->n_extra_realms = from->n_extra_realms;
        memcpy(set->extra_realm, from->extra_realm, sizeof set->extra_realm);
    }
    if ((kinds & VERIFIER_CHECKPASS_MD5) != 0) {
        set->has_checkpass = from->has_checkpass;
        memcpy(set->checkpass, from->checkpass, sizeof set->checkpass);
    }
    if ((verifier_kinds(set) & VERIFIER_SCRAM) != 0) {
        verifier_drop(set, VERIFIER_CRYPT);
    }
}

const struct scram_verifier *verifier_for_password(const struct verifier_set *set)
{
    static const enum crypto_hash order[] = {CRYPTO_SHA256, CRYPTO_SHA512, CRYPTO_SHA1};

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        const struct scram_verifier *verifier = &set->scram[verifier_scram_slot(order[i])];
        if (verifier->iterations > 0) {
            return verifier;
        }
    }
    return NULL;
}

/* ClientKey := HMAC(SaltedPassword, "Client Key"), StoredKey := H(ClientKey) (RFC 5802 3). */
static enum auth_status stored_key(enum crypto_hash hash, struct slice salted, uint8_t *ret)
{
    uint8_t client_key[CRYPTO_MAX_HASH];
    const struct slice label = slice_str("Client Key");
    const struct slice key = slice_of(client_key, crypto_hash_size(hash));

    enum auth_status status = crypto_hmac(hash, salted, &label, 1, client_key);
    if (status == AUTH_OK) {
        status = crypto_digest(hash, &key, 1, ret);
    }
    crypto_wipe(client_key, sizeof client_key);
    return status;
}

static bool salt_and_iterations_fit(size_t salt_len, uint32_t iterations)
{
    return salt_len >= 1 && salt_len <= VERIFIER_MAX_SALT && iterations >= 1 &&
           iterations <= VERIFIER_MAX_ITERATIONS;
}

enum auth_status verifier_make_scram(enum crypto_hash hash, struct slice prepared,
                                     struct slice salt, uint32_t iterations,
                                     struct scram_verifier *ret)
{
    enum auth_status status = AUTH_INTERNAL;
    uint8_t salted[CRYPTO_MAX_HASH];
    struct scram_verifier made = {.hash = hash, .iterations = iterations};
    const struct slice label = slice_str("Server Key");
    const struct slice key = slice_of(salted, crypto_hash_size(hash));

    if (!salt_and_iterations_fit(salt.n, iterations)) {
        return AUTH_INTERNAL;
    }
    made.salt_len = (uint8_t)salt.n;
    memcpy(made.salt, salt.p, salt.n);
    status = crypto_pbkdf2(hash, prepared, salt, iterations, salted);
    if (status == AUTH_OK) {
        status = stored_key(hash, key, made.stored_key);
    }
    if (status == AUTH_OK) {
        status = crypto_hmac(hash, key, &label, 1, made.server_key);
    }
    if (status == AUTH_OK) {
        *ret = made;
    }
    crypto_wipe(salted, sizeof salted);
    crypto_wipe(&made, sizeof made);
    return status;
}

enum auth_status verifier_digest_ha1(struct slice username, struct slice realm,
                                     struct slice password, uint8_t ret[16])
{
    const struct slice colon = slice_str(":");
    const struct slice parts[] = {username, colon, realm, colon, password};

    return crypto_digest(CRYPTO_MD5, parts, sizeof parts / sizeof parts[0], ret);
}

static enum auth_status make_scrams(struct slice prepared, const struct verifier_policy *policy,
                                    struct verifier_set *set)
{
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        uint8_t salt[VERIFIER_NEW_SALT];
        if ((policy->kinds & slot_kind[i]) == 0) {
            continue;
        }
        enum auth_status status = crypto_random(salt, sizeof salt);
        if (status == AUTH_OK) {
            status = verifier_make_scram(slot_hash[i], prepared, slice_of(salt, sizeof salt),
                                         policy->iterations, &set->scram[i]);
        }
        if (status != AUTH_OK) {
            return status;
        }
    }
    return AUTH_OK;
}

enum { CHECKPASS_SALT = 16 };

/* salt NUL MD5(salt "sasldb" password), which sasl_checkpass() compares as a whole; has the salt.
 */
static enum auth_status fill_checkpass(struct slice password, uint8_t checkpass[VERIFIER_CHECKPASS])
{
    const struct slice parts[] = {slice_of(checkpass, CHECKPASS_SALT), slice_str("sasldb"),
                                  password};

    checkpass[CHECKPASS_SALT] = 0;
    return crypto_digest(CRYPTO_MD5, parts, sizeof parts / sizeof parts[0],
                         checkpass + CHECKPASS_SALT + 1);
}

static enum auth_status make_checkpass(struct slice password, struct verifier_set *set)
{
    enum auth_status status = crypto_random(set->checkpass, CHECKPASS_SALT);
    if (status == AUTH_OK) {
        status = fill_checkpass(password, set->checkpass);
    }
    set->has_checkpass = status == AUTH_OK;
    return status;
}

enum auth_status verifier_check_checkpass(const uint8_t checkpass[VERIFIER_CHECKPASS],
                                          struct slice password)
{
    uint8_t made[VERIFIER_CHECKPASS];

    memcpy(made, checkpass, CHECKPASS_SALT);
    enum auth_status status = fill_checkpass(password, made);
    if (status == AUTH_OK && !crypto_equal(made, checkpass, sizeof made)) {
        status = AUTH_WRONG_PASSWORD;
    }
    crypto_wipe(made, sizeof made);
    return status;
}

/* A string of DIGEST-MD5 in the two encodings clients hash. */
struct spelling {
    struct slice utf8;
    struct slice latin1; /* the same as utf8 where there is no Latin-1 form */
    bool differs;
    struct buf converted;
};

static enum auth_status spelling_init(struct spelling *s, struct slice utf8)
{
    buf_init(&s->converted, utf8.n);
    s->utf8 = utf8;
    s->latin1 = utf8;
    s->differs = !slice_is_printable(utf8) && identity_to_latin1(utf8, &s->converted) &&
                 s->converted.n < utf8.n;
    if (s->differs) {
        s->latin1 = buf_slice(&s->converted);
    }
    return buf_status(&s->converted);
}

/*
 * One spelling of user and realm: as UTF-8 and, where that differs, as ISO-8859-1. A client that
 * sends charset=utf-8 has to convert before hashing whichever of the strings fits (RFC 2831
 * 2.1.2.1), so each is converted by itself. GNU SASL converts the password and never the names.
 */
static enum auth_status add_digests(struct verifier_set *set, const struct digest_verifier *form,
                                    const struct spelling *user, struct slice realm_utf8,
                                    const struct spelling *password)
{
    struct spelling realm;
    enum auth_status status = spelling_init(&realm, realm_utf8);
    const bool names_differ = user->differs || realm.differs;
    const bool needed[VERIFIER_DIGEST_ENCODINGS] = {true, names_differ || password->differs,
                                                    names_differ && password->differs};

    for (unsigned i = 0; status == AUTH_OK && i < VERIFIER_DIGEST_ENCODINGS; i++) {
        if (!needed[i]) {
            continue;
        }
        if (set->n_digest == VERIFIER_MAX_DIGEST) {
            status = AUTH_INTERNAL;
            break;
        }
        struct digest_verifier *made = &set->digest[set->n_digest];
        *made = *form;
        made->latin1 = i > 0;
        made->utf8_names = i > 1;
        const bool converted_names = made->latin1 && !made->utf8_names;
        status = verifier_digest_ha1(converted_names ? user->latin1 : user->utf8,
                                     converted_names ? realm.latin1 : realm.utf8,
                                     made->latin1 ? password->latin1 : password->utf8, made->ha1);
        set->n_digest += status == AUTH_OK;
    }
    buf_release(&realm.converted);
    return status;
}

/* The realms of the store that say something new for an account in own_realm. */
static void copy_extra_realms(const struct verifier_policy *policy, const char *own_realm,
                              struct verifier_set *set)
{
    for (unsigned i = 0; i < policy->n_extra_realms && i < VERIFIER_MAX_EXTRA_REALMS; i++) {
        struct slice realm = slice_str(policy->extra_realm[i]);
        bool known = realm.n == 0 || slice_equal_str(realm, own_realm);
        for (unsigned j = 0; j < set->n_extra_realms; j++) {
            known = known || slice_equal_str(realm, set->extra_realm[j]);
        }
        if (!known) {
            memcpy(set->extra_realm[set->n_extra_realms++], realm.p, realm.n + 1);
        }
    }
}

static enum auth_status make_digests(const struct identity *who, struct slice raw_password,
                                     const struct verifier_policy *policy, struct verifier_set *set)
{
    enum auth_status status = AUTH_INTERNAL;
    struct spelling names[2] = {{.differs = false}};
    struct spelling password = {.differs = false};
    struct buf full;

    buf_init(&full, IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM);
    identity_put(&full, who);
    if ((status = buf_status(&full)) != AUTH_OK ||
        (status = spelling_init(&names[0], slice_str(who->user))) != AUTH_OK ||
        (status = spelling_init(&names[1], buf_slice(&full))) != AUTH_OK ||
        (status = spelling_init(&password, raw_password)) != AUTH_OK) {
        goto out;
    }
    copy_extra_realms(policy, who->realm, set);
    for (unsigned r = 0; r < 2 + set->n_extra_realms; r++) {
        struct digest_verifier form = {.realm_kind = DIGEST_REALM_OWN};
        struct slice realm = slice_str(who->realm);
        if (r == 1) {
            form.realm_kind = DIGEST_REALM_EMPTY;
            realm = slice_of("", 0);
        } else if (r > 1) {
            form.realm_kind = DIGEST_REALM_EXTRA;
            form.extra = (uint8_t)(r - 2);
            realm = slice_str(set->extra_realm[r - 2]);
        }
        for (unsigned n = 0; n < 2; n++) {
            form.full_name = n == 1;
            status = add_digests(set, &form, &names[n], realm, &password);
            if (status != AUTH_OK) {
                goto out;
            }
        }
    }
out:
    buf_release(&full);
    buf_release(&names[0].converted);
    buf_release(&names[1].converted);
    buf_release(&password.converted);
    return status;
}

unsigned verifier_refused(const struct verifier_policy *policy)
{
    return crypto_have(CRYPTO_MD5) ? 0 : policy->kinds & VERIFIER_LEGACY;
}

enum auth_status verifier_make(const struct identity *who, struct slice password,
                               const struct verifier_policy *policy, struct verifier_set *ret)
{
    enum auth_status status = AUTH_INTERNAL;
    struct verifier_set *set = ret;
    const unsigned kinds = policy->kinds & ~verifier_refused(policy);
    struct buf prepared;

    memset(set, 0, sizeof *set);
    buf_init(&prepared, IDENTITY_MAX_PASSWORD);
    if (kinds == 0 && policy->kinds != 0) {
        status = AUTH_CRYPTO;
        goto out;
    }
    if (slice_find(password, 0, NULL) || !identity_is_utf8(password)) {
        status = AUTH_BAD_PASSWORD;
        goto out;
    }
    status = identity_prepare_password(password, IDENTITY_STORED, &prepared);
    if (status == AUTH_TOO_LONG) {
        status = AUTH_BAD_PASSWORD;
    }
    if (status == AUTH_OK && (kinds & VERIFIER_SCRAM) != 0) {
        status = make_scrams(buf_slice(&prepared), policy, set);
    }
    if (status == AUTH_OK && (kinds & VERIFIER_CRAM_MD5) != 0) {
        status = crypto_hmac_md5_precompute(password, set->cram);
        set->has_cram = status == AUTH_OK;
    }
    if (status == AUTH_OK && (kinds & VERIFIER_DIGEST_MD5) != 0) {
        status = make_digests(who, password, policy, set);
    }
    if (status == AUTH_OK && (kinds & VERIFIER_CHECKPASS_MD5) != 0) {
        status = make_checkpass(password, set);
    }
out:
    if (status != AUTH_OK) {
        crypto_wipe(set, sizeof *set);
    }
    buf_release(&prepared);
    return status;
}

bool verifier_password_differs(struct slice password, unsigned kinds)
{
    struct buf prepared;

    if ((kinds & VERIFIER_SCRAM) == 0 || (kinds & VERIFIER_LEGACY) == 0) {
        return false;
    }
    buf_init(&prepared, IDENTITY_MAX_PASSWORD);
    bool differs = identity_prepare_password(password, IDENTITY_STORED, &prepared) == AUTH_OK &&
                   (prepared.n != password.n || !crypto_equal(prepared.p, password.p, prepared.n));
    buf_release(&prepared);
    return differs;
}

enum auth_status verifier_check_scram(const struct scram_verifier *verifier, struct slice password)
{
    const size_t size = crypto_hash_size(verifier->hash);
    uint8_t salted[CRYPTO_MAX_HASH];
    uint8_t stored[CRYPTO_MAX_HASH];
    struct buf prepared;

    if (!salt_and_iterations_fit(verifier->salt_len, verifier->iterations)) {
        return AUTH_NO_VERIFIER;
    }
    buf_init(&prepared, IDENTITY_MAX_PASSWORD);
    enum auth_status status = identity_prepare_password(password, IDENTITY_QUERY, &prepared);
    if (auth_status_is_outage(status)) {
        goto out;
    }
    /* A password that SASLprep refuses is a wrong one, and takes as long as any wrong one. */
    const bool refused = status != AUTH_OK;
    status =
        crypto_pbkdf2(verifier->hash, refused ? slice_str("-") : buf_slice(&prepared),
                      slice_of(verifier->salt, verifier->salt_len), verifier->iterations, salted);
    if (status == AUTH_OK) {
        status = stored_key(verifier->hash, slice_of(salted, size), stored);
    }
    if (status == AUTH_OK) {
        const bool equal = crypto_equal(stored, verifier->stored_key, size);
        status = equal && !refused ? AUTH_OK : AUTH_WRONG_PASSWORD;
    }
out:
    buf_release(&prepared);
    crypto_wipe(salted, sizeof salted);
    crypto_wipe(stored, sizeof stored);
    return status;
}

/* crypt_rn() says NULL where crypt() would say "*0", which a stored "*0" would match. */
static enum auth_status run_crypt(const char *hash, const char *password, struct crypt_data *data)
{
    errno = 0;
    const char *made = crypt_rn(password, hash, data, (int)sizeof *data);
    if (made == NULL) {
        return errno == ENOMEM ? AUTH_NO_MEMORY : AUTH_WRONG_PASSWORD;
    }
    size_t n = strlen(made);
    if (made[0] == '*' || n != strlen(hash) || !crypto_equal(made, hash, n)) {
        return AUTH_WRONG_PASSWORD;
    }
    return AUTH_OK;
}

enum auth_status verifier_check_crypt(const char *hash, struct slice password)
{
    enum auth_status status = AUTH_INTERNAL;
    struct crypt_data *data = NULL;
    struct buf text;

    buf_init(&text, IDENTITY_MAX_PASSWORD);
    if (hash[0] == '\0' || password.n == 0 || password.n > IDENTITY_MAX_PASSWORD ||
        slice_find(password, 0, NULL)) {
        return AUTH_WRONG_PASSWORD;
    }
    if (!crypt_cost_fits(slice_str(hash))) {
        return AUTH_NO_VERIFIER;
    }
    buf_put_slice(&text, password);
    data = calloc(1, sizeof *data);
    if (data == NULL || buf_status(&text) != AUTH_OK) {
        status = AUTH_NO_MEMORY;
        goto out;
    }
    status = run_crypt(hash, buf_text(&text), data);
out:
    if (data != NULL) {
        crypto_wipe(data, sizeof *data);
        free(data);
    }
    buf_release(&text);
    return status;
}
