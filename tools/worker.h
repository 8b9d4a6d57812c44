/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A part of a verb in a process of its own: one that may become another user while the verb stays
 * who it is, or that may be lost.
 *
 * What the two share is memory both can write. The worker may have mapped files of people who are
 * not trusted, so the verb takes nothing in it for granted.
 */
#ifndef SASL_LMDB_WORKER_H
#define SASL_LMDB_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tool.h"

/* n bytes that a worker started later shares; zero. NULL without memory. Never freed. */
void *worker_shared(size_t n);

/* Starts run(ctx) in a child, whose exit status its result is. False, told, if there is none. */
MUST_USE bool worker_start(const struct tool *tool, int (*run)(void *ctx), void *ctx,
                           pid_t *ret_pid);

/* How a worker ended. */
struct worker_end {
    bool running;
    int exit;   /* if signal is 0 */
    int signal; /* that killed it */
};

/* Waits at most some milliseconds, negative: for ever. */
struct worker_end worker_wait(pid_t pid, int milliseconds);

/*
 * Runs run(ctx), which walks through a store, in a child that damaged pages may end, and returns
 * its result. TOOL_FAILED, told, if a signal ended it. SIGINT, SIGTERM and SIGHUP go to the child,
 * which may catch them and come to an orderly end; this process stays, to clear away.
 */
int worker_run(const struct tool *tool, int (*run)(void *ctx), void *ctx);

#endif
