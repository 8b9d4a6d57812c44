/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DIGEST-MD5 against GNU SASL, an implementation that shares nothing with libsasl2: its client with
 * our server plugin, our client plugin with its server; auth and auth-int, the only layer it has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gsasl.h>

#include "base/buf.h"
#include "host.h"
#include "peer.h"

enum { MAX_MESSAGE = 8192, BUFFER = 65536 };

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
    {.user = "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd",
     .realm = HOST_REALM,
     .password = "gr\xc3\xbc\xc3\x9f"},
    {.user = "j\xc3\xbcrgen", .realm = HOST_REALM, .password = "gr\xc3\xbc\xc3\x9f"},
    {.user = "jos\xc3\xa9", .realm = HOST_REALM, .password = "secret"},
    {.user = "zo\xc3\xab", .realm = HOST_REALM, .password = "\xd0\xb8\xd0\xb2"},
};

static struct store_dir store;

/* What both ends agree on, or not. */
struct deal {
    const char *user;
    const char *authzid;
    const char *password; /* of GNU SASL's side */
    const char *qop;      /* "qop-auth", "qop-int" */
    sasl_ssf_t ssf;
    bool their_client_only;
};

static int give(Gsasl *ctx, Gsasl_session *session, Gsasl_property property)
{
    const struct deal *deal = gsasl_session_hook_get(session);
    const char *value = NULL;

    (void)ctx;
    switch (property) {
    case GSASL_AUTHID:
        value = deal->user;
        break;
    case GSASL_AUTHZID:
        value = deal->authzid;
        break;
    case GSASL_PASSWORD:
        value = deal->password;
        break;
    case GSASL_SERVICE:
        value = "smtp";
        break;
    case GSASL_HOSTNAME:
        value = HOST_FQDN;
        break;
    case GSASL_REALM:
        value = HOST_REALM;
        break;
    case GSASL_QOP:
        value = deal->qop;
        break;
    case GSASL_QOPS:
        value = strcmp(deal->qop, "qop-int") == 0 ? "qop-auth, qop-int" : "qop-auth";
        break;
    default:
        break;
    }
    if (value == NULL) {
        return GSASL_NO_CALLBACK;
    }
    return gsasl_property_set(session, property, value);
}

/* One step of GNU SASL; true unless it refuses. */
static bool foreign_step(Gsasl_session *session, struct slice in, struct buf *out, int *ret_code)
{
    char *text = NULL;
    size_t n = 0;

    *ret_code = gsasl_step(session, (const char *)in.p, in.n, &text, &n);
    buf_clear(out);
    if (*ret_code == GSASL_OK || *ret_code == GSASL_NEEDS_MORE) {
        buf_put(out, text, n);
        gsasl_free(text);
        return true;
    }
    return false;
}

static void set_limits(sasl_conn_t *conn)
{
    const sasl_security_properties_t props = {.max_ssf = 256, .maxbufsize = BUFFER};

    assert_int_equal(sasl_setprop(conn, SASL_SEC_PROPS, &props), SASL_OK);
}

static sasl_ssf_t ssf_of(sasl_conn_t *conn)
{
    const void *value = NULL;

    assert_int_equal(sasl_getprop(conn, SASL_SSF, &value), SASL_OK);
    return *(const sasl_ssf_t *)value;
}

/* Text both ways, with and without the layer; then a packet that was changed. */
static void say(sasl_conn_t *ours, Gsasl_session *foreign)
{
    static const char text[] = "MAIL FROM:<alice@lab.test>\r\n";

    for (size_t n = 1; n < sizeof text; n++) {
        const char *out = NULL;
        unsigned out_len = 0;
        char *packet = NULL;
        size_t packet_len = 0;
        assert_int_equal(sasl_encode(ours, text, (unsigned)n, &out, &out_len), SASL_OK);
        assert_int_equal(gsasl_decode(foreign, out, out_len, &packet, &packet_len), GSASL_OK);
        assert_int_equal(packet_len, n);
        assert_memory_equal(packet, text, n);
        gsasl_free(packet);
        assert_int_equal(gsasl_encode(foreign, text, n, &packet, &packet_len), GSASL_OK);
        assert_int_equal(sasl_decode(ours, packet, (unsigned)packet_len, &out, &out_len), SASL_OK);
        assert_int_equal(out_len, n);
        assert_memory_equal(out, text, n);
        gsasl_free(packet);
    }
    if (ssf_of(ours) > 0) {
        const char *out = NULL;
        unsigned out_len = 0;
        char *packet = NULL;
        size_t packet_len = 0;
        assert_int_equal(gsasl_encode(foreign, text, 10, &packet, &packet_len), GSASL_OK);
        packet[5] ^= 1;
        assert_int_not_equal(sasl_decode(ours, packet, (unsigned)packet_len, &out, &out_len),
                             SASL_OK);
        assert_int_equal(out_len, 0);
        gsasl_free(packet);
    }
}

static const struct deal deals[] = {
    {.user = "alice", .password = "secret", .qop = "qop-auth"},
    {.user = "alice", .password = "secret", .qop = "qop-int", .ssf = 1},
    {.user = "alice", .authzid = "alice", .password = "secret", .qop = "qop-int", .ssf = 1},
    {.user = "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd",
     .password = "gr\xc3\xbc\xc3\x9f",
     .qop = "qop-int",
     .ssf = 1},
    /*
     * GNU SASL hashes names as UTF-8 also where they fit ISO-8859-1, and the password then not:
     * accepted of its client. Its server is held to RFC 2831 2.1.2.1 by our client, and refuses it.
     */
    {.user = "j\xc3\xbcrgen",
     .password = "gr\xc3\xbc\xc3\x9f",
     .qop = "qop-auth",
     .their_client_only = true},
    {.user = "j\xc3\xbcrgen",
     .password = "gr\xc3\xbc\xc3\x9f",
     .qop = "qop-int",
     .ssf = 1,
     .their_client_only = true},
    {.user = "jos\xc3\xa9", .password = "secret", .qop = "qop-auth", .their_client_only = true},
    {.user = "zo\xc3\xab",
     .password = "\xd0\xb8\xd0\xb2",
     .qop = "qop-auth",
     .their_client_only = true},
    {.user = "j\xc3\xbcrgen", .password = "wrong", .qop = "qop-auth"},
    {.user = "alice", .password = "wrong", .qop = "qop-auth"},
    {.user = "alice", .password = "wrong", .qop = "qop-int"},
};
enum { DEALS = sizeof deals / sizeof deals[0] };

static bool is_wrong(const struct deal *deal)
{
    return strcmp(deal->password, "wrong") == 0;
}

static Gsasl_session *open_foreign(Gsasl *library, const struct deal *deal, bool server)
{
    union {
        const struct deal *in;
        void *out;
    } hook = {deal};
    Gsasl_session *session = NULL;

    assert_int_equal(server ? gsasl_server_start(library, "DIGEST-MD5", &session)
                            : gsasl_client_start(library, "DIGEST-MD5", &session),
                     GSASL_OK);
    gsasl_session_hook_set(session, hook.out);
    return session;
}

/* Our server, their client. */
static void their_client(Gsasl *library, const struct deal *deal)
{
    Gsasl_session *foreign = open_foreign(library, deal, false);
    sasl_conn_t *ours = host_connect(HOST_REALM, true);
    struct slice said = slice_of(NULL, 0);
    struct buf answer;
    int code = 0;

    buf_init(&answer, MAX_MESSAGE);
    set_limits(ours);
    int our_code = host_step(ours, "DIGEST-MD5", slice_of(NULL, 0), &said);
    assert_int_equal(our_code, SASL_CONTINUE);
    assert_true(foreign_step(foreign, said, &answer, &code));
    if (answer.n == 0) {
        assert_true(foreign_step(foreign, said, &answer, &code));
    }
    our_code = host_step(ours, NULL, buf_slice(&answer), &said);
    if (is_wrong(deal)) {
        assert_int_equal(our_code, SASL_BADAUTH);
    } else {
        assert_int_equal(our_code, SASL_OK);
        assert_true(foreign_step(foreign, said, &answer, &code));
        assert_int_equal(code, GSASL_OK);
        assert_int_equal(ssf_of(ours), deal->ssf);
        say(ours, foreign);
    }
    buf_release(&answer);
    gsasl_finish(foreign);
    sasl_dispose(&ours);
}

/* Our client, their server. */
static void their_server(Gsasl *library, const struct deal *deal)
{
    Gsasl_session *foreign = open_foreign(library, deal, true);
    struct peer peer = {.authname = deal->user, .user = deal->authzid, .password = deal->password};
    const char *mech = NULL;
    struct buf said;
    struct buf answer;
    bool sent = false;
    int code = 0;

    if (is_wrong(deal)) {
        peer.password = "secret"; /* it is the server that knows another one */
    }
    buf_init(&said, MAX_MESSAGE);
    buf_init(&answer, MAX_MESSAGE);
    peer_open(&peer, SASL_SUCCESS_DATA);
    set_limits(peer.conn);
    assert_int_equal(peer_start(&peer, "DIGEST-MD5", &mech, &answer, &sent), SASL_CONTINUE);
    assert_false(sent);
    assert_true(foreign_step(foreign, slice_str(""), &said, &code));
    assert_int_equal(peer_step(&peer, buf_slice(&said), &answer, &sent), SASL_CONTINUE);
    const bool accepted = foreign_step(foreign, buf_slice(&answer), &said, &code);
    assert_int_equal(accepted, !is_wrong(deal));
    if (accepted) {
        assert_int_equal(peer_step(&peer, buf_slice(&said), &answer, &sent), SASL_OK);
        assert_int_equal(ssf_of(peer.conn), deal->ssf);
        say(peer.conn, foreign);
    }
    peer_close(&peer);
    buf_release(&said);
    buf_release(&answer);
    gsasl_finish(foreign);
}

static void both_ways(void **state)
{
    Gsasl *library = NULL;

    (void)state;
    assert_int_equal(gsasl_init(&library), GSASL_OK);
    gsasl_callback_set(library, give);
    for (size_t i = 0; i < DEALS; i++) {
        their_client(library, &deals[i]);
        if (!deals[i].their_client_only) {
            their_server(library, &deals[i]);
        }
    }
    gsasl_done(library);
}

static int set_up(void **state)
{
    (void)state;
    store_dir_make(&store, users, sizeof users / sizeof users[0]);
    host_use_store(&store);
    host_start();
    peer_library_start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sasl_client_done();
    host_stop();
    store_dir_remove(&store);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_ways)};

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
