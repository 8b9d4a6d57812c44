/* SPDX-License-Identifier: BSD-2-Clause */
/* The forms are those of crypt(5). */
#include "engine/crypt_cost.h"

#include <stdint.h>

/* Digits of crypt(3)'s own base 64: "." "/" 0-9 A-Z a-z. */
static bool take_digit(struct slice *s, uint32_t *ret)
{
    uint8_t c = 0;
    if (!slice_take_byte(s, &c)) {
        return false;
    }
    if (c >= '.' && c <= '9') {
        *ret = (uint32_t)c - '.';
    } else if (c >= 'A' && c <= 'Z') {
        *ret = (uint32_t)c - 'A' + 12;
    } else if (c >= 'a' && c <= 'z') {
        *ret = (uint32_t)c - 'a' + 38;
    } else {
        return false;
    }
    return true;
}

/* n digits, at most 5, the lowest first. */
static bool take_digits(struct slice *s, unsigned n, uint32_t *ret)
{
    uint32_t digit = 0;
    *ret = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!take_digit(s, &digit)) {
            return false;
        }
        *ret |= digit << 6 * i;
    }
    return true;
}

/* A decimal number up to the next "$". */
static bool rounds_fit(struct slice rest)
{
    uint32_t rounds = 0;
    return slice_take_decimal(&rest, CRYPT_COST_ROUNDS, &rounds) && slice_take_literal(&rest, "$");
}

static bool bcrypt_fits(struct slice rest)
{
    uint8_t tens = 0;
    uint8_t ones = 0;
    return slice_take_byte(&rest, &tens) && slice_take_literal(&rest, "$") &&
           slice_take_byte(&rest, &tens) && slice_take_byte(&rest, &ones) &&
           slice_take_literal(&rest, "$") && tens >= '0' && tens <= '9' && ones >= '0' &&
           ones <= '9' && 10 * (tens - '0') + (ones - '0') <= CRYPT_COST_BCRYPT;
}

static bool sha2_fits(struct slice rest)
{
    return !slice_take_literal(&rest, "rounds=") || rounds_fit(rest);
}

static bool sun_md5_fits(struct slice rest)
{
    return slice_take_literal(&rest, ",rounds=") ? rounds_fit(rest)
                                                 : slice_take_literal(&rest, "$");
}

static bool extended_des_fits(struct slice rest)
{
    uint32_t rounds = 0;
    return take_digits(&rest, 4, &rounds) && rounds <= CRYPT_COST_ROUNDS;
}

static bool any_fits(struct slice rest)
{
    (void)rest;
    return true;
}

/* 128 * r bytes, two to the power of log_n times, gone through that often. */
static bool memory_fits(uint32_t log_n, uint32_t r, uint64_t times)
{
    enum { BLOCKS = CRYPT_COST_MIB * (1 << 20) / 128, LOG_MAX = 20 };
    const uint64_t most = log_n <= LOG_MAX ? (uint64_t)BLOCKS >> log_n : 0;
    return r > 0 && times > 0 && r <= most && times <= most / r;
}

static bool scrypt_fits(struct slice rest)
{
    uint32_t log_n = 0;
    uint32_t r = 0;
    uint32_t p = 0;
    return take_digit(&rest, &log_n) && take_digits(&rest, 5, &r) && take_digits(&rest, 5, &p) &&
           memory_fits(log_n, r, p);
}

/* yescrypt's way with numbers: from 48 on the first digit says that more follow. None is needed. */
static bool take_small(struct slice *s, uint32_t least, uint32_t *ret)
{
    enum { ALONE = 47 };
    if (!take_digit(s, ret) || *ret > ALONE) {
        return false;
    }
    *ret += least;
    return true;
}

/* Flavour, logarithm of N, r; then perhaps which others there are: p, t. Not those of a ROM. */
static bool yescrypt_fits(struct slice rest)
{
    enum { HAS_P = 1, HAS_T = 2 };
    uint32_t flavour = 0;
    uint32_t log_n = 0;
    uint32_t r = 0;
    uint32_t others = 0;
    uint32_t p = 1;
    uint32_t t = 0;
    if (!take_small(&rest, 0, &flavour) || !take_small(&rest, 1, &log_n) ||
        !take_small(&rest, 1, &r)) {
        return false;
    }
    if (!slice_take_literal(&rest, "$") &&
        (!take_small(&rest, 1, &others) || others > (HAS_P | HAS_T) ||
         ((others & HAS_P) != 0 && !take_small(&rest, 2, &p)) ||
         ((others & HAS_T) != 0 && !take_small(&rest, 1, &t)) || !slice_take_literal(&rest, "$"))) {
        return false;
    }
    return memory_fits(log_n, r, (uint64_t)p * (t + 1));
}

static const struct {
    const char *prefix;
    bool (*fits)(struct slice rest); /* what stands behind the prefix */
} methods[] = {
    {"$2", bcrypt_fits},    {"$5$", sha2_fits},       {"$6$", sha2_fits},
    {"$y$", yescrypt_fits}, {"$gy$", yescrypt_fits},  {"$7$", scrypt_fits},
    {"$1$", any_fits},      {"$3$", any_fits},        {"$sha1$", rounds_fit},
    {"$md5", sun_md5_fits}, {"_", extended_des_fits},
};

bool crypt_cost_fits(struct slice hash)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct slice rest = hash;
        if (slice_take_literal(&rest, methods[i].prefix)) {
            return methods[i].fits(rest);
        }
    }
    return hash.n > 0 && hash.p[0] != '$'; /* DES */
}
