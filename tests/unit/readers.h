/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader table of a store, as LMDB shows it to a process that has nothing else of it open. */
#ifndef SASL_LMDB_TEST_READERS_H
#define SASL_LMDB_TEST_READERS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether process pid is in a read transaction. Not for a process that has the store open: LMDB
 * allows that once only. False also if the table cannot be read: *ret_known.
 */
bool readers_has(const char *store_path, pid_t pid, bool *ret_known);

#endif
