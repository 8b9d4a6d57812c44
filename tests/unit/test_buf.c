/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void builds_messages(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_string_equal(buf_text(&b), "");
    buf_put_str(&b, "i=");
    buf_put_decimal(&b, 10000);
    buf_put_byte(&b, ',');
    buf_put_decimal(&b, 0);
    buf_put_hex(&b, "\x00\xff\x1a", 3);
    buf_put_slice(&b, slice_of(NULL, 0));
    assert_int_equal(buf_status(&b), AUTH_OK);
    assert_string_equal(buf_text(&b), "i=10000,000ff1a");
    buf_truncate(&b, 2);
    assert_string_equal(buf_text(&b), "i=");
    buf_truncate(&b, 50);
    assert_int_equal(b.n, 2);
    buf_put_u16(&b, 0x0102);
    buf_put_u32(&b, 0x03040506);
    buf_put_u64(&b, 0x0708090a0b0c0d0eULL);
    assert_int_equal(b.n, 16);
    assert_memory_equal(b.p + 2, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e", 14);
    buf_release(&b);
    assert_null(b.p);
}

static void the_ceiling_holds_and_failure_sticks(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 3);
    buf_put_str(&b, "abc");
    assert_int_equal(buf_status(&b), AUTH_OK);
    buf_put_str(&b, "d");
    assert_int_equal(buf_status(&b), AUTH_TOO_LONG);
    assert_null(buf_extend(&b, 0));
    buf_put_str(&b, "");
    assert_int_equal(buf_status(&b), AUTH_TOO_LONG);
    assert_string_equal(buf_text(&b), "abc");
    buf_clear(&b);
    buf_put_str(&b, "xy");
    assert_int_equal(buf_status(&b), AUTH_OK);
    buf_put_hex(&b, "", SIZE_MAX);
    assert_int_equal(buf_status(&b), AUTH_TOO_LONG);
    buf_release(&b);
    buf_init(&b, 0);
    buf_put_byte(&b, 0);
    assert_int_equal(buf_status(&b), AUTH_TOO_LONG);
    buf_release(&b);
}

static void grows_to_any_size_below_it(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++) {
        buf_put_byte(&b, (uint8_t)i);
    }
    assert_int_equal(buf_status(&b), AUTH_OK);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(b.p[i], (uint8_t)i);
    }
    assert_int_equal(b.p[100000], 0);
    buf_clear(&b);
    for (size_t i = 0; i < b.cap; i++) {
        assert_int_equal(b.p[i], 0);
    }
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_messages),
        cmocka_unit_test(the_ceiling_holds_and_failure_sticks),
        cmocka_unit_test(grows_to_any_size_below_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
