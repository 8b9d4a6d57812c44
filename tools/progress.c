/* SPDX-License-Identifier: BSD-2-Clause */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#define FIRST_SECONDS 1.0
#define STEP_SECONDS 0.25
#define NANOSECONDS 1e9

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) +
           (double)(to->tv_nsec - from->tv_nsec) / NANOSECONDS;
}

void progress_init(struct progress *progress, const char *unit)
{
    *progress = (struct progress){.unit = unit, .terminal = isatty(STDERR_FILENO) == 1};
    clock_gettime(CLOCK_MONOTONIC, &progress->start);
    progress->last = progress->start;
}

double progress_seconds(const struct progress *progress)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return seconds_between(&progress->start, &now);
}

void progress_show(struct progress *progress, uint64_t count, double share)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double elapsed = seconds_between(&progress->start, &now);
    if (!progress->terminal || elapsed < FIRST_SECONDS ||
        seconds_between(&progress->last, &now) < STEP_SECONDS) {
        return;
    }
    progress->last = now;
    progress->shown = true;
    /* Return, then erase to the end of the line (ECMA-48 EL). */
    fprintf(stderr, "\r\033[K%llu %s, %.0f a second", (unsigned long long)count, progress->unit,
            (double)count / elapsed);
    if (share > 0 && share <= 1) {
        unsigned long left = (unsigned long)(elapsed / share - elapsed + 0.5);
        fprintf(stderr, ", %lu:%02lu:%02lu left", left / 3600, left / 60 % 60, left % 60);
    }
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->shown = false;
    }
}
