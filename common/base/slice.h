/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A read cursor over bytes somebody else owns. All untrusted input is read through it.
 *
 * Invariants: p[0..n) is readable; n == 0 is always valid, with p NULL (nothing was sent) or not
 * (an empty message was sent). A slice owns nothing and lives no longer than the bytes under it.
 * The slice_take_* functions consume from the front on success and leave the slice untouched when
 * they return false. No function needs or looks for a NUL terminator, none depends on the locale.
 */
#ifndef SASL_LMDB_SLICE_H
#define SASL_LMDB_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct slice {
    const uint8_t *p;
    size_t n;
};

/* n bytes at p. */
struct slice slice_of(const void *p, size_t n);

/* The bytes of a C string without its NUL; NULL gives an empty slice. */
struct slice slice_str(const char *s);

/* Takes one byte. False at the end. */
MUST_USE bool slice_take_byte(struct slice *s, uint8_t *ret);

/* Takes exactly n bytes (ret may be NULL to skip). False if fewer are left. */
MUST_USE bool slice_take(struct slice *s, size_t n, struct slice *ret);

/* Takes the given literal, byte for byte. False if something else stands there. */
MUST_USE bool slice_take_literal(struct slice *s, const char *literal);

/*
 * Takes everything before the first `stop` byte into *ret and consumes the stop byte too. False
 * if no stop byte is left. *ret may be empty.
 */
MUST_USE bool slice_take_until(struct slice *s, uint8_t stop, struct slice *ret);

/*
 * Takes the longest run of bytes up to (not including) the first byte equal to `stop`, or to the
 * end. The stop byte is not consumed. Never fails, *ret may be empty.
 */
void slice_take_run(struct slice *s, uint8_t stop, struct slice *ret);

/*
 * Takes 1*DIGIT as a decimal number of at most `max`. False on no digit, on a value over max, or
 * on a leading zero before another digit. Stops at the first byte that is no digit.
 */
MUST_USE bool slice_take_decimal(struct slice *s, uint32_t max, uint32_t *ret);

/* Fixed-width big-endian integers. */
MUST_USE bool slice_take_u8(struct slice *s, uint8_t *ret);
MUST_USE bool slice_take_u16(struct slice *s, uint16_t *ret);
MUST_USE bool slice_take_u32(struct slice *s, uint32_t *ret);
MUST_USE bool slice_take_u64(struct slice *s, uint64_t *ret);

/* Equality for public bytes. Secrets are compared with crypto_equal(). */
bool slice_equal(struct slice a, struct slice b);
bool slice_equal_str(struct slice a, const char *b);

/* Equality with ASCII letters of both cases alike. */
bool slice_equal_nocase(struct slice a, struct slice b);

/* True if the byte occurs; *ret_at (may be NULL) is its first position. */
bool slice_find(struct slice s, uint8_t byte, size_t *ret_at);

/* True if every byte is printable ASCII, 0x20..0x7e (also for the empty slice). */
bool slice_is_printable(struct slice s);

#endif
