/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What somebody can do whose store is beyond reading: its files are put aside, a new one is made,
 * and a backup restored. None of the tools moves a store by itself.
 */
#ifndef SASL_LMDB_ASIDE_H
#define SASL_LMDB_ASIDE_H

#include <stdbool.h>

#include "doctor_arena.h"
#include "tool.h"

enum { ASIDE_MAX = 1024 /* bytes of commands in a message, which is cut where it is longer */ };

/* Whether anything has that name. */
typedef bool aside_is_there(const void *context, const char *path);

/*
 * The commands that give the data file and the lock file of a store another name that is free, each
 * if it is there, for a shell: see doctor_command.h. In the arena; "" for neither.
 */
const char *aside_moves(struct arena *arena, const char *store_path, aside_is_there *is_there,
                        const void *context);

/*
 * The same for what is there, by lstat(2), to be put into a message; "" too for names that a shell
 * cannot be given, or a message has no room for.
 */
const char *aside_here(struct arena *arena, const char *store_path);

/* Says the whole way, as a message of the verb, for a store that is damaged or none of ours. */
void aside_tell(const struct tool *tool);

#endif
