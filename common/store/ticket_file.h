/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file that servers leave tickets in and the tool takes them from: the store's name with
 * "-tickets", mode 0620 with the store's group, else 0600. Servers only append, by descriptors
 * that stay good in a jail; so the file is never replaced, but emptied in place.
 *
 * One ticket is one write(), which O_APPEND keeps whole beside others. A lock (fcntl) keeps
 * appending and emptying apart. An appender does not wait for it: a ticket that is not left now
 * is left at the next login. For the same reason a file at its ceiling is left alone.
 *
 * Paths are opened without following a link and only if what is there is a regular file of one
 * name that belongs to the store's owner or to root and is closed to others.
 */
#ifndef SASL_LMDB_TICKET_FILE_H
#define SASL_LMDB_TICKET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "store/ticket.h"

#define TICKET_FILE_SUFFIX "-tickets"

/* A flood of logins fills no disk: some 20 000 tickets. */
enum { TICKET_FILE_MAX = 32 * 1024 * 1024 };

/* An open file, and which one it was: a host may close descriptors that are not its own. */
struct ticket_file {
    int fd; /* -1: not open */
    dev_t dev;
    ino_t ino;
    off_t seen; /* bytes it had when it was last looked at */
};

/*
 * Opens the file of a store, for appending or for the tool. AUTH_STORE_MISSING, AUTH_STORE_DENIED
 * (also for a link or whatever else is not to be trusted), AUTH_UNAVAILABLE.
 */
MUST_USE enum auth_status ticket_file_open_append(const char *store_path, struct ticket_file *ret,
                                                  struct detail *detail);
MUST_USE enum auth_status ticket_file_open_take(const char *store_path, struct ticket_file *ret,
                                                struct detail *detail);

void ticket_file_close(struct ticket_file *file);

/*
 * Appends one ticket. AUTH_STORE_BUSY while the file is emptied, AUTH_STORE_FULL at the ceiling or
 * without space, AUTH_UNAVAILABLE if the descriptor is not that file any more (it is given up
 * then, not closed: it is somebody else's) or the file has been removed. From several threads and
 * after a fork too.
 */
MUST_USE enum auth_status ticket_file_append(struct ticket_file *file,
                                             const uint8_t bytes[TICKET_SIZE]);

/*
 * Whether the file has been emptied since it was last appended to or asked about. One that has
 * grown again beyond what it was then is not recognised.
 */
bool ticket_file_was_emptied(struct ticket_file *file);

/*
 * Makes an empty file for a store, if there is none: of that owner (FILES_ANY_USER: the caller),
 * with the data file's group if that may read the data and the data file is that owner's.
 * *ret_made may be NULL.
 */
MUST_USE enum auth_status ticket_file_make(const char *store_path, uid_t uid, bool *ret_made,
                                           struct detail *detail);

/* Reads the file, up to the ceiling and one ticket more, into *ret, which is malloc'ed. */
MUST_USE enum auth_status ticket_file_read(const struct ticket_file *file, uint8_t **ret,
                                           size_t *ret_n, struct detail *detail);

/* Overwrites n bytes at an offset with zeros. */
MUST_USE enum auth_status ticket_file_wipe(const struct ticket_file *file, size_t at, size_t n,
                                           struct detail *detail);

/*
 * Empties the file if it is not longer than n bytes, which have been dealt with. *ret_empty false:
 * something came meanwhile, or a lock could not be had; nothing has changed.
 */
MUST_USE enum auth_status ticket_file_empty(const struct ticket_file *file, size_t n,
                                            bool *ret_empty, struct detail *detail);

#endif
