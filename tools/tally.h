/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many accounts can log in by which mechanism: what an import says in the end, since
 * verifiers that a source does not have cannot be made up, and those of an older password go.
 */
#ifndef SASL_LMDB_TALLY_H
#define SASL_LMDB_TALLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { TALLY_ROWS = 8 };

struct tally {
    uint64_t accounts[TALLY_ROWS]; /* by row of the table in tally.c */
};

/* Counts an account with verifiers of these kinds (bits of enum verifier_kind). */
void tally_add(struct tally *tally, unsigned kinds);

/*
 * Counts what an account can no longer be used by when it had verifiers of the kinds `before` and
 * now has those of `after`. False if there is nothing of the kind.
 */
bool tally_add_lost(struct tally *tally, unsigned before, unsigned after);

/* The names of the mechanisms that verifiers of these kinds serve; the caller owns the array. */
json_t *tally_names(unsigned kinds);

/* "PLAIN 3, LOGIN 3, SCRAM-SHA-256 2": mechanisms of no account are there with 0 if `all`. */
void tally_put(struct buf *b, const struct tally *tally, bool all);

/* The same as an object; NULL without memory. The caller owns the reference. */
json_t *tally_json(const struct tally *tally);

#endif
