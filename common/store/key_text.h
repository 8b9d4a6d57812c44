/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a key file, as the files that load keys (keyring.c) and change the file
 * (keyring_change.c) share it. Raw keys are in it: it lives in pages of its own, and who has taken
 * a line apart wipes that.
 *
 * No state, any thread.
 */
#ifndef SASL_LMDB_KEY_TEXT_H
#define SASL_LMDB_KEY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "store/keyring.h"

enum { KEY_RAW = 32, KEY_TEXT_MAX = 64 * 1024 /* bytes of a file, some 700 keys */ };

struct key_text {
    uint8_t *p;
    size_t bytes; /* of the mapping */
    size_t n;
    struct stat st;
};

/* One line, taken apart. */
struct key_line {
    uint32_t id;
    uint8_t store_id[STORE_ID_SIZE];
    uint8_t raw[KEY_RAW];
    uint32_t since; /* as in struct key */
};

/*
 * Pages of their own for n bytes of secrets: no core file holds them, the swap device neither where
 * the memory-lock limit allows, and no overrun of a heap block reaches them. NULL without memory;
 * *ret_bytes is what they really are. key_pages_free() wipes; NULL is fine.
 */
void *key_pages_new(size_t n, size_t *ret_bytes);
void key_pages_free(void *p, size_t bytes);

/*
 * Reads a whole file. Mode and owner in ret->st are those of what was opened, so nobody can swap
 * the file between check and use. AUTH_KEY_MISSING, AUTH_KEY_DAMAGED (no regular file, or longer
 * than KEY_TEXT_MAX), AUTH_STORE_DENIED, AUTH_NO_MEMORY; *ret holds nothing then.
 */
MUST_USE enum auth_status key_text_read(const char *path, struct key_text *ret,
                                        struct detail *detail);

/* Wipes and frees. */
void key_text_release(struct key_text *text);

/* Takes one line off the text. True if it is to hold a key, false for a comment or nothing. */
bool key_text_next(struct slice *text, struct slice *ret);

/* Takes a line with a key apart; false if it is none. The caller wipes *ret. */
MUST_USE bool key_line_take(struct slice line, struct key_line *ret);

/* Appends the line, with its end. */
void key_line_put(struct buf *b, const struct key_line *line);

#endif
