/* SPDX-License-Identifier: BSD-2-Clause */
/* Times as people and files write them: UTC, RFC 3339 with a "Z", or a date alone. */
#ifndef SASL_LMDB_MOMENT_H
#define SASL_LMDB_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* Appends 2026-11-24T15:56:02Z; "-" for 0, which means never or unknown. */
void moment_put(struct buf *b, int64_t when);

/*
 * Reads 2026-11-24T15:56:02Z, or 2026-11-24, which is its first second. Years 1970 to 9999. False
 * for anything else, also for a day or second that does not exist.
 */
MUST_USE bool moment_take(struct slice text, int64_t *ret);

#endif
