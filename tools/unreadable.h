/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records that a verb which walks through the store cannot read: it goes on, each is named on
 * standard error when the walk comes by it, and in the end the verb fails, since something is
 * missing in what it did.
 */
#ifndef SASL_LMDB_UNREADABLE_H
#define SASL_LMDB_UNREADABLE_H

#include "progress.h"
#include "tool.h"

/* One walk. Starts as {tool, progress}; both belong to the caller. */
struct unreadable {
    const struct tool *tool;
    struct progress *progress; /* may be on the screen; NULL for none */
    uint64_t n;
};

/*
 * A store_visitor's unreadable(), with a struct unreadable. Names the record by its account or its
 * place in the store.
 */
void unreadable_note(void *ctx, const struct store_unreadable *what);

/*
 * The end of a walk that got `status` and read `read` accounts. AUTH_STORE_DAMAGED if it went well
 * but for such records, of which it then says how many there were, what became of them ("missing in
 * the list") and what to do; else the status.
 */
MUST_USE enum auth_status unreadable_end(const struct unreadable *unreadable,
                                         enum auth_status status, uint64_t read,
                                         const char *became);

#endif
