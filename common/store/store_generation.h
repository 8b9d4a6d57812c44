/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A new generation of all accounts, built beside the active one and made active in one small
 * transaction: every reader, in a jail or not, sees the old accounts or the new ones, and at its
 * next lookup the new ones.
 *
 * One generation is built at a time. Whoever builds holds a claim on the file that the kernel takes
 * back when he dies; what he leaves behind is swept away by the next writer. While he loads,
 * others' changes are refused (AUTH_STORE_BUSY), since they would be lost.
 *
 * How `import --replace` and `restore` go: store_build_begin(), store_build_add() as often as
 * needed, store_build_finish() or store_build_abandon(). Not shared between threads.
 */
#ifndef SASL_LMDB_STORE_GENERATION_H
#define SASL_LMDB_STORE_GENERATION_H

#include "store/store.h"
#include "store/store_sealed.h"

struct store_build; /* opaque */

/*
 * Claims the store and starts an empty generation. AUTH_STORE_BUSY if another one is being built.
 * The store must stay open until the build is over.
 */
MUST_USE enum auth_status store_build_begin(struct store *store, struct store_build **ret,
                                            struct detail *detail);

/*
 * Whether the build is to be ended soon: asked, in the thread that writes, before each 16384
 * accounts. True makes what writes return AUTH_UNAVAILABLE, so that the build can only be
 * abandoned; and of what is to be swept away the next writer gets what is left after 10000.
 */
void store_build_stop_if(struct store_build *build, bool (*stopped)(void));

/*
 * Adds accounts; a name that came before is replaced. As store_write_batch(), but of the active
 * accounts nothing is taken over: what a record does not say is lost. sealed: what is ready of each
 * record, or NULL. All or nothing of one call.
 *
 * They are gathered, up to 256 MiB, and written in the order of their keys. AUTH_BAD_NAME,
 * AUTH_MALFORMED, AUTH_TOO_LONG for what cannot be stored; the build can be gone on with then.
 * After any other error it can only be abandoned.
 */
MUST_USE enum auth_status store_build_add(struct store_build *build, const struct record *records,
                                          const struct store_sealed *sealed, size_t n,
                                          struct detail *detail);

/* Writes what is gathered: it is on the disk when this returns. */
MUST_USE enum auth_status store_build_settle(struct store_build *build, struct detail *detail);

/* The accounts in it so far; a name that is repeated counts once only after store_build_settle().
 */
uint64_t store_build_accounts(const struct store_build *build);

/* Makes it the active one, frees build, and empties what was active before. */
MUST_USE enum auth_status store_build_finish(struct store_build *build, struct detail *detail);

/* Drops what was built and frees build. NULL is fine. */
void store_build_abandon(struct store_build *build);

/*
 * Removes generations that are neither active nor being built by somebody alive: the first thing
 * whoever opens a store for writing does. Without any it takes one read transaction.
 */
MUST_USE enum auth_status store_sweep(struct store *store, struct detail *detail);

#endif
