/* SPDX-License-Identifier: BSD-2-Clause */
#include "deadline.h"

#include <limits.h>
#include <time.h>

enum { MILLISECONDS = 1000, NANOSECONDS_EACH = 1000000 };

static int64_t now_ms(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * MILLISECONDS + now.tv_nsec / NANOSECONDS_EACH;
}

int64_t deadline_in(unsigned seconds)
{
    return now_ms() + (int64_t)seconds * MILLISECONDS;
}

int deadline_left(int64_t deadline)
{
    const int64_t left = deadline - now_ms();

    return left <= 0 ? 0 : left < INT_MAX ? (int)left : INT_MAX;
}
