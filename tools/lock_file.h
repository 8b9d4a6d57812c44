/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lock file that is missing, where the store's owner cannot make one: in a directory of root's.
 */
#ifndef SASL_LMDB_LOCK_FILE_H
#define SASL_LMDB_LOCK_FILE_H

#include "base/detail.h"
#include "base/status.h"

/*
 * Before privilege_become_owner(): makes the missing lock file of somebody else's store for him.
 * Only in a directory that nobody but root can change, so that the names in it stay what they are;
 * anywhere else, and where nothing is missing, it does nothing, and whoever opens the store makes
 * it or says why not. Nothing is opened but the data file, to see whether it is one.
 *
 * AUTH_OK, or what stood in the way.
 */
MUST_USE enum auth_status lock_file_make(const char *store_path, struct detail *detail);

#endif
