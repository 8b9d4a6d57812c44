/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/gather.h"
#include "store/kv.h"

enum { MANY = 5000 /* of a few hundred bytes: more than a block, and than the first items */ };

/* An account at a place that starts with `at`, with a value that tells which one it is. */
static void add(struct gather *gather, uint16_t at, uint16_t which, size_t n)
{
    struct store_sealed sealed;
    const struct store_class class = {.count = 1, .scram = {{.iterations = which}}};

    store_sealed_init(&sealed);
    memset(sealed.place, 7, sizeof sealed.place);
    sealed.place[0] = (uint8_t)(at >> 8);
    sealed.place[1] = (uint8_t)at;
    uint8_t *value = buf_extend(&sealed.value, n);
    assert_non_null(value);
    memset(value, which & 0xff, n);
    assert_int_equal(gather_add(gather, &sealed, &class), AUTH_OK);
    store_sealed_release(&sealed);
}

static void assert_item(const struct gathered *item, uint16_t at, uint16_t which, size_t n)
{
    assert_int_equal(item->place[0] << 8 | item->place[1], at);
    assert_int_equal(item->n, n);
    assert_int_equal(item->class.scram[0].iterations, which);
    assert_int_equal(item->class.count, 1);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(item->value[i], which & 0xff);
    }
}

static void many_come_back_in_order(void **state)
{
    struct gather gather = {.items = NULL};

    (void)state;
    for (uint16_t i = 0; i < MANY; i++) {
        uint16_t at = (uint16_t)(i * 7 % MANY); /* 7 and MANY have no common factor */
        add(&gather, at, at, 300 + at % 100);
    }
    assert_true(gather.bytes >= MANY * (sizeof(struct gathered) + 300));
    const struct gathered *items = gather_in_order(&gather);
    assert_int_equal(gather.n, MANY);
    for (uint16_t i = 0; i < MANY; i++) {
        assert_item(&items[i], i, i, 300 + i % 100);
    }
    size_t bytes = gather.bytes;
    gather_clear(&gather);
    assert_int_equal(gather.n, 0);
    assert_true(gather.bytes < bytes);
    gather_release(&gather);
    assert_int_equal(gather.bytes, 0);
}

static void the_last_of_a_place_is_left(void **state)
{
    struct gather gather = {.items = NULL};

    (void)state;
    for (uint16_t i = 1; i <= 3; i++) {
        add(&gather, 9, i, 10);
        add(&gather, 5, (uint16_t)(10 + i), 10);
    }
    add(&gather, 6, 20, 10);
    const struct gathered *items = gather_in_order(&gather);
    assert_int_equal(gather.n, 3);
    assert_item(&items[0], 5, 13, 10);
    assert_item(&items[1], 6, 20, 10);
    assert_item(&items[2], 9, 3, 10);
    gather_release(&gather);
}

static void what_is_cut_is_gone_and_room_is_used_again(void **state)
{
    struct gather gather = {.items = NULL};

    (void)state;
    assert_null(gather_in_order(&gather));
    add(&gather, 1, 1, KV_MAX_VALUE);
    add(&gather, 2, 2, KV_MAX_VALUE);
    gather_cut(&gather, 1);
    add(&gather, 0, 3, KV_MAX_VALUE);
    const struct gathered *items = gather_in_order(&gather);
    assert_int_equal(gather.n, 2);
    assert_item(&items[0], 0, 3, KV_MAX_VALUE);
    assert_item(&items[1], 1, 1, KV_MAX_VALUE);
    gather_clear(&gather);
    add(&gather, 4, 4, 1);
    assert_item(gather_in_order(&gather), 4, 4, 1);
    gather_release(&gather);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_come_back_in_order),
        cmocka_unit_test(the_last_of_a_place_is_left),
        cmocka_unit_test(what_is_cut_is_gone_and_room_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
