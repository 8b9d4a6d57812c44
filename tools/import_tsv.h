/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an importer of lines makes of one line, and the first of them:
 *
 *   tsv    user TAB realm TAB password
 *
 * The password is everything behind the second tab, byte for byte; nothing is unquoted or trimmed.
 * An empty realm means the default realm, and user may be user@realm then. Empty lines mean
 * nothing. A file whose first line ends in CR LF is a CR LF file: every line then ends that way
 * and the CR is no part of the password. In any other file a CR at the end of a line is part of
 * the password, and refused, since SASLprep allows no control characters.
 */
#ifndef SASL_LMDB_IMPORT_TSV_H
#define SASL_LMDB_IMPORT_TSV_H

#include <stdbool.h>

#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/identity.h"

/* What a format has to know beside the line; `crlf` is found out from line 1. */
struct import_context {
    const char *default_realm; /* "" for none */
    bool crlf;
};

struct import_entry {
    struct identity who;
    struct slice password; /* within the line */
};

struct import_format {
    const char *name;

    /* Looks at line 1, also when the import starts further down. */
    void (*begin)(struct import_context *context, struct slice first_line);

    /*
     * AUTH_OK and *ret filled; AUTH_CONTINUE for a line that holds nothing; AUTH_MALFORMED,
     * AUTH_BAD_NAME, AUTH_TOO_LONG or AUTH_BAD_PASSWORD with the reason, which never holds the
     * password; AUTH_NO_MEMORY. What is AUTH_OK here is not refused later for its contents.
     */
    enum auth_status (*parse)(const struct import_context *context, struct slice line,
                              struct import_entry *ret, struct detail *why);
};

extern const struct import_format import_tsv;

#endif
