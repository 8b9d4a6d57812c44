/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line on a terminal's standard error that says how far a long run is: count, rate and time
 * left. Nothing in the first second, nothing at all in a pipe.
 */
#ifndef SASL_LMDB_PROGRESS_H
#define SASL_LMDB_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
    const char *unit; /* "accounts" */
    bool terminal;
    bool shown;
    struct timespec start;
    struct timespec last;
};

void progress_init(struct progress *progress, const char *unit);

/*
 * Shows where things are, at most a few times a second. share is how much of the whole is done,
 * 0 to 1, or negative when nobody knows.
 */
void progress_show(struct progress *progress, uint64_t count, double share);

/* Removes the line, before anything else is printed. */
void progress_clear(struct progress *progress);

/* Seconds since the start. */
double progress_seconds(const struct progress *progress);

#endif
