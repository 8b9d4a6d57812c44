/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What import.c (reading and checking), import_ahead.c (the same in several threads) and
 * import_batch.c (deriving and storing) share.
 */
#ifndef SASL_LMDB_IMPORT_INTERNAL_H
#define SASL_LMDB_IMPORT_INTERNAL_H

#include "import.h"
#include "progress.h"
#include "seen.h"
#include "store/store_generation.h"
#include "work_pool.h"

struct import_ahead; /* opaque */

/* One run. */
struct import {
    const struct tool *tool;
    const struct import_options *options;
    struct import_counts *counts;
    struct import_source source;
    struct seen seen;
    struct progress progress;
    uint64_t size;           /* bytes of the input, 0 if unknown */
    uint64_t committed_line; /* everything up to here is stored */
    bool report;             /* bad lines are reported in this pass */
    struct verifier_policy policy;
    struct store *store;
    struct store_build *build; /* where accounts go instead, with options->replace */
    struct work_pool *pool;
    struct import_ahead *ahead; /* NULL for a format whose accounts are no lines */
    struct import_entry entry;  /* of such a format */
};

/*
 * The next account from options->from_line on, valid until the next call; bad lines are reported
 * and passed over. AUTH_CONTINUE at the end of the input; anything else ends the import and has
 * been reported, except for a signal.
 */
MUST_USE enum auth_status import_read(struct import *import, const struct import_entry **ret);

/* Notes the name; one that was there before is told. *ret_before: the line it was on, or 0. */
MUST_USE enum auth_status import_note_name(struct import *import, const struct identity *who,
                                           uint64_t *ret_before);

/*
 * Reads lines ahead and lets the pool parse them. They come back from import_ahead_next(), which
 * does what import_next() does, in the order of the file; *ret is valid until the next call, *why
 * unchanged with AUTH_OK. The source belongs to this until the end. AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status import_ahead_begin(const struct import_format *format,
                                             struct import_source *source, struct work_pool *pool,
                                             struct import_ahead **ret);
MUST_USE enum auth_status import_ahead_next(struct import_ahead *ahead,
                                            const struct import_entry **ret, struct detail *why);

/* Once the pool has stopped. Wipes. NULL is fine. */
void import_ahead_end(struct import_ahead *ahead);

/*
 * Counts an account that is written, and what it loses: the kinds of verifiers it had before (0 for
 * a new one) and has now.
 */
void import_count(struct import_counts *counts, unsigned before, unsigned after);

void import_show_progress(struct import *import);

/* Reads everything and stores it, batch by batch. Reports its failures. */
MUST_USE enum auth_status import_load(struct import *import);

#endif
