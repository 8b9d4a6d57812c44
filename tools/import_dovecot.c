/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dovecot's passwd-file: user:password:uid:gid:gecos:home:shell:extra fields, of which the last
 * ones may be missing. The password is {SCHEME}value (scheme.h); without a scheme it is a crypt(3)
 * hash. A colon ends it, whatever the scheme: a password with a colon has to be written with an
 * encoding, {PLAIN.b64}. A user with the extra field "nologin" comes in disabled.
 */
#include "import_source.h"
#include "scheme.h"

enum { FIELD_UID, FIELD_GID, FIELD_GECOS, FIELD_HOME, FIELD_SHELL, FIELDS };

static bool is_id(struct slice field)
{
    for (size_t i = 0; i < field.n; i++) {
        uint8_t c = field.p[i];
        if ((c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' &&
            c != '-' && c != '.') {
            return false;
        }
    }
    return true;
}

/* "nologin" or "nologin=..." among words with spaces between them. */
static bool has_nologin(struct slice extra)
{
    while (extra.n > 0) {
        struct slice word;
        slice_take_run(&extra, ' ', &word);
        (void)!slice_take_literal(&extra, " ");
        if (slice_take_literal(&word, "nologin") && (word.n == 0 || word.p[0] == '=')) {
            return true;
        }
    }
    return false;
}

/*
 * What follows a password in the clear has to look like what belongs there, else the password had a
 * colon. No hash has one: behind those any of the fields may be missing.
 */
static bool take_rest(struct slice rest, bool more, bool clear, bool *ret_nologin)
{
    struct slice field[FIELDS] = {{NULL, 0}};
    size_t n = 0;
    *ret_nologin = false;
    if (!more) {
        return true;
    }
    while (more && n < FIELDS) {
        slice_take_run(&rest, ':', &field[n++]);
        more = slice_take_literal(&rest, ":");
    }
    *ret_nologin = more && has_nologin(rest);
    bool home = n > FIELD_HOME && field[FIELD_HOME].n > 0 && field[FIELD_HOME].p[0] == '/';
    return !clear || ((n == FIELDS || home) && is_id(field[FIELD_UID]) && is_id(field[FIELD_GID]));
}

static enum auth_status parse(struct import_source *source, struct slice line,
                              struct import_entry *ret, struct detail *why)
{
    struct slice user;
    struct slice value;
    struct slice rest = import_without_cr(line);
    bool nologin = false;
    if (rest.n == 0 || rest.p[0] == '#' || rest.p[0] == ':') {
        return AUTH_CONTINUE;
    }
    if (!slice_take_until(&rest, ':', &user)) {
        return detail_set(why, AUTH_MALFORMED, "not \"user:password:...\"");
    }
    slice_take_run(&rest, ':', &value);
    bool more = slice_take_literal(&rest, ":");
    enum auth_status status =
        import_take_name(source, user, slice_of(NULL, 0), &ret->record.who, why);
    if (status != AUTH_OK) {
        return status;
    }
    if (value.n == 0) {
        return detail_set(why, AUTH_BAD_PASSWORD, "the password is empty");
    }
    if (!take_rest(rest, more, scheme_is_clear(value), &nologin)) {
        return detail_set(why, AUTH_MALFORMED,
                          "neither \"user:password\" alone nor with uid, gid, gecos and home "
                          "behind it (a password with a colon is written {PLAIN.b64}...)");
    }
    ret->record.flags = nologin ? RECORD_DISABLED : 0;
    const struct scheme_account account = {
        .name = user, .who = &ret->record.who, .default_scheme = "CRYPT"};
    return scheme_take(value, &account, &source->password, ret, why);
}

const struct import_format import_dovecot = {
    .name = "dovecot",
    .unit = "line",
    .line_max = IMPORT_LINE_MAX,
    .parse = parse,
};
