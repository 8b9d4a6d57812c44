/* SPDX-License-Identifier: BSD-2-Clause */
/* Which account a name means, through the real libsasl2; the tables of docs/PROTOCOL.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "attempt.h"

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
    {.user = "alice", .realm = HOST_FQDN, .password = "other"},
};

static struct store_dir store;

static void authorization_identity(void **state)
{
    (void)state;
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        if (strcmp(attempt_mechs[i], "LOGIN") == 0 || strcmp(attempt_mechs[i], "CRAM-MD5") == 0) {
            continue; /* they carry none */
        }
        /* Java sends the name twice. */
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "alice", "secret", "alice", NULL),
                         SASL_OK);
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "alice", "secret", "alice@lab.test",
                                 "alice@lab.test"),
                         SASL_OK);
        /* Without a proxy policy of the server's libsasl2 lets nobody act for another. */
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "alice", "secret", "bob", NULL),
                         SASL_BADAUTH);
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "alice", "wrong", "bob", NULL),
                         SASL_BADAUTH);
    }
}

/* Whatever the server keys on the name must not have two names for one account. */
static void every_spelling_of_a_realm_is_one_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        if (strcmp(attempt_mechs[i], "DIGEST-MD5") == 0) {
            continue; /* hashes what was typed; see docs/PROTOCOL.md */
        }
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "alice@LAB.Test", "secret", NULL,
                                 "alice@lab.test"),
                         SASL_OK);
        assert_int_equal(
            attempt(attempt_mechs[i], HOST_REALM, "alice@", "secret", NULL, "alice@lab.test"),
            SASL_OK);
        assert_int_equal(attempt(attempt_mechs[i], NULL, "alice@", "other", NULL, "alice"),
                         SASL_OK);
        assert_int_equal(attempt(attempt_mechs[i], NULL, "alice\xef\xbc\xa0LAB.test", "secret",
                                 NULL, "alice@lab.test"),
                         SASL_OK);
    }
}

static int set_up(void **state)
{
    (void)state;
    store_dir_make(&store, users, sizeof users / sizeof users[0]);
    host_use_store(&store);
    host_start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    host_stop();
    store_dir_remove(&store);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authorization_identity),
        cmocka_unit_test(every_spelling_of_a_realm_is_one_name),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
