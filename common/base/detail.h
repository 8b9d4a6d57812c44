/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sentence for a person beside a status: which file, which permission, what to do. Never holds
 * a secret. Callers pass a struct detail they own; functions fill it when they return an error
 * and leave it alone on success. NULL is allowed everywhere and means nobody will read it.
 */
#ifndef SASL_LMDB_DETAIL_H
#define SASL_LMDB_DETAIL_H

#include "base/status.h"

enum { DETAIL_SIZE = 512 };

struct detail {
    char text[DETAIL_SIZE]; /* NUL-terminated, cut if longer */
};

/* Writes the sentence and returns status, so that a caller can say: return detail_set(...). */
enum auth_status detail_set(struct detail *detail, enum auth_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The sentence, or the status's own text when nothing was written. Never NULL. */
const char *detail_text(const struct detail *detail, enum auth_status status);

#endif
