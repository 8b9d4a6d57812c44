/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * C: n,,n=user,r=cnonce              client-first-message
 * S: r=cnonce snonce,s=salt,i=4096   server-first-message
 * C: c=biws,r=cnonce snonce,p=proof  client-final-message
 * S: v=signature                     server-final-message
 *
 * Deviations from RFC 5802, all on the side of caution: a failure is told to the host, not in an
 * "e=" message, since hosts have a refusal of their own; extensions are skipped; names reach the
 * host decoded and it prepares them. A name that does not exist gets a salt of the host's making
 * and goes the whole way with it.
 */
#include "engine/scram_server.h"

enum scram_state {
    SCRAM_START,
    SCRAM_WANT_CLIENT_FIRST,
    SCRAM_WANT_CLIENT_FINAL,
    SCRAM_DONE,
    SCRAM_FAILED,
};

struct scram_server_state {
    struct mech_server mech;
    enum scram_state state;
    const struct scram_variant *variant;
    struct buf binding;      /* what c= has to be: base64 of the gs2-header and the data */
    struct buf nonce;        /* the client's part, then ours */
    struct buf auth_message; /* what has been said so far, with its commas */
    struct mech_secret secret;
};

static enum auth_status decode_name(struct scram_server_state *s, struct slice name,
                                    struct buf *ret)
{
    if (!scram_decode_name(name, ret)) {
        return mech_malformed(&s->mech, "malformed name");
    }
    return buf_status(ret) == AUTH_OK ? mech_check_name(&s->mech, buf_slice(ret)) : buf_status(ret);
}

/* Finds the secret of whom the client-first-message names. */
static enum auth_status look_up(struct scram_server_state *s,
                                const struct scram_client_first *message)
{
    const struct mech_want want = {.kind = MECH_SECRET_SCRAM, .hash = s->variant->hash};
    const struct scram_verifier *found = &s->secret.scram;
    struct mech_identity who = {.authzid = {NULL, 0}};
    struct buf authcid;
    struct buf authzid;

    buf_init(&authcid, SCRAM_MAX_MESSAGE);
    buf_init(&authzid, SCRAM_MAX_MESSAGE);
    enum auth_status status = decode_name(s, message->username, &authcid);
    if (status == AUTH_OK && message->gs2.authzid.n > 0) {
        status = decode_name(s, message->gs2.authzid, &authzid);
    }
    if (status == AUTH_OK) {
        who.authcid = buf_slice(&authcid);
        who.authzid = buf_slice(&authzid);
        status = mech_find_secret(s->mech.host, &who, &want, &s->secret);
    }
    if (status == AUTH_OK && (found->hash != s->variant->hash || found->iterations < 1 ||
                              found->iterations > VERIFIER_MAX_ITERATIONS || found->salt_len < 1 ||
                              found->salt_len > VERIFIER_MAX_SALT)) {
        status = AUTH_INTERNAL;
    }
    buf_release(&authcid);
    buf_release(&authzid);
    return status;
}

/* The gs2 flag against what this side offers (RFC 5802 6), before anything else is looked at. */
static enum auth_status check_flag(struct scram_server_state *s, const struct scram_gs2 *gs2)
{
    const struct mech_binding *binding = s->mech.host->binding;
    const bool offered = mech_can_bind(binding);

    switch (gs2->binding) {
    case SCRAM_BINDING_USED:
        if (!offered) {
            return mech_refuse(&s->mech, AUTH_BAD_BINDING, "channel binding is not offered here");
        }
        if (!slice_equal_str(gs2->binding_name, binding->name)) {
            return mech_refuse(&s->mech, AUTH_BAD_BINDING, "channel binding of another type");
        }
        return AUTH_OK;
    case SCRAM_BINDING_UNUSED:
        if (offered) {
            return mech_refuse(&s->mech, AUTH_BAD_BINDING,
                               "the client was not told of channel binding: downgraded");
        }
        break;
    case SCRAM_BINDING_NONE:
        break;
    }
    if (s->mech.host->plus) {
        return mech_refuse(&s->mech, AUTH_BAD_BINDING, "channel binding is required");
    }
    return AUTH_OK;
}

/* cbind-input = gs2-header [ cbind-data ] (RFC 5802 7), as c= has to have it. */
static enum auth_status remember_binding(struct scram_server_state *s, const struct scram_gs2 *gs2)
{
    struct buf input;

    buf_init(&input, SCRAM_MAX_MESSAGE);
    buf_put_slice(&input, gs2->header);
    if (gs2->binding == SCRAM_BINDING_USED) {
        buf_put_slice(&input, s->mech.host->binding->data);
    }
    enum auth_status status = buf_status(&input);
    if (status == AUTH_OK) {
        crypto_base64_put(&s->binding, buf_slice(&input));
        status = buf_status(&s->binding);
    }
    buf_release(&input);
    return status;
}

/* Keeps what the client-final-message is checked against. */
static enum auth_status remember(struct scram_server_state *s,
                                 const struct scram_client_first *message)
{
    enum auth_status status = remember_binding(s, &message->gs2);

    if (status != AUTH_OK) {
        return status;
    }
    s->mech.bound = message->gs2.binding == SCRAM_BINDING_USED;
    buf_put_slice(&s->nonce, message->nonce);
    status = mech_put_nonce(s->mech.host, &s->nonce);
    return status == AUTH_OK ? buf_status(&s->nonce) : status;
}

static enum auth_status put_server_first(struct scram_server_state *s, struct slice bare,
                                         struct buf *out)
{
    struct buf salt;

    buf_init(&salt, 2 * (size_t)VERIFIER_MAX_SALT);
    crypto_base64_put(&salt, slice_of(s->secret.scram.salt, s->secret.scram.salt_len));
    const struct scram_server_first message = {
        .nonce = buf_slice(&s->nonce),
        .salt = buf_slice(&salt),
        .iterations = s->secret.scram.iterations,
    };
    enum auth_status status = buf_status(&salt);
    if (status == AUTH_OK) {
        scram_put_server_first(out, &message);
        buf_put_slice(&s->auth_message, bare);
        buf_put_byte(&s->auth_message, ',');
        buf_put_slice(&s->auth_message, buf_slice(out));
        buf_put_byte(&s->auth_message, ',');
        status = buf_status(out) != AUTH_OK ? buf_status(out) : buf_status(&s->auth_message);
    }
    buf_release(&salt);
    return status == AUTH_OK ? AUTH_CONTINUE : status;
}

static enum auth_status on_client_first(struct scram_server_state *s, struct slice in,
                                        struct buf *out)
{
    struct scram_client_first message;

    enum auth_status status = scram_parse_client_first(in, &message, &s->mech.detail);
    if (status != AUTH_OK) {
        return status;
    }
    if ((status = check_flag(s, &message.gs2)) != AUTH_OK ||
        (status = remember(s, &message)) != AUTH_OK || (status = look_up(s, &message)) != AUTH_OK) {
        return status;
    }
    return put_server_first(s, message.bare, out);
}

/*
 * ClientSignature := HMAC(StoredKey, AuthMessage)
 * ClientKey       := ClientProof XOR ClientSignature
 * ServerSignature := HMAC(ServerKey, AuthMessage)
 * and H(ClientKey) has to be StoredKey (RFC 5802 3).
 */
static enum auth_status check_proof(const struct scram_server_state *s, const uint8_t *proof,
                                    uint8_t *ret_signature, bool *ret_match)
{
    const enum crypto_hash hash = s->variant->hash;
    const size_t size = crypto_hash_size(hash);
    const struct slice auth_message = buf_slice(&s->auth_message);
    uint8_t key[CRYPTO_MAX_HASH] = {0};
    const struct slice client_key = slice_of(key, size);
    uint8_t stored[CRYPTO_MAX_HASH];

    enum auth_status status =
        crypto_hmac(hash, slice_of(s->secret.scram.stored_key, size), &auth_message, 1, key);
    if (status == AUTH_OK) {
        for (size_t i = 0; i < size; i++) {
            key[i] ^= proof[i];
        }
        status = crypto_digest(hash, &client_key, 1, stored);
    }
    if (status == AUTH_OK) {
        status = crypto_hmac(hash, slice_of(s->secret.scram.server_key, size), &auth_message, 1,
                             ret_signature);
    }
    if (status == AUTH_OK) {
        *ret_match = crypto_equal(stored, s->secret.scram.stored_key, size);
    }
    crypto_wipe(key, sizeof key);
    crypto_wipe(stored, sizeof stored);
    return status;
}

static enum auth_status put_server_final(struct slice signature, struct buf *out)
{
    struct buf base64;

    buf_init(&base64, 2 * (size_t)CRYPTO_MAX_HASH);
    crypto_base64_put(&base64, signature);
    enum auth_status status = buf_status(&base64);
    if (status == AUTH_OK) {
        const struct scram_server_final message = {.verifier = buf_slice(&base64)};
        scram_put_server_final(out, &message);
        status = buf_status(out);
    }
    buf_release(&base64);
    return status;
}

/* Everything in the message that is no secret. */
static enum auth_status read_client_final(struct scram_server_state *s, struct slice in,
                                          uint8_t *ret_proof)
{
    const size_t size = crypto_hash_size(s->variant->hash);
    struct scram_client_final message;
    size_t n;

    enum auth_status status = scram_parse_client_final(in, &message, &s->mech.detail);
    if (status != AUTH_OK) {
        return status;
    }
    if (!slice_equal(message.nonce, buf_slice(&s->nonce))) {
        return mech_malformed(&s->mech, "a nonce that was not sent");
    }
    if (message.binding.n != s->binding.n ||
        !crypto_equal(message.binding.p, s->binding.p, s->binding.n)) {
        return mech_refuse(&s->mech, AUTH_BAD_BINDING,
                           s->mech.bound ? "c= is not the gs2 header and this channel's data"
                                         : "c= is not the gs2 header");
    }
    status = crypto_base64_take(message.proof, ret_proof, size, &n);
    if (auth_status_is_outage(status)) {
        return status;
    }
    if (status != AUTH_OK || n != size) {
        return mech_malformed(&s->mech, "the proof is not base64 of one hash");
    }
    buf_put_slice(&s->auth_message, message.without_proof);
    return buf_status(&s->auth_message);
}

static enum auth_status on_client_final(struct scram_server_state *s, struct slice in,
                                        struct buf *out)
{
    const size_t size = crypto_hash_size(s->variant->hash);
    uint8_t proof[CRYPTO_MAX_HASH] = {0};
    uint8_t signature[CRYPTO_MAX_HASH] = {0};
    bool match = false;

    enum auth_status status = read_client_final(s, in, proof);
    if (status == AUTH_OK) {
        status = check_proof(s, proof, signature, &match);
    }
    if (status == AUTH_OK) {
        status = mech_verdict(&s->secret, match);
    }
    if (status == AUTH_OK) {
        status = put_server_final(slice_of(signature, size), out);
    }
    crypto_wipe(proof, sizeof proof);
    crypto_wipe(signature, sizeof signature);
    return status;
}

static enum auth_status step(void *state, struct slice in, struct buf *out)
{
    struct scram_server_state *s = state;
    enum auth_status status = AUTH_INTERNAL;
    enum scram_state next = SCRAM_DONE;

    switch (s->state) {
    case SCRAM_START:
        next = in.p == NULL ? SCRAM_WANT_CLIENT_FIRST : SCRAM_WANT_CLIENT_FINAL;
        status = in.p == NULL ? AUTH_CONTINUE : on_client_first(s, in, out);
        break;
    case SCRAM_WANT_CLIENT_FIRST:
        next = SCRAM_WANT_CLIENT_FINAL;
        status = on_client_first(s, in, out);
        break;
    case SCRAM_WANT_CLIENT_FINAL:
        status = on_client_final(s, in, out);
        break;
    case SCRAM_DONE:
    case SCRAM_FAILED:
        status = mech_after_end(&s->mech);
        break;
    }
    s->state = status == AUTH_OK || status == AUTH_CONTINUE ? next : SCRAM_FAILED;
    return status;
}

static void start(void *state, const void *variant, const struct mech_host *host)
{
    struct scram_server_state *s = state;

    s->mech.host = host;
    s->state = SCRAM_START;
    s->variant = variant;
    buf_init(&s->binding, 2 * (size_t)SCRAM_MAX_MESSAGE);
    buf_init(&s->nonce, SCRAM_MAX_FULL_NONCE);
    buf_init(&s->auth_message, 4 * (size_t)SCRAM_MAX_MESSAGE);
}

static void release(void *state)
{
    struct scram_server_state *s = state;

    buf_release(&s->binding);
    buf_release(&s->nonce);
    buf_release(&s->auth_message);
    crypto_wipe(s, sizeof *s);
}

const struct mech_server_ops scram_server = {
    .state_size = sizeof(struct scram_server_state),
    .start = start,
    .step = step,
    .release = release,
};
