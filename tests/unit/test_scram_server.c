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

#define FILE_NAME "scram.txt"
#define MECHANISM "SCRAM-SHA-256"

enum { SHA256 = 9, SHA1 = 10, SHA512 = 11, WAITS = 14, WITH_AUTHZID = 16 }; /* cases of the file */

static void vectors(void **state)
{
    (void)state;
    exchange_run_vectors(FILE_NAME);
}

static void damaged_messages(void **state)
{
    (void)state;
    exchange_run_damage(FILE_NAME, SHA256);
    exchange_run_damage(FILE_NAME, SHA1);
    exchange_run_damage(FILE_NAME, SHA512);
    exchange_run_damage(FILE_NAME, WAITS);
    exchange_run_damage(FILE_NAME, WITH_AUTHZID);
}

static void outages_of_the_host(void **state)
{
    (void)state;
    exchange_run_outages(FILE_NAME, SHA256);
}

static void accounts_that_may_not_log_in(void **state)
{
    (void)state;
    exchange_run_doomed(FILE_NAME, SHA256);
    exchange_run_doomed(FILE_NAME, SHA1);
    exchange_run_doomed(FILE_NAME, WITH_AUTHZID);
}

static void allocations_that_fail(void **state)
{
    (void)state;
    exchange_run_allocations(FILE_NAME, SHA256);
    exchange_run_allocations(FILE_NAME, WITH_AUTHZID);
}

static void own_nonce(void **state)
{
    struct exchange_scene h;

    (void)state;
    exchange_scene_open(&h, MECHANISM, FILE_NAME, SHA256);
    assert_int_equal(exchange_step(&h.ex, slice_str("n,,n=alice,r=abc")), AUTH_CONTINUE);
    assert_string_equal(buf_text(&h.ex.out),
                        "r=abcAAECAwQFBgcICQoLDA0ODxAR,s=AAECAwQFBgcICQoLDA0ODw==,i=1");
    assert_int_equal(h.fake.next_random, 18);
    exchange_scene_close(&h);
}

enum defect { OTHER_HASH, NO_ITERATIONS, TOO_MANY_ITERATIONS, NO_SALT, LONG_SALT, DEFECTS };

static enum auth_status broken_secret(void *ctx, const struct mech_identity *who,
                                      const struct mech_want *want, struct mech_secret *ret)
{
    const struct exchange_scene *h = ctx;

    (void)who;
    ret->verdict = AUTH_OK;
    ret->scram.hash = h->broken == OTHER_HASH ? CRYPTO_SHA1 : want->hash;
    ret->scram.iterations = h->broken == NO_ITERATIONS ? 0 : VERIFIER_MIN_ITERATIONS;
    if (h->broken == TOO_MANY_ITERATIONS) {
        ret->scram.iterations = VERIFIER_MAX_ITERATIONS + 1;
    }
    ret->scram.salt_len = h->broken == NO_SALT ? 0 : VERIFIER_NEW_SALT;
    if (h->broken == LONG_SALT) {
        ret->scram.salt_len = VERIFIER_MAX_SALT + 1;
    }
    return AUTH_OK;
}

static void host_with_a_broken_verifier(void **state)
{
    (void)state;
    for (unsigned defect = 0; defect <= DEFECTS; defect++) {
        struct exchange_scene h;
        exchange_scene_open(&h, MECHANISM, FILE_NAME, SHA256);
        h.broken = defect;
        h.fake.host.find_secret = broken_secret;
        assert_int_equal(exchange_step(&h.ex, slice_str("n,,n=alice,r=abc")),
                         defect == DEFECTS ? AUTH_CONTINUE : AUTH_INTERNAL);
        exchange_scene_close(&h);
    }
}

static void no_nonce_without_randomness(void **state)
{
    struct exchange_scene h;

    (void)state;
    exchange_scene_open(&h, MECHANISM, FILE_NAME, SHA256);
    h.fake.host.random = exchange_no_random;
    assert_int_equal(exchange_step(&h.ex, slice_str("n,,n=alice,r=abc")), AUTH_CRYPTO);
    assert_int_equal(h.ex.out.n, 0);
    exchange_scene_close(&h);
}

/* The server's part of the nonce has no room left: refused, not cut. */
static void nonces_too_long_together(void **state)
{
    struct exchange_scene h;
    uint8_t nonce[1500];
    struct buf first;

    (void)state;
    exchange_scene_open(&h, MECHANISM, FILE_NAME, SHA256);
    memset(nonce, 'x', sizeof nonce);
    h.fake.nonce = slice_of(nonce, sizeof nonce);
    h.fake.host.nonce = fake_host_nonce;
    buf_init(&first, 2048);
    buf_put_str(&first, "n,,n=alice,r=");
    buf_put(&first, nonce, 1000);
    assert_int_equal(buf_status(&first), AUTH_OK);
    assert_int_equal(exchange_step(&h.ex, buf_slice(&first)), AUTH_TOO_LONG);
    buf_release(&first);
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
        cmocka_unit_test(own_nonce),
        cmocka_unit_test(host_with_a_broken_verifier),
        cmocka_unit_test(no_nonce_without_randomness),
        cmocka_unit_test(nonces_too_long_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
