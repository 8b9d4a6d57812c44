/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands for a shell, with words in them that strangers may have chosen: names, paths and values
 * from configuration files and from a store. This is the one place where such words are quoted.
 *
 * A word with control characters, or with a dash in front where a program would take it for an
 * option, makes the whole command, and every command made of that, unusable: nobody could read
 * what it does.
 */
#ifndef SASL_LMDB_DOCTOR_COMMAND_H
#define SASL_LMDB_DOCTOR_COMMAND_H

#include <stdbool.h>

#include "doctor_arena.h"

enum { DOCTOR_WORDS_MAX = 9 };

/*
 * A text with words for %1, %2, ... (NULL: nothing). In a command they are quoted, inside single
 * quotes of the text too; %r1, %r2, ... are commands themselves, or words of ours. In the arena.
 */
const char *doctor_fill(struct arena *arena, const char *text,
                        const char *const words[DOCTOR_WORDS_MAX], bool command);

/* A command with its words, then NULL. */
const char *doctor_command(struct arena *arena, const char *text, ...) __attribute__((sentinel));

/* Whether a command is one that can be shown; if not, it is to be thrown away. */
bool doctor_command_is_usable(const char *command);

/*
 * In the place of a command that would change what others than root can put something else in the
 * place of. Not usable, nor is any command made of it: that is this again.
 */
extern const char doctor_command_unheld[];

/* The text with a backslash before each of the special characters: for a script of sed. */
const char *doctor_escaped(struct arena *arena, const char *text, const char *special);

#endif
