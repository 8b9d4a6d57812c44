/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growable output buffer with a ceiling, for messages and for anything secret: every byte it
 * ever held is wiped, also when it grows.
 *
 * Invariants: p[0..n) is what was put; p[n] is a NUL whenever p is not NULL, so that text can be
 * handed to C functions; n <= max. A failed put makes the buffer fail for good: later puts do
 * nothing, and buf_status() tells why. So a message is built without looking and checked once.
 */
#ifndef SASL_LMDB_BUF_H
#define SASL_LMDB_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"

struct buf {
    uint8_t *p;
    size_t n;
    size_t cap;
    size_t max;
    enum auth_status status;
};

/* Prepares an empty buffer that will hold at most max bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);

/* Wipes and frees the contents. The buffer may be used again (same ceiling, no failure). */
void buf_release(struct buf *b);

/* Wipes the contents and keeps the memory; forgets a failure. */
void buf_clear(struct buf *b);

void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_slice(struct buf *b, struct slice s);
void buf_put_str(struct buf *b, const char *s);
void buf_put_byte(struct buf *b, uint8_t byte);
void buf_put_decimal(struct buf *b, uint64_t value);

/* Lower-case hexadecimal, two digits a byte. */
void buf_put_hex(struct buf *b, const void *p, size_t n);

/* Big-endian integers. */
void buf_put_u8(struct buf *b, uint8_t value);
void buf_put_u16(struct buf *b, uint16_t value);
void buf_put_u32(struct buf *b, uint32_t value);
void buf_put_u64(struct buf *b, uint64_t value);

/*
 * Appends n bytes whose contents are not set yet and returns where they start, or NULL if the
 * buffer has failed. The pointer is valid until the next put.
 */
uint8_t *buf_extend(struct buf *b, size_t n);

/* Drops everything after the first n bytes, wiping it. */
void buf_truncate(struct buf *b, size_t n);

/* AUTH_OK, AUTH_NO_MEMORY or AUTH_TOO_LONG. */
MUST_USE enum auth_status buf_status(const struct buf *b);

/* The contents; valid until the next put, clear or release. */
struct slice buf_slice(const struct buf *b);

/* The contents as a NUL-terminated string ("" when nothing was put). */
const char *buf_text(const struct buf *b);

#endif
