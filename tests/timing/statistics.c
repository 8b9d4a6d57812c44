/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_PERCENT = 95 };

/* Of the part that is kept. */
struct moments {
    double n;
    double mean;
    double variance;
};

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double *allocate(size_t n)
{
    double *values = malloc(n * sizeof *values);

    if (values == NULL) {
        perror("timing");
        exit(1);
    }
    return values;
}

static double *sorted_copy(const double *values, size_t n)
{
    double *copy = allocate(n);

    memcpy(copy, values, n * sizeof *copy);
    qsort(copy, n, sizeof *copy, by_size);
    return copy;
}

/* The duration that KEPT_PERCENT of both sets together do not exceed. */
static double threshold(const double *a, const double *b, size_t n)
{
    double *all = allocate(2 * n);

    memcpy(all, a, n * sizeof *a);
    memcpy(all + n, b, n * sizeof *b);
    qsort(all, 2 * n, sizeof *all, by_size);
    const double limit = all[(2 * n - 1) * KEPT_PERCENT / 100];
    free(all);
    return limit;
}

static struct moments moments_of(const double *values, size_t n, double limit)
{
    struct moments m = {0, 0, 0};
    double squares = 0;

    for (size_t i = 0; i < n && values[i] <= limit; i++) {
        /* Welford's way, which does not lose small variances of large values. */
        const double delta = values[i] - m.mean;
        m.n += 1;
        m.mean += delta / m.n;
        squares += delta * (values[i] - m.mean);
    }
    m.variance = m.n > 1 ? squares / (m.n - 1) : 0;
    return m;
}

/*
 * The median of what b took more than a in the same round: a machine that is slower for a while is
 * so for both.
 */
static double paired_difference(const double *a, const double *b, size_t n)
{
    double *differences = allocate(n);

    for (size_t i = 0; i < n; i++) {
        differences[i] = b[i] - a[i];
    }
    qsort(differences, n, sizeof *differences, by_size);
    const double median = differences[n / 2];
    free(differences);
    return median;
}

struct comparison compare(const double *a, const double *b, size_t n)
{
    double *sorted_a = sorted_copy(a, n);
    double *sorted_b = sorted_copy(b, n);
    const double limit = threshold(a, b, n);
    const struct moments ma = moments_of(sorted_a, n, limit);
    const struct moments mb = moments_of(sorted_b, n, limit);
    struct comparison c = {.median = sorted_a[n / 2], .difference = paired_difference(a, b, n)};

    free(sorted_a);
    free(sorted_b);
    if (ma.n < 2 || mb.n < 2) {
        /* One set lies beyond the threshold whole: they could not differ more. */
        c.t = ma.n < mb.n ? -HUGE_VAL : HUGE_VAL;
        return c;
    }
    c.t = (mb.mean - ma.mean) / sqrt(ma.variance / ma.n + mb.variance / mb.n);
    return c;
}
