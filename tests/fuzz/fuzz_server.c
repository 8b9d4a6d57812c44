/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* One run of an input. */
struct play {
    const char *nonce;
    enum fuzz_secret secret;
    enum auth_status verdict; /* of the account */
    bool known;               /* the last name looked up was the account's */
    size_t n;
    enum auth_status status[FUZZ_MAX_STEPS];
    size_t sent[FUZZ_MAX_STEPS]; /* bytes */
};

static enum auth_status put_nonce(void *ctx, struct buf *ret)
{
    const struct play *play = ctx;

    buf_put_str(ret, play->nonce);
    return buf_status(ret);
}

static enum auth_status some_random(void *ctx, uint8_t *ret, size_t n)
{
    (void)ctx;
    memset(ret, 'r', n);
    return AUTH_OK;
}

static enum auth_status look_up(struct play *play, const struct mech_identity *who)
{
    /* What an engine hands to its host has gone through its own checks. */
    FUZZ_CHECK(who->authcid.n > 0 && who->authcid.n <= MECH_MAX_NAME);
    FUZZ_CHECK(!slice_find(who->authcid, 0, NULL) && identity_is_utf8(who->authcid));
    FUZZ_CHECK(who->authzid.n <= MECH_MAX_NAME && !slice_find(who->authzid, 0, NULL));
    play->known = slice_equal_str(who->authcid, FUZZ_USER) ||
                  slice_equal_str(who->authcid, FUZZ_USER "@" FUZZ_REALM);
    return play->known ? play->verdict : AUTH_UNKNOWN_USER;
}

/* 16 bytes of salt as in vectors/, one iteration. */
static enum auth_status make_scram(enum fuzz_secret secret, enum crypto_hash hash,
                                   struct scram_verifier *ret)
{
    static const uint8_t salt[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static struct scram_verifier known[VERIFIER_SCRAM_HASHES];
    struct scram_verifier *at = &known[verifier_scram_slot(hash)];
    enum auth_status status = AUTH_OK;

    if (secret == FUZZ_UNGUESSABLE) {
        return verifier_make_scram(hash, fuzz_password(secret), slice_of(salt, sizeof salt), 1,
                                   ret);
    }
    if (at->iterations == 0) {
        status =
            verifier_make_scram(hash, fuzz_password(secret), slice_of(salt, sizeof salt), 1, at);
    }
    *ret = *at;
    return status;
}

static enum auth_status find_secret(void *ctx, const struct mech_identity *who,
                                    const struct mech_want *want, struct mech_secret *ret)
{
    struct play *play = ctx;
    struct slice password = fuzz_password(play->secret);

    ret->verdict = look_up(play, who);
    switch (want->kind) {
    case MECH_SECRET_SCRAM:
        return make_scram(play->secret, want->hash, &ret->scram);
    case MECH_SECRET_CRAM:
        return crypto_hmac_md5_precompute(password, ret->cram);
    case MECH_SECRET_DIGEST:
        return verifier_digest_ha1(want->digest_username, want->digest_realm, password,
                                   ret->digest[VERIFIER_DIGEST_ENCODINGS - 1]);
    }
    return AUTH_INTERNAL;
}

static enum auth_status check_password(void *ctx, const struct mech_identity *who,
                                       struct slice password)
{
    struct play *play = ctx;
    const struct slice right = fuzz_password(play->secret);
    const enum auth_status verdict = look_up(play, who);

    if (verdict != AUTH_OK) {
        return verdict;
    }
    return slice_equal(password, right) ? AUTH_OK : AUTH_WRONG_PASSWORD;
}

static void check_step(const struct play *play, enum auth_status status, const struct buf *out)
{
    FUZZ_CHECK(!auth_status_is_outage(status) && status != AUTH_NEED_INPUT);
    FUZZ_CHECK(out->n <= MECH_MAX_OUTPUT && (out->p == NULL || out->p[out->n] == 0));
    if (status == AUTH_OK) {
        FUZZ_CHECK(play->secret == FUZZ_KNOWN && play->verdict == AUTH_OK && play->known);
    }
}

static void run(const struct mech_server_ops *ops, const struct fuzz_input *input,
                struct play *play)
{
    const struct mech_host host = {
        .ctx = play,
        .service = (input->choice & FUZZ_IMAP) != 0 ? "imap" : "smtp",
        .server_fqdn = FUZZ_FQDN,
        .realm = FUZZ_REALM,
        .binding = fuzz_binding(input),
        .plus = (input->flags & FUZZ_PLUS) != 0,
        .layers = fuzz_layers(input),
        .random = some_random,
        .nonce = (input->flags & FUZZ_OWN_NONCE) == 0 ? put_nonce : NULL,
        .find_secret = find_secret,
        .check_password = check_password,
    };
    void *state = calloc(1, ops->state_size);
    bool ended = false;
    struct buf out;

    FUZZ_CHECK(state != NULL);
    buf_init(&out, MECH_MAX_OUTPUT);
    ops->start(state, fuzz_variant(input), &host);
    for (play->n = 0; play->n < input->n; play->n++) {
        uint8_t *block = fuzz_block(input->message[play->n]);
        buf_release(&out);
        enum auth_status status =
            ops->step(state, slice_of(block, input->message[play->n].n), &out);
        free(block);
        check_step(play, status, &out);
        FUZZ_CHECK(!ended || (status == AUTH_MALFORMED && out.n == 0));
        ended = ended || status != AUTH_CONTINUE;
        play->status[play->n] = status;
        play->sent[play->n] = out.n;
    }
    ops->release(state);
    FUZZ_CHECK(fuzz_is_zero(state, ops->state_size));
    free(state);
    buf_release(&out);
}

static bool is_last_word(enum auth_status status)
{
    return status == AUTH_OK || auth_status_is_verdict(status);
}

/* What a client sees before the verdict says nothing about the account. */
static void check_alike(const struct play *a, const struct play *b)
{
    for (size_t i = 0; i < a->n; i++) {
        if (is_last_word(a->status[i])) {
            FUZZ_CHECK(auth_status_is_verdict(b->status[i]));
        } else {
            FUZZ_CHECK(a->status[i] == b->status[i] && a->sent[i] == b->sent[i]);
        }
    }
}

void fuzz_server(const struct mech_server_ops *ops, const char *nonce, const uint8_t *data,
                 size_t size)
{
    struct play known = {.nonce = nonce, .secret = FUZZ_KNOWN, .verdict = AUTH_OK};
    struct play unguessable = {.nonce = nonce, .secret = FUZZ_UNGUESSABLE, .verdict = AUTH_OK};
    struct play disabled = {.nonce = nonce, .secret = FUZZ_KNOWN, .verdict = AUTH_DISABLED};
    struct fuzz_input input;

    if (!fuzz_split(data, size, &input)) {
        return;
    }
    fuzz_renew();
    run(ops, &input, &known);
    run(ops, &input, &unguessable);
    run(ops, &input, &disabled);
    check_alike(&known, &unguessable);
    check_alike(&known, &disabled);
}
