/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How little this process is allowed to do, and how little of it can leak.
 */
#ifndef SASL_LMDB_PRIVILEGE_H
#define SASL_LMDB_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/detail.h"
#include "base/status.h"

/*
 * For every program that sees passwords, first of all: no core dump, no other process of the same
 * user looking into memory, new files for their owner alone. Commands that are printed from here on
 * are for whoever the program has been started by.
 */
void privilege_confine(void);

/* Whether root called privilege_confine(), whoever this process is by now. */
bool privilege_started_as_root(void);

/*
 * Started as root on a store that belongs to somebody else: becomes that user and the data file's
 * group for good. LMDB's lock file is shared memory that its owner may fill with anything, also
 * with pointers that glibc's robust mutexes follow, so root must not map it. Whoever owns the data
 * file counts; if that is root, whoever owns the lock file or the symbolic link to the data; if
 * they are root's too or the data file is not there, whoever owns the directory, since he can
 * exchange them between this look and the one that opens them. A store that is root's altogether
 * stays root's; whoever is not root stays who he is.
 *
 * Call it before store_open() and after opening files that root alone may read. Not looked at are
 * who else may write to the directory, and those above it.
 *
 * AUTH_STORE_MISSING and the like in a directory of root's where the data file is not there.
 * AUTH_OK, or AUTH_STORE_DENIED with a detail when the change was refused; the process must not
 * go on then.
 */
MUST_USE enum auth_status privilege_become_owner(const char *store_path, struct detail *detail);

/*
 * For what needs no file of anybody's any longer: root becomes the user nobody for good, anybody
 * else stays who he is. AUTH_OK, or AUTH_STORE_DENIED with a detail; the process must not go on
 * then.
 */
MUST_USE enum auth_status privilege_become_nobody(struct detail *detail);

/*
 * Root becomes for good whoever a store is to belong to: that user with that group, or with his own
 * where it is 0. Errors as privilege_become_owner().
 */
MUST_USE enum auth_status privilege_become(uid_t uid, gid_t gid, struct detail *detail);

/* To root, whose of other people's the files of the store are; (uid_t)-1 if nobody's. */
uid_t privilege_owner(const char *store_path);

/* The same for the directory the store is in, or is to be in. */
uid_t privilege_directory_owner(const char *store_path);

/* Whether that directory is root's, and nobody else may write to it. */
bool privilege_directory_is_root_s(const char *store_path);

#endif
