/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a text is a hash that crypt(3) can compare with. Imports ask before they keep one: a
 * locked account's "!", an Apache hash, half a line, or a hash that no server would spend the time
 * on (crypt_cost.h), would otherwise become an account that nobody can log in to, and nobody would
 * know why.
 */
#ifndef SASL_LMDB_CRYPT_HASH_H
#define SASL_LMDB_CRYPT_HASH_H

#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/verifier.h"

/* Puts the hash into set->crypt. AUTH_NO_VERIFIER and what it is instead. */
MUST_USE enum auth_status crypt_hash_take(struct slice hash, struct verifier_set *set,
                                          struct detail *why);

#endif
