/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages that are none, and steps after the end, through the real libsasl2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "attempt.h"

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
};

static struct store_dir store;

static void a_finished_exchange_takes_no_more_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        struct client c;
        struct outcome o;
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        client_init(&c, "alice", "wrong");
        outcome_init(&o);
        attempt_run(conn, attempt_mechs[i], &c, &o);
        assert_int_equal(o.code, SASL_BADAUTH);
        for (int again = 0; again < 3; again++) {
            int code = host_step(conn, NULL, slice_str("secret"), NULL);
            assert_true(code != SASL_OK && code != SASL_CONTINUE);
        }
        outcome_release(&o);
        sasl_dispose(&conn);
        conn = host_connect(HOST_REALM, true);
        client_release(&c);
        client_init(&c, "alice", "secret");
        outcome_init(&o);
        attempt_run(conn, attempt_mechs[i], &c, &o);
        assert_int_equal(o.code, SASL_OK);
        int code = host_step(conn, NULL, slice_str("x"), NULL);
        assert_true(code != SASL_OK && code != SASL_CONTINUE);
        outcome_release(&o);
        client_release(&c);
        sasl_dispose(&conn);
    }
}

/* Bytes that are no message of any mechanism. */
static void garbage_at_every_step_is_refused(void **state)
{
    static uint8_t large[65536];
    const struct slice garbage[] = {
        slice_str("x"),
        slice_of("\0", 1),
        slice_of("\0\0\0\0", 4),
        slice_of("a\0b\0c\0d", 7),
        slice_str("\xff\xfe\xfd"),
        slice_str("\xff \xfe 0123456789abcdef0123456789abcdef"),
        slice_of("\0\xff\0secret", 9),
        slice_of(large, sizeof large),
        slice_of(large, sizeof large - 1),
        slice_str("n,,n=\xff,r=abc"),
        slice_str("n,,n=alice"),
        slice_str("username=\"alice\",username=\"alice\""),
        slice_str(",,,,"),
        slice_str("\"\\"),
    };

    (void)state;
    memset(large, 'A', sizeof large);
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        for (size_t g = 0; g < sizeof garbage / sizeof garbage[0]; g++) {
            bool server_first = strstr(attempt_mechs[i], "MD5") != NULL;
            bool login = strcmp(attempt_mechs[i], "LOGIN") == 0;
            for (int steps = 0; steps < (server_first || login ? 2 : 1); steps++) {
                sasl_conn_t *conn = host_connect(HOST_REALM, true);
                int code;
                host_log_clear();
                if (steps == 0) {
                    code = host_step(conn, attempt_mechs[i], garbage[g], NULL);
                } else {
                    code = host_step(conn, attempt_mechs[i], slice_of(NULL, 0), NULL);
                    assert_int_equal(code, SASL_CONTINUE);
                    code = host_step(conn, NULL, garbage[g], NULL);
                }
                bool digest = strcmp(attempt_mechs[i], "DIGEST-MD5") == 0;
                if ((login || digest) && code == SASL_CONTINUE) {
                    /*
                     * LOGIN takes any text as a name; then no password may fit. To DIGEST-MD5 an
                     * initial response is an attempt to authenticate again, which is answered by
                     * a fresh challenge (RFC 2831 2.2).
                     */
                    code = host_step(conn, NULL, garbage[g], NULL);
                }
                if (code == SASL_OK || code == SASL_CONTINUE || host_log()[0] == '\0') {
                    fail_msg("%s, garbage %zu at step %d: code %d, log '%s'", attempt_mechs[i], g,
                             steps, code, host_log());
                }
                assert_null(strstr(host_log(), "secret"));
                sasl_dispose(&conn);
            }
        }
    }
}

/* The right message cut at every length, and with every byte changed once. */
static void damaged_messages_are_refused(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < 400; cut++) {
        struct client c;
        struct buf message;
        struct buf rspauth;
        struct slice out;
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        client_init(&c, "alice", "secret");
        buf_init(&message, ATTEMPT_MAX_MESSAGE);
        buf_init(&rspauth, ATTEMPT_MAX_MESSAGE);
        assert_int_equal(host_step(conn, "DIGEST-MD5", slice_of(NULL, 0), &out), SASL_CONTINUE);
        client_digest(&c, out, &message, &rspauth);
        if (cut < message.n) {
            int code = host_step(conn, NULL, slice_of(message.p, cut), &out);
            assert_true(code != SASL_OK && code != SASL_CONTINUE);
        }
        sasl_dispose(&conn);
        buf_clear(&message);
        conn = host_connect(HOST_REALM, true);
        assert_int_equal(host_step(conn, "CRAM-MD5", slice_of(NULL, 0), &out), SASL_CONTINUE);
        client_cram(&c, out, &message);
        if (cut < message.n) {
            message.p[cut] ^= 1;
            int code = host_step(conn, NULL, buf_slice(&message), &out);
            assert_true(code != SASL_OK && code != SASL_CONTINUE);
        }
        sasl_dispose(&conn);
        client_release(&c);
        buf_release(&message);
        buf_release(&rspauth);
    }
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
        cmocka_unit_test(a_finished_exchange_takes_no_more_steps),
        cmocka_unit_test(garbage_at_every_step_is_refused),
        cmocka_unit_test(damaged_messages_are_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
