/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user:hash, as Apache's htpasswd writes it with bcrypt, SHA-256, SHA-512 or DES crypt. {SHA} and
 * $apr1$ are Apache's own and no crypt(3) can compare them. Empty lines and those that begin with
 * "#" mean nothing.
 */
#include "crypt_hash.h"
#include "import_source.h"

static enum auth_status parse(struct import_source *source, struct slice line,
                              struct import_entry *ret, struct detail *why)
{
    struct slice user;
    struct slice hash = import_without_cr(line);
    if (hash.n == 0 || hash.p[0] == '#') {
        return AUTH_CONTINUE;
    }
    if (!slice_take_until(&hash, ':', &user)) {
        return detail_set(why, AUTH_MALFORMED, "not \"user:hash\"");
    }
    enum auth_status status =
        import_take_name(source, user, slice_of(NULL, 0), &ret->record.who, why);
    if (status != AUTH_OK) {
        return status;
    }
    struct slice rest = hash;
    if (slice_take_literal(&rest, "{SHA}")) {
        return detail_set(why, AUTH_NO_VERIFIER,
                          "an unsalted SHA-1 hash ({SHA}), which crypt(3) cannot compare");
    }
    return crypt_hash_take(hash, &ret->record.verifiers, why);
}

const struct import_format import_htpasswd = {
    .name = "htpasswd",
    .unit = "line",
    .line_max = IMPORT_LINE_MAX,
    .parse = parse,
};
