/* SPDX-License-Identifier: BSD-2-Clause */
/* SCRAM with channel binding: every flag against every offer, and c= taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/scram_server.h"
#include "exchange.h"
#include "fake_host.h"

#define FILE_NAME "scram_plus.txt"

enum { SHA1_UNIQUE = 1, SHA256_EXPORTER = 5, UNDER_PLAIN_NAME = 10, WITH_AUTHZID = 11 };

static void vectors(void **state)
{
    (void)state;
    exchange_run_vectors(FILE_NAME);
}

static void damaged_messages(void **state)
{
    (void)state;
    exchange_run_damage(FILE_NAME, SHA1_UNIQUE);
    exchange_run_damage(FILE_NAME, SHA256_EXPORTER);
    exchange_run_damage(FILE_NAME, UNDER_PLAIN_NAME);
    exchange_run_damage(FILE_NAME, WITH_AUTHZID);
}

static void accounts_that_may_not_log_in(void **state)
{
    (void)state;
    exchange_run_doomed(FILE_NAME, SHA256_EXPORTER);
}

static void allocations_that_fail(void **state)
{
    (void)state;
    exchange_run_allocations(FILE_NAME, SHA256_EXPORTER);
    exchange_run_allocations(FILE_NAME, WITH_AUTHZID);
}

/* What the host may tell its framework: bound only where the client's flag was "p". */
static void told_to_the_host(void **state)
{
    static const struct {
        const char *first;
        bool bound;
    } cases[] = {{"n,,n=alice,r=abc", false}, {"p=tls-unique,,n=alice,r=abc", true}};
    struct stanza_file *file = stanza_read(VECTORS, FILE_NAME);

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake_host fake;
        struct exchange ex;
        fake_host_open(&fake, file, stanza_case(file, UNDER_PLAIN_NAME));
        exchange_start(&ex, "SCRAM-SHA-256", &fake.host);
        assert_int_equal(exchange_step(&ex, slice_str(cases[i].first)), AUTH_CONTINUE);
        const struct mech_server *mech = ex.state;
        assert_int_equal(mech->bound, cases[i].bound);
        exchange_end(&ex);
        fake_host_close(&fake);
    }
    stanza_free(file);
}

/* Data too long for any message: refused when it is met, not cut. */
static void data_too_long(void **state)
{
    static const uint8_t data[65536] = {0};
    struct stanza_file *file = stanza_read(VECTORS, FILE_NAME);
    struct fake_host fake;
    struct exchange ex;

    (void)state;
    assert_non_null(file);
    fake_host_open(&fake, file, stanza_case(file, UNDER_PLAIN_NAME));
    fake.binding.data = slice_of(data, sizeof data);
    exchange_start(&ex, "SCRAM-SHA-256", &fake.host);
    assert_int_equal(exchange_step(&ex, slice_str("p=tls-unique,,n=alice,r=abc")), AUTH_TOO_LONG);
    exchange_end(&ex);
    fake_host_close(&fake);
    stanza_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(damaged_messages),
        cmocka_unit_test(accounts_that_may_not_log_in),
        cmocka_unit_test(allocations_that_fail),
        cmocka_unit_test(told_to_the_host),
        cmocka_unit_test(data_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
