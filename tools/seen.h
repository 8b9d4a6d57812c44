/* SPDX-License-Identifier: BSD-2-Clause */
/* Which names an import has met, and on which line last: finds a name that occurs twice. */
#ifndef SASL_LMDB_SEEN_H
#define SASL_LMDB_SEEN_H

#include <stdint.h>

#include "base/status.h"
#include "engine/identity.h"

struct seen {
    void *root; /* a tree of tsearch(3) */
};

/* Notes that the name is on this line. *ret_before is the line it was on before, or 0. */
MUST_USE enum auth_status seen_add(struct seen *seen, const struct identity *who, uint64_t line,
                                   uint64_t *ret_before);

void seen_release(struct seen *seen);

#endif
