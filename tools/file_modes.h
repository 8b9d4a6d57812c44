/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Modes and owners of a store's files as init and set --upgrade make them, told where they are
 * others: a lock file that a server may not write, a store that everybody may read. Whom the files
 * are for is read from the data file: its owner and, where its group may read it, its group.
 */
#ifndef SASL_LMDB_FILE_MODES_H
#define SASL_LMDB_FILE_MODES_H

#include "doctor_arena.h"
#include "tool.h"

/*
 * Says for each file of the store that is not as it should be what it is and the command that mends
 * it, which is none where others can put another file in its place. By stat only: nothing is
 * opened. Files that are not there, or cannot be looked at, are passed over. Returns how many were
 * told.
 */
unsigned file_modes_tell(const struct tool *tool);

/*
 * To the store's owner, whom root has become: the command, in the arena, that gives him a key file
 * of root's that he cannot read, behind ": " for a message. "" where that is not what keeps him
 * out, or where the store does not lie in a directory of root's: who has put one elsewhere is not
 * to be given root's keys.
 */
const char *file_modes_open_key(const struct tool *tool, struct arena *arena);

#endif
