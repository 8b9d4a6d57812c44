/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Modes and owners of a store's files as init and set --upgrade make them, told where they are
 * others: a lock file that a server may not write, a store that everybody may read. Whom the files
 * are for is read from the data file: its owner and, where its group may read it, its group.
 */
#ifndef SASL_LMDB_FILE_MODES_H
#define SASL_LMDB_FILE_MODES_H

#include "tool.h"

/*
 * Says for each file of the store that is not as it should be what it is and the command that mends
 * it. By stat only: nothing is opened. Files that are not there, or cannot be looked at, are passed
 * over. Returns how many were told.
 */
unsigned file_modes_tell(const struct tool *tool);

#endif
