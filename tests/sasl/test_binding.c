/* SPDX-License-Identifier: BSD-2-Clause */
/* SCRAM with channel binding through the real libsasl2: who offers what, and every downgrade. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host.h"
#include "peer.h"

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
};

static const unsigned char channel[] = "the channel both sides see......";
static const unsigned char other[] = "a channel of somebody in between";

/* What an application gives to sasl_setprop(). */
static sasl_channel_binding_t unique = {"tls-unique", 0, sizeof channel - 1, channel};
static sasl_channel_binding_t unique_critical = {"tls-unique", 1, sizeof channel - 1, channel};
static sasl_channel_binding_t unique_other = {"tls-unique", 0, sizeof other - 1, other};
static sasl_channel_binding_t unique_cut = {"tls-unique", 0, sizeof channel - 2, channel};
static sasl_channel_binding_t unique_empty = {"tls-unique", 0, 0, channel};
static sasl_channel_binding_t exporter = {"tls-exporter", 0, sizeof channel - 1, channel};

#define PLUS_256 "SCRAM-SHA-256-PLUS SCRAM-SHA-256"
#define PLAIN_256 "SCRAM-SHA-256 SCRAM-SHA-1"

static struct store_dir store;

static int setup(void **state)
{
    (void)state;
    store_dir_make(&store, users, 1);
    host_use_store(&store);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_dir_remove(&store);
    return 0;
}

static sasl_conn_t *connect_bound(sasl_channel_binding_t *binding)
{
    sasl_conn_t *server = host_connect(HOST_REALM, false);

    if (binding != NULL) {
        assert_int_equal(sasl_setprop(server, SASL_CHANNEL_BINDING, binding), SASL_OK);
    }
    return server;
}

/* What a client and a server make of each other's bindings, and of the list in between. */
struct pairing {
    const char *comment;
    sasl_channel_binding_t *client;
    sasl_channel_binding_t *server;
    const char *mechs;
    const char *flag; /* the client's gs2 flag as sent; NULL: it does not start */
    int code;         /* of the server, or of the client that does not start */
};

static const struct pairing pairings[] = {
    {"neither has one", NULL, NULL, PLAIN_256, "n,", SASL_OK},
    {"both have one", &unique, &unique, PLUS_256, "p=tls-unique,", SASL_OK},
    {"both have one, the -PLUS name alone", &unique, &unique, "SCRAM-SHA-256-PLUS", "p=tls-unique,",
     SASL_OK},
    {"another hash", &unique, &unique, "SCRAM-SHA-1-PLUS", "p=tls-unique,", SASL_OK},
    {"another type", &exporter, &exporter, "SCRAM-SHA-512-PLUS", "p=tls-exporter,", SASL_OK},
    {"critical on both sides", &unique_critical, &unique_critical, PLUS_256, "p=tls-unique,",
     SASL_OK},
    {"critical for a client without a choice", &unique_critical, &unique, "SCRAM-SHA-256",
     "p=tls-unique,", SASL_OK},
    {"the server alone has one", NULL, &unique, PLUS_256, "n,", SASL_OK},
    {"the client alone has one", &unique, NULL, PLAIN_256, "y,", SASL_OK},
    {"a client with one that was given no choice", &unique, &unique, "SCRAM-SHA-256", "n,",
     SASL_OK},

    {"the list was changed on its way", &unique, &unique, PLAIN_256, "y,", SASL_BADBINDING},
    {"it was changed, and the server insists", &unique, &unique_critical, PLAIN_256, "y,",
     SASL_BADBINDING},
    {"it was changed, and the client insists", &unique_critical, &unique, PLAIN_256, NULL,
     SASL_NOMECH},
    {"the server insists, the client has none", NULL, &unique_critical, PLUS_256, "n,",
     SASL_BADBINDING},
    {"the server insists, the client was given no choice", &unique, &unique_critical,
     "SCRAM-SHA-256", "n,", SASL_BADBINDING},
    {"-PLUS was put in the list", &unique, NULL, PLUS_256, "p=tls-unique,", SASL_BADBINDING},
    {"somebody in between", &unique, &unique_other, PLUS_256, "p=tls-unique,", SASL_BADBINDING},
    {"somebody in between, critical", &unique_critical, &unique_other, PLUS_256, "p=tls-unique,",
     SASL_BADBINDING},
    {"the data a byte short on the server", &unique, &unique_cut, PLUS_256, "p=tls-unique,",
     SASL_BADBINDING},
    {"the data a byte short on the client", &unique_cut, &unique, PLUS_256, "p=tls-unique,",
     SASL_BADBINDING},
    {"no data on the client", &unique_empty, &unique, PLUS_256, NULL, SASL_BADBINDING},
    {"no data on the server", &unique, &unique_empty, PLUS_256, "p=tls-unique,", SASL_BADBINDING},
    {"another type on the server", &unique, &exporter, PLUS_256, "p=tls-unique,", SASL_BADBINDING},
    {"another type on the client", &exporter, &unique, PLUS_256, "p=tls-exporter,",
     SASL_BADBINDING},
};

/* Keeps the start of the client's first message. */
static void see_flag(void *ctx, enum direction from, unsigned number, struct buf *message)
{
    struct buf *seen = ctx;

    if (from == FROM_CLIENT && number == 0) {
        struct slice rest = buf_slice(message);
        struct slice flag;
        assert_true(slice_take_until(&rest, ',', &flag));
        buf_put_slice(seen, flag);
        buf_put_byte(seen, ',');
    }
}

static void run_pairing(const struct pairing *pair)
{
    sasl_conn_t *server = connect_bound(pair->server);
    struct peer p = {.authname = "alice", .password = "secret"};
    struct buf flag;
    struct talk t = {.mechs = pair->mechs, .tamper = see_flag, .tamper_ctx = &flag};

    buf_init(&flag, 64);
    peer_open(&p, 0);
    if (pair->client != NULL) {
        assert_int_equal(sasl_setprop(p.conn, SASL_CHANNEL_BINDING, pair->client), SASL_OK);
    }
    host_log_clear();
    talk_run(&t, server, &p);
    int code = pair->flag == NULL ? t.client_code : t.server_code;
    if (code != pair->code || strcmp(buf_text(&flag), pair->flag != NULL ? pair->flag : "") != 0) {
        fail_msg("%s: %s %s", pair->comment, buf_text(&flag), sasl_errstring(code, NULL, NULL));
    }
    if (code == SASL_OK) {
        assert_int_equal(t.client_code, SASL_OK);
    } else if (pair->flag != NULL) {
        /* The engine refused: before success, so before libsasl2 looks at the binding itself. */
        assert_non_null(strstr(host_log(), "reason=protocol"));
        assert_null(strstr(host_log(), "server had"));
    }
    buf_release(&flag);
    peer_close(&p);
    sasl_dispose(&server);
}

static void every_pairing(void **state)
{
    (void)state;
    host_start();
    peer_library_start();
    for (size_t i = 0; i < sizeof pairings / sizeof pairings[0]; i++) {
        run_pairing(&pairings[i]);
    }
    host_stop();
}

static bool offers(sasl_conn_t *server, const char *what)
{
    const char *list = NULL;

    assert_int_equal(sasl_listmech(server, NULL, "|", "|", "|", &list, NULL, NULL), SASL_OK);
    return strstr(list, what) != NULL;
}

static void what_is_offered(void **state)
{
    static const char *const plus[] = {"|SCRAM-SHA-1-PLUS|", "|SCRAM-SHA-256-PLUS|",
                                       "|SCRAM-SHA-512-PLUS|"};

    (void)state;
    for (int none = 0; none < 2; none++) {
        host_option("lmdb_channel_binding", none != 0 ? "none" : NULL);
        host_start();
        sasl_conn_t *bound = connect_bound(&unique);
        sasl_conn_t *unbound = connect_bound(NULL);
        sasl_conn_t *critical = connect_bound(&unique_critical);
        for (size_t i = 0; i < sizeof plus / sizeof plus[0]; i++) {
            assert_int_equal(offers(bound, plus[i]), none == 0);
            assert_int_equal(offers(critical, plus[i]), none == 0);
            assert_false(offers(unbound, plus[i]));
        }
        assert_true(offers(bound, "|SCRAM-SHA-256|"));
        assert_true(offers(unbound, "|SCRAM-SHA-256|"));
        assert_false(offers(critical, "|SCRAM-SHA-256|"));
        sasl_dispose(&bound);
        sasl_dispose(&unbound);
        sasl_dispose(&critical);
        host_stop();
    }
    host_option("lmdb_channel_binding", NULL);
}

/* Switched off, a binding of the host is as good as none, and a critical one lets nobody in. */
static void switched_off(void **state)
{
    static const struct pairing off[] = {
        {"flag n", NULL, &unique, PLAIN_256, "n,", SASL_OK},
        {"flag y, which is the truth now", &unique, &unique, PLAIN_256, "y,", SASL_OK},
        {"flag p", &unique, &unique, PLUS_256, "p=tls-unique,", SASL_BADBINDING},
    };
    struct peer p = {.authname = "alice", .password = "secret"};
    struct talk t = {.mechs = "SCRAM-SHA-256"};

    (void)state;
    host_option("lmdb_channel_binding", "none");
    host_start();
    peer_library_start();
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
        run_pairing(&off[i]);
    }
    sasl_conn_t *server = connect_bound(&unique_critical);
    peer_open(&p, 0);
    talk_run(&t, server, &p);
    assert_int_not_equal(t.server_code, SASL_OK);
    peer_close(&p);
    sasl_dispose(&server);
    host_stop();
    host_option("lmdb_channel_binding", NULL);
}

/* c= as a client of another make would send it, right and wrong, under both names. */
static void hand_made_messages(void **state)
{
    static const struct {
        const char *mech;
        const char *first;
        int code;
    } cases[] = {
        {"SCRAM-SHA-256-PLUS", "p=tls-unique,,n=alice,r=abc", SASL_CONTINUE},
        {"SCRAM-SHA-256", "p=tls-unique,,n=alice,r=abc", SASL_CONTINUE},
        {"SCRAM-SHA-256", "n,,n=alice,r=abc", SASL_CONTINUE},
        {"SCRAM-SHA-256", "y,,n=alice,r=abc", SASL_BADBINDING},
        {"SCRAM-SHA-256-PLUS", "y,,n=alice,r=abc", SASL_BADBINDING},
        {"SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=alice,r=abc", SASL_BADBINDING},
        {"SCRAM-SHA-256-PLUS", "p=TLS-UNIQUE,,n=alice,r=abc", SASL_BADBINDING},
        {"SCRAM-SHA-256-PLUS", "p=,,n=alice,r=abc", SASL_BADPROT},
        {"SCRAM-SHA-256-PLUS", "p,,n=alice,r=abc", SASL_BADPROT},
        {"SCRAM-SHA-256-PLUS", "p=tls-unique", SASL_BADPROT},
    };

    (void)state;
    host_start();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sasl_conn_t *server = connect_bound(&unique);
        struct slice out;
        assert_int_equal(host_step(server, cases[i].mech, slice_str(cases[i].first), &out),
                         cases[i].code);
        sasl_dispose(&server);
    }
    host_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pairing),
        cmocka_unit_test(what_is_offered),
        cmocka_unit_test(switched_off),
        cmocka_unit_test(hand_made_messages),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
