/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "exchange.h"
#include "fake_host.h"

#define FILE_NAME "cram_md5.txt"
#define MECHANISM "CRAM-MD5"

static void vectors(void **state)
{
    (void)state;
    exchange_run_vectors(FILE_NAME);
}

static void damaged_messages(void **state)
{
    (void)state;
    exchange_run_damage(FILE_NAME, 1);
}

static void outages_of_the_host(void **state)
{
    (void)state;
    exchange_run_outages(FILE_NAME, 1);
}

static void accounts_that_may_not_log_in(void **state)
{
    (void)state;
    exchange_run_doomed(FILE_NAME, 2);
}

static void allocations_that_fail(void **state)
{
    (void)state;
    exchange_run_allocations(FILE_NAME, 1);
}

/* msg-id of 32 hex digits of 128 random bits, a timestamp, and the host (RFC 2195 2). */
static void own_challenge(void **state)
{
    struct exchange_scene h;
    uint32_t stamp;

    (void)state;
    exchange_scene_open(&h, MECHANISM, FILE_NAME, 1);
    const time_t before = time(NULL);
    assert_int_equal(exchange_step(&h.ex, slice_of(NULL, 0)), AUTH_CONTINUE);
    struct slice challenge = buf_slice(&h.ex.out);
    assert_true(slice_take_literal(&challenge, "<000102030405060708090a0b0c0d0e0f."));
    assert_true(slice_take_decimal(&challenge, UINT32_MAX, &stamp));
    assert_true(stamp >= before && stamp <= time(NULL));
    assert_true(slice_equal_str(challenge, "@postoffice.reston.mci.net>"));
    assert_int_equal(h.fake.next_random, 16);
    exchange_scene_close(&h);
}

static void two_challenges_differ(void **state)
{
    struct exchange other;
    struct exchange_scene h;

    (void)state;
    exchange_scene_open(&h, MECHANISM, FILE_NAME, 1);
    exchange_start(&other, MECHANISM, &h.fake.host);
    assert_int_equal(exchange_step(&h.ex, slice_of(NULL, 0)), AUTH_CONTINUE);
    assert_int_equal(exchange_step(&other, slice_of(NULL, 0)), AUTH_CONTINUE);
    assert_false(slice_equal(buf_slice(&h.ex.out), buf_slice(&other.out)));
    exchange_end(&other);
    exchange_scene_close(&h);
}

static void no_challenge_without_randomness(void **state)
{
    struct exchange_scene h;

    (void)state;
    exchange_scene_open(&h, MECHANISM, FILE_NAME, 1);
    h.fake.host.random = exchange_no_random;
    assert_int_equal(exchange_step(&h.ex, slice_of(NULL, 0)), AUTH_CRYPTO);
    assert_int_equal(h.ex.out.n, 0);
    assert_int_equal(exchange_step(&h.ex, slice_str("tim 0")), AUTH_MALFORMED);
    exchange_scene_close(&h);
}

/* A host name that does not fit is no reason to send half of a challenge. */
static void host_name_too_long(void **state)
{
    struct exchange_scene h;
    char name[2000];

    (void)state;
    memset(name, 'h', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    exchange_scene_open(&h, MECHANISM, FILE_NAME, 1);
    h.fake.host.server_fqdn = name;
    assert_int_equal(exchange_step(&h.ex, slice_of(NULL, 0)), AUTH_TOO_LONG);
    exchange_scene_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(damaged_messages),
        cmocka_unit_test(outages_of_the_host),
        cmocka_unit_test(accounts_that_may_not_log_in),
        cmocka_unit_test(allocations_that_fail),
        cmocka_unit_test(own_challenge),
        cmocka_unit_test(two_challenges_differ),
        cmocka_unit_test(no_challenge_without_randomness),
        cmocka_unit_test(host_name_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
