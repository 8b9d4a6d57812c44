/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a file of somebody who is not trusted, where a library or a program has to parse it: in a
 * process that is nobody and has nothing of the verb's but a copy of the file. It may be lost; what
 * it gives back is a status, a sentence and a text, whose length comes first and is bounded. The
 * process, and each that it starts, has a limit of processor time, and all of it one of time: the
 * file may be made so that its reader goes round in a ring, or says the same again and again.
 *
 * For a verb that has no threads yet.
 */
#ifndef SASL_LMDB_ISOLATED_H
#define SASL_LMDB_ISOLATED_H

#include <stdbool.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/detail.h"
#include "base/status.h"
#include "tool.h"

enum {
    ISOLATED_PATH_SIZE = 32, /* what /proc calls a descriptor of the process that asks */
    ISOLATED_PROCESSOR_SECONDS = 120,
    ISOLATED_SECONDS = 600,
    ISOLATED_TEXT_FOR_A_BYTE = 8, /* of text at most for each byte of the file */
};

/* Lowers a limit of setrlimit(2); one that is lower already stays. For the other process. */
MUST_USE bool isolated_limit(int resource, unsigned long most);

/*
 * In the other process: reads what fd and path, a copy of the file, hold. fd is open for reading
 * and goes to no program; the path is good in any process that has inherited fd under its number.
 */
typedef enum auth_status isolated_read(int fd, const char path[ISOLATED_PATH_SIZE], struct buf *ret,
                                       struct detail *detail);

/*
 * Copies the file fd is open on and lets read() read the copy; root's process becomes the user
 * nobody before, anybody else's stays who he is. What read() gives arrives in *ret, as far as its
 * ceiling allows. AUTH_STORE_DAMAGED, "is damaged", if the process was lost or came to no end;
 * AUTH_UNAVAILABLE,
 * AUTH_NO_MEMORY, AUTH_STORE_DENIED without a user nobody; or what read() returns.
 */
MUST_USE enum auth_status isolated_run(const struct tool *tool, int fd, isolated_read *read,
                                       struct buf *ret, struct detail *detail);

#endif
