/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an importer hands over and where it reads from. A format is a file of its own,
 * import_NAME.c, that ends in its struct import_format; import.c does everything they share.
 *
 * A format sees its input as lines and gives accounts one by one, or for a place where it cannot,
 * a status and a reason. A reason never holds a password or a verifier.
 */
#ifndef SASL_LMDB_IMPORT_SOURCE_H
#define SASL_LMDB_IMPORT_SOURCE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/identity.h"
#include "line_reader.h"
#include "store/record.h"
#include "tool.h"

enum {
    IMPORT_LINE_MAX = 8192,          /* bytes; what most formats allow in a line */
    IMPORT_LONG_LINE_MAX = 60 * 1024 /* for those that put a whole account into one */
};

/* An input as it is being read. import.c owns it; a format uses what is marked as the format's. */
struct import_source {
    const char *default_realm; /* "" for none; as names_realm() gives it */
    struct line_reader reader;
    const struct verifier_policy *policy;     /* what the store makes of a password */
    const volatile sig_atomic_t *interrupted; /* not 0: a signal came, stop reading */

    uint64_t first; /* the line (or account) that the last answer began on, from 1 */
    uint64_t last;  /* and the last one that belonged to it */

    bool crlf;           /* line 1 ended in CR LF */
    struct buf text;     /* the format's: a record put together from several lines */
    struct buf password; /* the format's: a password that had to be decoded */
    void *state;         /* the format's */
};

struct import_entry {
    /*
     * Who, and the verifiers if the source has them. Flags and times count for an account that is
     * new; where there already is one, only with import_format.whole.
     */
    struct record record;

    /* p is NULL: there is none, and the verifiers count. Valid until the next call. */
    struct slice password;
};

/*
 * What next() and parse() return:
 *   AUTH_OK         *ret is an account; what it holds is not refused later for its contents
 *   AUTH_CONTINUE   next(): the end of the input. parse(): nothing on this line
 *   AUTH_DISABLED   an account that the source itself lets nobody use: told, but no bad line
 *   AUTH_MALFORMED, AUTH_TOO_LONG, AUTH_BAD_NAME, AUTH_BAD_PASSWORD, AUTH_NO_VERIFIER
 *                   a bad line, with the reason
 *   AUTH_NO_MEMORY, AUTH_CRYPTO, AUTH_UNAVAILABLE (a signal, or reader.error)
 *                   the end of the import
 */
struct import_format {
    const char *name;
    const char *unit; /* what `first` and `last` count: "line", "account" */
    size_t line_max;  /* longer lines are bad lines */
    bool whole;       /* an account that exists becomes what the source says, flags and all */

    /*
     * Turns a file that is no text into text, before the store is opened (root may not be root any
     * longer after that); may be NULL. fd is the file, its offset stays. AUTH_CONTINUE if it is to
     * be read as it is.
     */
    enum auth_status (*load)(const struct tool *tool, int fd, struct buf *ret,
                             struct detail *detail);

    /* Before the first call of next(); may be NULL. Errors as for next(). */
    enum auth_status (*begin)(struct import_source *source, struct detail *why);

    /* The next account; sets source->first and source->last. */
    enum auth_status (*next)(struct import_source *source, struct import_entry *ret,
                             struct detail *why);

    /* Instead of next(), where an account is a line. *ret comes zeroed. */
    enum auth_status (*parse)(struct import_source *source, struct slice line,
                              struct import_entry *ret, struct detail *why);

    /* Frees source->state, wiping it; may be NULL. Called also after begin() failed. */
    void (*end)(struct import_source *source);
};

extern const struct import_format import_tsv;
extern const struct import_format import_csv;
extern const struct import_format import_jsonl;
extern const struct import_format import_dovecot;
extern const struct import_format import_htpasswd;
extern const struct import_format import_shadow;
extern const struct import_format import_ldif;
extern const struct import_format import_sasldb;

/*
 * The next account by whichever of next() and parse() the format has; AUTH_OK only if a record can
 * hold it. Zeroes *ret first.
 */
MUST_USE enum auth_status import_next(const struct import_format *format,
                                      struct import_source *source, struct import_entry *ret,
                                      struct detail *why);

/* One line by the format's parse(), with the same check. Any thread that has the source. */
MUST_USE enum auth_status import_parse(const struct import_format *format,
                                       struct import_source *source, struct slice line,
                                       struct import_entry *ret, struct detail *why);

/*
 * The next line, valid until the next call; source->last is its number. AUTH_CONTINUE at the end,
 * AUTH_TOO_LONG, AUTH_UNAVAILABLE.
 */
MUST_USE enum auth_status import_next_line(struct import_source *source, struct slice *ret);

/*
 * For formats whose passwords end at the end of the line: takes the CR off if line 1 had one.
 * AUTH_MALFORMED if this line is the only one with or without it.
 */
MUST_USE enum auth_status import_take_cr(const struct import_source *source, struct slice *line,
                                         struct detail *why);

/* For all others: takes a CR at the end off. */
struct slice import_without_cr(struct slice line);

/* The account's name; an empty realm means that user may be user@realm, else the default. */
MUST_USE enum auth_status import_take_name(const struct import_source *source, struct slice user,
                                           struct slice realm, struct identity *ret,
                                           struct detail *why);

/* AUTH_OK if verifiers can be made of it, else AUTH_BAD_PASSWORD with the rule it breaks. */
MUST_USE enum auth_status import_check_password(struct slice password, struct detail *why);

/* True for the statuses that end an import rather than spoil a line. */
bool import_is_fatal(enum auth_status status);

#endif
