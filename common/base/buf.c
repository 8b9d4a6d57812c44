/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ALLOCATION = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

/* Behind the last byte there is nothing of ours: whatever shortens it wipes what it cuts off. */
static void wipe(struct buf *b)
{
    if (b->p != NULL) {
        explicit_bzero(b->p, b->n);
    }
}

void buf_release(struct buf *b)
{
    wipe(b);
    free(b->p);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    wipe(b);
    b->n = 0;
    b->status = AUTH_OK;
}

/* Makes room for n more bytes and the NUL. realloc() would leave an unwiped copy behind. */
static bool reserve(struct buf *b, size_t n)
{
    if (b->status != AUTH_OK) {
        return false;
    }
    if (n > b->max - b->n) {
        b->status = AUTH_TOO_LONG;
        return false;
    }
    if (b->p != NULL && n < b->cap - b->n) {
        return true;
    }
    size_t cap = b->cap == 0 ? FIRST_ALLOCATION : b->cap;
    while (cap - b->n <= n) {
        cap *= 2;
    }
    uint8_t *grown = malloc(cap);
    if (grown == NULL) {
        b->status = AUTH_NO_MEMORY;
        return false;
    }
    if (b->p != NULL) {
        memcpy(grown, b->p, b->n);
        wipe(b);
        free(b->p);
    }
    b->p = grown;
    b->cap = cap;
    b->p[b->n] = 0;
    return true;
}

uint8_t *buf_extend(struct buf *b, size_t n)
{
    if (!reserve(b, n)) {
        return NULL;
    }
    uint8_t *at = b->p + b->n;
    b->n += n;
    b->p[b->n] = 0;
    return at;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    uint8_t *at = buf_extend(b, n);

    if (at != NULL && n > 0) {
        memcpy(at, p, n);
    }
}

void buf_put_slice(struct buf *b, struct slice s)
{
    buf_put(b, s.p, s.n);
}

void buf_put_str(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_put_byte(struct buf *b, uint8_t byte)
{
    buf_put(b, &byte, 1);
}

void buf_put_decimal(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_put(b, digits + at, sizeof digits - at);
}

void buf_put_hex(struct buf *b, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = p;

    if (n > SIZE_MAX / 2) {
        b->status = AUTH_TOO_LONG;
        return;
    }
    uint8_t *at = buf_extend(b, 2 * n);
    for (size_t i = 0; at != NULL && i < n; i++) {
        at[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        at[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
}

static void put_big_endian(struct buf *b, uint64_t value, size_t width)
{
    uint8_t *at = buf_extend(b, width);

    for (size_t i = width; at != NULL && i > 0; i--) {
        at[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

void buf_put_u8(struct buf *b, uint8_t value)
{
    put_big_endian(b, value, 1);
}

void buf_put_u16(struct buf *b, uint16_t value)
{
    put_big_endian(b, value, 2);
}

void buf_put_u32(struct buf *b, uint32_t value)
{
    put_big_endian(b, value, 4);
}

void buf_put_u64(struct buf *b, uint64_t value)
{
    put_big_endian(b, value, 8);
}

void buf_truncate(struct buf *b, size_t n)
{
    if (n < b->n) {
        explicit_bzero(b->p + n, b->n - n);
        b->n = n;
    }
}

enum auth_status buf_status(const struct buf *b)
{
    return b->status;
}

struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->p, b->n);
}

const char *buf_text(const struct buf *b)
{
    return b->p == NULL ? "" : (const char *)b->p;
}
