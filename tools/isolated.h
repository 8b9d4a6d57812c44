/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a file of somebody who is not trusted, where a library or a program has to parse it: in a
 * process that is nobody and has nothing of the verb's but a copy of the file. It may be lost; what
 * it gives back is a status, a sentence and a text, whose length comes first and is bounded.
 *
 * For a verb that has no threads yet.
 */
#ifndef SASL_LMDB_ISOLATED_H
#define SASL_LMDB_ISOLATED_H

#include "base/buf.h"
#include "base/detail.h"
#include "base/status.h"
#include "tool.h"

/* What /proc calls a descriptor of the process that asks. */
enum { ISOLATED_PATH_SIZE = 32 };

/*
 * In the other process: reads what fd and path, a copy of the file, hold. fd is open for reading
 * and goes to no program; the path is good in any process that has inherited fd under its number.
 */
typedef enum auth_status isolated_read(int fd, const char path[ISOLATED_PATH_SIZE], struct buf *ret,
                                       struct detail *detail);

/*
 * Copies the file fd is open on and lets read() read the copy; root's process becomes the user
 * nobody before, anybody else's stays who he is. What read() gives arrives in *ret, as far as its
 * ceiling allows. AUTH_STORE_DAMAGED, "is damaged", if the process was lost; AUTH_UNAVAILABLE,
 * AUTH_NO_MEMORY, AUTH_STORE_DENIED without a user nobody; or what read() returns.
 */
MUST_USE enum auth_status isolated_run(const struct tool *tool, int fd, isolated_read *read,
                                       struct buf *ret, struct detail *detail);

#endif
