/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libidn wants NUL-terminated text in a buffer with room to grow, and its normalisation is
 * quadratic in runs of combining marks. So what it is given is bounded first, checked to be UTF-8
 * and free of NUL, and copied. ASCII, which is nearly every name and password there is, never gets
 * there. libidn keeps copies of what it works on in memory that it frees without wiping: a password
 * outside ASCII leaves such traces in the heap.
 */
#include "engine/identity.h"

#include <stdlib.h>
#include <string.h>
#include <stringprep.h>

enum {
    LOG_NAME_BYTES = 64,    /* of a client's name in a log line */
    LIBRARY_MAX = 4 * 1024, /* bytes handed to or taken from libidn */
    LAST_LATIN1 = 0xff,
    LAST_CODE_POINT = 0x10ffff,
};

/*
 * Takes one character (RFC 3629 4): the shortest form only, no surrogates, nothing past U+10FFFF.
 * False leaves the slice as it was.
 */
static bool take_code_point(struct slice *s, uint32_t *ret)
{
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    struct slice at = *s;
    uint32_t value;
    size_t more;
    uint8_t byte;

    if (!slice_take_byte(&at, &byte)) {
        return false;
    }
    if (byte < 0x80) {
        more = 0;
        value = byte;
    } else if (byte >= 0xc2 && byte <= 0xdf) {
        more = 1;
        value = byte & 0x1fU;
    } else if (byte >= 0xe0 && byte <= 0xef) {
        more = 2;
        value = byte & 0x0fU;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
        more = 3;
        value = byte & 0x07U;
    } else {
        return false;
    }
    for (size_t i = 0; i < more; i++) {
        if (!slice_take_byte(&at, &byte) || (byte & 0xc0) != 0x80) {
            return false;
        }
        value = value << 6 | (byte & 0x3fU);
    }
    if (value < smallest[more] || value > LAST_CODE_POINT || (value >= 0xd800 && value <= 0xdfff)) {
        return false;
    }
    *ret = value;
    *s = at;
    return true;
}

bool identity_is_utf8(struct slice s)
{
    uint32_t ignored;

    while (s.n > 0) {
        if (s.p[0] < 0x80) {
            s.p++;
            s.n--;
        } else if (!take_code_point(&s, &ignored)) {
            return false;
        }
    }
    return true;
}

/*
 * SASLprep of text that is not plain ASCII. `room` is how many bytes of result are wanted at most;
 * raw is no longer than that.
 */
static enum auth_status prepare_by_library(struct slice raw, enum identity_use use, size_t room,
                                           enum auth_status refusal, struct buf *ret)
{
    enum auth_status status = AUTH_INTERNAL;
    struct buf work;

    buf_init(&work, room + 1);
    uint8_t *text = buf_extend(&work, room + 1);
    if (text == NULL) {
        status = buf_status(&work);
        goto out;
    }
    memset(text, 0, room + 1);
    memcpy(text, raw.p, raw.n);
    int rc = stringprep((char *)text, room + 1,
                        use == IDENTITY_STORED ? STRINGPREP_NO_UNASSIGNED : 0, stringprep_saslprep);
    if (rc == STRINGPREP_TOO_SMALL_BUFFER) {
        status = AUTH_TOO_LONG;
    } else if (rc == STRINGPREP_MALLOC_ERROR) {
        status = AUTH_NO_MEMORY;
    } else if (rc != STRINGPREP_OK || text[0] == '\0') {
        status = refusal;
    } else {
        buf_put_str(ret, (const char *)text);
        status = buf_status(ret);
    }
out:
    buf_release(&work);
    return status;
}

size_t identity_shown(struct slice utf8, bool *ret_shown)
{
    enum { PREPARED_MAX = 128, FIRST_GRAPHIC = 0x20, DELETE = 0x7f };
    struct slice rest = utf8;
    struct buf prepared;
    uint32_t code_point = 0;

    *ret_shown = false;
    if (!take_code_point(&rest, &code_point)) {
        return 1;
    }
    size_t n = utf8.n - rest.n;
    if (n == 1) {
        *ret_shown = code_point >= FIRST_GRAPHIC && code_point != DELETE;
        return n;
    }
    buf_init(&prepared, PREPARED_MAX);
    *ret_shown = prepare_by_library(slice_of(utf8.p, n), IDENTITY_STORED, PREPARED_MAX,
                                    AUTH_BAD_NAME, &prepared) == AUTH_OK &&
                 !slice_equal_str(buf_slice(&prepared), " ");
    buf_release(&prepared);
    return n;
}

static enum auth_status prepare(struct slice raw, enum identity_use use, enum auth_status refusal,
                                struct buf *ret)
{
    if (buf_status(ret) != AUTH_OK) {
        return buf_status(ret);
    }
    size_t room = ret->max - ret->n;
    if (raw.n == 0) {
        return refusal;
    }
    if (raw.n > room) {
        return AUTH_TOO_LONG;
    }
    if (slice_is_printable(raw)) {
        buf_put_slice(ret, raw);
        return buf_status(ret);
    }
    if (slice_find(raw, 0, NULL) || !identity_is_utf8(raw)) {
        return refusal;
    }
    if (room > LIBRARY_MAX) {
        room = LIBRARY_MAX;
    }
    if (raw.n > room) {
        return AUTH_TOO_LONG;
    }
    return prepare_by_library(raw, use, room, refusal, ret);
}

enum auth_status identity_prepare_name(struct slice raw, enum identity_use use, struct buf *ret)
{
    return prepare(raw, use, AUTH_BAD_NAME, ret);
}

enum auth_status identity_prepare_password(struct slice raw, enum identity_use use, struct buf *ret)
{
    return prepare(raw, use, AUTH_BAD_PASSWORD, ret);
}

enum auth_status identity_prepare_library(void)
{
    enum auth_status status;
    struct buf out;

    /* U+2168, the Roman numeral, becomes "IX" (RFC 4013 3): mapping, NFKC and the checks all run.
     */
    buf_init(&out, IDENTITY_MAX_USER);
    status = identity_prepare_name(slice_str("\xe2\x85\xa8"), IDENTITY_STORED, &out);
    if (status == AUTH_OK && !slice_equal_str(buf_slice(&out), "IX")) {
        status = AUTH_INTERNAL;
    }
    buf_release(&out);
    return status;
}

static bool is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}

/* Copies a realm in lower case (ASCII) with its NUL. ret holds IDENTITY_MAX_REALM + 1 bytes. */
static enum auth_status copy_realm(struct slice realm, char *ret)
{
    if (realm.n == 0) {
        return AUTH_BAD_NAME;
    }
    if (realm.n > IDENTITY_MAX_REALM) {
        return AUTH_TOO_LONG;
    }
    for (size_t i = 0; i < realm.n; i++) {
        uint8_t c = realm.p[i];
        if (is_control(c) || c == ' ' || c == '@') {
            return AUTH_BAD_NAME;
        }
        ret[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    ret[realm.n] = '\0';
    return AUTH_OK;
}

enum auth_status identity_split(struct slice name, const char *default_realm, struct identity *ret)
{
    struct identity who = {0};
    struct slice user;
    struct slice realm = name;

    if (!slice_take_until(&realm, '@', &user)) {
        user = name;
        realm = slice_of(NULL, 0);
    }
    if (realm.n == 0) {
        realm = slice_str(default_realm);
    }
    if (user.n == 0) {
        return AUTH_BAD_NAME;
    }
    if (user.n > IDENTITY_MAX_USER) {
        return AUTH_TOO_LONG;
    }
    for (size_t i = 0; i < user.n; i++) {
        if (is_control(user.p[i])) {
            return AUTH_BAD_NAME;
        }
    }
    enum auth_status status = copy_realm(realm, who.realm);
    if (status != AUTH_OK) {
        return status;
    }
    if (!identity_is_utf8(user) || !identity_is_utf8(slice_str(who.realm))) {
        return AUTH_BAD_NAME;
    }
    memcpy(who.user, user.p, user.n);
    *ret = who;
    return AUTH_OK;
}

void identity_put(struct buf *b, const struct identity *who)
{
    buf_put_str(b, who->user);
    buf_put_byte(b, '@');
    buf_put_str(b, who->realm);
}

bool identity_to_latin1(struct slice utf8, struct buf *ret)
{
    size_t before = ret->n;
    uint32_t c;

    while (utf8.n > 0) {
        if (!take_code_point(&utf8, &c) || c > LAST_LATIN1) {
            buf_truncate(ret, before);
            return false;
        }
        buf_put_byte(ret, (uint8_t)c);
    }
    return true;
}

void identity_from_latin1(struct slice latin1, struct buf *ret)
{
    for (size_t i = 0; i < latin1.n; i++) {
        uint8_t c = latin1.p[i];
        if (c < 0x80) {
            buf_put_byte(ret, c);
        } else {
            buf_put_byte(ret, (uint8_t)(0xc0 | c >> 6));
            buf_put_byte(ret, (uint8_t)(0x80 | (c & 0x3f)));
        }
    }
}

void identity_put_for_log(struct buf *b, struct slice name)
{
    size_t n = name.n < LOG_NAME_BYTES ? name.n : LOG_NAME_BYTES;

    for (size_t i = 0; i < n; i++) {
        uint8_t c = name.p[i];
        if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\') {
            buf_put_byte(b, c);
        } else {
            buf_put_str(b, "\\x");
            buf_put_hex(b, &c, 1);
        }
    }
    if (n < name.n) {
        buf_put_str(b, "...");
    }
}
