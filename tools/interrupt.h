/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGINT, SIGTERM and SIGHUP as a number to look at, for verbs that end in an orderly way. */
#ifndef SASL_LMDB_INTERRUPT_H
#define SASL_LMDB_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

/* Whether it is one of these. */
bool interrupt_is(int number);

/* Adds those of them to a set that are not ignored: what was (nohup) stays so. */
void interrupt_add(sigset_t *set);

/* The signal that came, or 0. */
extern volatile sig_atomic_t interrupt_signal;

/* From now on they only set the number, and end a read(2) that waits. What was ignored stays so. */
void interrupt_catch(void);

#endif
