/* SPDX-License-Identifier: BSD-2-Clause */
/* Against GNU SASL, which shares no code with libsasl2 or with us: its clients to our server, our
 * clients to its server. */
#include <stdio.h>

#ifdef HAVE_GSASL

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsasl.h>

#include "base/crypto.h"
#include "host.h"
#include "peer.h"

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
    {.user = "a,b=c", .realm = HOST_REALM, .password = "p,q=r"},
    {.user = "j\xc3\xbcrgen", .realm = HOST_REALM, .password = "gr\xc3\xbc\xc3\x9f"},
};
enum { USERS = sizeof users / sizeof users[0], MAX_MESSAGE = 65536, MAX_ROUNDS = 8 };

/* What GNU SASL 2.2 can do of what we can; SCRAM-SHA-512 it cannot. */
static const struct mechanism {
    const char *name;
    bool server_first;
    bool authzid;
    const char *binding; /* the type GNU SASL takes for this -PLUS mechanism */
} mechs[] = {
    {"PLAIN", false, true, NULL},
    {"LOGIN", true, false, NULL},
    {"CRAM-MD5", true, false, NULL},
    {"SCRAM-SHA-1", false, true, NULL},
    {"SCRAM-SHA-256", false, true, NULL},
    {"SCRAM-SHA-1-PLUS", false, true, "tls-unique"},
    {"SCRAM-SHA-256-PLUS", false, true, "tls-unique"},
    {"SCRAM-SHA-1-PLUS", false, true, "tls-exporter"},
    {"SCRAM-SHA-256-PLUS", false, true, "tls-exporter"},
};
enum { MECHS = sizeof mechs / sizeof mechs[0] };

static const unsigned char channel[] = "thirty-two bytes of the channel.";
static const unsigned char other[] = "thirty-two bytes of another one.";

static struct store_dir store;

/* The user of GNU SASL's client, or the account of its server. */
struct account {
    const char *name;
    const char *password;
    const char *authzid;
    const char *binding; /* type, or NULL */
    const unsigned char *data;
};

static int setup(void **state)
{
    (void)state;
    store_dir_make(&store, users, USERS);
    host_use_store(&store);
    host_start();
    peer_library_start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_stop();
    store_dir_remove(&store);
    return 0;
}

static int set_property(Gsasl_session *session, Gsasl_property property, const char *value)
{
    return value == NULL ? GSASL_NO_CALLBACK : gsasl_property_set(session, property, value);
}

static int set_binding(Gsasl_session *session, Gsasl_property property,
                       const struct account *account, const char *type)
{
    struct buf text;

    if (account->binding == NULL || strcmp(account->binding, type) != 0) {
        return GSASL_NO_CALLBACK;
    }
    buf_init(&text, MAX_MESSAGE);
    crypto_base64_put(&text, slice_of(account->data, sizeof channel - 1));
    int rc = gsasl_property_set(session, property, buf_text(&text));
    buf_release(&text);
    return rc;
}

static int answer(Gsasl *ctx, Gsasl_session *session, Gsasl_property property)
{
    const struct account *account = gsasl_session_hook_get(session);
    const char *name;
    const char *password;

    (void)ctx;
    switch ((int)property) {
    case GSASL_AUTHID:
        return set_property(session, property, account->name);
    case GSASL_AUTHZID:
        return set_property(session, property, account->authzid);
    case GSASL_PASSWORD:
        return set_property(session, property, account->password);
    case GSASL_CB_TLS_UNIQUE:
        return set_binding(session, property, account, "tls-unique");
    case GSASL_CB_TLS_EXPORTER:
        return set_binding(session, property, account, "tls-exporter");
    case GSASL_VALIDATE_SIMPLE:
        name = gsasl_property_fast(session, GSASL_AUTHID);
        password = gsasl_property_fast(session, GSASL_PASSWORD);
        return name != NULL && password != NULL && strcmp(name, account->name) == 0 &&
                       strcmp(password, account->password) == 0
                   ? GSASL_OK
                   : GSASL_AUTHENTICATION_ERROR;
    default:
        return GSASL_NO_CALLBACK;
    }
}

/* One step of GNU SASL; what it says is copied, since it comes from its own malloc. */
static int gsasl_say(Gsasl_session *session, struct slice in, struct buf *out)
{
    char *said = NULL;
    size_t n = 0;

    buf_clear(out);
    int rc = gsasl_step(session, (const char *)in.p, in.n, &said, &n);
    if ((rc == GSASL_OK || rc == GSASL_NEEDS_MORE) && said != NULL) {
        buf_put(out, said, n);
    }
    gsasl_free(said);
    return rc;
}

static sasl_channel_binding_t binding_of(const struct account *account)
{
    return (sasl_channel_binding_t){account->binding, 0, sizeof channel - 1, account->data};
}

/* GNU SASL's client, our server. Returns the server's code; *ret_client is what the client ends
 * with. */
static int their_client(const struct mechanism *mech, const struct account *client,
                        const struct account *server_side, int *ret_client)
{
    sasl_channel_binding_t binding = binding_of(server_side);
    sasl_conn_t *server = host_connect(HOST_REALM, true);
    const char *name = mech->name;
    Gsasl_session *session = NULL;
    Gsasl *ctx = NULL;
    struct account account = *client;
    struct buf message;
    struct slice said = slice_of(NULL, 0);
    int code = SASL_CONTINUE;

    buf_init(&message, MAX_MESSAGE);
    assert_int_equal(gsasl_init(&ctx), GSASL_OK);
    gsasl_callback_set(ctx, answer);
    assert_int_equal(gsasl_client_start(ctx, mech->name, &session), GSASL_OK);
    gsasl_session_hook_set(session, &account);
    if (binding.name != NULL) {
        assert_int_equal(sasl_setprop(server, SASL_CHANNEL_BINDING, &binding), SASL_OK);
    }
    *ret_client = GSASL_NEEDS_MORE;
    if (mech->server_first) {
        code = host_step(server, name, slice_of(NULL, 0), &said);
        name = NULL;
    }
    for (unsigned i = 0; i < MAX_ROUNDS && *ret_client == GSASL_NEEDS_MORE; i++) {
        *ret_client = gsasl_say(session, said, &message);
        if ((*ret_client != GSASL_OK && *ret_client != GSASL_NEEDS_MORE) || code == SASL_OK) {
            break;
        }
        code = host_step(server, name, buf_slice(&message), &said);
        name = NULL;
        if (code != SASL_CONTINUE && (code != SASL_OK || said.p == NULL)) {
            break;
        }
    }
    gsasl_finish(session);
    gsasl_done(ctx);
    sasl_dispose(&server);
    buf_release(&message);
    return code;
}

/* Our client, GNU SASL's server. */
static int their_server(const struct mechanism *mech, const struct account *client,
                        const struct account *server_side, int *ret_client)
{
    sasl_channel_binding_t binding = binding_of(client);
    struct peer p = {
        .authname = client->name, .user = client->authzid, .password = client->password};
    struct account account = *server_side;
    Gsasl_session *session = NULL;
    Gsasl *ctx = NULL;
    const char *chosen = NULL;
    struct buf to_server;
    struct buf to_client;
    bool sent = false;

    buf_init(&to_server, MAX_MESSAGE);
    buf_init(&to_client, MAX_MESSAGE);
    assert_int_equal(gsasl_init(&ctx), GSASL_OK);
    gsasl_callback_set(ctx, answer);
    assert_int_equal(gsasl_server_start(ctx, mech->name, &session), GSASL_OK);
    gsasl_session_hook_set(session, &account);
    peer_open(&p, SASL_SUCCESS_DATA);
    if (binding.name != NULL) {
        assert_int_equal(sasl_setprop(p.conn, SASL_CHANNEL_BINDING, &binding), SASL_OK);
    }
    int code = GSASL_NEEDS_MORE;
    *ret_client = peer_start(&p, mech->name, &chosen, &to_server, &sent);
    for (unsigned i = 0; i < MAX_ROUNDS; i++) {
        if (*ret_client != SASL_OK && *ret_client != SASL_CONTINUE) {
            break;
        }
        code = gsasl_say(session, buf_slice(&to_server), &to_client);
        if (code != GSASL_NEEDS_MORE && (code != GSASL_OK || to_client.n == 0)) {
            break;
        }
        *ret_client = peer_step(&p, buf_slice(&to_client), &to_server, &sent);
        if (code == GSASL_OK) {
            break;
        }
    }
    peer_close(&p);
    gsasl_finish(session);
    gsasl_done(ctx);
    buf_release(&to_server);
    buf_release(&to_client);
    return code;
}

/* Runs both ways, and says for both whether the login went well on either side. */
static void both_ways(const struct mechanism *mech, const struct account *client,
                      const struct account *server, bool expected)
{
    int ours;
    int theirs;

    int code = their_client(mech, client, server, &theirs);
    if ((code == SASL_OK && theirs == GSASL_OK) != expected) {
        fail_msg("%s, their client: %s, %s", mech->name, sasl_errstring(code, NULL, NULL),
                 gsasl_strerror(theirs));
    }
    code = their_server(mech, client, server, &ours);
    if ((ours == SASL_OK && code == GSASL_OK) != expected) {
        fail_msg("%s, their server: %s, %s", mech->name, gsasl_strerror(code),
                 sasl_errstring(ours, NULL, NULL));
    }
}

static struct account account_of(const struct mechanism *mech, const struct host_user *user)
{
    return (struct account){
        .name = user->user, .password = user->password, .binding = mech->binding, .data = channel};
}

static void right(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        for (size_t u = 0; u < USERS; u++) {
            struct account account = account_of(&mechs[i], &users[u]);
            both_ways(&mechs[i], &account, &account, true);
        }
    }
}

static void wrong_password(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        struct account server = account_of(&mechs[i], &users[0]);
        struct account client = server;
        client.password = "Secret";
        both_ways(&mechs[i], &client, &server, false);
    }
}

static void authorization_identity(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        if (mechs[i].authzid) {
            struct account account = account_of(&mechs[i], &users[0]);
            account.authzid = "alice";
            both_ways(&mechs[i], &account, &account, true);
            account.authzid = "";
            both_ways(&mechs[i], &account, &account, true);
        }
    }
}

static void another_channel(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        if (mechs[i].binding != NULL) {
            struct account server = account_of(&mechs[i], &users[0]);
            struct account client = server;
            client.data = other;
            both_ways(&mechs[i], &client, &server, false);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right),
        cmocka_unit_test(wrong_password),
        cmocka_unit_test(authorization_identity),
        cmocka_unit_test(another_channel),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

#else

int main(void)
{
    puts("skipped: libgsasl is missing: apt-get install libgsasl-dev");
    return 77;
}

#endif
