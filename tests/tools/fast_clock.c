/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For LD_PRELOAD: a monotonic clock that is two seconds on whenever somebody looks at it, so that
 * whatever a program does takes long, on every machine alike.
 */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS_A_LOOK = 2 };

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    static atomic_long looks;
    long result = syscall(SYS_clock_gettime, clock, ret);

    if (result == 0 && clock == CLOCK_MONOTONIC) {
        ret->tv_sec += SECONDS_A_LOOK * (atomic_fetch_add(&looks, 1) + 1);
    }
    return (int)result;
}
