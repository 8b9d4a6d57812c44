/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/slice.h"

#include <string.h>

struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){p, n};
}

struct slice slice_str(const char *s)
{
    return s == NULL ? (struct slice){NULL, 0} : slice_of(s, strlen(s));
}

bool slice_take_byte(struct slice *s, uint8_t *ret)
{
    if (s->n == 0) {
        return false;
    }
    *ret = s->p[0];
    s->p++;
    s->n--;
    return true;
}

bool slice_take(struct slice *s, size_t n, struct slice *ret)
{
    if (s->n < n) {
        return false;
    }
    if (ret != NULL) {
        *ret = slice_of(s->p, n);
    }
    if (n > 0) {
        s->p += n;
        s->n -= n;
    }
    return true;
}

bool slice_take_literal(struct slice *s, const char *literal)
{
    size_t n = strlen(literal);

    if (s->n < n || (n > 0 && memcmp(s->p, literal, n) != 0)) {
        return false;
    }
    return slice_take(s, n, NULL);
}

bool slice_take_until(struct slice *s, uint8_t stop, struct slice *ret)
{
    size_t at;

    if (!slice_find(*s, stop, &at)) {
        return false;
    }
    *ret = slice_of(s->p, at);
    s->p += at + 1;
    s->n -= at + 1;
    return true;
}

void slice_take_run(struct slice *s, uint8_t stop, struct slice *ret)
{
    size_t at;

    if (!slice_find(*s, stop, &at)) {
        at = s->n;
    }
    *ret = slice_of(s->p, at);
    if (at > 0) {
        s->p += at;
        s->n -= at;
    }
}

bool slice_take_decimal(struct slice *s, uint32_t max, uint32_t *ret)
{
    uint64_t value = 0;
    size_t i;

    for (i = 0; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
        if (i == 1 && s->p[0] == '0') {
            return false;
        }
        value = value * 10 + (uint64_t)(s->p[i] - '0');
        if (value > max) {
            return false;
        }
    }
    if (i == 0) {
        return false;
    }
    *ret = (uint32_t)value;
    s->p += i;
    s->n -= i;
    return true;
}

static bool take_big_endian(struct slice *s, size_t width, uint64_t *ret)
{
    struct slice bytes;
    uint64_t value = 0;

    if (!slice_take(s, width, &bytes)) {
        return false;
    }
    for (size_t i = 0; i < width; i++) {
        value = value << 8 | bytes.p[i];
    }
    *ret = value;
    return true;
}

bool slice_take_u8(struct slice *s, uint8_t *ret)
{
    return slice_take_byte(s, ret);
}

bool slice_take_u16(struct slice *s, uint16_t *ret)
{
    uint64_t value;

    if (!take_big_endian(s, 2, &value)) {
        return false;
    }
    *ret = (uint16_t)value;
    return true;
}

bool slice_take_u32(struct slice *s, uint32_t *ret)
{
    uint64_t value;

    if (!take_big_endian(s, 4, &value)) {
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

bool slice_take_u64(struct slice *s, uint64_t *ret)
{
    return take_big_endian(s, 8, ret);
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_equal_str(struct slice a, const char *b)
{
    return slice_equal(a, slice_str(b));
}

static uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool slice_find(struct slice s, uint8_t byte, size_t *ret_at)
{
    const uint8_t *hit = s.n == 0 ? NULL : memchr(s.p, byte, s.n);

    if (hit == NULL) {
        return false;
    }
    if (ret_at != NULL) {
        *ret_at = (size_t)(hit - s.p);
    }
    return true;
}

bool slice_is_printable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] > 0x7e) {
            return false;
        }
    }
    return true;
}
