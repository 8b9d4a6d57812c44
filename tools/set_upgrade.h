/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of "sasl-lmdb set" that has no account to change in particular. */
#ifndef SASL_LMDB_SET_UPGRADE_H
#define SASL_LMDB_SET_UPGRADE_H

#include "tool.h"

/*
 * Takes the tickets that servers have left; makes first what is needed for leaving some. Prints
 * the counts. Returns an enum tool_exit.
 */
int set_upgrade(const struct tool *tool);

#endif
