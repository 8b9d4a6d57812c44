/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the verbs of sasl-lmdb share: exit codes, messages, options, opening the store.
 *
 * A function here that fails has printed its one line on standard error already; the caller only
 * hands the status on. No message ever holds a password. Whatever is printed passes through
 * report_escape(), so that a name or path cannot move the cursor or forge a line.
 *
 * Single-threaded, except that the import's workers run beside it and print nothing.
 */
#ifndef SASL_LMDB_TOOL_H
#define SASL_LMDB_TOOL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "store/store.h"

/* The exit codes scripts rely on. */
enum tool_exit {
    TOOL_DONE = 0,
    TOOL_REFUSED = 1, /* refused, or not found */
    TOOL_USAGE = 2,
    TOOL_FAILED = 3, /* the store, the key or the system */
};

/* One run of one verb. Strings belong to the caller of main(). */
struct tool {
    const char *program;
    const char *verb;  /* NULL for a program without verbs */
    const char *usage; /* what --help prints */
    const char *store_path;
    const char *key_path;
    bool json; /* --json was given */
    /* How a message is printed then; NULL for a program without --json. */
    void (*print_message)(const struct tool *tool, const char *text);
};

/* A verb: a row of the table in main.c. run() returns an enum tool_exit. */
struct verb {
    const char *name;
    const char *summary; /* for the list of verbs, one line */
    const char *usage;   /* "Usage: ..." with every option, ends in a newline */
    int (*run)(struct tool *tool, int argc, char **argv);
};

extern const struct verb verb_init;
extern const struct verb verb_list;
extern const struct verb verb_show;
extern const struct verb verb_verify;
extern const struct verb verb_set;
extern const struct verb verb_enable;
extern const struct verb verb_disable;
extern const struct verb verb_import;
extern const struct verb verb_check;
extern const struct verb verb_backup;
extern const struct verb verb_restore;
extern const struct verb verb_rekey;
extern const struct verb verb_export;
extern const struct verb verb_doctor;
extern const struct verb verb_probe;

/* The exit code for a status. */
int tool_exit_code(enum auth_status status);

/*
 * "program: verb: what: why" on standard error, why being the detail's sentence or the status's;
 * with --json the same as an object, see json_result.h. Returns status, so that a caller can say:
 * return tool_report(...).
 */
enum auth_status tool_report(const struct tool *tool, enum auth_status status,
                             const struct detail *detail, const char *what, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * The same for the store or its key, whose names the detail holds already; in the end what to do,
 * where that is known.
 */
enum auth_status tool_report_store(const struct tool *tool, enum auth_status status,
                                   const struct detail *detail);

/* "program: verb: text" on standard error. */
void tool_say(const struct tool *tool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says so if a new password does not get all that the policy asks for, because of FIPS mode. */
void tool_note_refused(const struct tool *tool, const struct verifier_policy *policy);

/* The same, ending in where to read about the usage. Returns TOOL_USAGE. */
int tool_usage_error(const struct tool *tool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The options of a verb beside those every verb has (-f STORE, -k KEYFILE, --json, --help). The
 * letters are getopt(3)'s; rows of `longs` end with TOOL_COMMON_OPTIONS. Values of options without
 * a letter lie above every character.
 */
struct tool_options {
    const char *letters; /* starts with ":" */
    const struct option *longs;
};

enum {
    TOOL_OPTIONS_END = -1,  /* all options are read; optind is at the first argument */
    TOOL_OPTIONS_STOP = -2, /* usage error or help, told already: return *ret_exit */
    TOOL_LONG_ONLY = 256,   /* the first value for an option without a letter */
    TOOL_OPTION_HELP = 128, /* what TOOL_COMMON_OPTIONS gives for --help */
    TOOL_OPTION_JSON,       /* and for --json */
};

/* The letters every verb's `letters` holds, and the last rows of its `longs`. */
#define TOOL_COMMON_LETTERS "f:k:h"
/* clang-format off */
#define TOOL_COMMON_OPTIONS                                                                        \
    {"json", no_argument, NULL, TOOL_OPTION_JSON}, {"help", no_argument, NULL, TOOL_OPTION_HELP},  \
    {NULL, 0, NULL, 0}
/* clang-format on */

/*
 * The next option of the verb, by getopt_long(3) with its optarg; the common ones are handled
 * inside. Options and arguments may be mixed.
 */
int tool_next_option(struct tool *tool, int argc, char **argv, const struct tool_options *options,
                     int *ret_exit);

/* Says what getopt_long() stopped at; code is the ':' or '?' it returned. Returns TOOL_USAGE. */
int tool_option_error(const struct tool *tool, int argc, char **argv, int code);

/*
 * The one argument of a verb that reads or writes a file; NULL after a usage error. stream is what
 * "-" stands for.
 */
const char *tool_file_argument(const struct tool *tool, int argc, char **argv, const char *stream);

/* A decimal number min..max, nothing before or after it. False otherwise. */
MUST_USE bool tool_decimal(const char *text, uint32_t min, uint32_t max, uint32_t *ret);

/*
 * Gives up root if the store belongs to somebody else (see privilege.h), then opens it; for
 * writing, also takes some of the tickets that servers have left. The caller closes *ret with
 * store_close().
 */
MUST_USE enum auth_status tool_open_store(const struct tool *tool, bool writable,
                                          struct store **ret);

/* The same for a verb that takes tickets itself: leaves them where they are (tickets.h). */
MUST_USE enum auth_status tool_open_store_only(const struct tool *tool, bool writable,
                                               struct store **ret);

/* What a noun behind this number ends in: "" for 1, else "s". */
const char *tool_plural(uint64_t n);

/* Flushes standard output. False, with one message, if anything written was lost. */
MUST_USE bool tool_flush(const struct tool *tool);

/*
 * Appends text for a person's terminal: characters that identity_shown() refuses, every byte of
 * them, and bytes that are not UTF-8 come out as \xHH.
 */
void report_escape(struct buf *b, struct slice text);

#endif
