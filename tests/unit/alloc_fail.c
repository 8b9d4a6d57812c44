/* SPDX-License-Identifier: BSD-2-Clause */
#include "alloc_fail.h"

#include <stddef.h>

static bool counting;
static bool all_later;
static long allowed = -1; /* negative: none fails */
static unsigned failed;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names for --wrap */
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
/* NOLINTEND(bugprone-reserved-identifier) */

static bool fails(void)
{
    if (!counting || allowed < 0) {
        return false;
    }
    if (allowed > 0) {
        allowed--;
        return false;
    }
    allowed = all_later ? 0 : -1;
    failed++;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return fails() ? NULL : __real_calloc(count, n);
}

void alloc_fail_arm(long left, bool from_then)
{
    allowed = left;
    all_later = from_then;
    failed = 0;
}

unsigned alloc_fail_disarm(void)
{
    allowed = -1;
    return failed;
}

bool alloc_fail_count(bool on)
{
    const bool before = counting;

    counting = on;
    return before;
}
