/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_arena.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

enum { FORMAT_MAX = 4096 }; /* bytes of a formatted text, cut if longer */

struct arena_piece {
    struct arena_piece *next;
    size_t n;
    max_align_t bytes[];
};

/* What a string is when there was no memory for it: one byte that nobody changes. */
static char nothing[1];

void *arena_new(struct arena *arena, size_t n)
{
    struct arena_piece *piece = n > SIZE_MAX - sizeof *piece ? NULL : calloc(1, sizeof *piece + n);

    if (piece == NULL) {
        arena->lost = true;
        return NULL;
    }
    piece->next = arena->pieces;
    piece->n = n;
    arena->pieces = piece;
    return piece->bytes;
}

char *arena_copy(struct arena *arena, struct slice text)
{
    char *copy = arena_new(arena, text.n + 1);

    if (copy == NULL) {
        return nothing;
    }
    if (text.n > 0) {
        memcpy(copy, text.p, text.n);
    }
    return copy;
}

const char *arena_format(struct arena *arena, const char *format, ...)
{
    char text[FORMAT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return arena_copy(arena, slice_str(text));
}

const char *arena_number(struct arena *arena, uint64_t number)
{
    return arena_format(arena, "%" PRIu64, number);
}

const char *arena_mode(struct arena *arena, mode_t mode)
{
    return arena_format(arena, "%04o", (unsigned)(mode & 07777));
}

const char *arena_join(struct arena *arena, const char *list, const char *between, const char *one)
{
    return arena_format(arena, "%s%s%s", list, *list == '\0' ? "" : between, one);
}

void arena_release(struct arena *arena)
{
    while (arena->pieces != NULL) {
        struct arena_piece *piece = arena->pieces;

        arena->pieces = piece->next;
        crypto_wipe(piece->bytes, piece->n);
        free(piece);
    }
    arena->lost = false;
}
