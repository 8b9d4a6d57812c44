/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * S: realm="...",nonce="...",qop="auth,auth-int",algorithm=md5-sess,charset=utf-8
 * C: charset=utf-8,username="...",realm="...",nonce="...",cnonce="...",nc=00000001,qop=auth-int,...
 * S: rspauth=...
 *
 * Where the server takes UTF-8, names are sent in it, and each of username, realm and password is
 * hashed in ISO-8859-1 if it fits that (RFC 2831 2.1.2.1). Where it does not, names are sent as
 * ISO-8859-1 too; one that does not fit goes as it is, which is how servers without the directive
 * store it. Names are not prepared otherwise: the RFC knows no SASLprep.
 */
#include "engine/digest_md5_client.h"

#include "engine/digest_layer.h"
#include "engine/digest_md5_hash.h"
#include "engine/identity.h"

enum client_state {
    CLIENT_START,
    CLIENT_WANT_CHALLENGE,
    CLIENT_WANT_RSPAUTH,
    CLIENT_DONE,
    CLIENT_FAILED,
};

struct digest_client {
    struct mech_client mech;
    enum client_state state;
    uint8_t rspauth[DIGEST_MD5_SIZE]; /* what the server has to answer */
    struct digest_layer layer;        /* open from the response on, lent out after success */
};

/* A response in the making. */
struct draft {
    struct digest_md5_challenge challenge;
    struct digest_md5_response fields;
    enum digest_md5_qop qop;
    bool utf8;            /* the server's charset */
    struct buf unescaped; /* values of the challenge */
    struct buf username;  /* as sent */
    struct buf cnonce;
    struct buf uri;
    struct buf hashed[3]; /* username, realm, password as hashed */
};

static void draft_init(struct draft *d)
{
    *d = (struct draft){.qop = DIGEST_MD5_AUTH};
    buf_init(&d->unescaped, DIGEST_MD5_MAX_CHALLENGE);
    buf_init(&d->username, DIGEST_MD5_MAX_RESPONSE);
    buf_init(&d->cnonce, DIGEST_MD5_MAX_RESPONSE);
    buf_init(&d->uri, DIGEST_MD5_MAX_RESPONSE);
    for (size_t i = 0; i < 3; i++) {
        buf_init(&d->hashed[i], DIGEST_MD5_MAX_RESPONSE);
    }
}

static void draft_release(struct draft *d)
{
    buf_release(&d->unescaped);
    buf_release(&d->username);
    buf_release(&d->cnonce);
    buf_release(&d->uri);
    for (size_t i = 0; i < 3; i++) {
        buf_release(&d->hashed[i]);
    }
}

/* The strongest of what both sides can have. */
static enum auth_status choose_qop(struct digest_client *s, struct draft *d)
{
    static const struct {
        enum digest_md5_qop qop;
        unsigned ssf;
    } strongest_first[] = {
        {DIGEST_MD5_AUTH_CONF, DIGEST_SSF_RC4},
        {DIGEST_MD5_AUTH_INT, DIGEST_SSF_INTEGRITY},
        {DIGEST_MD5_AUTH, 0},
    };
    const struct digest_md5_challenge *c = &d->challenge;
    const struct slice offered = c->qop.p != NULL ? c->qop : slice_str("auth");

    for (size_t i = 0; i < sizeof strongest_first / sizeof strongest_first[0]; i++) {
        d->qop = strongest_first[i].qop;
        if (digest_md5_lists(offered, digest_md5_qop_name(d->qop)) &&
            digest_layer_allowed(&s->mech.host->layers, strongest_first[i].ssf) &&
            (d->qop != DIGEST_MD5_AUTH_CONF || digest_md5_lists(c->cipher, "rc4"))) {
            return AUTH_OK;
        }
    }
    return mech_client_refuse(&s->mech, AUTH_NOT_ALLOWED,
                              "the server offers no security layer that is within the limits");
}

/* What cannot stand in a quoted-string (RFC 2831 7.2: no CTL), and would break the message up. */
static bool has_controls(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < 0x20 || text.p[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static enum auth_status check_name(struct digest_client *s, struct slice name, bool utf8)
{
    if (has_controls(name)) {
        return mech_client_refuse(&s->mech, AUTH_BAD_NAME, "control character in a name or realm");
    }
    if (utf8 && !identity_is_utf8(name)) {
        return mech_client_refuse(&s->mech, AUTH_BAD_NAME, "a name or realm is not UTF-8");
    }
    return AUTH_OK;
}

/* In ISO-8859-1 where it fits, else as it is. */
static void put_latin1(struct buf *b, struct slice text)
{
    if (!identity_to_latin1(text, b)) {
        buf_put_slice(b, text);
    }
}

/* Username, authzid and realm, checked and in the encoding they are sent in. */
static enum auth_status choose_names(struct digest_client *s, struct draft *d)
{
    const struct mech_client_host *host = s->mech.host;
    const struct mech_account *account = s->mech.account;
    const struct digest_md5_list *realms = &d->challenge.realms;
    struct digest_md5_response *f = &d->fields;
    struct slice realm = slice_of(NULL, 0);
    struct buf raw;

    enum auth_status status = host->choose_realm(host->ctx, realms->item, realms->n, &realm);
    if (status != AUTH_OK) {
        return status == AUTH_CONTINUE ? AUTH_INTERNAL : status;
    }
    /* An empty realm is the same as none (2.1.2), except where just that was offered. */
    f->realm = realm.n > 0 || realms->n == 0 ? realm : slice_of("", 0);
    f->authzid = account->authzid.n > 0 ? account->authzid : slice_of(NULL, 0);
    buf_init(&raw, MECH_MAX_NAME);
    status = mech_client_put_raw_name(&s->mech, account->authcid, &raw);
    if (status == AUTH_OK && (status = check_name(s, account->authcid, d->utf8)) == AUTH_OK &&
        (status = check_name(s, f->realm, d->utf8)) == AUTH_OK) {
        /* An authorization identity is UTF-8 whatever the charset (2.1.2, authzid). */
        status = check_name(s, f->authzid, true);
    }
    if (status == AUTH_OK && d->utf8) {
        buf_put_slice(&d->username, buf_slice(&raw));
    } else if (status == AUTH_OK) {
        put_latin1(&d->username, buf_slice(&raw));
    }
    buf_release(&raw);
    f->username = buf_slice(&d->username);
    return status == AUTH_OK ? buf_status(&d->username) : status;
}

/* H(username ":" realm ":" password) (RFC 2831 2.1.2.1). */
static enum auth_status hash_account(struct digest_client *s, struct draft *d,
                                     uint8_t ret[DIGEST_MD5_SIZE])
{
    struct buf password;

    buf_init(&password, IDENTITY_MAX_PASSWORD);
    enum auth_status status =
        mech_client_put_raw_password(&s->mech, s->mech.account->password, &password);
    if (status == AUTH_OK) {
        put_latin1(&d->hashed[2], buf_slice(&password));
    }
    buf_release(&password);
    if (status != AUTH_OK) {
        return status;
    }
    put_latin1(&d->hashed[0], s->mech.account->authcid);
    if (d->utf8) {
        put_latin1(&d->hashed[1], d->fields.realm);
    } else {
        buf_put_slice(&d->hashed[1], d->fields.realm); /* the server's own bytes */
    }
    for (size_t i = 0; i < 3; i++) {
        if (buf_status(&d->hashed[i]) != AUTH_OK) {
            return buf_status(&d->hashed[i]);
        }
    }
    return verifier_digest_ha1(buf_slice(&d->hashed[0]), buf_slice(&d->hashed[1]),
                               buf_slice(&d->hashed[2]), ret);
}

/* What is left to fill in: nonces, digest-uri, qop. */
static enum auth_status fill_fields(struct digest_client *s, struct draft *d)
{
    const struct mech_client_host *host = s->mech.host;
    struct digest_md5_response *f = &d->fields;

    enum auth_status status = mech_client_put_nonce(host, &d->cnonce);
    if (status != AUTH_OK) {
        return status;
    }
    buf_put_str(&d->uri, host->service);
    buf_put_byte(&d->uri, '/');
    buf_put_str(&d->uri, host->server_fqdn);
    if (buf_status(&d->uri) != AUTH_OK) {
        return buf_status(&d->uri);
    }
    f->nonce = d->challenge.nonce;
    f->cnonce = buf_slice(&d->cnonce);
    f->nc = slice_str("00000001");
    f->qop = slice_str(digest_md5_qop_name(d->qop));
    f->digest_uri = buf_slice(&d->uri);
    return check_name(s, f->digest_uri, false);
}

static void put_response(struct digest_client *s, const struct draft *d,
                         const uint8_t proof[DIGEST_MD5_SIZE], struct buf *out)
{
    const struct digest_md5_response *f = &d->fields;

    buf_put_str(out, d->utf8 ? "charset=utf-8," : "");
    digest_md5_put_quoted(out, "username", f->username);
    if (f->realm.p != NULL) {
        digest_md5_put_quoted(out, ",realm", f->realm);
    }
    digest_md5_put_quoted(out, ",nonce", f->nonce);
    digest_md5_put_quoted(out, ",cnonce", f->cnonce);
    buf_put_str(out, ",nc=00000001,qop=");
    buf_put_slice(out, f->qop);
    if (d->qop == DIGEST_MD5_AUTH_CONF) {
        buf_put_str(out, ",cipher=rc4");
    }
    if (d->qop != DIGEST_MD5_AUTH) {
        buf_put_str(out, ",maxbuf=");
        buf_put_decimal(out, digest_layer_own_buffer(&s->mech.host->layers));
    }
    digest_md5_put_quoted(out, ",digest-uri", f->digest_uri);
    buf_put_str(out, ",response=");
    buf_put_hex(out, proof, DIGEST_MD5_SIZE);
    if (f->authzid.p != NULL) {
        digest_md5_put_quoted(out, ",authzid", f->authzid);
    }
}

/* The client's proof, what the server's has to be, and the layer, all from one key. */
static enum auth_status prove(struct digest_client *s, struct draft *d, struct buf *out)
{
    const struct digest_layer_options options = {
        .rc4 = d->qop == DIGEST_MD5_AUTH_CONF,
        .peer_buffer = digest_md5_take_maxbuf(d->challenge.maxbuf),
        .own_buffer = digest_layer_own_buffer(&s->mech.host->layers),
    };
    const struct slice *authzid = d->fields.authzid.p != NULL ? &d->fields.authzid : NULL;
    uint8_t ha1[DIGEST_MD5_SIZE] = {0};
    uint8_t key[DIGEST_MD5_SIZE] = {0};
    uint8_t proof[DIGEST_MD5_SIZE] = {0};
    struct digest_md5_a2 a2;

    enum auth_status status = hash_account(s, d, ha1);
    if (status != AUTH_OK ||
        (status = digest_md5_session_key(ha1, &d->fields, authzid, key)) != AUTH_OK ||
        (status = digest_md5_hash_a2(&d->fields, false, &a2)) != AUTH_OK ||
        (status = digest_md5_proof(key, &d->fields, &a2, proof)) != AUTH_OK ||
        (status = digest_md5_hash_a2(&d->fields, true, &a2)) != AUTH_OK ||
        (status = digest_md5_proof(key, &d->fields, &a2, s->rspauth)) != AUTH_OK) {
        goto out;
    }
    put_response(s, d, proof, out);
    status = buf_status(out);
    if (status == AUTH_OK && out->n > DIGEST_MD5_MAX_RESPONSE) {
        status = mech_client_refuse(&s->mech, AUTH_TOO_LONG, "names too long for one response");
    }
    if (status == AUTH_OK && d->qop != DIGEST_MD5_AUTH) {
        status = digest_layer_open(&s->layer, &options, key);
    }
out:
    crypto_wipe(ha1, sizeof ha1);
    crypto_wipe(key, sizeof key);
    crypto_wipe(proof, sizeof proof);
    return status;
}

static enum auth_status on_challenge(struct digest_client *s, struct slice in, struct buf *out)
{
    struct draft d;

    draft_init(&d);
    enum auth_status status =
        digest_md5_parse_challenge(in, &d.unescaped, &d.challenge, &s->mech.detail);
    d.utf8 = d.challenge.charset.p != NULL;
    if (status == AUTH_OK && (status = choose_qop(s, &d)) == AUTH_OK &&
        (status = choose_names(s, &d)) == AUTH_OK && (status = fill_fields(s, &d)) == AUTH_OK) {
        status = prove(s, &d, out);
    }
    draft_release(&d);
    return status == AUTH_OK ? AUTH_CONTINUE : status;
}

static enum auth_status on_rspauth(struct digest_client *s, struct slice in)
{
    struct slice value;
    struct buf unescaped;
    uint8_t sent[DIGEST_MD5_SIZE];

    buf_init(&unescaped, DIGEST_MD5_MAX_CHALLENGE);
    enum auth_status status = digest_md5_parse_rspauth(in, &unescaped, &value, &s->mech.detail);
    if (status == AUTH_OK && !verifier_decode_md5(value, sent)) {
        status = AUTH_INTERNAL;
    }
    if (status == AUTH_OK && !crypto_equal(sent, s->rspauth, sizeof sent)) {
        status = mech_client_refuse(&s->mech, AUTH_BAD_SERVER,
                                    "the server's rspauth is wrong: it does not know the password");
    }
    buf_release(&unescaped);
    return status;
}

static enum auth_status step(void *state, struct slice in, struct buf *out)
{
    struct digest_client *s = state;
    enum client_state next = CLIENT_FAILED;
    enum auth_status status = AUTH_INTERNAL;

    switch (s->state) {
    case CLIENT_START:
    case CLIENT_WANT_CHALLENGE:
        if (s->state == CLIENT_START && in.n == 0) {
            /* No initial response: there is no earlier exchange to take up (RFC 2831 2.2). */
            next = CLIENT_WANT_CHALLENGE;
            status = AUTH_CONTINUE;
        } else {
            next = CLIENT_WANT_RSPAUTH;
            status = on_challenge(s, in, out);
        }
        break;
    case CLIENT_WANT_RSPAUTH:
        next = CLIENT_DONE;
        status = on_rspauth(s, in);
        break;
    case CLIENT_DONE:
    case CLIENT_FAILED:
        status = mech_client_after_end(&s->mech);
        break;
    }
    if (status == AUTH_OK || status == AUTH_CONTINUE) {
        s->state = next;
    } else if (status != AUTH_NEED_INPUT) {
        s->state = CLIENT_FAILED;
    }
    return status;
}

static void start(void *state, const void *variant, const struct mech_client_host *host,
                  const struct mech_account *account)
{
    struct digest_client *s = state;

    (void)variant;
    s->mech.host = host;
    s->mech.account = account;
    s->state = CLIENT_START;
}

static void release(void *state)
{
    struct digest_client *s = state;

    digest_layer_release(&s->layer);
    crypto_wipe(s, sizeof *s);
}

static struct digest_layer *layer(void *state)
{
    struct digest_client *s = state;

    return s->state == CLIENT_DONE && s->layer.open ? &s->layer : NULL;
}

const struct mech_client_ops digest_md5_client = {
    .state_size = sizeof(struct digest_client),
    .start = start,
    .step = step,
    .release = release,
    .layer = layer,
};
