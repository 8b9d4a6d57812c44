/* SPDX-License-Identifier: BSD-2-Clause */
/* Until when somebody is waited for: a time of CLOCK_MONOTONIC in milliseconds. No state. */
#ifndef SASL_LMDB_DEADLINE_H
#define SASL_LMDB_DEADLINE_H

#include <stdint.h>

/* The deadline that many seconds from now. */
int64_t deadline_in(unsigned seconds);

/* Milliseconds until then, as poll(2) takes them; 0 when it is over. */
int deadline_left(int64_t deadline);

#endif
