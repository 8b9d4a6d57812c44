/* SPDX-License-Identifier: BSD-2-Clause */
/* Setting and deleting accounts through libsasl2, as saslpasswd2 and servers do it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sasl/prop.h>

#include <cmocka.h>

#include "client.h"
#include "engine/verifier.h"
#include "host.h"
#include "store/store.h"

static struct store_dir store;

static int setpass(const char *user, const char *password, unsigned flags)
{
    sasl_conn_t *conn = host_connect(HOST_REALM, true);
    int code = sasl_setpass(conn, user, password, password == NULL ? 0 : (unsigned)strlen(password),
                            NULL, 0, flags);

    sasl_dispose(&conn);
    return code;
}

static int plain(const char *user, const char *password)
{
    struct client c;
    struct buf message;
    sasl_conn_t *conn = host_connect(HOST_REALM, true);

    client_init(&c, user, password);
    buf_init(&message, 1024);
    client_plain(&c, &message);
    int code = host_step(conn, "PLAIN", buf_slice(&message), NULL);
    buf_release(&message);
    client_release(&c);
    sasl_dispose(&conn);
    return code;
}

/* Stores one property for a user; value NULL sets it to nothing. */
static int put_property(const char *user, const char *name, const char *value, int n)
{
    const char *names[] = {name, NULL};
    struct propctx *ctx = prop_new(0);
    sasl_conn_t *conn = host_connect(HOST_REALM, true);

    assert_int_equal(prop_request(ctx, names), SASL_OK);
    assert_int_equal(prop_set(ctx, name, value, n), SASL_OK);
    int code = sasl_auxprop_store(conn, ctx, user);
    prop_dispose(&ctx);
    sasl_dispose(&conn);
    return code;
}

static void set_change_delete(void **state)
{
    (void)state;
    assert_int_equal(sasl_auxprop_store(NULL, NULL, NULL), SASL_OK);
    assert_int_equal(setpass("carol", "first", SASL_SET_CREATE), SASL_OK);
    assert_int_equal(plain("carol", "first"), SASL_OK);
    assert_int_equal(setpass("carol", "second", 0), SASL_OK);
    assert_int_equal(plain("carol", "first"), SASL_BADAUTH);
    assert_int_equal(plain("carol", "second"), SASL_OK);
    /* What saslpasswd2 does after every change. */
    assert_int_equal(put_property("carol", "cmusaslsecretCRAM-MD5", NULL, 0), SASL_OK);
    assert_int_equal(put_property("carol", "cmusaslsecretPLAIN", NULL, 0), SASL_OK);
    assert_int_equal(plain("carol", "second"), SASL_OK);
    assert_int_equal(setpass("carol", NULL, SASL_SET_DISABLE), SASL_OK);
    assert_int_equal(plain("carol", "second"), SASL_BADAUTH);
    assert_int_equal(setpass("carol", NULL, SASL_SET_DISABLE), SASL_OK);
    assert_int_equal(put_property("carol", "authPassword", NULL, 0), SASL_OK);
    assert_int_equal(plain("carol", "second"), SASL_BADAUTH);
}

static void one_verifier_at_a_time(void **state)
{
    struct scram_verifier verifier;
    struct buf text;

    (void)state;
    assert_int_equal(setpass("dave", "old", SASL_SET_CREATE), SASL_OK);
    assert_int_equal(verifier_make_scram(CRYPTO_SHA256, slice_str("new"), slice_str("saltsalt"),
                                         4096, &verifier),
                     AUTH_OK);
    buf_init(&text, 1024);
    verifier_put_rfc5803(&text, &verifier);
    assert_int_equal(put_property("dave", "authPassword", buf_text(&text), 0), SASL_OK);
    /* PLAIN verifies against SCRAM-SHA-256; the others still know the old password. */
    assert_int_equal(plain("dave", "new"), SASL_OK);
    assert_int_equal(plain("dave", "old"), SASL_BADAUTH);
    buf_release(&text);
}

static void bad_requests_change_nothing(void **state)
{
    (void)state;
    assert_int_equal(setpass("erin", "good", SASL_SET_CREATE), SASL_OK);
    assert_int_equal(put_property("erin", "userPassword", "a\0b", 3), SASL_BADPARAM);
    assert_int_equal(put_property("erin", "userPassword", "\xff\xfe", 2), SASL_BADPARAM);
    assert_int_equal(put_property("erin", "userPassword", "bell\x07", 5), SASL_BADPARAM);
    assert_int_equal(put_property("erin", "authPassword", "SCRAM-SHA-1$nonsense", 0),
                     SASL_BADPARAM);
    assert_int_equal(put_property("erin", "mailQuota", "100", 0), SASL_CONSTRAINT_VIOLAT);
    assert_int_equal(put_property("e@r@in", "userPassword", "x", 1), SASL_BADPARAM);
    assert_int_equal(put_property("bell\x07", "userPassword", "x", 1), SASL_BADPARAM);
    /* Asked for but not set. */
    const char *names[] = {"userPassword", NULL};
    struct propctx *ctx = prop_new(0);
    sasl_conn_t *conn = host_connect(HOST_REALM, true);
    assert_int_equal(prop_request(ctx, names), SASL_OK);
    assert_int_equal(sasl_auxprop_store(conn, ctx, "erin"), SASL_OK);
    prop_dispose(&ctx);
    sasl_dispose(&conn);
    assert_int_equal(plain("erin", "good"), SASL_OK);
}

/* The server's process may read and nothing else, unless told otherwise. */
static void refused_where_not_writable(void **state)
{
    (void)state;
    assert_int_equal(setpass("frank", "pw", SASL_SET_CREATE), SASL_OK);
    host_stop();
    host_option("lmdb_writable", NULL);
    host_start();
    assert_int_equal(put_property("frank", "userPassword", "changed", 7), SASL_CONSTRAINT_VIOLAT);
    assert_non_null(strstr(host_log(), "lmdb_writable: yes"));
    /* libsasl2 must not report success for a password that went nowhere. */
    assert_int_equal(setpass("frank", "changed", 0), SASL_CONSTRAINT_VIOLAT);
    assert_int_equal(setpass("frank", NULL, SASL_SET_DISABLE), SASL_CONSTRAINT_VIOLAT);
    assert_int_equal(plain("frank", "pw"), SASL_OK);
    host_stop();
    host_option("lmdb_writable", "yes");
    host_start();
}

static int set_up(void **state)
{
    (void)state;
    store_dir_make(&store, NULL, 0);
    host_use_store(&store);
    host_option("lmdb_writable", "yes");
    host_start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return host_end(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_change_delete),
        cmocka_unit_test(one_verifier_at_a_time),
        cmocka_unit_test(bad_requests_change_nothing),
        cmocka_unit_test(refused_where_not_writable),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
