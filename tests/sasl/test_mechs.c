/* SPDX-License-Identifier: BSD-2-Clause */
/* Every mechanism through the real libsasl2: right, wrong and unknown, and everything malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sasl/prop.h>

#include "client.h"
#include "engine/identity.h"
#include "host.h"
#include "store/store.h"

enum { MAX_MESSAGE = 8192 };

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
    {.user = "alice", .realm = HOST_FQDN, .password = "other"},
    {.user = "Max Mustermann", .realm = HOST_FQDN, .password = "IchbinkeinSpammer"},
    {.user = "j\xc3\xbcrgen", .realm = HOST_REALM, .password = "gr\xc3\xbc\xc3\x9f"},
    {.user = "off", .realm = HOST_REALM, .password = "secret", .disabled = true},
    {.user = "gone", .realm = HOST_REALM, .password = "secret", .expires = 1},
    {.user = "stays", .realm = HOST_REALM, .password = "secret", .expires = 253402300799},
    {.user = "gone strict",
     .realm = HOST_REALM,
     .password = "secret",
     .drop = VERIFIER_LEGACY,
     .expires = 1},
    {.user = "strict", .realm = HOST_REALM, .password = "secret", .drop = VERIFIER_LEGACY},
    {.user = "legacy", .realm = HOST_REALM, .password = "secret", .drop = VERIFIER_SCRAM},
};

static const char *const mechs[] = {"PLAIN",       "LOGIN",         "CRAM-MD5",     "DIGEST-MD5",
                                    "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};
enum { MECHS = sizeof mechs / sizeof mechs[0] };

static struct store_dir store;

static enum crypto_hash scram_hash(const char *mech)
{
    return strcmp(mech, "SCRAM-SHA-1") == 0     ? CRYPTO_SHA1
           : strcmp(mech, "SCRAM-SHA-256") == 0 ? CRYPTO_SHA256
                                                : CRYPTO_SHA512;
}

/* What came of one exchange. */
struct outcome {
    int code;           /* of the last step */
    struct buf first;   /* the server's first message */
    struct buf final;   /* data with success */
    bool server_proved; /* rspauth or server signature right */
};

static void outcome_init(struct outcome *o)
{
    memset(o, 0, sizeof *o);
    buf_init(&o->first, MAX_MESSAGE);
    buf_init(&o->final, MAX_MESSAGE);
}

static void outcome_release(struct outcome *o)
{
    buf_release(&o->first);
    buf_release(&o->final);
}

static void run_plain(sasl_conn_t *conn, struct client *c, struct outcome *o)
{
    struct buf message;
    struct slice out;

    buf_init(&message, MAX_MESSAGE);
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

    buf_init(&message, MAX_MESSAGE);
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

    buf_init(&message, MAX_MESSAGE);
    buf_init(&rspauth, MAX_MESSAGE);
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

    buf_init(&message, MAX_MESSAGE);
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

static void run(sasl_conn_t *conn, const char *mech, struct client *c, struct outcome *o)
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

/* One attempt on a connection of its own; the user name libsasl2 ends up with, or NULL. */
static int attempt(const char *mech, const char *user_realm, const char *user, const char *password,
                   const char *authzid, const char *expect_name)
{
    struct client c;
    struct outcome o;

    client_init(&c, user, password);
    c.authzid = authzid;
    outcome_init(&o);
    host_log_clear();
    sasl_conn_t *conn = host_connect(user_realm, true);
    run(conn, mech, &c, &o);
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
    client_release(&c);
    return o.code;
}

static void expect_reason(const char *mech, const char *reason, const char *user)
{
    struct buf line;

    buf_init(&line, MAX_MESSAGE);
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

static void right_password_lets_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        assert_int_equal(attempt(mechs[i], HOST_REALM, "alice", "secret", NULL, "alice@lab.test"),
                         SASL_OK);
        assert_int_equal(attempt(mechs[i], NULL, "alice", "other", NULL, "alice"), SASL_OK);
        assert_int_equal(attempt(mechs[i], "", "alice", "other", NULL, NULL), SASL_OK);
        assert_int_equal(
            attempt(mechs[i], NULL, "alice@lab.test", "secret", NULL, "alice@lab.test"), SASL_OK);
        assert_int_equal(
            attempt(mechs[i], NULL, "Max Mustermann", "IchbinkeinSpammer", NULL, "Max Mustermann"),
            SASL_OK);
        assert_int_equal(attempt(mechs[i], HOST_REALM, "j\xc3\xbcrgen", "gr\xc3\xbc\xc3\x9f", NULL,
                                 "j\xc3\xbcrgen@lab.test"),
                         SASL_OK);
    }
}

static void everything_else_stays_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        assert_int_equal(attempt(mechs[i], HOST_REALM, "alice", "Secret", NULL, NULL),
                         SASL_BADAUTH);
        expect_reason(mechs[i], "password", "alice");
        assert_int_equal(attempt(mechs[i], HOST_REALM, "alice", "other", NULL, NULL), SASL_BADAUTH);
        assert_int_equal(attempt(mechs[i], HOST_REALM, "nobody", "secret", NULL, NULL),
                         SASL_BADAUTH);
        expect_reason(mechs[i], "unknown", "nobody");
        assert_int_equal(attempt(mechs[i], HOST_REALM, "Alice", "secret", NULL, NULL),
                         SASL_BADAUTH);
        assert_int_equal(attempt(mechs[i], HOST_REALM, "off", "secret", NULL, NULL), SASL_BADAUTH);
        expect_reason(mechs[i], "disabled", "off");
        assert_int_equal(attempt(mechs[i], HOST_REALM, "a@b@c", "secret", NULL, NULL),
                         SASL_BADAUTH);
        assert_int_equal(
            attempt(mechs[i], HOST_REALM, "alice@elsewhere.test", "secret", NULL, NULL),
            SASL_BADAUTH);
        assert_null(strstr(host_log(), "secret"));
    }
}

/* Expired: the client sees what a wrong password shows, the log says why. */
static void an_expired_account_stays_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        assert_int_equal(attempt(mechs[i], HOST_REALM, "stays", "secret", NULL, "stays@lab.test"),
                         SASL_OK);
        assert_int_equal(attempt(mechs[i], HOST_REALM, "stays", "wrong", NULL, NULL), SASL_BADAUTH);
        expect_reason(mechs[i], "password", "stays");
        assert_int_equal(attempt(mechs[i], HOST_REALM, "gone", "secret", NULL, NULL), SASL_BADAUTH);
        expect_reason(mechs[i], "expired", "gone");
        assert_int_equal(attempt(mechs[i], HOST_REALM, "gone", "wrong", NULL, NULL), SASL_BADAUTH);
        assert_int_equal(attempt(mechs[i], HOST_REALM, "gone strict", "secret", NULL, NULL),
                         SASL_BADAUTH);
        assert_null(strstr(host_log(), "secret"));
    }
}

enum { LIFETIME = 3 }; /* seconds */

static enum store_edit edit_expires(void *ctx, bool exists, struct record *record)
{
    record->expires = *(const int64_t *)ctx;
    return exists ? STORE_WRITE : STORE_KEEP;
}

/* In another process, as the tool does it: here the plugin has the file open. */
static void set_expires(const char *user, int64_t expires)
{
    const struct store_options open = {
        .path = store.path, .key_path = store.key_path, .writable = true};
    struct identity who = {.realm = HOST_REALM};
    struct store *writer = NULL;
    int status = 0;

    snprintf(who.user, sizeof who.user, "%s", user);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(store_open(&open, &writer, NULL) == AUTH_OK &&
                      store_change(writer, &who, edit_expires, &expires, NULL, NULL, NULL) ==
                          AUTH_OK
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The moment comes while a server runs; a later one lets in again. */
static void an_account_expires_under_a_running_server(void **state)
{
    int64_t expires = (int64_t)time(NULL) + LIFETIME;

    (void)state;
    set_expires("stays", expires);
    assert_int_equal(attempt("CRAM-MD5", HOST_REALM, "stays", "secret", NULL, NULL), SASL_OK);
    while ((int64_t)time(NULL) < expires) {
        const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    for (size_t i = 0; i < MECHS; i++) {
        assert_int_equal(attempt(mechs[i], HOST_REALM, "stays", "secret", NULL, NULL),
                         SASL_BADAUTH);
        expect_reason(mechs[i], "expired", "stays");
    }
    set_expires("stays", 0);
    for (size_t i = 0; i < MECHS; i++) {
        assert_int_equal(attempt(mechs[i], HOST_REALM, "stays", "secret", NULL, NULL), SASL_OK);
    }
}

static void an_account_without_the_verifier_stays_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        bool md5 = strstr(mechs[i], "MD5") != NULL;
        bool scram = strstr(mechs[i], "SCRAM") != NULL;
        assert_int_equal(attempt(mechs[i], HOST_REALM, "strict", "secret", NULL, NULL),
                         md5 ? SASL_BADAUTH : SASL_OK);
        if (md5) {
            expect_reason(mechs[i], "no-verifier", "strict");
        }
        /* PLAIN and LOGIN still have libsasl2's own way, by the checkpass verifier. */
        assert_int_equal(attempt(mechs[i], HOST_REALM, "legacy", "secret", NULL, NULL),
                         scram ? SASL_BADAUTH : SASL_OK);
        if (scram) {
            expect_reason(mechs[i], "no-verifier", "legacy");
        } else {
            assert_int_equal(attempt(mechs[i], HOST_REALM, "legacy", "wrong", NULL, NULL),
                             SASL_BADAUTH);
        }
    }
}

static void authorization_identity(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        if (strcmp(mechs[i], "LOGIN") == 0 || strcmp(mechs[i], "CRAM-MD5") == 0) {
            continue; /* they carry none */
        }
        /* Java sends the name twice. */
        assert_int_equal(attempt(mechs[i], HOST_REALM, "alice", "secret", "alice", NULL), SASL_OK);
        assert_int_equal(
            attempt(mechs[i], HOST_REALM, "alice", "secret", "alice@lab.test", "alice@lab.test"),
            SASL_OK);
        /* Without a proxy policy of the server's libsasl2 lets nobody act for another. */
        assert_int_equal(attempt(mechs[i], HOST_REALM, "alice", "secret", "bob", NULL),
                         SASL_BADAUTH);
        assert_int_equal(attempt(mechs[i], HOST_REALM, "alice", "wrong", "bob", NULL),
                         SASL_BADAUTH);
    }
}

/* Postfix keeps the connection object over several attempts. */
static void attempts_on_one_connection_do_not_mix(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
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
            run(conn, mechs[i], &c, &o);
            assert_int_equal(o.code, tries[j].code);
            outcome_release(&o);
            client_release(&c);
        }
        sasl_dispose(&conn);
    }
}

static void a_finished_exchange_takes_no_more_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        struct client c;
        struct outcome o;
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        client_init(&c, "alice", "wrong");
        outcome_init(&o);
        run(conn, mechs[i], &c, &o);
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
        run(conn, mechs[i], &c, &o);
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
    for (size_t i = 0; i < MECHS; i++) {
        for (size_t g = 0; g < sizeof garbage / sizeof garbage[0]; g++) {
            bool server_first = strstr(mechs[i], "MD5") != NULL;
            bool login = strcmp(mechs[i], "LOGIN") == 0;
            for (int steps = 0; steps < (server_first || login ? 2 : 1); steps++) {
                sasl_conn_t *conn = host_connect(HOST_REALM, true);
                int code;
                host_log_clear();
                if (steps == 0) {
                    code = host_step(conn, mechs[i], garbage[g], NULL);
                } else {
                    code = host_step(conn, mechs[i], slice_of(NULL, 0), NULL);
                    assert_int_equal(code, SASL_CONTINUE);
                    code = host_step(conn, NULL, garbage[g], NULL);
                }
                bool digest = strcmp(mechs[i], "DIGEST-MD5") == 0;
                if ((login || digest) && code == SASL_CONTINUE) {
                    /*
                     * LOGIN takes any text as a name; then no password may fit. To DIGEST-MD5 an
                     * initial response is an attempt to authenticate again, which is answered by
                     * a fresh challenge (RFC 2831 2.2).
                     */
                    code = host_step(conn, NULL, garbage[g], NULL);
                }
                if (code == SASL_OK || code == SASL_CONTINUE || host_log()[0] == '\0') {
                    fail_msg("%s, garbage %zu at step %d: code %d, log '%s'", mechs[i], g, steps,
                             code, host_log());
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
        buf_init(&message, MAX_MESSAGE);
        buf_init(&rspauth, MAX_MESSAGE);
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

/* A decoy looks like a salt of the store, the same each time, whatever the spelling. */
static void unknown_users_see_a_steady_salt(void **state)
{
    static const char *const spellings[] = {"ghost", "ghost@lab.test", "ghost@LAB.test"};
    struct buf seen;

    (void)state;
    buf_init(&seen, MAX_MESSAGE);
    for (size_t i = 0; i < 3; i++) {
        struct client c;
        struct buf message;
        struct slice out;
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        client_init(&c, spellings[i], "secret");
        buf_init(&message, MAX_MESSAGE);
        client_scram_first(&c, &message);
        assert_int_equal(host_step(conn, "SCRAM-SHA-256", buf_slice(&message), &out),
                         SASL_CONTINUE);
        struct slice nonce;
        assert_true(slice_take_until(&out, ',', &nonce));
        if (seen.n == 0) {
            buf_put_slice(&seen, out);
            assert_non_null(strstr(buf_text(&seen), ",i=4096"));
        }
        assert_true(slice_equal(buf_slice(&seen), out));
        sasl_dispose(&conn);
        buf_release(&message);
        client_release(&c);
    }
    buf_release(&seen);
}

/* Whatever the server keys on the name must not have two names for one account. */
static void every_spelling_of_a_realm_is_one_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        if (strcmp(mechs[i], "DIGEST-MD5") == 0) {
            continue; /* hashes what was typed; see docs/PROTOCOL.md */
        }
        assert_int_equal(
            attempt(mechs[i], HOST_REALM, "alice@LAB.Test", "secret", NULL, "alice@lab.test"),
            SASL_OK);
        assert_int_equal(attempt(mechs[i], HOST_REALM, "alice@", "secret", NULL, "alice@lab.test"),
                         SASL_OK);
        assert_int_equal(attempt(mechs[i], NULL, "alice@", "other", NULL, "alice"), SASL_OK);
        assert_int_equal(
            attempt(mechs[i], NULL, "alice\xef\xbc\xa0LAB.test", "secret", NULL, "alice@lab.test"),
            SASL_OK);
    }
}

/* Names of properties stay asked for on a connection; their values must not stay there. */
static void no_verifier_stays_in_the_connection(void **state)
{
    (void)state;
    for (size_t last = 0; last < MECHS; last++) {
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        for (size_t i = 0; i <= MECHS; i++) {
            struct client c;
            struct outcome o;
            client_init(&c, i < MECHS ? "nobody" : "alice", "secret");
            outcome_init(&o);
            run(conn, mechs[i < MECHS ? i : last], &c, &o);
            assert_int_equal(o.code, i < MECHS ? SASL_BADAUTH : SASL_OK);
            outcome_release(&o);
            client_release(&c);
        }
        size_t asked = 0;
        const struct propval *prop = prop_get(sasl_auxprop_getctx(conn));
        for (; prop->name != NULL; prop++) {
            asked++;
            if (prop->values != NULL) {
                fail_msg("%s is left after %s", prop->name, mechs[last]);
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

static void checkpass_and_its_refusals(void **state)
{
    static const struct {
        const char *user;
        const char *password;
        int code;
        const char *reason;
    } cases[] = {
        {"alice", "secret", SASL_OK, NULL},
        {"alice", "wrong", SASL_BADAUTH, NULL},
        {"nobody", "x", SASL_NOUSER, NULL},
        {"off@lab.test", "secret", SASL_BADAUTH, "disabled"},
        {"alice@lab.test", "secret", SASL_OK, NULL},
        {"gone@lab.test", "secret", SASL_BADAUTH, "expired"},
        {"gone@lab.test", "wrong", SASL_BADAUTH, "expired"},
        {"stays", "secret", SASL_OK, NULL},
        {"stays", "wrong", SASL_BADAUTH, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        host_log_clear();
        assert_int_equal(sasl_checkpass(conn, cases[i].user, (unsigned)strlen(cases[i].user),
                                        cases[i].password, (unsigned)strlen(cases[i].password)),
                         cases[i].code);
        if (cases[i].reason != NULL) {
            expect_reason("checkpass", cases[i].reason, cases[i].user);
        }
        sasl_dispose(&conn);
    }
}

static void challenges_do_not_repeat(void **state)
{
    struct buf seen[2];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct slice out;
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        buf_init(&seen[i], MAX_MESSAGE);
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
        cmocka_unit_test(right_password_lets_in),
        cmocka_unit_test(everything_else_stays_out),
        cmocka_unit_test(an_expired_account_stays_out),
        cmocka_unit_test(an_account_expires_under_a_running_server),
        cmocka_unit_test(an_account_without_the_verifier_stays_out),
        cmocka_unit_test(authorization_identity),
        cmocka_unit_test(attempts_on_one_connection_do_not_mix),
        cmocka_unit_test(a_finished_exchange_takes_no_more_steps),
        cmocka_unit_test(garbage_at_every_step_is_refused),
        cmocka_unit_test(damaged_messages_are_refused),
        cmocka_unit_test(unknown_users_see_a_steady_salt),
        cmocka_unit_test(every_spelling_of_a_realm_is_one_name),
        cmocka_unit_test(no_verifier_stays_in_the_connection),
        cmocka_unit_test(login_with_initial_response),
        cmocka_unit_test(checkpass_and_its_refusals),
        cmocka_unit_test(challenges_do_not_repeat),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
