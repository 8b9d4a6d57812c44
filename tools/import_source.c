/* SPDX-License-Identifier: BSD-2-Clause */
#include "import_source.h"

#include <string.h>

#include "base/crypto.h"
#include "names.h"
#include "store/account.h"

static bool ends_in_cr(struct slice line)
{
    return line.n > 0 && line.p[line.n - 1] == '\r';
}

bool import_is_fatal(enum auth_status status)
{
    return status != AUTH_OK && (status == AUTH_INTERNAL || auth_status_is_outage(status));
}

enum auth_status import_next_line(struct import_source *source, struct slice *ret)
{
    for (;;) {
        enum line_result result = LINE_INTERRUPTED;
        if (*source->interrupted == 0) {
            result = line_reader_next(&source->reader, ret);
        }
        source->last = source->reader.line;
        switch (result) {
        case LINE_READ:
            if (source->last == 1) {
                source->crlf = ends_in_cr(*ret);
            }
            return AUTH_OK;
        case LINE_END:
            return AUTH_CONTINUE;
        case LINE_TOO_LONG:
            return AUTH_TOO_LONG;
        case LINE_INTERRUPTED:
            if (*source->interrupted == 0) {
                continue;
            }
            return AUTH_UNAVAILABLE;
        default:
            return AUTH_UNAVAILABLE;
        }
    }
}

/* With one PBKDF2 iteration, which takes as much room as many. */
static enum auth_status check_made(const struct import_source *source,
                                   const struct import_entry *entry)
{
    struct verifier_policy policy = *source->policy;
    struct record record = entry->record;

    policy.iterations = 1;
    enum auth_status status =
        verifier_make(&record.who, entry->password, &policy, &record.verifiers);
    if (status == AUTH_OK) {
        status = account_check(&record);
    }
    crypto_wipe(&record, sizeof record);
    return status;
}

/*
 * Whether a record can hold the account. Found out before anything is written, so that no batch
 * fails for one line of it.
 */
static enum auth_status check_fit(const struct import_source *source,
                                  const struct import_entry *entry, struct detail *why)
{
    enum auth_status status =
        entry->password.p != NULL ? check_made(source, entry) : account_check(&entry->record);

    return status == AUTH_TOO_LONG
               ? detail_set(why, status, "name and verifiers are longer than a record, %d bytes",
                            RECORD_MAX_BODY)
               : status;
}

enum auth_status import_parse(const struct import_format *format, struct import_source *source,
                              struct slice line, struct import_entry *ret, struct detail *why)
{
    enum auth_status status = format->parse(source, line, ret, why);

    return status == AUTH_OK ? check_fit(source, ret, why) : status;
}

enum auth_status import_next(const struct import_format *format, struct import_source *source,
                             struct import_entry *ret, struct detail *why)
{
    enum auth_status status = AUTH_CONTINUE;
    *ret = (struct import_entry){.password = {NULL, 0}};
    if (format->next != NULL) {
        status = format->next(source, ret, why);
        return status == AUTH_OK ? check_fit(source, ret, why) : status;
    }
    while (status == AUTH_CONTINUE) {
        struct slice line = slice_of(NULL, 0);
        status = import_next_line(source, &line);
        source->first = source->last;
        if (status != AUTH_OK) {
            return status;
        }
        status = import_parse(format, source, line, ret, why);
    }
    return status;
}

enum auth_status import_take_cr(const struct import_source *source, struct slice *line,
                                struct detail *why)
{
    if (!source->crlf) {
        return AUTH_OK;
    }
    if (ends_in_cr(*line)) {
        line->n--;
        return AUTH_OK;
    }
    return line->n == 0 ? AUTH_OK
                        : detail_set(why, AUTH_MALFORMED,
                                     "the first line of the file ends in CR LF, this one does not");
}

struct slice import_without_cr(struct slice line)
{
    return ends_in_cr(line) ? slice_of(line.p, line.n - 1) : line;
}

enum auth_status import_check_password(struct slice password, struct detail *why)
{
    if (password.n == 0) {
        return detail_set(why, AUTH_BAD_PASSWORD, "the password is empty");
    }
    if (password.n > IDENTITY_MAX_PASSWORD) {
        return detail_set(why, AUTH_BAD_PASSWORD, "the password is longer than %d bytes",
                          IDENTITY_MAX_PASSWORD);
    }
    if (slice_find(password, '\0', NULL)) {
        return detail_set(why, AUTH_BAD_PASSWORD, "the password holds a NUL byte");
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

enum auth_status import_take_name(const struct import_source *source, struct slice user,
                                  struct slice realm, struct identity *ret, struct detail *why)
{
    char text[IDENTITY_MAX_REALM + 1] = "";
    if (realm.n > IDENTITY_MAX_REALM) {
        return detail_set(why, AUTH_TOO_LONG, "the realm is longer than %d bytes",
                          IDENTITY_MAX_REALM);
    }
    if (slice_find(realm, '\0', NULL)) {
        return detail_set(why, AUTH_BAD_NAME, "the realm holds a NUL byte");
    }
    if (realm.n == 0) {
        return names_parse(user, source->default_realm, IDENTITY_STORED, ret, why);
    }
    if (slice_find(user, '@', NULL)) {
        return detail_set(why, AUTH_BAD_NAME,
                          "the user holds an \"@\" although the realm is given");
    }
    memcpy(text, realm.p, realm.n);
    return names_parse(user, text, IDENTITY_STORED, ret, why);
}
