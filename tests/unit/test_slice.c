/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/detail.h"
#include "base/slice.h"

/* A failed take leaves the slice as it was. */
#define REFUSED(call, s, before)                                                                   \
    do {                                                                                           \
        struct slice before_ = (before);                                                           \
        assert_false(call);                                                                        \
        assert_ptr_equal((s).p, before_.p);                                                        \
        assert_int_equal((s).n, before_.n);                                                        \
    } while (0)

static void takes_and_refusals(void **state)
{
    struct slice s = slice_str("ab,c");
    struct slice part;
    uint8_t byte;

    (void)state;
    REFUSED(slice_take(&s, 5, &part), s, s);
    REFUSED(slice_take_literal(&s, "ac"), s, s);
    REFUSED(slice_take_literal(&s, "ab,cd"), s, s);
    REFUSED(slice_take_until(&s, ';', &part), s, s);
    assert_true(slice_take_literal(&s, ""));
    assert_true(slice_take_until(&s, ',', &part));
    assert_true(slice_equal_str(part, "ab"));
    assert_true(slice_take_byte(&s, &byte));
    assert_int_equal(byte, 'c');
    REFUSED(slice_take_byte(&s, &byte), s, s);
    REFUSED(slice_take_until(&s, ',', &part), s, s);
    slice_take_run(&s, ',', &part);
    assert_int_equal(part.n, 0);
    s = slice_of(NULL, 0);
    assert_true(slice_take(&s, 0, &part));
    slice_take_run(&s, ',', &part);
    assert_int_equal(part.n, 0);
    assert_true(slice_equal(s, slice_str("")));
}

static void decimals(void **state)
{
    static const char *const bad[] = {
        "", "x", "-1", "+1", " 1", "01", "00", "4294967296", "99999999999999999999999", "101"};
    uint32_t value = 7;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct slice s = slice_str(bad[i]);
        REFUSED(slice_take_decimal(&s, i == 9 ? 100 : UINT32_MAX, &value), s, s);
        assert_int_equal(value, 7);
    }
    struct slice s = slice_str("4294967295,");
    assert_true(slice_take_decimal(&s, UINT32_MAX, &value));
    assert_int_equal(value, UINT32_MAX);
    assert_true(slice_equal_str(s, ","));
    s = slice_str("0");
    assert_true(slice_take_decimal(&s, 10, &value));
    assert_int_equal(value, 0);
}

static void integers_at_every_length(void **state)
{
    static const uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;

    (void)state;
    for (size_t n = 0; n < 8; n++) {
        uint8_t *exact = malloc(n);
        assert_non_null(exact);
        if (n > 0) {
            memcpy(exact, bytes, n);
        }
        struct slice s = slice_of(exact, n);
        REFUSED(slice_take_u64(&s, &u64), s, s);
        assert_int_equal(slice_take_u32(&s, &u32), n >= 4);
        s = slice_of(exact, n);
        assert_int_equal(slice_take_u16(&s, &u16), n >= 2);
        free(exact);
    }
    struct slice s = slice_of(bytes, 8);
    assert_true(slice_take_u64(&s, &u64));
    assert_true(u64 == 0x0102030405060708ULL);
    s = slice_of(bytes, 6);
    assert_true(slice_take_u16(&s, &u16) && slice_take_u32(&s, &u32));
    assert_int_equal(u16, 0x0102);
    assert_int_equal(u32, 0x03040506);
}

static void comparisons(void **state)
{
    (void)state;
    assert_true(slice_equal_nocase(slice_str("Utf-8"), slice_str("UTF-8")));
    assert_false(slice_equal_nocase(slice_str("utf-8"), slice_str("utf-")));
    assert_false(slice_equal_nocase(slice_str("["), slice_str("{")));
    assert_false(slice_equal(slice_of("a\0b", 3), slice_of("a\0c", 3)));
    assert_false(slice_equal_str(slice_of("a\0b", 3), "a"));
    assert_true(slice_is_printable(slice_str(" ~")));
    assert_false(slice_is_printable(slice_str("\x7f")));
    assert_false(slice_is_printable(slice_of("a\0", 2)));
    assert_false(slice_is_printable(slice_str("\xc3\xa4")));
}

static void statuses_have_words(void **state)
{
    struct detail detail = {{0}};

    (void)state;
    for (int i = AUTH_OK; i <= AUTH_INTERNAL; i++) {
        assert_string_not_equal(auth_status_text((enum auth_status)i), "unknown status");
        assert_non_null(auth_status_reason((enum auth_status)i));
    }
    assert_string_equal(auth_status_text((enum auth_status)9999), "unknown status");
    assert_string_equal(auth_status_reason(AUTH_KEY_WRONG), "store");
    assert_string_equal(auth_status_reason(AUTH_MALFORMED), "protocol");
    assert_true(auth_status_is_outage(AUTH_NO_MEMORY));
    assert_false(auth_status_is_outage(AUTH_BAD_BINDING));
    assert_false(auth_status_is_verdict(AUTH_MALFORMED));
    assert_string_equal(detail_text(&detail, AUTH_DISABLED), "the account is disabled");
    assert_int_equal(detail_set(&detail, AUTH_STORE_MISSING, "%s", "gone"), AUTH_STORE_MISSING);
    assert_string_equal(detail_text(&detail, AUTH_STORE_MISSING), "gone");
    assert_int_equal(detail_set(NULL, AUTH_DISABLED, "nobody reads this"), AUTH_DISABLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_and_refusals),       cmocka_unit_test(decimals),
        cmocka_unit_test(integers_at_every_length), cmocka_unit_test(comparisons),
        cmocka_unit_test(statuses_have_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
