/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes allocations of the code under test fail. The program is linked with malloc and calloc
 * wrapped (engine.cmake), which catches our own code and leaves the libraries alone.
 */
#ifndef SASL_LMDB_TEST_ALLOC_FAIL_H
#define SASL_LMDB_TEST_ALLOC_FAIL_H

#include <stdbool.h>

/* Lets `left` allocations pass and fails the next one, and all after it if asked to. */
void alloc_fail_arm(long left, bool from_then);

/* No more failures. Returns how many allocations have failed. */
unsigned alloc_fail_disarm(void);

/* Switches counting on or off, for the test's own allocations. Returns what it was. */
bool alloc_fail_count(bool on);

#endif
