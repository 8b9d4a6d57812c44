/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Importing accounts: read, check, derive, commit, in batches that overlap. What the input means
 * is the format's business (import_source.h).
 *
 * A batch is one transaction. When the import ends early (a signal, a full disk) everything up to
 * some line is stored and nothing behind it; the message names the line to go on from. With
 * options->replace the batches fill a new generation, which takes the old one's place at the end or
 * not at all.
 */
#ifndef SASL_LMDB_IMPORT_H
#define SASL_LMDB_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "import_source.h"
#include "tally.h"
#include "tool.h"

struct import_options {
    const struct import_format *format;
    int fd;                    /* the file, open for reading; not owned */
    const struct buf *text;    /* instead of fd, where the input had to be read before; or NULL */
    const char *name;          /* its name, for messages */
    const char *default_realm; /* "" for none; as names_realm() gives it */
    uint64_t from_line;        /* 1 for all */
    bool strict;               /* one bad line: nothing is written */
    bool dry_run;
    bool replace; /* all accounts of the store by those of the input, in one moment */
};

struct import_counts {
    uint64_t written;
    uint64_t created; /* of those written, the accounts that were not there before */
    uint64_t skipped; /* bad lines */
    uint64_t locked;  /* accounts the source itself lets nobody use */
    uint64_t repeated;
    uint64_t odd_line;  /* of the first account whose realm is no host name; 0: there is none */
    uint64_t before;    /* accounts the store held */
    uint64_t reshaped;  /* of those written, with a password that SASLprep changes */
    struct tally tally; /* of those written */
    uint64_t losing;   /* of those written, accounts that could be used by more mechanisms before */
    struct tally lost; /* and which; not counted with options->replace */
};

/*
 * Runs the import; every bad line and every failure is reported as it comes. *ret is right in any
 * case. AUTH_OK also when lines were skipped; AUTH_MALFORMED when options->strict let a bad line
 * stop everything, or the input would leave the store empty; AUTH_UNAVAILABLE after a signal or a
 * failed read.
 */
MUST_USE enum auth_status import_run(const struct tool *tool, const struct import_options *options,
                                     struct import_counts *ret);

#endif
