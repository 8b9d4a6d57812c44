/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for what a doctor reads and says: strings and small structs that live until the end and
 * go together, wiped. A failed allocation is remembered; strings are never NULL, so that readers
 * and checks need not look, and the verb looks once.
 */
#ifndef SASL_LMDB_DOCTOR_ARENA_H
#define SASL_LMDB_DOCTOR_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"

struct arena_piece;

struct arena {
    struct arena_piece *pieces;
    bool lost; /* something could not be kept for want of memory */
};

/* n zeroed bytes, aligned for anything; NULL without memory. */
void *arena_new(struct arena *arena, size_t n);

/* A copy with a NUL behind it; "" without memory. */
char *arena_copy(struct arena *arena, struct slice text);

/* snprintf(3) into the arena. */
const char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The number in decimal. */
const char *arena_number(struct arena *arena, uint64_t number);

/* A file's permission bits as chmod(1) takes them, four digits. */
const char *arena_mode(struct arena *arena, mode_t mode);

/* A list with one more behind it; `between` comes only where the list was not "". */
const char *arena_join(struct arena *arena, const char *list, const char *between, const char *one);

/* Wipes and frees everything. */
void arena_release(struct arena *arena);

#endif
