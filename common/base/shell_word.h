/* SPDX-License-Identifier: BSD-2-Clause */
/* Words that strangers may have chosen, in commands that people are to give to a shell. */
#ifndef SASL_LMDB_SHELL_WORD_H
#define SASL_LMDB_SHELL_WORD_H

#include <stdbool.h>

/* Whether a shell takes the word as it is, without quotes. No state, any thread. */
bool shell_word_is_plain(const char *word);

#endif
