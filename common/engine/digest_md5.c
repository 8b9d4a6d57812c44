/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * S: realm="...",nonce="...",qop="auth,auth-int",algorithm=md5-sess,maxbuf=65536,charset=utf-8
 * C: username="...",realm="...",nonce="...",nc=00000001,cnonce="...",digest-uri="smtp/host",...
 * S: rspauth=...
 *
 * The client hashes the very strings it sends, in encodings it chooses, so the host may come up
 * with several digests for them; any will do. Subsequent authentication (RFC 2831 2.2) is not kept
 * up: the response a client offers for it is passed over and the challenge sent, as 2.2.2 says.
 */
#include "engine/digest_md5.h"

#include "engine/digest_layer.h"
#include "engine/digest_md5_hash.h"

enum digest_state { DIGEST_START, DIGEST_WANT_RESPONSE, DIGEST_DONE, DIGEST_FAILED };

enum {
    MAX_NONCE = 256,
};

struct digest {
    struct mech_server mech;
    enum digest_state state;
    struct buf nonce;
    struct digest_layer layer; /* after success */
};

/* What came of holding a response against the digests of a spelling. */
struct proof {
    bool match;
    uint8_t session_key[DIGEST_MD5_SIZE]; /* of the digest that matched */
};

static const unsigned qop_ssf[] = {0, DIGEST_SSF_INTEGRITY, DIGEST_SSF_RC4};

static bool is_offered(const struct digest *s, enum digest_md5_qop qop)
{
    return digest_layer_allowed(&s->mech.host->layers, qop_ssf[qop]);
}

/* qop-options, maxbuf and cipher-opts (RFC 2831 2.1.1). False if there is nothing to offer. */
static bool put_offer(const struct digest *s, struct buf *out)
{
    unsigned n = 0;

    buf_put_str(out, "qop=\"");
    for (unsigned i = 0; i < sizeof qop_ssf / sizeof qop_ssf[0]; i++) {
        const enum digest_md5_qop qop = (enum digest_md5_qop)i;
        if (is_offered(s, qop)) {
            buf_put_str(out, n++ == 0 ? "" : ",");
            buf_put_str(out, digest_md5_qop_name(qop));
        }
    }
    buf_put_str(out, "\"");
    if (is_offered(s, DIGEST_MD5_AUTH_CONF)) {
        buf_put_str(out, ",cipher=\"rc4\"");
    }
    if (is_offered(s, DIGEST_MD5_AUTH_INT) || is_offered(s, DIGEST_MD5_AUTH_CONF)) {
        buf_put_str(out, ",maxbuf=");
        buf_put_decimal(out, digest_layer_own_buffer(&s->mech.host->layers));
    }
    return n > 0;
}

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
    buf_put_byte(out, ',');
    if (!put_offer(s, out)) {
        return mech_refuse(&s->mech, AUTH_NOT_ALLOWED, "no layer is within the limits");
    }
    buf_put_str(out, ",algorithm=md5-sess,charset=utf-8");
    if (buf_status(out) != AUTH_OK) {
        return buf_status(out);
    }
    return out->n > DIGEST_MD5_MAX_CHALLENGE ? AUTH_TOO_LONG : AUTH_CONTINUE;
}

/* The layer the client chose must be one it was offered (RFC 2831 2.1.2, qop and cipher). */
static enum auth_status check_layer(struct digest *s, const struct digest_md5_response *r,
                                    enum digest_md5_qop *ret)
{
    *ret = DIGEST_MD5_AUTH;
    if (r->qop.p != NULL && !digest_md5_take_qop(r->qop, ret)) {
        return AUTH_INTERNAL;
    }
    if (!is_offered(s, *ret)) {
        return mech_malformed(&s->mech, "a qop that was not offered");
    }
    if (*ret == DIGEST_MD5_AUTH_CONF && !slice_equal_nocase(r->cipher, slice_str("rc4"))) {
        return mech_malformed(&s->mech, "a cipher that was not offered");
    }
    return AUTH_OK;
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
                                   const struct digest_md5_a2 *a2,
                                   const uint8_t sent[DIGEST_MD5_SIZE], struct proof *ret)
{
    const struct slice *const forms[2] = {NULL, &r->authzid};
    const size_t first = r->authzid.n > 0 ? 1 : 0;
    const size_t last = r->authzid.p != NULL ? 1 : 0;
    uint8_t key[DIGEST_MD5_SIZE];
    uint8_t expected[DIGEST_MD5_SIZE];
    enum auth_status status = AUTH_INTERNAL;

    for (size_t i = first; i <= last; i++) {
        if ((status = digest_md5_session_key(ha1, r, forms[i], key)) != AUTH_OK ||
            (status = digest_md5_proof(key, r, a2, expected)) != AUTH_OK) {
            break;
        }
        const bool equal = crypto_equal(expected, sent, DIGEST_MD5_SIZE);
        copy_if(equal, ret->session_key, key, DIGEST_MD5_SIZE);
        ret->match |= equal;
    }
    crypto_wipe(key, sizeof key);
    crypto_wipe(expected, sizeof expected);
    return status;
}

static enum auth_status verify(const struct mech_secret *secret,
                               const struct digest_md5_response *r, struct proof *ret)
{
    uint8_t sent[DIGEST_MD5_SIZE];
    struct digest_md5_a2 a2;

    if (!verifier_decode_md5(r->response, sent)) {
        return AUTH_INTERNAL;
    }
    enum auth_status status = digest_md5_hash_a2(r, false, &a2);
    /* All of them whichever matches: the time says nothing about the name, nor the password. */
    for (unsigned i = 0; status == AUTH_OK && i < VERIFIER_DIGEST_ENCODINGS; i++) {
        status = try_digest(secret->digest[i], r, &a2, sent, ret);
    }
    return status == AUTH_OK ? mech_verdict(secret, ret->match) : status;
}

/* The client is who it says. */
static enum auth_status succeed(struct digest *s, const struct digest_md5_response *r,
                                enum digest_md5_qop qop, const struct proof *proof, struct buf *out)
{
    const struct digest_layer_options options = {
        .server = true,
        .rc4 = qop == DIGEST_MD5_AUTH_CONF,
        .peer_buffer = digest_md5_take_maxbuf(r->maxbuf),
        .own_buffer = digest_layer_own_buffer(&s->mech.host->layers),
    };

    uint8_t answer[DIGEST_MD5_SIZE];
    struct digest_md5_a2 a2;

    enum auth_status status = digest_md5_hash_a2(r, true, &a2);
    if (status == AUTH_OK) {
        status = digest_md5_proof(proof->session_key, r, &a2, answer);
    }
    if (status != AUTH_OK) {
        return status;
    }
    buf_put_str(out, "rspauth=");
    buf_put_hex(out, answer, sizeof answer);
    status = buf_status(out);
    if (status == AUTH_OK && qop != DIGEST_MD5_AUTH) {
        status = digest_layer_open(&s->layer, &options, proof->session_key);
    }
    return status;
}

static enum auth_status on_response(struct digest *s, struct slice in, struct buf *out)
{
    struct digest_md5_response r;
    struct mech_identity who;
    struct mech_secret secret = {.verdict = AUTH_INTERNAL};
    struct proof proof = {.match = false};
    enum digest_md5_qop qop;
    struct buf scratch;
    struct buf name;

    buf_init(&scratch, DIGEST_MD5_MAX_RESPONSE);
    buf_init(&name, 2 * (size_t)DIGEST_MD5_MAX_RESPONSE);
    enum auth_status status = digest_md5_parse_response(in, &scratch, &r, &s->mech.detail);
    if (status != AUTH_OK || (status = check_layer(s, &r, &qop)) != AUTH_OK ||
        (status = check_fields(s, &r)) != AUTH_OK ||
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
        status = verify(&secret, &r, &proof);
    }
    if (status == AUTH_OK) {
        status = succeed(s, &r, qop, &proof, out);
    }
out:
    crypto_wipe(&secret, sizeof secret);
    crypto_wipe(&proof, sizeof proof);
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
    digest_layer_release(&s->layer);
    crypto_wipe(s, sizeof *s);
}

static struct digest_layer *layer(void *state)
{
    struct digest *s = state;

    return s->state == DIGEST_DONE && s->layer.open ? &s->layer : NULL;
}

const struct mech_server_ops digest_md5_server = {
    .state_size = sizeof(struct digest),
    .start = start,
    .step = step,
    .release = release,
    .layer = layer,
};
