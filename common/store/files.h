/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the store and the key file need of the file system: files made with exact modes and never
 * through a link, replaced whole, and permissions explained in words. Everything about
 * permissions is found out by stat and access, because opening and closing a lock file drops the
 * locks this process holds on it.
 *
 * No state, any thread. Details name the file and, where there is one, the command that mends it.
 */
#ifndef SASL_LMDB_FILES_H
#define SASL_LMDB_FILES_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"

/* Nobody in particular: leave owner or group as they come. */
#define FILES_ANY_USER ((uid_t)-1)
#define FILES_ANY_GROUP ((gid_t)-1)
/* Only for a file that is there already. */
#define FILES_ANY_MODE ((mode_t)-1)

/* How a new file shall be: exactly this mode, whatever the umask. */
struct file_mode {
    mode_t mode;
    uid_t uid; /* or FILES_ANY_USER */
    gid_t gid; /* or FILES_ANY_GROUP */
};

/*
 * Makes a new empty file and returns it open for reading and writing in *ret_fd (close-on-exec).
 * AUTH_STORE_EXISTS if anything, also a dangling link, has that name; AUTH_STORE_MISSING if the
 * directory does not exist; AUTH_STORE_DENIED, AUTH_STORE_FULL, AUTH_UNAVAILABLE. Nothing is left
 * behind on an error.
 */
MUST_USE enum auth_status file_create(const char *path, const struct file_mode *mode, int *ret_fd,
                                      struct detail *detail);

/*
 * A name beside path that nobody can guess and wait for: path, a dot, 16 hex digits. Initialises
 * *ret, which the caller releases, whatever comes of it.
 */
MUST_USE enum auth_status file_name_beside(const char *path, struct buf *ret);

/*
 * Replaces a file (or makes it) by one that holds the given bytes, whole or not at all: written
 * beside it, synced, renamed, directory synced. Errors as file_create() without EXISTS.
 */
MUST_USE enum auth_status file_replace(const char *path, const struct file_mode *mode,
                                       struct slice bytes, struct detail *detail);

/*
 * Removes what file_replace() on path left when it was killed: files beside it, of its owner, whose
 * names are its own with a dot and 16 hex digits. Only while nobody else can be replacing it.
 */
void file_remove_leftovers(const char *path);

/*
 * Gives `from` the name `to` in the same directory unless `to` exists (AUTH_STORE_EXISTS).
 */
MUST_USE enum auth_status file_rename_new(const char *from, const char *to, struct detail *detail);

/*
 * Gives a file that this process has made to a user, a group, or opens it to them. What is opened
 * is what is given: AUTH_STORE_DENIED for a link, a file of several names, one of somebody else's,
 * or where the change is refused. Not while an environment of LMDB's is open on it: see above.
 */
MUST_USE enum auth_status file_give(const char *path, const struct file_mode *mode,
                                    struct detail *detail);

/* Makes the names in the directory of path durable. */
MUST_USE enum auth_status file_sync_directory(const char *path, struct detail *detail);

/* The directory part of path, "." if it has none; malloc'ed, NULL without memory. */
char *file_directory(const char *path);

/* Appends suffix to path; malloc'ed, NULL without memory. */
char *file_suffixed(const char *path, const char *suffix);

/*
 * Whether the effective user may do `access` (R_OK, W_OK, X_OK) to path: 0 or an errno value.
 */
int file_access(const char *path, int access);

/*
 * Puts errno value error for path into words; names the directory that may not be searched, or the
 * mode and owner that stand in the way. Returns a status fit for it, and leaves error in errno.
 */
enum auth_status file_explain(const char *what, const char *path, int error, struct detail *detail);

/*
 * A file-size limit kills by SIGXFSZ, which a host process must not die of, and handlers are the
 * host's business. Between hold and release the signal is blocked in this thread, so that writing
 * fails with EFBIG; a signal that arose meanwhile is taken away.
 */
struct file_limit_guard {
    sigset_t before;
    bool was_pending;
};

void file_limit_hold(struct file_limit_guard *guard);
void file_limit_release(const struct file_limit_guard *guard);

#endif
