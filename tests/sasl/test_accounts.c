/* SPDX-License-Identifier: BSD-2-Clause */
/* Accounts that may not log in, or not this way, through the real libsasl2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sasl/prop.h>

#include "attempt.h"
#include "sasl_props.h"
#include "store/store.h"

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
    {.user = "alice", .realm = HOST_FQDN, .password = "other"},
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
    {.user = "ren\xc3\xa9", .realm = HOST_REALM, .password = "secret"},
    {.user = "rene",
     .realm = HOST_REALM,
     .password = "s\xc3\xa9"
                 "cret"},
    {.user = "zo\xc3\xab",
     .realm = HOST_REALM,
     .password = "s\xc3\xa9"
                 "cret"},
};

static struct store_dir store;

/* Expired: the client sees what a wrong password shows, the log says why. */
static void an_expired_account_stays_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        assert_int_equal(
            attempt(attempt_mechs[i], HOST_REALM, "stays", "secret", NULL, "stays@lab.test"),
            SASL_OK);
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "stays", "wrong", NULL, NULL),
                         SASL_BADAUTH);
        attempt_expect_reason(attempt_mechs[i], "password", "stays");
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "gone", "secret", NULL, NULL),
                         SASL_BADAUTH);
        attempt_expect_reason(attempt_mechs[i], "expired", "gone");
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "gone", "wrong", NULL, NULL),
                         SASL_BADAUTH);
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "gone strict", "secret", NULL, NULL),
                         SASL_BADAUTH);
        assert_null(strstr(host_log(), "secret"));
    }
}

enum { LIFETIME = 3 }; /* seconds */

struct account_state {
    int64_t expires;
    bool disabled;
};

static enum store_edit edit_state(void *ctx, bool exists, struct record *record)
{
    const struct account_state *to = ctx;

    record->expires = to->expires;
    record->flags = to->disabled ? RECORD_DISABLED : 0;
    return exists ? STORE_WRITE : STORE_KEEP;
}

/* In another process, as the tool does it: here the plugin has the file open. */
static void set_state(const char *user, struct account_state to)
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
                      store_change(writer, &who, edit_state, &to, NULL, NULL, NULL) == AUTH_OK
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
    set_state("stays", (struct account_state){.expires = expires});
    assert_int_equal(attempt("CRAM-MD5", HOST_REALM, "stays", "secret", NULL, NULL), SASL_OK);
    while ((int64_t)time(NULL) < expires) {
        const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "stays", "secret", NULL, NULL),
                         SASL_BADAUTH);
        attempt_expect_reason(attempt_mechs[i], "expired", "stays");
    }
    set_state("stays", (struct account_state){0});
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "stays", "secret", NULL, NULL),
                         SASL_OK);
    }
}

/* Salt and iteration count of the server's first message. */
static int see_salt(const char *mech, const char *user, struct buf *ret)
{
    struct outcome o;
    struct client c;
    struct slice nonce;

    outcome_init(&o);
    client_init(&c, user, "secret");
    sasl_conn_t *conn = host_connect(HOST_REALM, true);
    attempt_run(conn, mech, &c, &o);
    struct slice salt = buf_slice(&o.first);
    assert_true(slice_take_until(&salt, ',', &nonce));
    buf_put_slice(ret, salt);
    int code = o.code;
    sasl_dispose(&conn);
    client_release(&c);
    outcome_release(&o);
    return code;
}

/* Who looks again and again at what SCRAM shows does not see when an account changes its state. */
static void a_salt_does_not_tell_the_state_of_an_account(void **state)
{
    static const struct account_state states[] = {{0}, {.disabled = true}, {.expires = 1}, {0}};
    static const char *const mechs[] = {"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};

    (void)state;
    for (size_t i = 0; i < sizeof mechs / sizeof mechs[0]; i++) {
        struct buf first;
        struct buf seen;

        buf_init(&first, ATTEMPT_MAX_MESSAGE);
        buf_init(&seen, ATTEMPT_MAX_MESSAGE);
        for (size_t j = 0; j < sizeof states / sizeof states[0]; j++) {
            const bool open = !states[j].disabled && states[j].expires == 0;

            set_state("stays", states[j]);
            buf_clear(&seen);
            assert_int_equal(see_salt(mechs[i], "stays", j == 0 ? &first : &seen),
                             open ? SASL_OK : SASL_BADAUTH);
            assert_true(j == 0 || slice_equal(buf_slice(&seen), buf_slice(&first)));
        }
        assert_non_null(strstr(buf_text(&first), ",i=4096"));
        buf_release(&first);
        buf_release(&seen);
    }
}

static void an_account_without_the_verifier_stays_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ATTEMPT_MECHS; i++) {
        bool md5 = strstr(attempt_mechs[i], "MD5") != NULL;
        bool scram = strstr(attempt_mechs[i], "SCRAM") != NULL;
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "strict", "secret", NULL, NULL),
                         md5 ? SASL_BADAUTH : SASL_OK);
        if (md5) {
            attempt_expect_reason(attempt_mechs[i], "no-verifier", "strict");
        }
        /* PLAIN and LOGIN can use the checkpass verifier. */
        assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "legacy", "secret", NULL, NULL),
                         scram ? SASL_BADAUTH : SASL_OK);
        if (scram) {
            attempt_expect_reason(attempt_mechs[i], "no-verifier", "legacy");
        } else {
            assert_int_equal(attempt(attempt_mechs[i], HOST_REALM, "legacy", "wrong", NULL, NULL),
                             SASL_BADAUTH);
            attempt_expect_reason(attempt_mechs[i], "password", "legacy");
        }
    }
}

/* A decoy looks like a salt of the store, the same each time, whatever the spelling. */
static void unknown_users_see_a_steady_salt(void **state)
{
    static const char *const spellings[] = {"ghost", "ghost@lab.test", "ghost@LAB.test"};
    struct buf seen;

    (void)state;
    buf_init(&seen, ATTEMPT_MAX_MESSAGE);
    for (size_t i = 0; i < 3; i++) {
        struct client c;
        struct buf message;
        struct slice out;
        sasl_conn_t *conn = host_connect(HOST_REALM, true);
        client_init(&c, spellings[i], "secret");
        buf_init(&message, ATTEMPT_MAX_MESSAGE);
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

static int say_that_it_is_us(void *context, sasl_server_params_t *sparams, const char *in,
                             unsigned in_len, unsigned flags, char *out, unsigned out_max,
                             unsigned *out_len)
{
    (void)context;
    (void)flags;
    sparams->flags |= PROPS_FOR_US;
    assert_true(in_len <= out_max);
    memcpy(out, in, in_len);
    *out_len = in_len;
    return SASL_OK;
}

static int init_us(const sasl_utils_t *utils, int max_version, int *out_version,
                   sasl_canonuser_plug_t **plug, const char *name)
{
    static char us[] = "us";
    static sasl_canonuser_plug_t ret = {.name = us, .canon_user_server = say_that_it_is_us};

    (void)utils;
    (void)max_version;
    (void)name;
    *out_version = SASL_CANONUSER_PLUG_VERSION;
    *plug = &ret;
    return SASL_OK;
}

/* A connection whose lookups are as if one of our mechanisms made them, for these names. */
static sasl_conn_t *connect_as_ours(const char **names)
{
    sasl_conn_t *conn = host_connect(HOST_REALM, true);

    host_option("canon_user_plugin", "us");
    assert_int_equal(sasl_auxprop_request(conn, names), SASL_OK);
    return conn;
}

static void disconnect_as_ours(sasl_conn_t *conn)
{
    host_option("canon_user_plugin", NULL);
    sasl_dispose(&conn);
}

/* How many values a lookup sets of what DIGEST-MD5 asks for, and that all are of one form. */
static unsigned digest_values(const char *user)
{
    static const char *names[] = {"*" PROP_DIGEST, "*" PROP_DECOY, NULL};
    sasl_conn_t *conn = connect_as_ours(names);
    struct propval found[3] = {{0}};
    unsigned n = 0;

    /* It looks the name up, as DIGEST-MD5 would. */
    assert_int_not_equal(sasl_checkpass(conn, user, (unsigned)strlen(user), "x", 1), SASL_OK);
    assert_int_equal(prop_getnames(sasl_auxprop_getctx(conn), names, found), 2);
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; found[i].values != NULL && found[i].values[j] != NULL; j++) {
            const char *value = found[i].values[j];
            assert_true(strcmp(value, "-") == 0 || strspn(value, "0123456789abcdef") ==
                                                       (size_t)32 * VERIFIER_DIGEST_ENCODINGS);
            n++;
        }
    }
    disconnect_as_ours(conn);
    return n;
}

/*
 * Whatever the account: in its realm, in one of the store's extra realms, with a name or a password
 * that ISO-8859-1 writes otherwise, disabled, without such a verifier, or not there.
 */
static void every_name_has_as_many_digests(void **state)
{
    static const char *const others[] = {
        "alice@" HOST_FQDN,
        "ren\xc3\xa9",
        "rene",
        "zo\xc3\xab",
        "off",
        "gone",
        "strict",
        "nobody",
        "nobody@" HOST_FQDN,
        "n\xc3\xb8"
        "body",
    };
    const unsigned usual = digest_values("alice");

    (void)state;
    assert_int_equal(usual, 2 * 3 + 1);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(digest_values(others[i]), usual);
    }
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
            attempt_expect_reason("checkpass", cases[i].reason, cases[i].user);
        }
        sasl_dispose(&conn);
    }
}

/* A wrong password, or what is none: the connection goes on. */
static void fail_on(sasl_conn_t *conn, const char *mech)
{
    struct outcome o;
    struct client c;

    outcome_init(&o);
    client_init(&c, "alice", "wrong");
    attempt_run(conn, mech, &c, &o);
    assert_int_equal(o.code, SASL_BADAUTH);
    client_release(&c);
    outcome_release(&o);
}

/*
 * The same after an exchange that failed on the same connection, with whatever mechanism: names
 * that it asked for are still asked for, which must not make libsasl2's own lookup pass for one of
 * ours.
 */
static void checkpass_after_a_failed_exchange(void **state)
{
    static const struct {
        const char *user;
        const char *password;
        int code;
    } cases[] = {
        {"alice", "secret", SASL_OK},     {"alice@LAB.test", "secret", SASL_NOUSER},
        {"off", "wrong", SASL_BADAUTH},   {"gone", "secret", SASL_BADAUTH},
        {"nobody", "wrong", SASL_NOUSER},
    };
    static const char *names[] = {"*" PROP_DIGEST, "*" PROP_CRYPT,         "*" PROP_UPGRADE,
                                  "*" PROP_DECOY,  "*" PROP_DECOY_SHA_256, NULL};

    (void)state;
    for (size_t mech = 0; mech < ATTEMPT_MECHS; mech++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            sasl_conn_t *conn = host_connect(HOST_REALM, true);
            struct propval found[7] = {{0}};
            fail_on(conn, attempt_mechs[mech]);
            assert_int_equal(sasl_checkpass(conn, cases[i].user, (unsigned)strlen(cases[i].user),
                                            cases[i].password, (unsigned)strlen(cases[i].password)),
                             cases[i].code);
            (void)prop_getnames(sasl_auxprop_getctx(conn), names, found);
            for (size_t j = 0; names[j] != NULL; j++) {
                assert_true(found[j].values == NULL || found[j].values[0] == NULL);
            }
            sasl_dispose(&conn);
        }
    }
}

/* How many values the names of a lookup got together; *ret_bytes: how many bytes. */
static unsigned count_values(const char *user, const char *decoy, unsigned *ret_bytes)
{
    const char *names[] = {"*" PROP_AUTH_PASSWORD, decoy, NULL};
    struct propval values[2];
    sasl_conn_t *conn = connect_as_ours(names);
    unsigned n = 0;

    (void)sasl_user_exists(conn, NULL, NULL, user);
    assert_int_equal(prop_getnames(sasl_auxprop_getctx(conn), names, values), 2);
    *ret_bytes = 0;
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; values[i].values != NULL && values[i].values[j] != NULL; j++) {
            n++;
            *ret_bytes += (unsigned)strlen(values[i].values[j]);
        }
    }
    disconnect_as_ours(conn);
    return n;
}

/* Who wants one hash is served the one verifier of it, the account's own or what stands in. */
static void a_lookup_brings_what_is_asked_for(void **state)
{
    static const char *const names[] = {"alice", "nobody", "off", "gone", "legacy"};
    static const char *const one_hash[] = {"*" PROP_DECOY_SHA_1, "*" PROP_DECOY_SHA_256,
                                           "*" PROP_DECOY_SHA_512};
    enum { ALL = 4 /* three hashes, and the value that is always there */ };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsigned bytes;
        unsigned expected;
        for (size_t hash = 0; hash < sizeof one_hash / sizeof one_hash[0]; hash++) {
            assert_int_equal(count_values(names[0], one_hash[hash], &expected), 1);
            assert_int_equal(count_values(names[i], one_hash[hash], &bytes), 1);
            assert_int_equal(bytes, expected);
        }
        assert_int_equal(count_values(names[0], "*" PROP_DECOY, &expected), ALL);
        assert_int_equal(count_values(names[i], "*" PROP_DECOY, &bytes), ALL);
        assert_int_equal(bytes, expected);
    }
}

static int set_up(void **state)
{
    (void)state;
    (void)host_begin(&store, users, sizeof users / sizeof users[0]);
    assert_int_equal(sasl_canonuser_add_plugin("us", init_us), SASL_OK);
    return 0;
}

/* Libsasl2 then looks for a clear password in all of them, so that what ours lacks is no verdict.
 */
static int set_up_beside(void **state)
{
    (void)state;
    store_dir_make(&store, users, sizeof users / sizeof users[0]);
    host_use_store(&store);
    host_option("auxprop_plugin", "lmdb nowhere");
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
    const struct CMUnitTest beside_another_store[] = {
        cmocka_unit_test(an_account_without_the_verifier_stays_out),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expired_account_stays_out),
        cmocka_unit_test(an_account_expires_under_a_running_server),
        cmocka_unit_test(a_salt_does_not_tell_the_state_of_an_account),
        cmocka_unit_test(an_account_without_the_verifier_stays_out),
        cmocka_unit_test(unknown_users_see_a_steady_salt),
        cmocka_unit_test(every_name_has_as_many_digests),
        cmocka_unit_test(checkpass_and_its_refusals),
        cmocka_unit_test(checkpass_after_a_failed_exchange),
        cmocka_unit_test(a_lookup_brings_what_is_asked_for),
    };

    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    return failed + cmocka_run_group_tests(beside_another_store, set_up_beside, tear_down);
}
