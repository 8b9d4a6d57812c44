/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user TAB realm TAB password. The password is everything behind the second tab, byte for byte;
 * nothing is unquoted or trimmed. An empty realm means the default realm, and user may be
 * user@realm then. Empty lines mean nothing. A file whose first line ends in CR LF is a CR LF
 * file: every line then ends that way and the CR is no part of the password. In any other file a
 * CR at the end of a line is part of the password, and refused, since SASLprep allows no control
 * characters.
 */
#include "import_source.h"

static enum auth_status parse(struct import_source *source, struct slice line,
                              struct import_entry *ret, struct detail *why)
{
    struct slice user;
    struct slice realm;
    enum auth_status status = import_take_cr(source, &line, why);
    if (status != AUTH_OK) {
        return status;
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
    status = import_take_name(source, user, realm, &ret->record.who, why);
    if (status != AUTH_OK) {
        return status;
    }
    ret->password = line;
    return import_check_password(line, why);
}

const struct import_format import_tsv = {
    .name = "tsv",
    .unit = "line",
    .line_max = IMPORT_LINE_MAX,
    .parse = parse,
};
