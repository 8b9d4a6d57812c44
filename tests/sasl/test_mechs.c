/* SPDX-License-Identifier: BSD-2-Clause */
/* Every mechanism through the real libsasl2: right, wrong and unknown, and several on a connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sasl/prop.h>

#include "attempt.h"

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
    {.user = "alice", .realm = HOST_FQDN, .password = "other"},
    {.user = "Max Mustermann", .realm = HOST_FQDN, .password = "IchbinkeinSpammer"},
    {.user = "j\xc3\xbcrgen", .realm = HOST_REALM, .password = "gr\xc3\xbc\xc3\x9f"},
    {.user = "off", .realm = HOST_REALM, .password = "secret", .disabled = true},
};

static struct store_dir store;

static void right_password_lets_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        assert_int_equal(
            attempt(attempt_mechs[i], HOST_REALM, "alice", "secret", NULL, "alice@lab.test"),
            SASL_OK);
        assert_int_equal(attempt(attempt_mechs[i], NULL, "alice", "other", NULL, "alice"), SASL_OK);
        assert_int_equal(attempt(attempt_mechs[i], "", "alice", "other", NULL, NULL), SASL_OK);
        assert_int_equal(
            attempt(attempt_mechs[i], NULL, "alice@lab.test", "secret", NULL, "alice@lab.test"),
            SASL_OK);
        assert_int_equal(attempt(attempt_mechs[i], NULL, "Max Mustermann", "IchbinkeinSpammer",
                                 NULL, "Max Mustermann"),
                         SASL_OK);
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "j\xc3\xbcrgen",
                                 "gr\xc3\xbc\xc3\x9f", NULL, "j\xc3\xbcrgen@lab.test"),
                         SASL_OK);
    }
}

static void everything_else_stays_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "alice", "Secret", NULL, NULL),
                         SASL_BADAUTH);
        attempt_expect_reason(attempt_mechs[i], "password", "alice");
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "alice", "other", NULL, NULL),
                         SASL_BADAUTH);
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "nobody", "secret", NULL, NULL),
                         SASL_BADAUTH);
        attempt_expect_reason(attempt_mechs[i], "unknown", "nobody");
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "Alice", "secret", NULL, NULL),
                         SASL_BADAUTH);
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "off", "secret", NULL, NULL),
                         SASL_BADAUTH);
        attempt_expect_reason(attempt_mechs[i], "disabled", "off");
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "a@b@c", "secret", NULL, NULL),
                         SASL_BADAUTH);
        assert_int_equal(
            attempt(attempt_mechs[i], HOST_REALM, "alice@elsewhere.test", "secret", NULL, NULL),
            SASL_BADAUTH);
        assert_null(strstr(host_log(), "secret"));
    }
}

/* Postfix keeps the connection object over several attempts. */
static void attempts_on_one_connection_do_not_mix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        static const struct {
            const char *user;
            const char *password;
            int code;
        } tries[] = {
            {"alice", "wrong", SASL_BADAUTH},
            /* With alice's verifiers left over this would succeed. */
            {"nobody", "secret", SASL_BADAUTH},
            {"off", "secret", SASL_BADAUTH},
            {"alice", "secret", SASL_OK},
        };
        for (size_t j = 0; j < sizeof tries / sizeof tries[0]; j++) {
            struct client c;
            struct outcome o;
            client_init(&c, tries[j].user, tries[j].password);
            outcome_init(&o);
            attempt_run(conn, attempt_mechs[i], &c, &o);
            assert_int_equal(o.code, tries[j].code);
            outcome_release(&o);
            client_release(&c);
        }
        sasl_dispose(&conn);
    }
}

/* Names of properties stay asked for on a connection; their values must not stay there. */
static void no_verifier_stays_in_the_connection(void **state)
{
    (void)state;
    for (size_t last = 0; last < ATTEMPT_MECHS; last++) {
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        for (size_t i = 0; i <= ATTEMPT_MECHS; i++) {
            struct client c;
            struct outcome o;
            client_init(&c, i < ATTEMPT_MECHS ? "nobody" : "alice", "secret");
            outcome_init(&o);
            attempt_run(conn, attempt_mechs[i < ATTEMPT_MECHS ? i : last], &c, &o);
            assert_int_equal(o.code, i < ATTEMPT_MECHS ? SASL_BADAUTH : SASL_OK);
            outcome_release(&o);
            client_release(&c);
        }
        size_t asked = 0;
        const struct propval *prop = prop_get(sasl_auxprop_getctx(conn));
        for (; prop->name != NULL; prop++) {
            asked++;
            if (prop->values != NULL) {
                fail_msg("%s is left after %s", prop->name, attempt_mechs[last]);
            }
        }
        assert_true(asked >= 6);
        sasl_dispose(&conn);
    }
}

static void login_with_initial_response(void **state)
{
    struct slice out;

    (void)state;
    sasl_conn_t *conn = host_connect(NULL, true);
    assert_int_equal(host_step(conn, "LOGIN", slice_str("Max Mustermann"), &out), SASL_CONTINUE);
    assert_true(slice_equal_str(out, "Password:"));
    assert_int_equal(host_step(conn, NULL, slice_str("IchbinkeinSpammer"), &out), SASL_OK);
    sasl_dispose(&conn);
    /* An empty one is as good as none. */
    conn = host_connect(NULL, true);
    assert_int_equal(host_step(conn, "LOGIN", slice_of("", 0), &out), SASL_CONTINUE);
    assert_true(slice_equal_str(out, "Username:"));
    sasl_dispose(&conn);
}

static void challenges_do_not_repeat(void **state)
{
    struct buf seen[2];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct slice out;
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        buf_init(&seen[i], ATTEMPT_MAX_MESSAGE);
        assert_int_equal(host_step(conn, "CRAM-MD5", slice_of(NULL, 0), &out), SASL_CONTINUE);
        buf_put_slice(&seen[i], out);
        sasl_dispose(&conn);
    }
    assert_false(slice_equal(buf_slice(&seen[0]), buf_slice(&seen[1])));
    buf_release(&seen[0]);
    buf_release(&seen[1]);
}

static int set_up(void **state)
{
    (void)state;
    return host_begin(&store, users, sizeof users / sizeof users[0]);
}

static int tear_down(void **state)
{
    (void)state;
    return host_end(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_password_lets_in),
        cmocka_unit_test(everything_else_stays_out),
        cmocka_unit_test(attempts_on_one_connection_do_not_mix),
        cmocka_unit_test(no_verifier_stays_in_the_connection),
        cmocka_unit_test(login_with_initial_response),
        cmocka_unit_test(challenges_do_not_repeat),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
