/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/digest_md5_msg.h"

#include <stddef.h>

#include "engine/digest_layer.h"

enum { HEX_SIZE = 2 * DIGEST_MD5_SIZE };

/* How a directive's value may be written, and whether it may come again. */
enum form { QUOTED, EITHER, QUOTED_LIST };

struct directive {
    const char *name;
    size_t offset; /* of its struct slice in what is parsed, of its struct digest_md5_list there */
    enum form form;
    bool (*check)(struct slice value);
    const char *wrong;   /* detail when check() fails */
    const char *missing; /* detail when it is not there; NULL if it need not be */
};

/* One kind of message. */
struct message {
    const struct directive *directives;
    size_t n;
    size_t longest; /* bytes */
    const char *too_long;
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

static bool is_qop(struct slice value)
{
    enum digest_md5_qop qop;

    return digest_md5_take_qop(value, &qop);
}

static bool is_true(struct slice value)
{
    return slice_equal_nocase(value, slice_str("true"));
}

static bool is_md5_sess(struct slice value)
{
    return slice_equal_nocase(value, slice_str("md5-sess"));
}

static bool is_utf8_name(struct slice value)
{
    return slice_equal_nocase(value, slice_str("utf-8"));
}

static bool is_maxbuf(struct slice value)
{
    uint32_t size;

    return slice_take_decimal(&value, DIGEST_LAYER_MAX_BUFFER, &size) && value.n == 0 &&
           size >= DIGEST_LAYER_MIN_BUFFER;
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
    {"qop", AT(qop), EITHER, is_qop, "a qop that was not offered", NULL},
    {"digest-uri", AT(digest_uri), QUOTED, is_uri, "malformed digest-uri", "no digest-uri"},
    {"response", AT(response), EITHER, is_digest, "response is not 32 lower-case hex digits",
     "no response"},
    {"maxbuf", AT(maxbuf), EITHER, is_maxbuf, "maxbuf out of range", NULL},
    {"charset", AT(charset), EITHER, is_utf8_name, "a charset other than utf-8", NULL},
    {"cipher", AT(cipher), EITHER, is_any, NULL, NULL},
    {"authzid", AT(authzid), QUOTED, is_any, NULL, NULL},
};

#undef AT
#define AT(member) offsetof(struct digest_md5_challenge, member)

/* Servers are seen to write qop and algorithm with and without quotes. */
static const struct directive challenge_directives[] = {
    {"realm", AT(realms), QUOTED_LIST, is_any, NULL, NULL},
    {"nonce", AT(nonce), QUOTED, is_not_empty, "empty nonce", "no nonce"},
    {"qop", AT(qop), EITHER, is_any, NULL, NULL},
    {"stale", AT(stale), EITHER, is_true, "stale is not true", NULL},
    {"maxbuf", AT(maxbuf), EITHER, is_maxbuf, "maxbuf out of range", NULL},
    {"charset", AT(charset), EITHER, is_utf8_name, "a charset other than utf-8", NULL},
    {"algorithm", AT(algorithm), EITHER, is_md5_sess, "an algorithm other than md5-sess",
     "no algorithm"},
    {"cipher", AT(cipher), EITHER, is_any, NULL, NULL},
};

#undef AT

static const struct directive rspauth_directives[] = {
    {"rspauth", 0, EITHER, is_digest, "rspauth is not 32 lower-case hex digits", "no rspauth"},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct message response_message = {response_directives, COUNT(response_directives),
                                                DIGEST_MD5_MAX_RESPONSE, "response too long"};
static const struct message challenge_message = {challenge_directives, COUNT(challenge_directives),
                                                 DIGEST_MD5_MAX_CHALLENGE, "challenge too long"};
static const struct message rspauth_message = {rspauth_directives, COUNT(rspauth_directives),
                                               DIGEST_MD5_MAX_CHALLENGE, "challenge too long"};

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
    static const bool separator[0x80] = {
        ['('] = true, [')'] = true, ['<'] = true, ['>'] = true,  ['@'] = true,
        [','] = true, [';'] = true, [':'] = true, ['\\'] = true, ['"'] = true,
        ['/'] = true, ['['] = true, [']'] = true, ['?'] = true,  ['='] = true,
        ['{'] = true, ['}'] = true, [' '] = true, ['\t'] = true,
    };
    size_t n = 0;

    while (n < s->n && s->p[n] < 0x80 && !is_control(s->p[n]) && !separator[s->p[n]]) {
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

static const struct directive *find_directive(const struct message *message, struct slice name)
{
    for (size_t i = 0; i < message->n; i++) {
        if (slice_equal_nocase(name, slice_str(message->directives[i].name))) {
            return &message->directives[i];
        }
    }
    return NULL;
}

/* Where the value of a directive goes. NULL if it has been there, or one too many times. */
static struct slice *room_for(void *ret, const struct directive *d)
{
    uint8_t *at = (uint8_t *)ret + d->offset;

    if (d->form == QUOTED_LIST) {
        struct digest_md5_list *list = (struct digest_md5_list *)(void *)at;
        return list->n < DIGEST_MD5_MAX_REALMS ? &list->item[list->n++] : NULL;
    }
    struct slice *value = (struct slice *)(void *)at;
    return value->p == NULL ? value : NULL;
}

static bool is_missing(const void *parsed, const struct directive *d)
{
    const struct slice *value =
        (const struct slice *)(const void *)((const uint8_t *)parsed + d->offset);

    return d->missing != NULL && value->p == NULL;
}

/* One directive, name "=" value, with LWS allowed around "=" (RFC 2831 7.1, implied *LWS). */
static bool take_directive(const struct message *message, struct slice *in, struct buf *scratch,
                           void *ret, const char **ret_detail)
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
    const struct directive *d = find_directive(message, name);
    if (d == NULL) {
        return true; /* auth-param: "MUST ignore any unrecognized directives" */
    }
    struct slice *room = room_for(ret, d);
    if (room == NULL) {
        *ret_detail = d->form == QUOTED_LIST ? "too many realms" : "a directive occurs twice";
        return false;
    }
    if (!quoted && d->form != EITHER) {
        *ret_detail = "a value without its quotes";
        return false;
    }
    if (!d->check(value)) {
        *ret_detail = d->wrong;
        return false;
    }
    *room = value;
    return true;
}

/* 1#( directive ): elements are separated by commas and LWS, and may be empty (RFC 2831 7.1). */
static bool take_list(const struct message *message, struct slice in, struct buf *scratch,
                      void *ret, const char **ret_detail)
{
    while (true) {
        skip_lws(&in);
        if (in.n == 0) {
            return true;
        }
        if (slice_take_literal(&in, ",")) {
            continue;
        }
        if (!take_directive(message, &in, scratch, ret, ret_detail)) {
            return false;
        }
        skip_lws(&in);
        if (in.n > 0 && !slice_take_literal(&in, ",")) {
            *ret_detail = "no comma between directives";
            return false;
        }
    }
}

static enum auth_status parse(const struct message *message, struct slice in, struct buf *scratch,
                              void *ret, const char **ret_detail)
{
    if (in.n > message->longest) {
        *ret_detail = message->too_long;
        return AUTH_TOO_LONG;
    }
    /* Unescaping never lengthens: with this much in hand the buffer does not move any more. */
    if (slice_find(in, '\\', NULL)) {
        if (buf_extend(scratch, in.n) == NULL) {
            return buf_status(scratch);
        }
        buf_truncate(scratch, 0);
    }
    if (!take_list(message, in, scratch, ret, ret_detail)) {
        return AUTH_MALFORMED;
    }
    for (size_t i = 0; i < message->n; i++) {
        if (is_missing(ret, &message->directives[i])) {
            *ret_detail = message->directives[i].missing;
            return AUTH_MALFORMED;
        }
    }
    *ret_detail = NULL;
    return buf_status(scratch);
}

enum auth_status digest_md5_parse_response(struct slice in, struct buf *scratch,
                                           struct digest_md5_response *ret, const char **ret_detail)
{
    *ret = (struct digest_md5_response){.username = {NULL, 0}};
    return parse(&response_message, in, scratch, ret, ret_detail);
}

enum auth_status digest_md5_parse_challenge(struct slice in, struct buf *scratch,
                                            struct digest_md5_challenge *ret,
                                            const char **ret_detail)
{
    *ret = (struct digest_md5_challenge){.nonce = {NULL, 0}};
    return parse(&challenge_message, in, scratch, ret, ret_detail);
}

enum auth_status digest_md5_parse_rspauth(struct slice in, struct buf *scratch, struct slice *ret,
                                          const char **ret_detail)
{
    *ret = slice_of(NULL, 0);
    return parse(&rspauth_message, in, scratch, ret, ret_detail);
}

static const char *const qop_names[] = {"auth", "auth-int", "auth-conf"};

const char *digest_md5_qop_name(enum digest_md5_qop qop)
{
    return qop_names[qop];
}

bool digest_md5_take_qop(struct slice value, enum digest_md5_qop *ret)
{
    for (size_t i = 0; i < COUNT(qop_names); i++) {
        if (slice_equal_nocase(value, slice_str(qop_names[i]))) {
            *ret = (enum digest_md5_qop)i;
            return true;
        }
    }
    return false;
}

uint32_t digest_md5_take_maxbuf(struct slice value)
{
    uint32_t size = DIGEST_LAYER_DEFAULT_BUFFER;

    /* Checked by the parser where it is there at all. */
    return slice_take_decimal(&value, DIGEST_LAYER_MAX_BUFFER, &size) ? size
                                                                      : DIGEST_LAYER_DEFAULT_BUFFER;
}

bool digest_md5_lists(struct slice list, const char *word)
{
    while (list.n > 0) {
        struct slice item;
        skip_lws(&list);
        if (take_token(&list, &item)) {
            if (slice_equal_nocase(item, slice_str(word))) {
                return true;
            }
        } else if (!slice_take(&list, list.n > 0 ? 1 : 0, NULL)) {
            return false;
        }
    }
    return false;
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
