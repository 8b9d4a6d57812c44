/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of /etc/shadow (shadow(5)): name, hash, day of the last change, four fields that say when
 * a password has to be changed, day of expiry, a reserved field. Locked accounts, and those of
 * services, whose hash is "*" or begins with "!", are left out. Expiry and change are kept.
 */
#include "crypt_hash.h"
#include "import_source.h"
#include "scheme.h"

enum {
    FIELDS = 9, /* the last ones may be missing */
    FIELD_NAME = 0,
    FIELD_HASH = 1,
    FIELD_CHANGED = 2,
    FIELD_EXPIRES = 7,
    DAYS_MAX = 2932896, /* 9999-12-31 */
    DAY_SECONDS = 86400,
};

static bool take_day(struct slice field, int64_t *ret)
{
    uint32_t days = 0;
    if (field.n == 0) {
        return true;
    }
    if (!slice_take_decimal(&field, DAYS_MAX, &days) || field.n != 0) {
        return false;
    }
    *ret = (int64_t)days * DAY_SECONDS;
    return true;
}

static enum auth_status parse(struct import_source *source, struct slice line,
                              struct import_entry *ret, struct detail *why)
{
    struct slice field[FIELDS] = {{NULL, 0}};
    struct slice rest = import_without_cr(line);
    size_t n = 0;
    bool more = rest.n > 0;
    if (!more) {
        return AUTH_CONTINUE;
    }
    while (more && n < FIELDS) {
        slice_take_run(&rest, ':', &field[n++]);
        more = slice_take_literal(&rest, ":");
    }
    if (more || n <= FIELD_HASH) {
        return detail_set(why, AUTH_MALFORMED, "not a line of shadow(5)");
    }
    enum auth_status status =
        import_take_name(source, field[FIELD_NAME], slice_of(NULL, 0), &ret->record.who, why);
    if (status != AUTH_OK) {
        return status;
    }
    if (field[FIELD_HASH].n == 0) {
        return detail_set(why, AUTH_DISABLED, "the account needs no password on its own host");
    }
    status = scheme_check_locked(field[FIELD_HASH], why);
    if (status != AUTH_OK) {
        return status;
    }
    if (!take_day(field[FIELD_CHANGED], &ret->record.changed) ||
        !take_day(field[FIELD_EXPIRES], &ret->record.expires)) {
        return detail_set(why, AUTH_MALFORMED, "a day that is not a number");
    }
    return crypt_hash_take(field[FIELD_HASH], &ret->record.verifiers, why);
}

const struct import_format import_shadow = {
    .name = "shadow",
    .unit = "line",
    .line_max = IMPORT_LINE_MAX,
    .parse = parse,
};
