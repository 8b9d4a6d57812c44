/* SPDX-License-Identifier: BSD-2-Clause */
#include "import_tsv.h"

#include <string.h>

#include "names.h"

static bool ends_in_cr(struct slice line)
{
    return line.n > 0 && line.p[line.n - 1] == '\r';
}

static void begin(struct import_context *context, struct slice first_line)
{
    context->crlf = ends_in_cr(first_line);
}

static enum auth_status check_password(struct slice password, struct detail *why)
{
    if (password.n == 0) {
        return detail_set(why, AUTH_BAD_PASSWORD, "the password is empty");
    }
    if (password.n > IDENTITY_MAX_PASSWORD) {
        return detail_set(why, AUTH_BAD_PASSWORD, "the password is longer than %d bytes",
                          IDENTITY_MAX_PASSWORD);
    }
    if (!identity_is_utf8(password)) {
        return detail_set(why, AUTH_BAD_PASSWORD, "the password is not UTF-8");
    }
    struct buf prepared;
    buf_init(&prepared, IDENTITY_MAX_PASSWORD);
    enum auth_status status = identity_prepare_password(password, IDENTITY_STORED, &prepared);
    buf_release(&prepared);
    if (status == AUTH_NO_MEMORY || status == AUTH_OK) {
        return status;
    }
    return detail_set(why, AUTH_BAD_PASSWORD, "%s",
                      ends_in_cr(password)
                          ? "the line ends in CR LF, but the first line of the file does not"
                          : "the password holds a character that SASLprep (RFC 4013) does not "
                            "allow, such as a control character");
}

/* The name is the first field, with the second as its realm unless that is empty. */
static enum auth_status take_name(struct slice user, struct slice realm, const char *default_realm,
                                  struct identity *ret, struct detail *why)
{
    char text[IDENTITY_MAX_REALM + 1] = "";
    if (realm.n > IDENTITY_MAX_REALM) {
        return detail_set(why, AUTH_TOO_LONG, "the realm is longer than %d bytes",
                          IDENTITY_MAX_REALM);
    }
    if (realm.n > 0) {
        memcpy(text, realm.p, realm.n);
        default_realm = text;
    }
    if (realm.n > 0 && slice_find(user, '@', NULL)) {
        return detail_set(why, AUTH_BAD_NAME,
                          "the user holds an \"@\" although the realm is given");
    }
    return names_parse(user, default_realm, IDENTITY_STORED, ret, why);
}

static enum auth_status parse(const struct import_context *context, struct slice line,
                              struct import_entry *ret, struct detail *why)
{
    struct slice user;
    struct slice realm;
    if (context->crlf) {
        if (!ends_in_cr(line)) {
            return line.n == 0 ? AUTH_CONTINUE
                               : detail_set(why, AUTH_MALFORMED,
                                            "the first line of the file ends in CR LF, this one "
                                            "does not");
        }
        line.n--;
    }
    if (line.n == 0) {
        return AUTH_CONTINUE;
    }
    if (slice_find(line, '\0', NULL)) {
        return detail_set(why, AUTH_MALFORMED, "the line holds a NUL byte");
    }
    if (!slice_take_until(&line, '\t', &user) || !slice_take_until(&line, '\t', &realm)) {
        return detail_set(why, AUTH_MALFORMED, "not \"user TAB realm TAB password\"");
    }
    enum auth_status status = take_name(user, realm, context->default_realm, &ret->who, why);
    if (status != AUTH_OK) {
        return status;
    }
    ret->password = line;
    return check_password(line, why);
}

const struct import_format import_tsv = {.name = "tsv", .begin = begin, .parse = parse};
