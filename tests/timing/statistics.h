/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is one set of durations longer than another? After dudect (Reparaz, Balasch, Verbauwhede 2017):
 * the slowest measurements of both are cropped at one threshold, then Welch's t-test.
 */
#ifndef SASL_LMDB_TIMING_STATISTICS_H
#define SASL_LMDB_TIMING_STATISTICS_H

#include <stddef.h>

struct comparison {
    double median;     /* of the first set */
    double difference; /* the median of the differences, pair by pair */
    double t;          /* of the cropped sets; far from 0: they differ */
};

/* n of each, in the order they were taken. Exits where there is no memory. */
struct comparison compare(const double *a, const double *b, size_t n);

#endif
