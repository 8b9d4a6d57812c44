/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose record it was, when its seal does not open. Nothing of what is decrypted without its tag is
 * used or kept but the name, and that only if the record's key confirms it: the key is an HMAC of
 * the name. One flipped bit anywhere, in the key too, is seen through.
 */
#ifndef SASL_LMDB_STORE_SALVAGE_H
#define SASL_LMDB_STORE_SALVAGE_H

#include <stdbool.h>

#include "store/account.h"

/* True if the name is known; then *ret is filled. Takes some milliseconds. */
bool store_salvage_name(const struct key *key, struct slice place, struct slice value,
                        struct identity *ret);

#endif
