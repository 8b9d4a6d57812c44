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

/* The duration that KEPT_PERCENT of both sets together do not exceed. */
static double threshold(const double *a, const double *b, size_t n)
{
    double *all = malloc(2 * n * sizeof *all);

    if (all == NULL) {
        perror("timing");
        exit(1);
    }
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

struct comparison compare(double *a, double *b, size_t n)
{
    qsort(a, n, sizeof *a, by_size);
    qsort(b, n, sizeof *b, by_size);
    const double limit = threshold(a, b, n);
    const struct moments ma = moments_of(a, n, limit);
    const struct moments mb = moments_of(b, n, limit);
    struct comparison c = {.median = a[n / 2], .difference = b[n / 2] - a[n / 2]};

    if (ma.n < 2 || mb.n < 2) {
        /* One set lies beyond the threshold whole: they could not differ more. */
        c.t = ma.n < mb.n ? -INFINITY : INFINITY;
        return c;
    }
    c.t = (mb.mean - ma.mean) / sqrt(ma.variance / ma.n + mb.variance / mb.n);
    return c;
}
