/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What somebody can do whose store is beyond reading: its files are put aside, a new one is made,
 * and a backup restored. None of the tools moves a store by itself.
 */
#ifndef SASL_LMDB_ASIDE_H
#define SASL_LMDB_ASIDE_H

#include "base/buf.h"
#include "tool.h"

enum { ASIDE_MAX = 20000 }; /* bytes of the commands: four paths and some words */

/* Appends the commands that give those of the two files that are there another name. By lstat. */
void aside_put(struct buf *b, const char *store_path);

/* Says the whole way, as a message of the verb, for a store that is damaged or none of ours. */
void aside_tell(const struct tool *tool);

#endif
