/* SPDX-License-Identifier: BSD-2-Clause */
/* Which names an import has met, and on which line last: finds a name that occurs twice. */
#ifndef SASL_LMDB_SEEN_H
#define SASL_LMDB_SEEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "engine/identity.h"

struct seen_name;

/* All zero: nothing yet. */
struct seen {
    struct seen_name **slots;
    size_t capacity; /* a power of two */
    size_t n;
    uint64_t start; /* of the hash */
};

/* Notes that the name is on this line. *ret_before is the line it was on before, or 0. */
MUST_USE enum auth_status seen_add(struct seen *seen, const struct identity *who, uint64_t line,
                                   uint64_t *ret_before);

void seen_release(struct seen *seen);

#endif
