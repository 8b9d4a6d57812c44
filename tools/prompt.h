/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking for a password on a terminal, or taking it from a pipe. Bytes go by read(2) into buffers
 * that are wiped; nothing passes through stdio.
 */
#ifndef SASL_LMDB_PROMPT_H
#define SASL_LMDB_PROMPT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/detail.h"
#include "base/status.h"

/* True if standard input is a terminal, i.e. somebody can be asked. */
bool prompt_is_terminal(void);

/* What was typed before the question, which the terminal has shown. */
enum prompt_typed_ahead {
    PROMPT_FORGET, /* is not an answer to it */
    PROMPT_TAKE,   /* is, to a program that may be run by a script */
};

/*
 * Writes the prompt to the terminal, reads a line without echo and puts it, without its newline,
 * into ret. The terminal is set back whatever happens; a signal that ends or stops the process
 * takes its effect after that (the buffer wiped), and after a stop the question is asked again.
 * AUTH_OK (ret may be empty), AUTH_TOO_LONG, AUTH_NO_MEMORY, or AUTH_UNAVAILABLE with a detail.
 */
MUST_USE enum auth_status prompt_terminal(const char *prompt, enum prompt_typed_ahead typed_ahead,
                                          struct buf *ret, struct detail *detail);

/*
 * Reads a line from standard input as it is, no terminal needed, no prompt, its newline removed;
 * the end of input ends the line too. AUTH_BAD_PASSWORD if more follows the line in what was read
 * with it: the rest would be lost unnoticed.
 */
MUST_USE enum auth_status prompt_pipe(struct buf *ret, struct detail *detail);

/* prompt_terminal(), typed ahead forgotten, if standard input is a terminal, else prompt_pipe(). */
MUST_USE enum auth_status prompt_password(const char *prompt, struct buf *ret,
                                          struct detail *detail);

#endif
