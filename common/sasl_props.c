/* SPDX-License-Identifier: BSD-2-Clause */
#include "sasl_props.h"

#include <stdatomic.h>
#include <string.h>

#include "base/crypto.h"
#include "engine/identity.h"

static const char *const cram_props[] = {"*" PROP_CRAM, "*" PROP_PASSWORD, "*" PROP_DECOY, NULL};
static const char *const digest_props[] = {"*" PROP_DIGEST, "*" PROP_DIGEST_RAW, "*" PROP_PASSWORD,
                                           "*" PROP_DECOY, NULL};
static const char *const scram_props[VERIFIER_SCRAM_HASHES][4] = {
    {"*" PROP_AUTH_PASSWORD, "*" PROP_PASSWORD, "*" PROP_DECOY_SHA_1, NULL},
    {"*" PROP_AUTH_PASSWORD, "*" PROP_PASSWORD, "*" PROP_DECOY_SHA_256, NULL},
    {"*" PROP_AUTH_PASSWORD, "*" PROP_PASSWORD, "*" PROP_DECOY_SHA_512, NULL},
};
enum { SCRAM_DECOY = 2 /* its place in each row */ };
static const char *const password_props[] = {"*" PROP_AUTH_PASSWORD, "*" PROP_CRYPT, "*" PROP_DECOY,
                                             NULL};
static const char *const upgrade_props[] = {"*" PROP_AUTH_PASSWORD, "*" PROP_CRYPT, "*" PROP_DECOY,
                                            "*" PROP_UPGRADE, NULL};
static const char *const alone_props[] = {"*" PROP_AUTH_PASSWORD, "*" PROP_CRYPT, "*" PROP_DECOY,
                                          "*" PROP_CHECKPASS, NULL};
static const char *const alone_upgrade_props[] = {"*" PROP_AUTH_PASSWORD, "*" PROP_CRYPT,
                                                  "*" PROP_DECOY,         "*" PROP_CHECKPASS,
                                                  "*" PROP_UPGRADE,       NULL};

const char *const *props_for_password(bool alone, bool upgrade)
{
    if (alone) {
        return upgrade ? alone_upgrade_props : alone_props;
    }
    return upgrade ? upgrade_props : password_props;
}

const char *const *props_for(const struct mech_want *want)
{
    switch (want->kind) {
    case MECH_SECRET_CRAM:
        return cram_props;
    case MECH_SECRET_DIGEST:
        return digest_props;
    default:
        return scram_props[verifier_scram_slot(want->hash)];
    }
}

/* libsasl2's prototypes lack a const they keep to. */
static const char **name_list(const char *const *names, const char **copy)
{
    size_t n = 0;

    while (names[n] != NULL && n < PROPS_MAX) {
        copy[n] = names[n];
        n++;
    }
    copy[n] = NULL;
    return copy;
}

enum auth_status props_request(sasl_server_params_t *sparams, const char *const *names)
{
    const char *copy[PROPS_MAX + 1];

    if (sparams->utils->prop_request(sparams->propctx, name_list(names, copy)) != SASL_OK) {
        return AUTH_NO_MEMORY;
    }
    return AUTH_OK;
}

/* The values of one name, or NULL when it has none. */
static const char **find_values(sasl_server_params_t *sparams, const char *name, unsigned *ret_size)
{
    const char *names[2] = {name, NULL};
    struct propval values[2] = {{0}};

    if (sparams->utils->prop_getnames(sparams->propctx, names, values) < 1 ||
        values[0].name == NULL || values[0].values == NULL || values[0].values[0] == NULL) {
        return NULL;
    }
    *ret_size = values[0].valsize;
    return values[0].values;
}

static void wipe_value(const char *value, size_t n)
{
    union {
        const void *in;
        void *out;
    } p = {value};

    crypto_wipe(p.out, n);
}

static void wipe_values(const char **values, unsigned size)
{
    if (values[1] == NULL) {
        /* A single value may hold NULs; its length is the sum over all values. */
        wipe_value(values[0], size);
    } else {
        for (size_t i = 0; values[i] != NULL; i++) {
            wipe_value(values[i], strlen(values[i]));
        }
    }
}

void props_erase(sasl_server_params_t *sparams, const char *name)
{
    unsigned size;
    const char **values = find_values(sparams, name, &size);

    if (values != NULL) {
        wipe_values(values, size);
        sparams->utils->prop_erase(sparams->propctx, name);
    }
}

static bool is_ours(const char *name)
{
    static const char *const all[] = {
        "*" PROP_PASSWORD,   "*" PROP_AUTH_PASSWORD, "*" PROP_CRAM,          "*" PROP_DIGEST,
        "*" PROP_DIGEST_RAW, "*" PROP_CHECKPASS,     "*" PROP_CRYPT,         "*" PROP_DECOY,
        "*" PROP_UPGRADE,    "*" PROP_DECOY_SHA_1,   "*" PROP_DECOY_SHA_256, "*" PROP_DECOY_SHA_512,
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(name, all[i]) == 0) {
            return true;
        }
    }
    return false;
}

void props_erase_all(sasl_server_params_t *sparams)
{
    const struct propval *props = sparams->utils->prop_get(sparams->propctx);

    for (; props != NULL && props->name != NULL; props++) {
        if (props->values != NULL && props->values[0] != NULL && is_ours(props->name)) {
            wipe_values(props->values, props->valsize);
            sparams->utils->prop_erase(sparams->propctx, props->name);
        }
    }
}

bool props_ticket_target(sasl_server_params_t *sparams, struct slice *ret)
{
    unsigned size;
    const char **values = find_values(sparams, "*" PROP_UPGRADE, &size);

    *ret = slice_str(values != NULL && values[1] == NULL ? values[0] : NULL);
    return ret->n > 0;
}

/* The one value of a name, if it is exactly n bytes long. */
static const char *find_exact(sasl_server_params_t *sparams, const char *name, unsigned n)
{
    unsigned size;
    const char **values = find_values(sparams, name, &size);

    return values != NULL && values[1] == NULL && size == n ? values[0] : NULL;
}

/* The clear password of a store that has one; empty if there is none. */
static struct slice find_password(sasl_server_params_t *sparams)
{
    unsigned size;
    const char **values = find_values(sparams, "*" PROP_PASSWORD, &size);

    return values == NULL ? slice_of(NULL, 0) : slice_str(values[0]);
}

/*
 * The first verifier for this hash among RFC 5803 values, which may be several, newline-separated
 * in one, or both. A value that does not parse is passed over: it may be of somebody else's scheme.
 */
static bool find_scram(sasl_server_params_t *sparams, const char *name, enum crypto_hash hash,
                       struct scram_verifier *ret)
{
    unsigned size;
    const char **values = find_values(sparams, name, &size);

    for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
        struct slice rest = slice_str(values[i]);
        while (rest.n > 0) {
            struct slice line;
            uint8_t newline;
            slice_take_run(&rest, '\n', &line);
            if (verifier_is_of(line, hash) && verifier_take_rfc5803(line, ret) == AUTH_OK) {
                return true;
            }
            if (!slice_take_byte(&rest, &newline)) {
                break;
            }
        }
    }
    crypto_wipe(ret, sizeof *ret);
    return false;
}

/* A salt for a name that has none in the store: always the same for the same name and key. */
static enum auth_status own_salt(const struct props_key *key, enum crypto_hash hash,
                                 struct slice name, uint8_t ret[32])
{
    const struct slice parts[] = {slice_str(verifier_scram_name(hash)), slice_of("", 1), name};

    return crypto_hmac(CRYPTO_SHA256, slice_of(key->bytes, sizeof key->bytes), parts, 3, ret);
}

/* A SCRAM verifier from a clear password, for stores that have nothing else. */
static enum auth_status derive_scram(struct slice password, enum crypto_hash hash,
                                     const uint8_t salt[32], uint32_t iterations,
                                     struct scram_verifier *ret)
{
    struct buf prepared;

    buf_init(&prepared, IDENTITY_MAX_PASSWORD);
    enum auth_status status = identity_prepare_password(password, IDENTITY_QUERY, &prepared);
    if (status == AUTH_OK) {
        status = verifier_make_scram(hash, buf_slice(&prepared), slice_of(salt, VERIFIER_NEW_SALT),
                                     iterations, ret);
    }
    buf_release(&prepared);
    return status;
}

/* What an account without a verifier of this hash is shown: plausible, and never satisfied. */
static void decoy_scram(enum crypto_hash hash, const uint8_t salt[32], uint32_t iterations,
                        struct scram_verifier *ret)
{
    *ret = (struct scram_verifier){
        .hash = hash,
        .iterations = iterations,
        .salt_len = VERIFIER_NEW_SALT,
    };
    memcpy(ret->salt, salt, VERIFIER_NEW_SALT);
}

/*
 * Set once a verifier had to be derived: this store has clear passwords, and a name it does not
 * know must cost the derivation too.
 */
static atomic_bool store_has_passwords;

/* The same for SCRAM verifiers that PLAIN and LOGIN were checked against. */
static atomic_bool store_has_verifiers;

static enum auth_status secret_scram(sasl_server_params_t *sparams, enum crypto_hash hash,
                                     struct slice name, const struct props_key *key,
                                     struct mech_secret *ret)
{
    uint8_t salt[32];

    if (ret->verdict == AUTH_OK) {
        if (find_scram(sparams, "*" PROP_AUTH_PASSWORD, hash, &ret->scram)) {
            return AUTH_OK;
        }
        struct slice password = find_password(sparams);
        if (password.n > 0) {
            enum auth_status status = own_salt(key, hash, name, salt);
            if (status == AUTH_OK) {
                atomic_store(&store_has_passwords, true);
                status = derive_scram(password, hash, salt, key->iterations, &ret->scram);
            }
            if (status == AUTH_OK || auth_status_is_outage(status)) {
                return status;
            }
        }
        ret->verdict = AUTH_NO_VERIFIER;
    }
    /* Where somebody other than our store refuses the account, its verifiers are there instead. */
    const char *decoy = scram_props[verifier_scram_slot(hash)][SCRAM_DECOY];
    if (find_scram(sparams, decoy, hash, &ret->scram) ||
        find_scram(sparams, "*" PROP_AUTH_PASSWORD, hash, &ret->scram)) {
        return AUTH_OK;
    }
    enum auth_status status = own_salt(key, hash, name, salt);
    if (status == AUTH_OK && atomic_load(&store_has_passwords)) {
        status = derive_scram(slice_str("no password"), hash, salt, key->iterations, &ret->scram);
    }
    if (status == AUTH_OK) {
        decoy_scram(hash, salt, key->iterations, &ret->scram);
    }
    return status;
}

static enum auth_status secret_cram(sasl_server_params_t *sparams, struct mech_secret *ret)
{
    const char *state = find_exact(sparams, "*" PROP_CRAM, CRYPTO_HMAC_MD5_STATE);
    struct slice password = find_password(sparams);

    if (ret->verdict != AUTH_OK) {
        return AUTH_OK;
    }
    if (state != NULL) {
        memcpy(ret->cram, state, CRYPTO_HMAC_MD5_STATE);
        return AUTH_OK;
    }
    if (password.n > 0) {
        return crypto_hmac_md5_precompute(password, ret->cram);
    }
    ret->verdict = AUTH_NO_VERIFIER;
    return AUTH_OK;
}

/* Hashed over exactly the bytes the client used. Reads every value, also behind a match. */
static bool match_digests(sasl_server_params_t *sparams, const char *name,
                          const struct mech_want *want, struct mech_secret *ret)
{
    uint8_t digest[VERIFIER_DIGEST_ENCODINGS][16];
    unsigned size;
    const char **values = find_values(sparams, name, &size);
    bool found = false;

    for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
        bool match = false;
        if (verifier_match_digests(slice_str(values[i]), want->digest_username, want->digest_realm,
                                   digest, &match) == AUTH_OK &&
            match) {
            memcpy(ret->digest, digest, sizeof digest);
            crypto_wipe(digest, sizeof digest);
            found = true;
        }
    }
    return found;
}

/* From a clear password: hashed as UTF-8 and, where it differs, as ISO-8859-1. */
static enum auth_status derive_digests(const struct mech_want *want, struct slice password,
                                       struct mech_secret *ret)
{
    struct buf latin1;

    buf_init(&latin1, IDENTITY_MAX_PASSWORD);
    enum auth_status status = AUTH_OK;
    for (unsigned i = 0; status == AUTH_OK && i < VERIFIER_DIGEST_ENCODINGS; i++) {
        status = verifier_digest_ha1(want->digest_username, want->digest_realm, password,
                                     ret->digest[i]);
        if (i == 0 && identity_to_latin1(password, &latin1)) {
            password = buf_slice(&latin1);
        }
    }
    buf_release(&latin1);
    return status;
}

static enum auth_status secret_digest(sasl_server_params_t *sparams, const struct mech_want *want,
                                      struct mech_secret *ret)
{
    struct mech_secret nobody;
    unsigned size;

    memset(ret->digest, 0, sizeof ret->digest);
    const bool found = match_digests(sparams, "*" PROP_DIGEST, want, ret);
    /* As many texts are read for every name. What comes of these is of no use to anybody. */
    (void)match_digests(sparams, "*" PROP_DECOY, want, &nobody);
    if (ret->verdict != AUTH_OK || found) {
        return AUTH_OK;
    }
    const struct slice password = find_password(sparams);
    if (password.n > 0) {
        return derive_digests(want, password, ret);
    }
    const char *raw = find_exact(sparams, "*" PROP_DIGEST_RAW, 16);
    if (raw == NULL || find_values(sparams, "*" PROP_DIGEST, &size) != NULL) {
        ret->verdict = AUTH_NO_VERIFIER;
        return AUTH_OK;
    }
    /* Of another store's single digest nobody knows the spelling; it is tried as it is. */
    for (unsigned i = 0; i < VERIFIER_DIGEST_ENCODINGS; i++) {
        memcpy(ret->digest[i], raw, sizeof ret->digest[i]);
    }
    return AUTH_OK;
}

enum auth_status props_secret(sasl_server_params_t *sparams, const struct mech_want *want,
                              struct slice name, const struct props_key *key,
                              struct mech_secret *ret)
{
    switch (want->kind) {
    case MECH_SECRET_CRAM:
        return secret_cram(sparams, ret);
    case MECH_SECRET_DIGEST:
        return secret_digest(sparams, want, ret);
    case MECH_SECRET_SCRAM:
        return secret_scram(sparams, want->hash, name, key, ret);
    }
    return AUTH_INTERNAL;
}

/*
 * The decoy for PLAIN and LOGIN. The store puts first the kind that the account it stands for
 * would be checked with, so that it costs the same.
 */
static bool find_password_decoy(sasl_server_params_t *sparams, struct scram_verifier *ret,
                                bool *ret_ours)
{
    unsigned size;
    const char **values = find_values(sparams, "*" PROP_DECOY, &size);

    *ret_ours = values != NULL;
    return values != NULL && verifier_take_rfc5803(slice_str(values[0]), ret) == AUTH_OK;
}

/* The verifier PLAIN and LOGIN use, in the order of verifier_for_password(). */
static bool find_for_password(sasl_server_params_t *sparams, struct scram_verifier *ret)
{
    static const char name[] = "*" PROP_AUTH_PASSWORD;

    bool found = find_scram(sparams, name, CRYPTO_SHA256, ret) ||
                 find_scram(sparams, name, CRYPTO_SHA512, ret) ||
                 find_scram(sparams, name, CRYPTO_SHA1, ret);
    if (found) {
        atomic_store(&store_has_verifiers, true);
    }
    return found;
}

enum auth_status props_check_password(sasl_server_params_t *sparams, enum auth_status verdict,
                                      struct slice password, bool *ret_ours)
{
    struct scram_verifier verifier;
    struct scram_verifier decoy;
    unsigned size;
    enum auth_status status;

    bool have_decoy = find_password_decoy(sparams, &decoy, ret_ours);
    bool have_scram = find_for_password(sparams, &verifier);
    const char **crypt = find_values(sparams, "*" PROP_CRYPT, &size);
    const char *checkpass = find_exact(sparams, "*" PROP_CHECKPASS, VERIFIER_CHECKPASS);
    if (verdict == AUTH_OK && have_scram) {
        status = verifier_check_scram(&verifier, password);
    } else if (verdict == AUTH_OK && crypt != NULL) {
        status = verifier_check_crypt(crypt[0], password);
    } else {
        /* The work is done for its duration; its result is of no use to anybody. */
        const struct scram_verifier *stand_in = have_decoy ? &decoy : have_scram ? &verifier : NULL;
        status = stand_in != NULL ? verifier_check_scram(stand_in, password) : AUTH_WRONG_PASSWORD;
        if (!auth_status_is_outage(status)) {
            status = verdict == AUTH_OK ? AUTH_NO_VERIFIER : verdict;
        }
        if (status == AUTH_NO_VERIFIER && checkpass != NULL) {
            status = verifier_check_checkpass((const uint8_t *)checkpass, password);
        }
    }
    crypto_wipe(&verifier, sizeof verifier);
    crypto_wipe(&decoy, sizeof decoy);
    return status;
}

void props_spend(const struct props_key *key, struct slice password)
{
    struct scram_verifier nobody;

    if (key->has_verifiers || atomic_load(&store_has_verifiers)) {
        decoy_scram(CRYPTO_SHA256, key->bytes, key->iterations, &nobody);
        enum auth_status status = verifier_check_scram(&nobody, password);
        (void)status; /* whatever it is, nobody is let in by it */
    }
}
