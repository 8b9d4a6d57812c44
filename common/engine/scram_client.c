/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * C: n,,n=user,r=cnonce              client-first-message
 * S: r=cnonce snonce,s=salt,i=4096   server-first-message
 * C: c=biws,r=cnonce snonce,p=proof  client-final-message
 * S: v=signature                     server-final-message
 *
 * Name, authorization identity and password are prepared (RFC 5802 5.1, 2.2); nothing is sent for
 * one that SASLprep forbids. The signature to expect is computed beside the proof, so the keys live
 * for one step only.
 */
#include "engine/scram_client.h"

enum scram_state {
    SCRAM_START,
    SCRAM_WANT_SERVER_FIRST,
    SCRAM_WANT_SERVER_FINAL,
    SCRAM_DONE,
    SCRAM_FAILED,
};

enum { MAX_SALT = 1024 }; /* bytes; servers in use have 12 to 64 */

struct scram_client_state {
    struct mech_client mech;
    enum scram_state state;
    const struct scram_variant *variant;
    struct buf gs2;
    struct buf nonce;        /* ours */
    struct buf auth_message; /* what has been said so far, with its commas */
    uint8_t signature[CRYPTO_MAX_HASH];
};

/* Everything derived from the password in one step. */
struct scram_keys {
    uint8_t salted[CRYPTO_MAX_HASH];
    uint8_t client[CRYPTO_MAX_HASH];
    uint8_t stored[CRYPTO_MAX_HASH];
    uint8_t server[CRYPTO_MAX_HASH];
};

/* Appends a prepared name with "," and "=" escaped. */
static enum auth_status put_name(struct scram_client_state *s, struct slice name, struct buf *ret)
{
    struct buf prepared;

    buf_init(&prepared, MECH_MAX_NAME);
    enum auth_status status = mech_client_put_name(&s->mech, name, &prepared);
    if (status == AUTH_OK) {
        scram_put_name(ret, buf_slice(&prepared));
        status = buf_status(ret);
    }
    buf_release(&prepared);
    return status;
}

/* gs2-header (RFC 5802 7), kept for c=. */
static enum auth_status put_gs2(struct scram_client_state *s, struct slice authzid)
{
    const struct mech_client_host *host = s->mech.host;
    struct scram_gs2 gs2 = {.binding = SCRAM_BINDING_NONE, .authzid = authzid};

    switch (host->binding_use) {
    case MECH_BINDING_NONE:
        break;
    case MECH_BINDING_UNOFFERED:
        gs2.binding = SCRAM_BINDING_UNUSED;
        break;
    case MECH_BINDING_USED:
        if (!mech_can_bind(host->binding)) {
            return mech_client_refuse(&s->mech, AUTH_BAD_BINDING,
                                      "channel binding is wanted and the application has none");
        }
        gs2.binding = SCRAM_BINDING_USED;
        gs2.binding_name = slice_str(host->binding->name);
        break;
    }
    scram_put_gs2(&s->gs2, &gs2);
    return buf_status(&s->gs2);
}

static enum auth_status put_client_first(struct scram_client_state *s, struct buf *out)
{
    const struct mech_account *account = s->mech.account;
    struct buf authcid;
    struct buf authzid;

    buf_init(&authcid, SCRAM_MAX_MESSAGE);
    buf_init(&authzid, SCRAM_MAX_MESSAGE);
    enum auth_status status = put_name(s, account->authcid, &authcid);
    if (status == AUTH_OK && account->authzid.n > 0) {
        status = put_name(s, account->authzid, &authzid);
    }
    if (status == AUTH_OK) {
        status = put_gs2(s, buf_slice(&authzid));
    }
    if (status == AUTH_OK) {
        status = mech_client_put_nonce(s->mech.host, &s->nonce);
    }
    if (status == AUTH_OK) {
        const struct scram_client_first message = {.username = buf_slice(&authcid),
                                                   .nonce = buf_slice(&s->nonce)};
        scram_put_client_first_bare(&s->auth_message, &message);
        buf_put_slice(out, buf_slice(&s->gs2));
        buf_put_slice(out, buf_slice(&s->auth_message));
        buf_put_byte(&s->auth_message, ',');
        status = buf_status(out) != AUTH_OK ? buf_status(out) : buf_status(&s->auth_message);
    }
    buf_release(&authcid);
    buf_release(&authzid);
    return status == AUTH_OK ? AUTH_CONTINUE : status;
}

static enum auth_status on_start(struct scram_client_state *s, struct slice in, struct buf *out)
{
    if (in.n > 0) {
        return mech_client_malformed(&s->mech, "the server spoke before the client");
    }
    return put_client_first(s, out);
}

/* server-error-value (RFC 5802 7). What is not listed is a refusal like any other. */
static enum auth_status on_error(struct scram_client_state *s, struct slice error)
{
    static const struct {
        const char *value;
        enum auth_status status;
        const char *detail;
    } errors[] = {
        {"channel-bindings-dont-match", AUTH_BAD_BINDING, "the server sees another channel"},
        {"server-does-support-channel-binding", AUTH_BAD_BINDING,
         "the server does support channel binding: downgraded on the way"},
        {"channel-binding-not-supported", AUTH_BAD_BINDING,
         "the server does not support channel binding"},
        {"unsupported-channel-binding-type", AUTH_BAD_BINDING,
         "the server does not support this type of channel binding"},
        {"no-resources", AUTH_UNAVAILABLE, "the server has no resources"},
    };

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (slice_equal_str(error, errors[i].value)) {
            return mech_client_refuse(&s->mech, errors[i].status, errors[i].detail);
        }
    }
    return mech_client_refuse(&s->mech, AUTH_WRONG_PASSWORD, "the server refused the login");
}

/* Everything the server may choose, within its bounds. */
static enum auth_status read_server_first(struct scram_client_state *s, struct slice in,
                                          struct scram_server_first *ret, uint8_t salt[MAX_SALT],
                                          size_t *ret_salt_len)
{
    const struct mech_client_host *host = s->mech.host;
    const struct slice ours = buf_slice(&s->nonce);
    struct scram_server_final final;
    struct slice prefix;

    if (scram_parse_server_final(in, &final, &s->mech.detail) == AUTH_OK && final.error.p != NULL) {
        return on_error(s, final.error);
    }
    enum auth_status status = scram_parse_server_first(in, ret, &s->mech.detail);
    if (status != AUTH_OK) {
        return status;
    }
    struct slice rest = ret->nonce;
    if (!slice_take(&rest, ours.n, &prefix) || !slice_equal(prefix, ours) || rest.n == 0) {
        return mech_client_malformed(&s->mech, "a nonce that does not extend ours");
    }
    status = crypto_base64_take(ret->salt, salt, MAX_SALT, ret_salt_len);
    if (auth_status_is_outage(status)) {
        return status;
    }
    if (status != AUTH_OK || *ret_salt_len == 0) {
        return mech_client_malformed(&s->mech, "the salt is not base64 of 1 to 1024 bytes");
    }
    if (ret->iterations < host->min_iterations) {
        return mech_client_refuse(&s->mech, AUTH_BAD_SERVER,
                                  "the server asks for fewer iterations than are safe");
    }
    if (ret->iterations > host->max_iterations) {
        return mech_client_refuse(&s->mech, AUTH_BAD_SERVER,
                                  "the server asks for more iterations than are allowed");
    }
    return AUTH_OK;
}

/* c= and r= of the client-final-message, to out and to the auth message. */
static enum auth_status put_without_proof(struct scram_client_state *s, struct slice nonce,
                                          struct buf *out)
{
    struct buf input; /* cbind-input = gs2-header [ cbind-data ] */
    struct buf base64;

    buf_init(&input, SCRAM_MAX_MESSAGE);
    buf_init(&base64, 2 * (size_t)SCRAM_MAX_MESSAGE);
    buf_put_slice(&input, buf_slice(&s->gs2));
    if (s->mech.host->binding_use == MECH_BINDING_USED) {
        buf_put_slice(&input, s->mech.host->binding->data);
    }
    enum auth_status status = buf_status(&input);
    if (status == AUTH_OK) {
        crypto_base64_put(&base64, buf_slice(&input));
        status = buf_status(&base64);
    }
    if (status == AUTH_OK) {
        const struct scram_client_final message = {.binding = buf_slice(&base64), .nonce = nonce};
        scram_put_client_final_without_proof(out, &message);
        buf_put_slice(&s->auth_message, buf_slice(out));
        status = buf_status(out) != AUTH_OK ? buf_status(out) : buf_status(&s->auth_message);
    }
    buf_release(&input);
    buf_release(&base64);
    return status;
}

/*
 * SaltedPassword := Hi(Normalize(password), salt, i)
 * ClientKey      := HMAC(SaltedPassword, "Client Key")
 * StoredKey      := H(ClientKey)
 * ServerKey      := HMAC(SaltedPassword, "Server Key")    (RFC 5802 3)
 */
static enum auth_status derive(struct scram_client_state *s, struct slice salt, uint32_t iterations,
                               struct scram_keys *keys)
{
    const enum crypto_hash hash = s->variant->hash;
    const struct slice salted = slice_of(keys->salted, crypto_hash_size(hash));
    const struct slice client = slice_of(keys->client, crypto_hash_size(hash));
    const struct slice client_label = slice_str("Client Key");
    const struct slice server_label = slice_str("Server Key");
    struct buf password;

    buf_init(&password, IDENTITY_MAX_PASSWORD);
    enum auth_status status =
        mech_client_put_password(&s->mech, s->mech.account->password, &password);
    if (status == AUTH_OK) {
        status = crypto_pbkdf2(hash, buf_slice(&password), salt, iterations, keys->salted);
    }
    buf_release(&password);
    if (status == AUTH_OK) {
        status = crypto_hmac(hash, salted, &client_label, 1, keys->client);
    }
    if (status == AUTH_OK) {
        status = crypto_digest(hash, &client, 1, keys->stored);
    }
    if (status == AUTH_OK) {
        status = crypto_hmac(hash, salted, &server_label, 1, keys->server);
    }
    return status;
}

/*
 * ClientSignature := HMAC(StoredKey, AuthMessage)
 * ClientProof     := ClientKey XOR ClientSignature
 * ServerSignature := HMAC(ServerKey, AuthMessage)    (RFC 5802 3)
 */
static enum auth_status put_proof(struct scram_client_state *s, const struct scram_keys *keys,
                                  struct buf *out)
{
    const enum crypto_hash hash = s->variant->hash;
    const size_t size = crypto_hash_size(hash);
    const struct slice auth_message = buf_slice(&s->auth_message);
    uint8_t proof[CRYPTO_MAX_HASH];
    struct buf base64;

    buf_init(&base64, 2 * (size_t)CRYPTO_MAX_HASH);
    enum auth_status status =
        crypto_hmac(hash, slice_of(keys->stored, size), &auth_message, 1, proof);
    if (status == AUTH_OK) {
        for (size_t i = 0; i < size; i++) {
            proof[i] ^= keys->client[i];
        }
        status = crypto_hmac(hash, slice_of(keys->server, size), &auth_message, 1, s->signature);
    }
    if (status == AUTH_OK) {
        crypto_base64_put(&base64, slice_of(proof, size));
        scram_put_proof(out, buf_slice(&base64));
        status = buf_status(&base64) != AUTH_OK ? buf_status(&base64) : buf_status(out);
    }
    buf_release(&base64);
    crypto_wipe(proof, sizeof proof);
    return status;
}

static enum auth_status on_server_first(struct scram_client_state *s, struct slice in,
                                        struct buf *out)
{
    struct scram_server_first message;
    struct scram_keys keys;
    uint8_t salt[MAX_SALT];
    size_t salt_len = 0;

    enum auth_status status = read_server_first(s, in, &message, salt, &salt_len);
    if (status != AUTH_OK) {
        return status;
    }
    buf_put_slice(&s->auth_message, in);
    buf_put_byte(&s->auth_message, ',');
    status = put_without_proof(s, message.nonce, out);
    if (status == AUTH_OK) {
        status = derive(s, slice_of(salt, salt_len), message.iterations, &keys);
    }
    if (status == AUTH_OK) {
        status = put_proof(s, &keys, out);
    }
    crypto_wipe(&keys, sizeof keys);
    return status == AUTH_OK ? AUTH_CONTINUE : status;
}

static enum auth_status on_server_final(struct scram_client_state *s, struct slice in)
{
    const size_t size = crypto_hash_size(s->variant->hash);
    struct scram_server_final message;
    uint8_t signature[CRYPTO_MAX_HASH];
    size_t n;

    enum auth_status status = scram_parse_server_final(in, &message, &s->mech.detail);
    if (status != AUTH_OK) {
        return status;
    }
    if (message.error.p != NULL) {
        return on_error(s, message.error);
    }
    status = crypto_base64_take(message.verifier, signature, size, &n);
    if (auth_status_is_outage(status)) {
        return status;
    }
    if (status != AUTH_OK || n != size) {
        return mech_client_malformed(&s->mech, "the signature is not base64 of one hash");
    }
    if (!crypto_equal(signature, s->signature, size)) {
        return mech_client_refuse(&s->mech, AUTH_BAD_SERVER,
                                  "the server's signature is wrong: it does not know the password");
    }
    return AUTH_OK;
}

static enum auth_status step(void *state, struct slice in, struct buf *out)
{
    struct scram_client_state *s = state;
    enum auth_status status = AUTH_INTERNAL;
    enum scram_state next = SCRAM_FAILED;

    switch (s->state) {
    case SCRAM_START:
        next = SCRAM_WANT_SERVER_FIRST;
        status = on_start(s, in, out);
        break;
    case SCRAM_WANT_SERVER_FIRST:
        next = SCRAM_WANT_SERVER_FINAL;
        status = on_server_first(s, in, out);
        break;
    case SCRAM_WANT_SERVER_FINAL:
        next = SCRAM_DONE;
        status = on_server_final(s, in);
        break;
    case SCRAM_DONE:
    case SCRAM_FAILED:
        status = mech_client_after_end(&s->mech);
        break;
    }
    s->state = status == AUTH_OK || status == AUTH_CONTINUE ? next : SCRAM_FAILED;
    return status;
}

static void start(void *state, const void *variant, const struct mech_client_host *host,
                  const struct mech_account *account)
{
    struct scram_client_state *s = state;

    s->mech.host = host;
    s->mech.account = account;
    s->state = SCRAM_START;
    s->variant = variant;
    buf_init(&s->gs2, SCRAM_MAX_MESSAGE);
    buf_init(&s->nonce, SCRAM_MAX_NONCE);
    buf_init(&s->auth_message, 4 * (size_t)SCRAM_MAX_MESSAGE);
}

static void release(void *state)
{
    struct scram_client_state *s = state;

    buf_release(&s->gs2);
    buf_release(&s->nonce);
    buf_release(&s->auth_message);
    crypto_wipe(s, sizeof *s);
}

const struct mech_client_ops scram_client = {
    .state_size = sizeof(struct scram_client_state),
    .start = start,
    .step = step,
    .release = release,
};
