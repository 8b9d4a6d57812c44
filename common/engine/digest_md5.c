/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * S: realm="...",nonce="...",qop="auth",algorithm=md5-sess,charset=utf-8
 * C: username="...",realm="...",nonce="...",nc=00000001,cnonce="...",digest-uri="smtp/host",...
 * S: rspauth=...
 *
 * The client hashes the very strings it sends, in an encoding it chooses, so the host may come up
 * with two digests for them; either will do. Subsequent authentication (RFC 2831 2.2) is not kept
 * up: the response a client offers for it is passed over and the challenge sent, as 2.2.2 says.
 */
#include "engine/digest_md5.h"

#include "engine/digest_md5_msg.h"

enum digest_state { DIGEST_START, DIGEST_WANT_RESPONSE, DIGEST_DONE, DIGEST_FAILED };

enum {
    MAX_NONCE = 256,
    MAX_CANDIDATES = 2, /* digests of one spelling, struct mech_secret */
};

struct digest {
    struct mech_server mech;
    enum digest_state state;
    struct buf nonce;
};

static enum auth_status put_challenge(struct digest *s, struct slice in, struct buf *out)
{
    const struct mech_host *host = s->mech.host;

    if (in.n > DIGEST_MD5_MAX_RESPONSE) {
        return mech_refuse(&s->mech, AUTH_TOO_LONG, "initial response too long");
    }
    enum auth_status status = mech_put_nonce(host, &s->nonce);
    if (status != AUTH_OK) {
        return status;
    }
    if (host->realm[0] != '\0') {
        digest_md5_put_quoted(out, "realm", slice_str(host->realm));
        buf_put_byte(out, ',');
    }
    digest_md5_put_quoted(out, "nonce", buf_slice(&s->nonce));
    buf_put_str(out, ",qop=\"auth\",algorithm=md5-sess,charset=utf-8");
    if (buf_status(out) != AUTH_OK) {
        return buf_status(out);
    }
    return out->n > DIGEST_MD5_MAX_CHALLENGE ? AUTH_TOO_LONG : AUTH_CONTINUE;
}

/* What in the response depends on this exchange. */
static enum auth_status check_fields(struct digest *s, const struct digest_md5_response *r)
{
    struct digest_md5_uri uri;

    if (!slice_equal(r->nonce, buf_slice(&s->nonce))) {
        return mech_malformed(&s->mech, "a nonce that was not sent");
    }
    if (!digest_md5_parse_uri(r->digest_uri, &uri) ||
        !slice_equal_nocase(uri.service, slice_str(s->mech.host->service))) {
        return mech_malformed(&s->mech, "digest-uri of another service");
    }
    if (r->charset.p != NULL && (!identity_is_utf8(r->username) || !identity_is_utf8(r->realm))) {
        return mech_refuse(&s->mech, AUTH_BAD_NAME, "username or realm is not UTF-8");
    }
    return AUTH_OK;
}

/* Without charset=utf-8 it is ISO-8859-1 by the RFC, and UTF-8 from many a client all the same. */
static void put_utf8(struct buf *b, struct slice text)
{
    if (identity_is_utf8(text)) {
        buf_put_slice(b, text);
    } else {
        identity_from_latin1(text, b);
    }
}

/*
 * Whom to look up: the username, with the client's realm if it chose another than was offered and
 * the name says none itself. The name is built in `name`.
 */
static enum auth_status identify(struct digest *s, const struct digest_md5_response *r,
                                 struct buf *name, struct mech_identity *ret)
{
    put_utf8(name, r->username);
    if (r->realm.n > 0 && !slice_equal_str(r->realm, s->mech.host->realm) &&
        !slice_find(r->username, '@', NULL)) {
        buf_put_byte(name, '@');
        put_utf8(name, r->realm);
    }
    if (buf_status(name) != AUTH_OK) {
        return buf_status(name);
    }
    ret->authcid = buf_slice(name);
    ret->authzid = slice_of(NULL, 0);
    if (r->authzid.n > 0) {
        ret->authzid = r->authzid;
        enum auth_status status = mech_check_name(&s->mech, r->authzid);
        if (status != AUTH_OK) {
            return status;
        }
    }
    return mech_check_name(&s->mech, ret->authcid);
}

/* Copies bytes where `take` is set, in the same time where it is not. */
static void copy_if(bool take, uint8_t *ret, const uint8_t *bytes, size_t n)
{
    const unsigned mask = 0U - (unsigned)take;

    for (size_t i = 0; i < n; i++) {
        ret[i] = (uint8_t)((ret[i] & ~mask) | (bytes[i] & mask));
    }
}

/*
 * Holds the client's response against one digest, with and without an empty authzid: GNU SASL
 * sends authzid="" and leaves it out of A1, the letter of RFC 2831 would have its colon in. An
 * empty one names nobody, so both are let through.
 */
static enum auth_status try_digest(const uint8_t ha1[DIGEST_MD5_SIZE],
                                   const struct digest_md5_response *r,
                                   const uint8_t sent[DIGEST_MD5_SIZE], bool *match,
                                   uint8_t rspauth[DIGEST_MD5_SIZE])
{
    const struct slice *const forms[2] = {NULL, &r->authzid};
    const size_t first = r->authzid.n > 0 ? 1 : 0;
    const size_t last = r->authzid.p != NULL ? 1 : 0;
    uint8_t expected[DIGEST_MD5_SIZE];
    uint8_t answer[DIGEST_MD5_SIZE];
    enum auth_status status = AUTH_INTERNAL;

    for (size_t i = first; i <= last; i++) {
        status = digest_md5_compute(ha1, r, forms[i], expected, answer);
        if (status != AUTH_OK) {
            break;
        }
        const bool equal = crypto_equal(expected, sent, DIGEST_MD5_SIZE);
        copy_if(equal, rspauth, answer, DIGEST_MD5_SIZE);
        *match |= equal;
    }
    crypto_wipe(expected, sizeof expected);
    crypto_wipe(answer, sizeof answer);
    return status;
}

static enum auth_status verify(const struct mech_secret *secret,
                               const struct digest_md5_response *r, struct buf *out)
{
    uint8_t sent[DIGEST_MD5_SIZE];
    uint8_t rspauth[DIGEST_MD5_SIZE] = {0};
    bool match = false;
    enum auth_status status = AUTH_OK;

    if (secret->n_digest < 1 || secret->n_digest > MAX_CANDIDATES ||
        !verifier_decode_md5(r->response, sent)) {
        return AUTH_INTERNAL;
    }
    for (unsigned i = 0; status == AUTH_OK && i < secret->n_digest; i++) {
        status = try_digest(secret->digest[i], r, sent, &match, rspauth);
    }
    if (status == AUTH_OK) {
        status = mech_verdict(secret, match);
    }
    if (status == AUTH_OK) {
        buf_put_str(out, "rspauth=");
        buf_put_hex(out, rspauth, sizeof rspauth);
        status = buf_status(out);
    }
    crypto_wipe(rspauth, sizeof rspauth);
    return status;
}

static enum auth_status on_response(struct digest *s, struct slice in, struct buf *out)
{
    struct digest_md5_response r;
    struct mech_identity who;
    struct mech_secret secret = {.verdict = AUTH_INTERNAL};
    struct buf scratch;
    struct buf name;

    buf_init(&scratch, DIGEST_MD5_MAX_RESPONSE);
    buf_init(&name, 2 * (size_t)DIGEST_MD5_MAX_RESPONSE);
    enum auth_status status = digest_md5_parse_response(in, &scratch, &r, &s->mech.detail);
    if (status != AUTH_OK || (status = check_fields(s, &r)) != AUTH_OK ||
        (status = identify(s, &r, &name, &who)) != AUTH_OK) {
        goto out;
    }
    const struct mech_want want = {
        .kind = MECH_SECRET_DIGEST,
        .digest_username = r.username,
        .digest_realm = r.realm,
    };
    status = mech_find_secret(s->mech.host, &who, &want, &secret);
    if (status == AUTH_OK) {
        status = verify(&secret, &r, out);
    }
out:
    crypto_wipe(&secret, sizeof secret);
    buf_release(&scratch);
    buf_release(&name);
    return status;
}

static enum auth_status step(void *state, struct slice in, struct buf *out)
{
    struct digest *s = state;
    enum auth_status status = AUTH_INTERNAL;

    switch (s->state) {
    case DIGEST_START:
        status = put_challenge(s, in, out);
        break;
    case DIGEST_WANT_RESPONSE:
        status = on_response(s, in, out);
        break;
    case DIGEST_DONE:
    case DIGEST_FAILED:
        status = mech_after_end(&s->mech);
        break;
    }
    if (status == AUTH_CONTINUE) {
        s->state = DIGEST_WANT_RESPONSE;
    } else {
        s->state = status == AUTH_OK ? DIGEST_DONE : DIGEST_FAILED;
    }
    return status;
}

static void start(void *state, const void *variant, const struct mech_host *host)
{
    struct digest *s = state;

    (void)variant;
    s->mech.host = host;
    s->state = DIGEST_START;
    buf_init(&s->nonce, MAX_NONCE);
}

static void release(void *state)
{
    struct digest *s = state;

    buf_release(&s->nonce);
    crypto_wipe(s, sizeof *s);
}

const struct mech_server_ops digest_md5_server = {
    .state_size = sizeof(struct digest),
    .start = start,
    .step = step,
    .release = release,
};
