/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps secrets out of what a probe shows of a server's words. A server may say again what was sent
 * to it, in the same reply or on a later connection, whole or cut short, in other letters, in
 * base64 or in hexadecimal. Secrets are the password, as given and as SASLprep makes it, and what
 * is made from it: responses and proofs, with which a reader could try passwords.
 *
 * Eight characters in a row that occur in a secret are taken for a part of it; of a shorter secret
 * all has to be there. No state but that of the caller; one thread.
 */
#ifndef SASL_LMDB_PROBE_MASK_H
#define SASL_LMDB_PROBE_MASK_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

/* What stands in the place of a secret. */
#define PROBE_MASK_STARS "********"

struct probe_mask {
    struct buf runs;   /* eight bytes each, in order, in lower case */
    struct buf shorts; /* secrets shorter than that: their length as a byte, and the secret */
};

/* With this password; n 0 for none. probe_mask_release() wipes everything, also after an error. */
MUST_USE enum auth_status probe_mask_init(struct probe_mask *mask, struct slice password);
void probe_mask_release(struct probe_mask *mask);

/*
 * What the client sends inside an AUTH exchange, before it becomes base64. *ret_secret: there is a
 * secret in it, so that the server's answer may hold a proof.
 */
MUST_USE enum auth_status probe_mask_add(struct probe_mask *mask, struct slice message,
                                         bool *ret_secret);

/* True if text shows a secret or part of one. */
MUST_USE bool probe_mask_finds(const struct probe_mask *mask, struct slice text);

/*
 * Appends text with asterisks in place of whatever could be a proof in hexadecimal or base64: the
 * server makes one from the password, too, and it is not known beforehand.
 */
void probe_mask_put(struct buf *ret, struct slice text);

#endif
