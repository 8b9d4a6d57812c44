/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another process that looks, in the middle of a lookup, whether who looks up is in the reader
 * table: if he were not, a writer could overwrite what he reads.
 */
#ifndef TEST_WATCHER_H
#define TEST_WATCHER_H

#include <stdbool.h>

/* Begins to watch a store, before any plugin is loaded. False if it cannot. */
bool watcher_start(const char *store_path);
void watcher_stop(void);

/*
 * Inside a read transaction, in any thread: has the watcher look, the first times in a process.
 * Without a watcher it does nothing.
 */
void watcher_look(void);

/*
 * Since the last call: how many processes were looked for and always seen; -1 if one was not. For
 * the process that started the watcher, once the others have ended.
 */
int watcher_seen(void);

#endif
