/* SPDX-License-Identifier: BSD-2-Clause */
#include "moment.h"

#include <time.h>

enum { TEXT_MAX = 64, FIRST_YEAR = 1970, TM_YEAR = 1900 };

void moment_put(struct buf *b, int64_t when)
{
    char text[TEXT_MAX];
    time_t seconds = (time_t)when;
    struct tm utc;
    if (when == 0 || gmtime_r(&seconds, &utc) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) {
        buf_put_byte(b, '-');
        return;
    }
    buf_put_str(b, text);
}

/* Exactly n digits. */
static bool take_digits(struct slice *s, size_t n, int *ret)
{
    struct slice digits;
    int value = 0;
    if (!slice_take(s, n, &digits)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9') {
            return false;
        }
        value = value * 10 + (digits.p[i] - '0');
    }
    *ret = value;
    return true;
}

static bool take_date(struct slice *s, struct tm *ret)
{
    int year = 0;
    int month = 0;
    if (!take_digits(s, 4, &year) || !slice_take_literal(s, "-") || !take_digits(s, 2, &month) ||
        !slice_take_literal(s, "-") || !take_digits(s, 2, &ret->tm_mday)) {
        return false;
    }
    ret->tm_year = year - TM_YEAR;
    ret->tm_mon = month - 1;
    return year >= FIRST_YEAR;
}

static bool take_time(struct slice *s, struct tm *ret)
{
    return slice_take_literal(s, "T") && take_digits(s, 2, &ret->tm_hour) &&
           slice_take_literal(s, ":") && take_digits(s, 2, &ret->tm_min) &&
           slice_take_literal(s, ":") && take_digits(s, 2, &ret->tm_sec) &&
           slice_take_literal(s, "Z");
}

bool moment_take(struct slice text, int64_t *ret)
{
    struct tm given = {.tm_isdst = 0};
    if (!take_date(&text, &given) || (text.n != 0 && !take_time(&text, &given)) || text.n != 0) {
        return false;
    }
    /* timegm() carries what is too large over: a 30th of February comes back as another day. */
    struct tm carried = given;
    time_t when = timegm(&carried);
    if (carried.tm_year != given.tm_year || carried.tm_mon != given.tm_mon ||
        carried.tm_mday != given.tm_mday || carried.tm_hour != given.tm_hour ||
        carried.tm_min != given.tm_min || carried.tm_sec != given.tm_sec) {
        return false;
    }
    *ret = (int64_t)when;
    return true;
}
