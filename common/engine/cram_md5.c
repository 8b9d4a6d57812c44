/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier is the pair of MD5 states that HMAC starts from, so nothing is hashed here but the
 * challenge. The name is whatever stands before the last space: names with spaces exist.
 */
#include "engine/cram_md5.h"

#include <time.h>

enum cram_state { CRAM_START, CRAM_WANT_RESPONSE, CRAM_DONE, CRAM_FAILED };

enum {
    NONCE_BYTES = 16, /* 128 random bits in a challenge */
    MD5_SIZE = 16,
    HEX_DIGEST = 2 * MD5_SIZE,
    MAX_CHALLENGE = 1024,
    MAX_RESPONSE = MECH_MAX_NAME + 1 + HEX_DIGEST,
};

struct cram {
    struct mech_server mech;
    enum cram_state state;
    struct buf challenge;
};

/* The part before "@": random digits and a timestamp (RFC 2195 2). */
static enum auth_status put_nonce(const struct mech_host *host, struct buf *out)
{
    uint8_t bytes[NONCE_BYTES];

    if (host->nonce != NULL) {
        return host->nonce(host->ctx, out);
    }
    enum auth_status status = host->random(host->ctx, bytes, sizeof bytes);
    if (status == AUTH_OK) {
        buf_put_hex(out, bytes, sizeof bytes);
        buf_put_byte(out, '.');
        buf_put_decimal(out, (uint64_t)time(NULL));
        status = buf_status(out);
    }
    return status;
}

/* msg-id = "<" addr-spec ">" (RFC 822 4.1) */
static enum auth_status put_challenge(struct cram *s, struct slice in, struct buf *out)
{
    const char *fqdn = s->mech.host->server_fqdn;

    if (in.n != 0) {
        return mech_malformed(&s->mech, "unexpected initial response");
    }
    buf_put_byte(&s->challenge, '<');
    enum auth_status status = put_nonce(s->mech.host, &s->challenge);
    if (status != AUTH_OK) {
        return status;
    }
    buf_put_byte(&s->challenge, '@');
    buf_put_str(&s->challenge, fqdn[0] != '\0' ? fqdn : "localhost");
    buf_put_byte(&s->challenge, '>');
    buf_put_slice(out, buf_slice(&s->challenge));
    if (buf_status(&s->challenge) != AUTH_OK) {
        return buf_status(&s->challenge);
    }
    return buf_status(out) == AUTH_OK ? AUTH_CONTINUE : buf_status(out);
}

/* Splits the response at its last space; the digest is 32 lower-case hex digits. */
static enum auth_status parse(struct mech_server *mech, struct slice in, struct slice *ret_name,
                              uint8_t ret_digest[MD5_SIZE])
{
    struct slice name;

    if (in.n > MAX_RESPONSE) {
        return mech_refuse(mech, AUTH_TOO_LONG, "response too long");
    }
    if (in.n < 1 + HEX_DIGEST) {
        return mech_malformed(mech, "response too short");
    }
    if (!slice_take(&in, in.n - HEX_DIGEST - 1, &name) || !slice_take_literal(&in, " ") ||
        !verifier_decode_md5(in, ret_digest)) {
        return mech_malformed(mech, "no space and 32 lower-case hex digits at the end");
    }
    *ret_name = name;
    return mech_check_name(mech, name);
}

static enum auth_status on_response(struct cram *s, struct slice in)
{
    const struct mech_want want = {.kind = MECH_SECRET_CRAM};
    struct mech_identity who = {.authzid = {NULL, 0}};
    struct mech_secret secret;
    uint8_t digest[MD5_SIZE];
    uint8_t expected[MD5_SIZE];

    enum auth_status status = parse(&s->mech, in, &who.authcid, digest);
    if (status != AUTH_OK) {
        return status;
    }
    status = mech_find_secret(s->mech.host, &who, &want, &secret);
    if (status == AUTH_OK) {
        status = crypto_hmac_md5_resume(secret.cram, buf_slice(&s->challenge), expected);
    }
    if (status == AUTH_OK) {
        status = mech_verdict(&secret, crypto_equal(expected, digest, sizeof digest));
    }
    crypto_wipe(&secret, sizeof secret);
    crypto_wipe(expected, sizeof expected);
    return status;
}

static enum auth_status step(void *state, struct slice in, struct buf *out)
{
    struct cram *s = state;
    enum auth_status status = AUTH_INTERNAL;

    switch (s->state) {
    case CRAM_START:
        status = put_challenge(s, in, out);
        break;
    case CRAM_WANT_RESPONSE:
        status = on_response(s, in);
        break;
    case CRAM_DONE:
    case CRAM_FAILED:
        status = mech_after_end(&s->mech);
        break;
    }
    if (status == AUTH_CONTINUE) {
        s->state = CRAM_WANT_RESPONSE;
    } else {
        s->state = status == AUTH_OK ? CRAM_DONE : CRAM_FAILED;
    }
    return status;
}

static void start(void *state, const void *variant, const struct mech_host *host)
{
    struct cram *s = state;

    (void)variant;
    s->mech.host = host;
    s->state = CRAM_START;
    buf_init(&s->challenge, MAX_CHALLENGE);
}

static void release(void *state)
{
    struct cram *s = state;

    buf_release(&s->challenge);
    crypto_wipe(s, sizeof *s);
}

const struct mech_server_ops cram_md5_server = {
    .state_size = sizeof(struct cram),
    .start = start,
    .step = step,
    .release = release,
};
