/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server plugins where OpenSSL refuses MD5: OPENSSL_CONF, set by ctest, names a configuration
 * whose only provider lacks it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "client.h"
#include "host.h"

/*
 * What plugins log while they are initialised, libsasl2 hands to syslog: it knows no connection yet
 * whose callback it could ask. Debian's libsasl2 calls the checking form.
 */
void syslog(int priority, const char *format, ...)
    __attribute__((format(printf, 2, 3), visibility("default")));
void __syslog_chk(int priority, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4), visibility("default")));

static unsigned refused_lines[2];

__attribute__((format(printf, 1, 0))) static void count(const char *format, va_list args)
{
    static const char *const names[] = {"sasl-lmdb: CRAM-MD5 is not offered",
                                        "sasl-lmdb: DIGEST-MD5 is not offered"};
    char line[1024];

    (void)vsnprintf(line, sizeof line, format, args);
    for (size_t i = 0; i < 2; i++) {
        refused_lines[i] += strstr(line, names[i]) != NULL ? 1 : 0;
    }
}

void syslog(int priority, const char *format, ...)
{
    va_list args;

    (void)priority;
    va_start(args, format);
    count(format, args);
    va_end(args);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list args;

    (void)priority;
    (void)flag;
    va_start(args, format);
    count(format, args);
    va_end(args);
}

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
};

static struct store_dir store;

static int setup(void **state)
{
    (void)state;
    return host_begin(&store, users, 1);
}

static int teardown(void **state)
{
    (void)state;
    return host_end(&store);
}

static void the_configuration_refuses_md5_alone(void **state)
{
    (void)state;
    assert_false(crypto_have(CRYPTO_MD5));
    assert_true(crypto_have(CRYPTO_SHA1));
    assert_true(crypto_have(CRYPTO_SHA256));
}

static void what_needs_it_is_not_offered(void **state)
{
    sasl_conn_t *conn = host_connect(HOST_REALM, true);
    const char *list = NULL;

    (void)state;
    assert_int_equal(sasl_listmech(conn, NULL, "", " ", "", &list, NULL, NULL), SASL_OK);
    assert_null(strstr(list, "-MD5"));
    assert_non_null(strstr(list, "PLAIN"));
    assert_non_null(strstr(list, "LOGIN"));
    assert_non_null(strstr(list, "SCRAM-SHA-1"));
    assert_non_null(strstr(list, "SCRAM-SHA-256"));
    assert_int_not_equal(host_step(conn, "CRAM-MD5", slice_of(NULL, 0), NULL), SASL_CONTINUE);
    sasl_dispose(&conn);
}

static void each_says_so_in_one_line(void **state)
{
    (void)state;
    assert_int_equal(refused_lines[0], 1);
    assert_int_equal(refused_lines[1], 1);
}

static void everything_else_works(void **state)
{
    struct slice challenge;
    struct client c;
    struct buf message;
    sasl_conn_t *conn = host_connect(HOST_REALM, true);

    (void)state;
    client_init(&c, "alice", "secret");
    buf_init(&message, 4096);
    client_plain(&c, &message);
    assert_int_equal(host_step(conn, "PLAIN", buf_slice(&message), NULL), SASL_OK);
    sasl_dispose(&conn);

    conn = host_connect(HOST_REALM, true);
    buf_clear(&message);
    client_scram_first(&c, &message);
    assert_int_equal(host_step(conn, "SCRAM-SHA-256", buf_slice(&message), &challenge),
                     SASL_CONTINUE);
    buf_clear(&message);
    client_scram_final(&c, CRYPTO_SHA256, challenge, &message);
    assert_int_equal(host_step(conn, NULL, buf_slice(&message), NULL), SASL_OK);
    sasl_dispose(&conn);
    buf_release(&message);
    client_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_configuration_refuses_md5_alone),
        cmocka_unit_test(what_needs_it_is_not_offered),
        cmocka_unit_test(each_says_so_in_one_line),
        cmocka_unit_test(everything_else_works),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
