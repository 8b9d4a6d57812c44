/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file that a verb writes for somebody: a new one, his alone, that has its name only when it is
 * whole. Until then it lies beside it, its name with a dot and 16 hex digits; a verb that is killed
 * leaves it there.
 */
#ifndef SASL_LMDB_NEW_FILE_H
#define SASL_LMDB_NEW_FILE_H

#include "base/buf.h"
#include "tool.h"

struct new_file {
    const struct tool *tool;
    const char *name; /* the caller's, until the end */
    struct buf temporary;
    int fd; /* open for writing; new_file_end() closes it */
};

/*
 * Begins one. what is what is written, for a message: "a backup is". AUTH_STORE_EXISTS if anything
 * has that name. Only AUTH_OK needs new_file_end(), in the same process.
 */
MUST_USE enum auth_status new_file_begin(const struct tool *tool, const char *name,
                                         const char *what, struct new_file *ret);

/* Gives a whole file its name, durably, and takes away another one. An error is told. */
MUST_USE enum auth_status new_file_end(struct new_file *file, bool whole);

#endif
