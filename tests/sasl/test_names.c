/* SPDX-License-Identifier: BSD-2-Clause */
/* Which account a name means, through the real libsasl2: the tables of docs/PROTOCOL.md, row by
 * row, for each mechanism. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sasl/prop.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "attempt.h"

/* A realm that the store makes no DIGEST-MD5 forms for in other realms' accounts. */
#define THIRD "third.test"

/* A password for each account: it says which record was used. */
static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "in the realm"},
    {.user = "alice", .realm = HOST_FQDN, .password = "at the host"},
    {.user = "alice", .realm = THIRD, .password = "elsewhere"},
    {.user = "bob", .realm = HOST_REALM, .password = "of bob"},
    {.user = "old",
     .realm = HOST_REALM,
     .password = "for sasl_checkpass() alone",
     .drop = VERIFIER_SCRAM | VERIFIER_CRAM_MD5 | VERIFIER_DIGEST_MD5},
};
#define IN_REALM (&users[0])
#define AT_HOST (&users[1])
#define IN_THIRD (&users[2])
#define CHECKPASS_ONLY (&users[4])

static struct store_dir store;

enum digest_form { DIGEST_FITS, DIGEST_HAS_NO_FORM };

struct row {
    const char *user_realm; /* of the server; NULL: not set */
    const char *login;
    const struct host_user *account; /* NULL: nobody's */
    const char *name;                /* what the server is told */
    enum digest_form digest;         /* of login:REALM, where REALM is the one offered */
};

static const struct row rows[] = {
    {NULL, "alice", AT_HOST, "alice", DIGEST_FITS},
    {NULL, "alice@" HOST_FQDN, AT_HOST, "alice@" HOST_FQDN, DIGEST_FITS},
    {NULL, "alice@" HOST_REALM, IN_REALM, "alice@" HOST_REALM, DIGEST_FITS},
    {NULL, "alice@" THIRD, IN_THIRD, "alice@" THIRD, DIGEST_FITS},
    /* libsasl2 adds the "@" of an empty realm. */
    {"", "alice", AT_HOST, "alice@", DIGEST_FITS},
    {"", "alice@" HOST_FQDN, AT_HOST, "alice@" HOST_FQDN, DIGEST_FITS},
    {"", "alice@" HOST_REALM, IN_REALM, "alice@" HOST_REALM, DIGEST_FITS},
    {HOST_REALM, "alice", IN_REALM, "alice@" HOST_REALM, DIGEST_FITS},
    {HOST_REALM, "alice@" HOST_REALM, IN_REALM, "alice@" HOST_REALM, DIGEST_FITS},
    {HOST_REALM, "alice@" HOST_FQDN, AT_HOST, "alice@" HOST_FQDN, DIGEST_HAS_NO_FORM},
    {HOST_REALM, "alice@" THIRD, IN_THIRD, "alice@" THIRD, DIGEST_HAS_NO_FORM},
    {HOST_FQDN, "alice", AT_HOST, "alice@" HOST_FQDN, DIGEST_FITS},
    {HOST_FQDN, "alice@" HOST_REALM, IN_REALM, "alice@" HOST_REALM, DIGEST_FITS},
    {"LAB.Test", "alice", IN_REALM, "alice@LAB.Test", DIGEST_FITS},
    {"LAB.Test", "alice@" HOST_REALM, IN_REALM, "alice@" HOST_REALM, DIGEST_FITS},
    {HOST_REALM, "alice@LAB.Test", IN_REALM, "alice@" HOST_REALM, DIGEST_HAS_NO_FORM},
    {NULL, "alice@LAB.Test", IN_REALM, "alice@" HOST_REALM, DIGEST_HAS_NO_FORM},
    {HOST_REALM, "alice@", IN_REALM, "alice@" HOST_REALM, DIGEST_HAS_NO_FORM},
    {NULL, "alice@", AT_HOST, "alice", DIGEST_HAS_NO_FORM},
    /* SASLprep makes an "@" of this one. */
    {NULL, "alice\xef\xbc\xa0LAB.test", IN_REALM, "alice@" HOST_REALM, DIGEST_HAS_NO_FORM},
    {HOST_REALM, "Alice", NULL, NULL, DIGEST_HAS_NO_FORM},
    {HOST_REALM, "alice@" HOST_REALM "@" HOST_REALM, NULL, NULL, DIGEST_HAS_NO_FORM},
    {HOST_REALM, "@" HOST_REALM, NULL, NULL, DIGEST_HAS_NO_FORM},
    {"nowhere.test", "alice", NULL, NULL, DIGEST_HAS_NO_FORM},
};

static void each_row_finds_its_account(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        for (size_t m = 0; m < ATTEMPT_MECHS; m++) {
            const char *mech = attempt_mechs[m];
            bool digest = strcmp(mech, "DIGEST-MD5") == 0;
            bool fits = !digest || row->digest == DIGEST_FITS;
            for (size_t u = 0; u < 3; u++) {
                bool wanted = fits && row->account == &users[u];
                int code = attempt(mech, row->user_realm, row->login, users[u].password, NULL,
                                   wanted ? row->name : NULL);
                if (code != (wanted ? SASL_OK : SASL_BADAUTH)) {
                    fail_msg("row %zu, %s, password \"%s\": %d", i, mech, users[u].password, code);
                }
            }
            if (digest && row->account != NULL && row->digest == DIGEST_HAS_NO_FORM) {
                assert_non_null(strstr(host_log(), "reason=no-verifier"));
            }
        }
    }
}

/* DIGEST-MD5 clients that choose a realm themselves. */
struct digest_row {
    const char *user_realm;
    const char *login;
    const char *realm; /* as the client sends it */
    const struct host_user *account;
    const char *name;
};

static const struct digest_row digest_rows[] = {
    /* The realm says where a bare name belongs. */
    {HOST_REALM, "alice", HOST_REALM, IN_REALM, "alice@" HOST_REALM},
    {HOST_REALM, "alice", THIRD, IN_THIRD, "alice@" THIRD},
    {HOST_REALM, "alice", HOST_FQDN, AT_HOST, "alice@" HOST_FQDN},
    {NULL, "alice", HOST_REALM, IN_REALM, "alice@" HOST_REALM},
    {NULL, "alice", THIRD, IN_THIRD, "alice@" THIRD},
    /* An empty one is as good as none. */
    {HOST_REALM, "alice", "", IN_REALM, "alice@" HOST_REALM},
    {"", "alice", "", AT_HOST, "alice@"},
    {NULL, "alice", "", AT_HOST, "alice"},
    {HOST_REALM, "alice@" THIRD, "", IN_THIRD, "alice@" THIRD},
    /* A name that says its realm itself keeps it; the form is hashed with the realm sent. */
    {HOST_REALM, "alice@" THIRD, THIRD, IN_THIRD, "alice@" THIRD},
    {HOST_REALM, "alice@" THIRD, HOST_FQDN, IN_THIRD, "alice@" THIRD},
    {NULL, "alice@" HOST_REALM, HOST_REALM, IN_REALM, "alice@" HOST_REALM},
    /* No such form: the realm in other letters, or one that is nobody's. */
    {HOST_REALM, "alice", "LAB.Test", NULL, NULL},
    {HOST_REALM, "alice@" THIRD, HOST_REALM, NULL, NULL},
    {HOST_REALM, "alice", "nowhere.test", NULL, NULL},
    {HOST_REALM, "alice", "third.test ", NULL, NULL},
};

static void a_digest_client_chooses_its_realm(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof digest_rows / sizeof digest_rows[0]; i++) {
        const struct digest_row *row = &digest_rows[i];
        for (size_t u = 0; u < 3; u++) {
            bool wanted = row->account == &users[u];
            struct client c;
            client_init(&c, row->login, users[u].password);
            c.realm = row->realm;
            int code = attempt_client("DIGEST-MD5", row->user_realm, &c, wanted ? row->name : NULL);
            client_release(&c);
            if (code != (wanted ? SASL_OK : SASL_BADAUTH)) {
                fail_msg("row %zu, password \"%s\": %d", i, users[u].password, code);
            }
        }
    }
}

/* sasl_checkpass() takes the name as the application has it, which may be the client's spelling. */
static void checkpass_knows_the_account_s_own_name_only(void **state)
{
    static const struct {
        const char *user_realm;
        const char *login;
        const struct host_user *account;
        const char *name;
    } cases[] = {
        {NULL, "alice", AT_HOST, "alice"},
        {NULL, "alice@" HOST_REALM, IN_REALM, "alice@" HOST_REALM},
        {"", "alice", AT_HOST, "alice@"},
        {"LAB.Test", "alice", IN_REALM, "alice@LAB.Test"},
        {"LAB.Test", "alice@" HOST_REALM, IN_REALM, "alice@" HOST_REALM},
        {"LAB.Test", "alice@LAB.TEST", NULL, NULL},
        {HOST_REALM, "alice", IN_REALM, "alice@" HOST_REALM},
        {HOST_REALM, "alice@" THIRD, IN_THIRD, "alice@" THIRD},
        {HOST_REALM, "old", CHECKPASS_ONLY, "old@" HOST_REALM},
        {HOST_REALM, "alice@LAB.Test", NULL, NULL},
        {HOST_REALM, "alice@lab.tesT", NULL, NULL},
        {NULL, "alice@", NULL, NULL},
        {NULL, "alice\xef\xbc\xa0lab.test", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t u = 0; u < sizeof users / sizeof users[0]; u++) {
            const char *password = users[u].password;
            sasl_conn_t *conn = host_connect(cases[i].user_realm, true);
            int code = sasl_checkpass(conn, cases[i].login, (unsigned)strlen(cases[i].login),
                                      password, (unsigned)strlen(password));
            if (cases[i].account == &users[u]) {
                assert_int_equal(code, SASL_OK);
                assert_string_equal(host_username(conn), cases[i].name);
            } else {
                assert_int_equal(code, cases[i].account == NULL ? SASL_NOUSER : SASL_BADAUTH);
            }
            sasl_dispose(&conn);
        }
    }
}

/* An account that only sasl_checkpass() can verify, behind PLAIN and LOGIN: one name all the same.
 */
static void a_checkpass_account_has_one_name(void **state)
{
    static const char *const logins[] = {"old", "old@lab.test", "old@LAB.Test", "old@"};

    (void)state;
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
            assert_int_equal(attempt(attempt_mechs[m], HOST_REALM, logins[i],
                                     CHECKPASS_ONLY->password, NULL, "old@lab.test"),
                             SASL_OK);
            assert_int_equal(attempt(attempt_mechs[m], HOST_REALM, logins[i], "wrong", NULL, NULL),
                             SASL_BADAUTH);
        }
    }
}

/* What the server's proxy policy is asked, and what it answers. */
struct policy {
    int answer;
    unsigned calls;
    char authcid[64];
    char authzid[64];
};

static int proxy_policy(sasl_conn_t *conn, void *context, const char *requested, unsigned rlen,
                        const char *identity, unsigned alen, const char *realm, unsigned urlen,
                        struct propctx *props)
{
    struct policy *policy = context;

    (void)conn;
    (void)realm;
    (void)urlen;
    (void)props;
    policy->calls++;
    assert_true(rlen < sizeof policy->authzid && alen < sizeof policy->authcid);
    memcpy(policy->authzid, requested, rlen);
    policy->authzid[rlen] = '\0';
    memcpy(policy->authcid, identity, alen);
    policy->authcid[alen] = '\0';
    return policy->answer;
}

/* One exchange in HOST_REALM with alice's password or another, under a proxy policy. */
static sasl_conn_t *run_with_policy(const char *mech, const char *authzid, const char *password,
                                    struct policy *policy, int *ret_code)
{
    /* libsasl2 keeps pointing to them while the connection lives. */
    static sasl_callback_t callbacks[2];
    static const char *const wanted[] = {"authPassword", "*authPassword", NULL};
    sasl_conn_t *conn = NULL;
    struct client c;
    struct outcome o;

    callbacks[0] = (sasl_callback_t){SASL_CB_PROXY_POLICY,
                                     (sasl_callback_ft)(void (*)(void))proxy_policy, policy};
    callbacks[1].id = SASL_CB_LIST_END;
    /* libsasl2's prototype lacks a const. */
    const char **names = calloc(3, sizeof *names);
    assert_non_null(names);
    memcpy(names, wanted, sizeof wanted);
    assert_int_equal(sasl_server_new("smtp", HOST_FQDN, HOST_REALM, NULL, NULL, callbacks,
                                     SASL_SUCCESS_DATA, &conn),
                     SASL_OK);
    assert_int_equal(sasl_auxprop_request(conn, names), SASL_OK);
    client_init(&c, "alice", password);
    c.authzid = authzid;
    outcome_init(&o);
    attempt_run(conn, mech, &c, &o);
    *ret_code = o.code;
    outcome_release(&o);
    client_release(&c);
    free(names);
    return conn;
}

static const char *property(sasl_conn_t *conn, const char *name)
{
    const struct propval *prop = prop_get(sasl_auxprop_getctx(conn));

    for (; prop != NULL && prop->name != NULL; prop++) {
        if (strcmp(prop->name, name) == 0) {
            return prop->values == NULL ? NULL : prop->values[0];
        }
    }
    return NULL;
}

static bool carries_authzid(const char *mech)
{
    return strcmp(mech, "LOGIN") != 0 && strcmp(mech, "CRAM-MD5") != 0;
}

/* Equal to the authentication identity, in any spelling (Java sends it): there is nothing to ask.
 */
static void an_authorization_identity_of_one_s_own(void **state)
{
    static const char *const own[] = {"", "alice", "alice@lab.test", "alice@LAB.Test", "alice@"};

    (void)state;
    for (size_t m = 0; m < ATTEMPT_MECHS; m++) {
        for (size_t i = 0; carries_authzid(attempt_mechs[m]) && i < sizeof own / sizeof own[0];
             i++) {
            struct policy policy = {.answer = SASL_OK};
            int code;
            sasl_conn_t *conn =
                run_with_policy(attempt_mechs[m], own[i], IN_REALM->password, &policy, &code);
            assert_int_equal(code, SASL_OK);
            assert_string_equal(host_username(conn), "alice@lab.test");
            /* libsasl2 asks all the same; it must not be told of two people. */
            assert_string_equal(policy.authcid, policy.authzid);
            sasl_dispose(&conn);
            /* And without a policy of the server's. */
            assert_int_equal(attempt(attempt_mechs[m], HOST_REALM, "alice", IN_REALM->password,
                                     own[i], "alice@lab.test"),
                             SASL_OK);
        }
    }
}

/* For somebody else the server's policy is asked, once the password has been found right. */
static void an_authorization_identity_of_another(void **state)
{
    (void)state;
    for (size_t m = 0; m < ATTEMPT_MECHS; m++) {
        const char *mech = attempt_mechs[m];
        if (!carries_authzid(mech)) {
            continue;
        }
        struct policy policy = {.answer = SASL_OK};
        const void *authcid = NULL;
        int code;
        sasl_conn_t *conn = run_with_policy(mech, "bob", IN_REALM->password, &policy, &code);
        assert_int_equal(code, SASL_OK);
        assert_int_equal(policy.calls, 1);
        assert_string_equal(policy.authcid, "alice@lab.test");
        assert_string_equal(policy.authzid, "bob@lab.test");
        assert_string_equal(host_username(conn), "bob@lab.test");
        assert_int_equal(sasl_getprop(conn, SASL_AUTHUSER, &authcid), SASL_OK);
        assert_string_equal(authcid, "alice@lab.test");
        sasl_dispose(&conn);

        policy = (struct policy){.answer = SASL_NOAUTHZ};
        conn = run_with_policy(mech, "bob", IN_REALM->password, &policy, &code);
        assert_int_not_equal(code, SASL_OK);
        assert_int_not_equal(code, SASL_CONTINUE);
        assert_int_equal(policy.calls, 1);
        sasl_dispose(&conn);

        /* An identity that has no account: whether it may be is the policy's business too. */
        policy = (struct policy){.answer = SASL_OK};
        conn = run_with_policy(mech, "root", IN_REALM->password, &policy, &code);
        assert_int_equal(code, SASL_OK);
        assert_string_equal(host_username(conn), "root@lab.test");
        sasl_dispose(&conn);

        policy = (struct policy){.answer = SASL_OK};
        conn = run_with_policy(mech, "bob", "wrong", &policy, &code);
        assert_int_equal(code, SASL_BADAUTH);
        assert_int_equal(policy.calls, 0);
        sasl_dispose(&conn);
        /* bob's own password is of no use for alice. */
        conn = run_with_policy(mech, "bob", "of bob", &policy, &code);
        assert_int_equal(code, SASL_BADAUTH);
        assert_int_equal(policy.calls, 0);
        sasl_dispose(&conn);

        /* Without a policy libsasl2 lets nobody act for another. */
        assert_int_equal(attempt(mech, HOST_REALM, "alice", IN_REALM->password, "bob", NULL),
                         SASL_BADAUTH);
    }
}

/*
 * An application's own requests: a name without "*" is asked for the authorization identity, one
 * with it for the authentication identity, and of the latter nothing is left after the exchange.
 */
static void properties_with_and_without_the_star(void **state)
{
    (void)state;
    for (size_t m = 0; m < ATTEMPT_MECHS; m++) {
        if (!carries_authzid(attempt_mechs[m])) {
            continue;
        }
        char *seen[2] = {NULL, NULL};
        for (size_t i = 0; i < 2; i++) {
            struct policy policy = {.answer = SASL_OK};
            int code;
            sasl_conn_t *conn = run_with_policy(attempt_mechs[m], i == 0 ? NULL : "bob",
                                                IN_REALM->password, &policy, &code);
            assert_int_equal(code, SASL_OK);
            const char *value = property(conn, "authPassword");
            assert_non_null(value);
            seen[i] = strdup(value);
            assert_null(property(conn, "*authPassword"));
            sasl_dispose(&conn);
        }
        /* alice's and bob's: another salt. */
        assert_string_not_equal(seen[0], seen[1]);
        free(seen[0]);
        free(seen[1]);
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
        cmocka_unit_test(each_row_finds_its_account),
        cmocka_unit_test(a_digest_client_chooses_its_realm),
        cmocka_unit_test(checkpass_knows_the_account_s_own_name_only),
        cmocka_unit_test(a_checkpass_account_has_one_name),
        cmocka_unit_test(an_authorization_identity_of_one_s_own),
        cmocka_unit_test(an_authorization_identity_of_another),
        cmocka_unit_test(properties_with_and_without_the_star),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
