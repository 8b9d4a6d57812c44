/* SPDX-License-Identifier: BSD-2-Clause */
/* The client halves of PLAIN, LOGIN, CRAM-MD5 and SCRAM, from vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client_exchange.h"
#include "engine/cram_md5_client.h"
#include "engine/login_client.h"
#include "engine/plain_client.h"
#include "engine/scram_client.h"

/* Cases of scram_client.txt. */
enum { SHA1 = 3, SHA256 = 4, SHA512 = 5, COMMA = 7, AUTHZID = 25, BOUND = 40 };

static const struct {
    const struct mech_client_ops *ops;
    const char *file;
} others[] = {
    {&plain_client, "plain_client.txt"},
    {&login_client, "login_client.txt"},
    {&cram_md5_client, "cram_md5_client.txt"},
};

static void vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        client_run_vectors(others[i].ops, others[i].file);
    }
    client_run_vectors(&scram_client, "scram_client.txt");
}

static void damaged_messages(void **state)
{
    static const unsigned cases[] = {SHA1, SHA256, SHA512, COMMA, AUTHZID, BOUND};

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        client_run_damage(others[i].ops, others[i].file, 1, false);
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        client_run_damage(&scram_client, "scram_client.txt", cases[i], true);
    }
}

static void allocations_that_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        client_run_allocations(others[i].ops, others[i].file, 1);
    }
    client_run_allocations(&scram_client, "scram_client.txt", SHA256);
    client_run_allocations(&scram_client, "scram_client.txt", AUTHZID);
    client_run_allocations(&scram_client, "scram_client.txt", BOUND);
}

static enum auth_status counted_random(void *ctx, uint8_t *ret, size_t n)
{
    unsigned *asked = ctx;

    *asked += (unsigned)n;
    memset(ret, 0, n);
    return AUTH_OK;
}

static enum auth_status no_random(void *ctx, uint8_t *ret, size_t n)
{
    (void)ctx;
    memset(ret, 0, n);
    return AUTH_CRYPTO;
}

/* 18 random bytes a nonce, and no message where there are none to be had. */
static void own_nonce(void **state)
{
    const struct mech_account account = {.authcid = slice_str("alice"),
                                         .password = slice_str("secret")};
    unsigned asked = 0;
    struct mech_client_host host = {.ctx = &asked, .random = counted_random};
    max_align_t room[64] = {0};
    struct buf out;

    (void)state;
    assert_true(scram_client.state_size <= sizeof room);
    buf_init(&out, MECH_MAX_OUTPUT);
    scram_client.start(room, &scram_sha_256, &host, &account);
    assert_int_equal(scram_client.step(room, slice_of(NULL, 0), &out), AUTH_CONTINUE);
    assert_string_equal(buf_text(&out), "n,,n=alice,r=AAAAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(asked, 18);
    scram_client.release(room);
    buf_clear(&out);
    host.random = no_random;
    scram_client.start(room, &scram_sha_256, &host, &account);
    assert_int_equal(scram_client.step(room, slice_of(NULL, 0), &out), AUTH_CRYPTO);
    assert_int_equal(out.n, 0);
    scram_client.release(room);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(damaged_messages),
        cmocka_unit_test(allocations_that_fail),
        cmocka_unit_test(own_nonce),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
