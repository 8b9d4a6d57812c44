/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"

static void must(enum auth_status status)
{
    if (status != AUTH_OK) {
        fail_msg("the test's own host: %s", auth_status_text(status));
    }
}

static const struct {
    const char *name;
    enum auth_status status;
} statuses[] = {
    {"ok", AUTH_OK},
    {"malformed", AUTH_MALFORMED},
    {"too-long", AUTH_TOO_LONG},
    {"bad-name", AUTH_BAD_NAME},
    {"bad-password", AUTH_BAD_PASSWORD},
    {"bad-binding", AUTH_BAD_BINDING},
    {"wrong-password", AUTH_WRONG_PASSWORD},
    {"unknown-user", AUTH_UNKNOWN_USER},
    {"disabled", AUTH_DISABLED},
    {"expired", AUTH_EXPIRED},
    {"no-verifier", AUTH_NO_VERIFIER},
    {"not-allowed", AUTH_NOT_ALLOWED},
    {"bad-server", AUTH_BAD_SERVER},
    {"unavailable", AUTH_UNAVAILABLE},
};

enum auth_status fake_host_status(struct slice name)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (slice_equal_str(name, statuses[i].name)) {
            return statuses[i].status;
        }
    }
    fail_msg("no status is called %.*s", (int)name.n, (const char *)name.p);
    return AUTH_INTERNAL;
}

/* Random bytes of a host: 0, 1, 2 and so on, so that runs repeat. */
static enum auth_status fake_random(void *ctx, uint8_t *ret, size_t n)
{
    struct fake_host *fake = ctx;

    for (size_t i = 0; i < n; i++) {
        ret[i] = fake->next_random++;
    }
    return AUTH_OK;
}

enum auth_status fake_host_nonce(void *ctx, struct buf *ret)
{
    const struct fake_host *fake = ctx;

    buf_put_slice(ret, fake->nonce);
    return buf_status(ret);
}

/* Prepares a name and says whether it is the account's. */
static enum auth_status identify(const struct fake_host *fake, struct slice name, bool *ret_known,
                                 struct identity *ret)
{
    struct identity account;
    struct buf prepared;

    must(identity_split(slice_str(fake->user), fake->realm, &account));
    buf_init(&prepared, IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM);
    enum auth_status status = identity_prepare_name(name, IDENTITY_QUERY, &prepared);
    if (status == AUTH_OK) {
        status = identity_split(buf_slice(&prepared), fake->realm, ret);
    }
    buf_release(&prepared);
    *ret_known = status == AUTH_OK && strcmp(ret->user, account.user) == 0 &&
                 strcmp(ret->realm, account.realm) == 0;
    return status;
}

/* The digests of the account under the client's spelling, through their text form. */
static void find_digests(const struct fake_host *fake, const struct identity *who,
                         const struct mech_want *want, struct mech_secret *ret)
{
    struct verifier_policy policy = {.kinds = VERIFIER_DIGEST_MD5};
    struct verifier_set set;
    struct buf text;
    bool found = false;
    bool match;

    if (fake->extra_realm != NULL) {
        policy.n_extra_realms = 1;
        snprintf(policy.extra_realm[0], sizeof policy.extra_realm[0], "%s", fake->extra_realm);
    }
    must(verifier_make(who, fake->password, &policy, &set));
    buf_init(&text, 2048);
    for (unsigned i = 0; i < set.n_digest;) {
        buf_clear(&text);
        i = verifier_put_digests(&text, &set, i, who);
        must(buf_status(&text));
        must(verifier_match_digests(buf_slice(&text), want->digest_username, want->digest_realm,
                                    ret->digest, &match));
        assert_false(found && match);
        found = found || match;
    }
    if (!found && ret->verdict == AUTH_OK) {
        ret->verdict = AUTH_NO_VERIFIER;
    }
    buf_release(&text);
}

static void fill_secret(const struct fake_host *fake, const struct identity *who,
                        const struct mech_want *want, struct mech_secret *ret)
{
    struct buf prepared;

    switch (want->kind) {
    case MECH_SECRET_CRAM:
        must(crypto_hmac_md5_precompute(fake->password, ret->cram));
        break;
    case MECH_SECRET_DIGEST:
        find_digests(fake, who, want, ret);
        break;
    case MECH_SECRET_SCRAM:
        buf_init(&prepared, IDENTITY_MAX_PASSWORD);
        must(identity_prepare_password(fake->password, IDENTITY_STORED, &prepared));
        must(verifier_make_scram(want->hash, buf_slice(&prepared), fake->salt, fake->iterations,
                                 &ret->scram));
        buf_release(&prepared);
        break;
    }
}

static void record(struct fake_host *fake, const struct mech_identity *who)
{
    fake->lookups++;
    buf_clear(&fake->authcid);
    buf_clear(&fake->authzid);
    buf_put_slice(&fake->authcid, who->authcid);
    buf_put_slice(&fake->authzid, who->authzid);
    fake->has_authzid = who->authzid.p != NULL;
    must(buf_status(&fake->authcid));
    must(buf_status(&fake->authzid));
}

/* An account that does not exist has the secrets of the one that does: only the verdict refuses. */
static enum auth_status find_secret(struct fake_host *fake, const struct mech_identity *who,
                                    const struct mech_want *want, struct mech_secret *ret)
{
    struct identity found;
    bool known;

    record(fake, who);
    enum auth_status status = identify(fake, who->authcid, &known, &found);
    if (status != AUTH_OK || fake->outage != AUTH_OK) {
        return status != AUTH_OK ? status : fake->outage;
    }
    ret->verdict = known ? fake->verdict : AUTH_UNKNOWN_USER;
    fill_secret(fake, &found, want, ret);
    return AUTH_OK;
}

static enum auth_status check_password(struct fake_host *fake, const struct mech_identity *who,
                                       struct slice password)
{
    const struct mech_want want = {.kind = MECH_SECRET_SCRAM, .hash = CRYPTO_SHA256};
    struct mech_secret secret = {.verdict = AUTH_INTERNAL};

    enum auth_status status = find_secret(fake, who, &want, &secret);
    if (status == AUTH_OK) {
        status = verifier_check_scram(&secret.scram, password);
    }
    const bool checked = status == AUTH_OK || status == AUTH_WRONG_PASSWORD;
    return checked && secret.verdict != AUTH_OK ? secret.verdict : status;
}

static enum auth_status fake_find_secret(void *ctx, const struct mech_identity *who,
                                         const struct mech_want *want, struct mech_secret *ret)
{
    const bool counting = alloc_fail_count(false);

    enum auth_status status = find_secret(ctx, who, want, ret);
    alloc_fail_count(counting);
    return status;
}

static enum auth_status fake_check_password(void *ctx, const struct mech_identity *who,
                                            struct slice password)
{
    const bool counting = alloc_fail_count(false);

    enum auth_status status = check_password(ctx, who, password);
    alloc_fail_count(counting);
    return status;
}

static char *text_or(const struct stanza_file *file, const struct stanza *s, const char *key,
                     const char *fallback)
{
    char *text = stanza_text(file, s, key);

    return text != NULL ? text : strdup(fallback);
}

struct mech_layer_limits fake_host_layers(const struct stanza_file *file, const struct stanza *s)
{
    return (struct mech_layer_limits){
        .min_ssf = stanza_number(file, s, "min-ssf", 0),
        .max_ssf = stanza_number(file, s, "max-ssf", 0),
        .max_buffer = stanza_number(file, s, "max-buffer", 0),
        .rc4 = stanza_number(file, s, "rc4", 0) != 0 && crypto_prepare_rc4(),
    };
}

void fake_host_open(struct fake_host *fake, const struct stanza_file *file, const struct stanza *s)
{
    const struct stanza_field *verdict = stanza_find(file, s, "verdict");
    const struct stanza_field *outage = stanza_find(file, s, "outage");

    *fake = (struct fake_host){
        .service = text_or(file, s, "service", "smtp"),
        .fqdn = text_or(file, s, "fqdn", "mail.example.org"),
        .realm = text_or(file, s, "realm", "example.org"),
        .user = text_or(file, s, "user", "alice"),
        .extra_realm = stanza_text(file, s, "extra-realm"),
        .binding_name = stanza_text(file, s, "binding"),
        .password = stanza_value(file, s, "password"),
        .salt = stanza_value(file, s, "salt"),
        .nonce = stanza_value(file, s, "nonce"),
        .iterations = stanza_number(file, s, "iterations", 1),
        .verdict = verdict != NULL ? fake_host_status(verdict->value) : AUTH_OK,
        .outage = outage != NULL ? fake_host_status(outage->value) : AUTH_OK,
    };
    if (fake->salt.n == 0) {
        fake->salt = slice_str("0123456789abcdef");
    }
    fake->binding.name = fake->binding_name;
    fake->binding.data = stanza_value(file, s, "binding-data");
    buf_init(&fake->authcid, MECH_MAX_INPUT);
    buf_init(&fake->authzid, MECH_MAX_INPUT);
    fake->host = (struct mech_host){
        .ctx = fake,
        .service = fake->service,
        .server_fqdn = fake->fqdn,
        .realm = fake->realm,
        .binding = fake->binding_name != NULL ? &fake->binding : NULL,
        .plus = stanza_number(file, s, "plus", 0) != 0,
        .layers = fake_host_layers(file, s),
        .random = fake_random,
        .nonce = fake->nonce.p != NULL ? fake_host_nonce : NULL,
        .find_secret = fake_find_secret,
        .check_password = fake_check_password,
    };
}

void fake_host_close(struct fake_host *fake)
{
    free(fake->service);
    free(fake->fqdn);
    free(fake->realm);
    free(fake->user);
    free(fake->extra_realm);
    free(fake->binding_name);
    buf_release(&fake->authcid);
    buf_release(&fake->authzid);
}
