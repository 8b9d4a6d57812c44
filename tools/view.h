/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An account as it is shown to people and scripts: which verifiers, how strong, since when. Never
 * a verifier itself.
 */
#ifndef SASL_LMDB_VIEW_H
#define SASL_LMDB_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "store/record.h"

/* What is kept of a record while a list is sorted; no secret among it. */
struct view {
    char *user; /* owned */
    char *realm;
    unsigned kinds; /* of enum verifier_kind */
    uint32_t iterations[VERIFIER_SCRAM_HASHES];
    uint8_t flags;
    int64_t created;
    int64_t changed;
    int64_t expires;
};

/* Copies what is shown of a record. AUTH_NO_MEMORY, and nothing is to be released then. */
MUST_USE enum auth_status view_init(struct view *view, const struct record *record);
void view_release(struct view *view);

/*
 * "legacy" for an account with verifiers that can be used as passwords or are guessed at MD5's
 * speed (CRAM-MD5, DIGEST-MD5, checkpass), else "strict". Static.
 */
const char *view_class(unsigned kinds);

/* "SCRAM-SHA-1,SCRAM-SHA-256,CRAM-MD5": the names of the kinds joined by the separator. */
void view_put_kinds(struct buf *b, unsigned kinds, const char *separator);

/*
 * Reads a list such as "scram-sha-256,cram-md5" (case does not matter) or the words "default" and
 * "strict". False, with the first name that means nothing in *ret_bad.
 */
MUST_USE bool view_take_kinds(struct slice text, unsigned *ret, struct slice *ret_bad);

/*
 * The same for verifiers that accounts hold: crypt is among the names, and "legacy" is the word.
 */
MUST_USE bool view_take_held_kinds(struct slice text, unsigned *ret, struct slice *ret_bad);

/* The smallest iteration count among the SCRAM verifiers, 0 if there are none. */
uint32_t view_iterations(const struct view *view);

/* "disabled", "expired", both joined by ",", or "-". */
void view_put_flags(struct buf *b, const struct view *view, int64_t now);

/* The names of the kinds as an array; NULL without memory. */
json_t *view_kinds_json(unsigned kinds);

/* The account as a JSON object; NULL without memory. The caller owns the reference. */
json_t *view_json(const struct view *view, int64_t now);

#endif
