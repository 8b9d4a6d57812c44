/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An account as a JSON object with nothing left out, and back: a line of the jsonl format.
 *
 *   user, realm                       strings, as the store holds them
 *   disabled                          true or false
 *   created, changed, expires         2026-11-24T15:56:02Z, or null
 *   verifiers                         names, where not all of them follow; not read back
 *   authPassword                      array of RFC 5803 values
 *   cmusaslsecretCRAM-MD5             base64 of the two MD5 states
 *   cmusaslsecretPLAIN                base64 of salt NUL MD5
 *   cmusaslsecretDIGEST-MD5           array of {"realm", "ha1"}, and where they are true full_name:
 *                                     the user name hashed was user@realm; latin1: the strings
 *                                     were hashed as ISO-8859-1; utf8_names: of them only the
 *                                     password was
 *   crypt                             a crypt(3) hash
 *   password                          read only: a password instead of verifiers
 *
 * The members from authPassword on hold secrets, and are missing where there is nothing to say.
 */
#ifndef SASL_LMDB_ACCOUNT_JSON_H
#define SASL_LMDB_ACCOUNT_JSON_H

#include <jansson.h>

#include "base/detail.h"
#include "base/status.h"
#include "store/record.h"

/*
 * kinds: which verifiers to write (bits of enum verifier_kind); 0 writes no secret. NULL without
 * memory. The caller owns the reference.
 */
json_t *account_json(const struct record *record, unsigned kinds);

/*
 * Reads everything but the name and "password" into *ret: verifiers, flags, times. AUTH_MALFORMED
 * with the member at fault, AUTH_NO_MEMORY. Members of other names are an error too: a verifier
 * that nobody reads would be lost without a word.
 */
MUST_USE enum auth_status account_json_take(json_t *object, struct record *ret, struct detail *why);

#endif
