/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/digest_md5_msg.h"

#include <stddef.h>

#include "base/crypto.h"

enum {
    MIN_MAXBUF = 17, /* a client's buffer is larger than 16 and at most this (RFC 2831 2.3) */
    MAX_MAXBUF = 16777215,
    HEX_SIZE = 2 * DIGEST_MD5_SIZE,
};

/* How a directive's value may be written. */
enum form { QUOTED, EITHER };

struct directive {
    const char *name;
    size_t offset; /* of its slice in struct digest_md5_response */
    enum form form;
    bool (*check)(struct slice value);
    const char *wrong;   /* detail when check() fails */
    const char *missing; /* detail when it is not there; NULL if it need not be */
};

static bool is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}

static bool is_any(struct slice value)
{
    (void)value;
    return true;
}

static bool is_not_empty(struct slice value)
{
    return value.n > 0;
}

static bool is_first_count(struct slice value)
{
    return slice_equal_str(value, "00000001");
}

static bool is_auth(struct slice value)
{
    return slice_equal_nocase(value, slice_str("auth"));
}

static bool is_utf8_name(struct slice value)
{
    return slice_equal_nocase(value, slice_str("utf-8"));
}

static bool is_maxbuf(struct slice value)
{
    uint32_t size;

    return slice_take_decimal(&value, MAX_MAXBUF, &size) && value.n == 0 && size >= MIN_MAXBUF;
}

static bool is_digest(struct slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) {
            return false;
        }
    }
    return value.n == HEX_SIZE;
}

static bool is_uri(struct slice value)
{
    struct digest_md5_uri uri;

    return digest_md5_parse_uri(value, &uri);
}

#define AT(member) offsetof(struct digest_md5_response, member)

static const struct directive response_directives[] = {
    {"username", AT(username), QUOTED, is_not_empty, "empty username", "no username"},
    {"realm", AT(realm), QUOTED, is_any, NULL, NULL},
    {"nonce", AT(nonce), QUOTED, is_any, NULL, "no nonce"},
    {"cnonce", AT(cnonce), QUOTED, is_not_empty, "empty cnonce", "no cnonce"},
    {"nc", AT(nc), EITHER, is_first_count, "nc is not 00000001", "no nc"},
    {"qop", AT(qop), EITHER, is_auth, "a qop that was not offered", NULL},
    {"digest-uri", AT(digest_uri), QUOTED, is_uri, "malformed digest-uri", "no digest-uri"},
    {"response", AT(response), EITHER, is_digest, "response is not 32 lower-case hex digits",
     "no response"},
    {"maxbuf", AT(maxbuf), EITHER, is_maxbuf, "maxbuf out of range", NULL},
    {"charset", AT(charset), EITHER, is_utf8_name, "a charset other than utf-8", NULL},
    {"cipher", AT(cipher), EITHER, is_any, NULL, NULL},
    {"authzid", AT(authzid), QUOTED, is_any, NULL, NULL},
};

#undef AT

enum { N_DIRECTIVES = sizeof response_directives / sizeof response_directives[0] };

/* *LWS, LWS = [CRLF] 1*( SP | HT ) (RFC 2831 7.2) */
static void skip_lws(struct slice *s)
{
    while (s->n > 0) {
        size_t at = s->n >= 3 && s->p[0] == '\r' && s->p[1] == '\n' ? 2 : 0;
        if (s->p[at] != ' ' && s->p[at] != '\t') {
            return;
        }
        if (!slice_take(s, at + 1, NULL)) {
            return;
        }
    }
}

/* token = 1*<any CHAR except CTLs or separators> (RFC 2831 7.2) */
static bool take_token(struct slice *s, struct slice *ret)
{
    const struct slice separators = slice_str("()<>@,;:\\\"/[]?={} \t");
    size_t n = 0;

    while (n < s->n && s->p[n] < 0x80 && !is_control(s->p[n]) &&
           !slice_find(separators, s->p[n], NULL)) {
        n++;
    }
    return n > 0 && slice_take(s, n, ret);
}

/*
 * quoted-string = <"> *( qdtext | quoted-pair ) <"> (RFC 2831 7.2). Controls other than HT are
 * refused; a folded line inside a string too, which no client is known to send. Only a string with
 * escapes is copied, without them, to scratch, whose memory has been reserved by the caller.
 */
static bool take_quoted(struct slice *s, struct buf *scratch, struct slice *ret)
{
    struct slice at = *s;
    bool escaped = false;
    size_t n = 0;

    if (!slice_take_literal(&at, "\"")) {
        return false;
    }
    const size_t start = scratch->n;
    for (;; n++) {
        if (n == at.n || (is_control(at.p[n]) && at.p[n] != '\t')) {
            return false;
        }
        if (at.p[n] == '"') {
            break;
        }
        if (at.p[n] == '\\') {
            if (!escaped) {
                escaped = true;
                buf_put(scratch, at.p, n);
            }
            n++;
            if (n == at.n || at.p[n] >= 0x80 || is_control(at.p[n])) {
                return false;
            }
        }
        if (escaped) {
            buf_put_byte(scratch, at.p[n]);
        }
    }
    *ret = escaped ? slice_of(scratch->p + start, scratch->n - start) : slice_of(at.p, n);
    *s = slice_of(at.p + n + 1, at.n - n - 1);
    return true;
}

static const struct directive *find_directive(struct slice name)
{
    for (size_t i = 0; i < N_DIRECTIVES; i++) {
        if (slice_equal_nocase(name, slice_str(response_directives[i].name))) {
            return &response_directives[i];
        }
    }
    return NULL;
}

static struct slice *field_of(struct digest_md5_response *response, const struct directive *d)
{
    return (struct slice *)(void *)((uint8_t *)response + d->offset);
}

/* One directive, name "=" value, with LWS allowed around "=" (RFC 2831 7.1, implied *LWS). */
static bool take_directive(struct slice *in, struct buf *scratch, struct digest_md5_response *ret,
                           const char **ret_detail)
{
    struct slice name;
    struct slice value;

    *ret_detail = "not a list of name=value";
    if (!take_token(in, &name)) {
        return false;
    }
    skip_lws(in);
    if (!slice_take_literal(in, "=")) {
        return false;
    }
    skip_lws(in);
    const bool quoted = in->n > 0 && in->p[0] == '"';
    if (quoted ? !take_quoted(in, scratch, &value) : !take_token(in, &value)) {
        return false;
    }
    const struct directive *d = find_directive(name);
    if (d == NULL) {
        return true; /* auth-param: "MUST ignore any unrecognized directives" */
    }
    if (field_of(ret, d)->p != NULL) {
        *ret_detail = "a directive occurs twice";
        return false;
    }
    if (!quoted && d->form == QUOTED) {
        *ret_detail = "a value without its quotes";
        return false;
    }
    if (!d->check(value)) {
        *ret_detail = d->wrong;
        return false;
    }
    *field_of(ret, d) = value;
    return true;
}

/* 1#( directive ): elements are separated by commas and LWS, and may be empty (RFC 2831 7.1). */
static bool take_list(struct slice in, struct buf *scratch, struct digest_md5_response *ret,
                      const char **ret_detail)
{
    while (true) {
        skip_lws(&in);
        if (in.n == 0) {
            return true;
        }
        if (slice_take_literal(&in, ",")) {
            continue;
        }
        if (!take_directive(&in, scratch, ret, ret_detail)) {
            return false;
        }
        skip_lws(&in);
        if (in.n > 0 && !slice_take_literal(&in, ",")) {
            *ret_detail = "no comma between directives";
            return false;
        }
    }
}

enum auth_status digest_md5_parse_response(struct slice in, struct buf *scratch,
                                           struct digest_md5_response *ret, const char **ret_detail)
{
    *ret = (struct digest_md5_response){.username = {NULL, 0}};
    if (in.n > DIGEST_MD5_MAX_RESPONSE) {
        *ret_detail = "response too long";
        return AUTH_TOO_LONG;
    }
    /* Unescaping never lengthens: with this much in hand the buffer does not move any more. */
    if (slice_find(in, '\\', NULL)) {
        if (buf_extend(scratch, in.n) == NULL) {
            return buf_status(scratch);
        }
        buf_truncate(scratch, 0);
    }
    if (!take_list(in, scratch, ret, ret_detail)) {
        return AUTH_MALFORMED;
    }
    for (size_t i = 0; i < N_DIRECTIVES; i++) {
        const struct directive *d = &response_directives[i];
        if (d->missing != NULL && field_of(ret, d)->p == NULL) {
            *ret_detail = d->missing;
            return AUTH_MALFORMED;
        }
    }
    *ret_detail = NULL;
    return buf_status(scratch);
}

static bool is_alpha(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= 'A' && s.p[i] <= 'Z')) {
            return false;
        }
    }
    return s.n > 0;
}

/*
 * digest-uri-value = serv-type "/" host [ "/" serv-name ], serv-type = 1*ALPHA (RFC 2831 2.1.2).
 * A host may be an IPv6 address here, which the grammar of the RFC has no room for.
 */
bool digest_md5_parse_uri(struct slice uri, struct digest_md5_uri *ret)
{
    struct slice rest = uri;

    ret->name = slice_of(NULL, 0);
    if (!slice_take_until(&rest, '/', &ret->service) || !is_alpha(ret->service)) {
        return false;
    }
    if (!slice_take_until(&rest, '/', &ret->host)) {
        ret->host = rest;
    } else if (rest.n == 0 || slice_find(rest, '/', NULL)) {
        return false;
    } else {
        ret->name = rest;
    }
    return ret->host.n > 0 && slice_is_printable(ret->host) && slice_is_printable(ret->name) &&
           !slice_find(uri, ' ', NULL);
}

void digest_md5_put_quoted(struct buf *b, const char *name, struct slice value)
{
    buf_put_str(b, name);
    buf_put_str(b, "=\"");
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\') {
            buf_put_byte(b, '\\');
        }
        buf_put_byte(b, value.p[i]);
    }
    buf_put_byte(b, '"');
}

static void to_hex(const uint8_t bytes[DIGEST_MD5_SIZE], uint8_t ret[HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_MD5_SIZE; i++) {
        ret[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        ret[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
}

/* HEX(H(part part ...)) */
static enum auth_status hex_digest(const struct slice *parts, size_t n, uint8_t ret[HEX_SIZE])
{
    uint8_t digest[DIGEST_MD5_SIZE];

    enum auth_status status = crypto_digest(CRYPTO_MD5, parts, n, digest);
    if (status == AUTH_OK) {
        to_hex(digest, ret);
    }
    crypto_wipe(digest, sizeof digest);
    return status;
}

/*
 * response-value = HEX( KD( HEX(H(A1)), nonce ":" nc ":" cnonce ":" qop ":" HEX(H(A2)) ) ), raw
 * here. A2 = prefix digest-uri-value, the prefix being "AUTHENTICATE:" or ":".
 */
static enum auth_status response_value(const uint8_t a1[HEX_SIZE],
                                       const struct digest_md5_response *f, const char *prefix,
                                       uint8_t ret[DIGEST_MD5_SIZE])
{
    const struct slice colon = slice_str(":");
    const struct slice a2_parts[] = {slice_str(prefix), f->digest_uri};
    uint8_t a2[HEX_SIZE];

    enum auth_status status = hex_digest(a2_parts, 2, a2);
    if (status != AUTH_OK) {
        return status;
    }
    /* The client's spelling of qop is what it hashed (RFC 2831 2.1.2.1); absent means auth. */
    const struct slice qop = f->qop.p != NULL ? f->qop : slice_str("auth");
    const struct slice parts[] = {
        slice_of(a1, HEX_SIZE), colon, f->nonce, colon, f->nc, colon, f->cnonce, colon, qop, colon,
        slice_of(a2, HEX_SIZE)};
    return crypto_digest(CRYPTO_MD5, parts, sizeof parts / sizeof parts[0], ret);
}

enum auth_status digest_md5_compute(const uint8_t ha1[DIGEST_MD5_SIZE],
                                    const struct digest_md5_response *fields,
                                    const struct slice *authzid,
                                    uint8_t ret_response[DIGEST_MD5_SIZE],
                                    uint8_t ret_rspauth[DIGEST_MD5_SIZE])
{
    const struct slice colon = slice_str(":");
    struct slice a1_parts[7] = {slice_of(ha1, DIGEST_MD5_SIZE), colon, fields->nonce, colon,
                                fields->cnonce};
    size_t n = 5;
    uint8_t a1[HEX_SIZE];

    if (authzid != NULL) {
        a1_parts[n++] = colon;
        a1_parts[n++] = *authzid;
    }
    enum auth_status status = hex_digest(a1_parts, n, a1);
    if (status == AUTH_OK) {
        status = response_value(a1, fields, "AUTHENTICATE:", ret_response);
    }
    if (status == AUTH_OK) {
        status = response_value(a1, fields, ":", ret_rspauth);
    }
    crypto_wipe(a1, sizeof a1);
    return status;
}
