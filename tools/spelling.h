/* SPDX-License-Identifier: BSD-2-Clause */
/* How near a word is to one that somebody may have meant. */
#ifndef SASL_LMDB_SPELLING_H
#define SASL_LMDB_SPELLING_H

enum { SPELLING_MAX = 64 /* bytes of what may have been meant */ };

/*
 * How many letters one has to add, drop, change, or swap with the next one, to make the other word
 * of the first; UINT_MAX if `meant` is longer than SPELLING_MAX.
 */
unsigned spelling_errors(const char *word, const char *meant);

#endif
