/* SPDX-License-Identifier: BSD-2-Clause */
#include "attempt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

const char *const attempt_mechs[ATTEMPT_MECHS] = {
    "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};

static enum crypto_hash scram_hash(const char *mech)
{
    return strcmp(mech, "SCRAM-SHA-1") == 0     ? CRYPTO_SHA1
           : strcmp(mech, "SCRAM-SHA-256") == 0 ? CRYPTO_SHA256
                                                : CRYPTO_SHA512;
}

void outcome_init(struct outcome *o)
{
    memset(o, 0, sizeof *o);
    buf_init(&o->first, ATTEMPT_MAX_MESSAGE);
    buf_init(&o->final, ATTEMPT_MAX_MESSAGE);
}

void outcome_release(struct outcome *o)
{
    buf_release(&o->first);
    buf_release(&o->final);
}

static void run_plain(sasl_conn_t *conn, struct client *c, struct outcome *o)
{
    struct buf message;
    struct slice out;

    buf_init(&message, ATTEMPT_MAX_MESSAGE);
    client_plain(c, &message);
    o->code = host_step(conn, "PLAIN", buf_slice(&message), &out);
    buf_release(&message);
}

static void run_login(sasl_conn_t *conn, struct client *c, struct outcome *o)
{
    struct slice out;

    assert_int_equal(host_step(conn, "LOGIN", slice_of(NULL, 0), &out), SASL_CONTINUE);
    assert_true(slice_equal_str(out, "Username:"));
    buf_put_slice(&o->first, out);
    assert_int_equal(host_step(conn, NULL, slice_str(c->authcid), &out), SASL_CONTINUE);
    assert_true(slice_equal_str(out, "Password:"));
    o->code = host_step(conn, NULL, slice_str(c->password), &out);
}

static void run_cram(sasl_conn_t *conn, struct client *c, struct outcome *o)
{
    struct buf message;
    struct slice out;

    buf_init(&message, ATTEMPT_MAX_MESSAGE);
    assert_int_equal(host_step(conn, "CRAM-MD5", slice_of(NULL, 0), &out), SASL_CONTINUE);
    buf_put_slice(&o->first, out);
    client_cram(c, out, &message);
    o->code = host_step(conn, NULL, buf_slice(&message), &out);
    buf_release(&message);
}

static void run_digest(sasl_conn_t *conn, struct client *c, struct outcome *o)
{
    struct buf message;
    struct buf rspauth;
    struct slice out;

    buf_init(&message, ATTEMPT_MAX_MESSAGE);
    buf_init(&rspauth, ATTEMPT_MAX_MESSAGE);
    assert_int_equal(host_step(conn, "DIGEST-MD5", slice_of(NULL, 0), &out), SASL_CONTINUE);
    buf_put_slice(&o->first, out);
    client_digest(c, out, &message, &rspauth);
    o->code = host_step(conn, NULL, buf_slice(&message), &out);
    buf_put_slice(&o->final, out);
    o->server_proved = slice_equal(out, buf_slice(&rspauth));
    buf_release(&message);
    buf_release(&rspauth);
}

static void run_scram(sasl_conn_t *conn, const char *mech, struct client *c, struct outcome *o)
{
    struct buf message;
    struct slice out;

    buf_init(&message, ATTEMPT_MAX_MESSAGE);
    client_scram_first(c, &message);
    o->code = host_step(conn, mech, buf_slice(&message), &out);
    if (o->code == SASL_CONTINUE) {
        buf_put_slice(&o->first, out);
        buf_clear(&message);
        client_scram_final(c, scram_hash(mech), buf_slice(&o->first), &message);
        o->code = host_step(conn, NULL, buf_slice(&message), &out);
        buf_put_slice(&o->final, out);
        o->server_proved = client_scram_verify(c, scram_hash(mech), out);
    }
    buf_release(&message);
}

void attempt_run(sasl_conn_t *conn, const char *mech, struct client *c, struct outcome *o)
{
    if (strcmp(mech, "PLAIN") == 0) {
        run_plain(conn, c, o);
    } else if (strcmp(mech, "LOGIN") == 0) {
        run_login(conn, c, o);
    } else if (strcmp(mech, "CRAM-MD5") == 0) {
        run_cram(conn, c, o);
    } else if (strcmp(mech, "DIGEST-MD5") == 0) {
        run_digest(conn, c, o);
    } else {
        run_scram(conn, mech, c, o);
    }
}

int attempt_client(const char *mech, const char *user_realm, struct client *c,
                   const char *expect_name)
{
    struct outcome o;

    outcome_init(&o);
    host_log_clear();
    sasl_conn_t *conn = host_connect(user_realm, true);
    attempt_run(conn, mech, c, &o);
    if (o.code == SASL_OK) {
        assert_non_null(host_username(conn));
        if (expect_name != NULL) {
            assert_string_equal(host_username(conn), expect_name);
        }
        if (strncmp(mech, "SCRAM", 5) == 0 || strcmp(mech, "DIGEST-MD5") == 0) {
            assert_true(o.server_proved);
        } else {
            assert_int_equal(o.final.n, 0);
        }
        assert_string_equal(host_log(), "");
    }
    sasl_dispose(&conn);
    outcome_release(&o);
    return o.code;
}

int attempt(const char *mech, const char *user_realm, const char *user, const char *password,
            const char *authzid, const char *expect_name)
{
    struct client c;

    client_init(&c, user, password);
    c.authzid = authzid;
    int code = attempt_client(mech, user_realm, &c, expect_name);
    client_release(&c);
    return code;
}

void attempt_expect_reason(const char *mech, const char *reason, const char *user)
{
    struct buf line;

    buf_init(&line, ATTEMPT_MAX_MESSAGE);
    buf_put_str(&line, "sasl-lmdb: mech=");
    buf_put_str(&line, mech);
    buf_put_str(&line, " reason=");
    buf_put_str(&line, reason);
    buf_put_str(&line, " user=\"");
    buf_put_str(&line, user);
    buf_put_str(&line, "\" ip=192.0.2.7");
    if (strstr(host_log(), buf_text(&line)) == NULL) {
        fail_msg("expected '%s' in the log, found '%s'", buf_text(&line), host_log());
    }
    buf_release(&line);
}
