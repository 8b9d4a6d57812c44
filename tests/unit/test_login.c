/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exchange.h"
#include "fake_host.h"

#define FILE_NAME "login.txt"

enum { WAITS = 1, INITIAL_RESPONSE = 2 }; /* cases of the file */

static void vectors(void **state)
{
    (void)state;
    exchange_run_vectors(FILE_NAME);
}

static void damaged_messages(void **state)
{
    (void)state;
    exchange_run_damage(FILE_NAME, WAITS);
    exchange_run_damage(FILE_NAME, INITIAL_RESPONSE);
}

static void outages_of_the_host(void **state)
{
    (void)state;
    exchange_run_outages(FILE_NAME, WAITS);
}

static void accounts_that_may_not_log_in(void **state)
{
    (void)state;
    exchange_run_doomed(FILE_NAME, WAITS);
    exchange_run_doomed(FILE_NAME, INITIAL_RESPONSE);
}

static void allocations_that_fail(void **state)
{
    (void)state;
    exchange_run_allocations(FILE_NAME, WAITS);
    exchange_run_allocations(FILE_NAME, INITIAL_RESPONSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(damaged_messages),
        cmocka_unit_test(outages_of_the_host),
        cmocka_unit_test(accounts_that_may_not_log_in),
        cmocka_unit_test(allocations_that_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
