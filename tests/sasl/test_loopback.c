/* SPDX-License-Identifier: BSD-2-Clause */
/* Client half to server half through the real libsasl2, in one process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/verifier.h"
#include "host.h"
#include "peer.h"

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
    {.user = "a,b=c", .realm = HOST_REALM, .password = "p,q=r"},
    {.user = "j\xc3\xbcrgen", .realm = HOST_REALM, .password = "gr\xc3\xbc\xc3\x9f"},
};

/* Those without a test program of their own. */
static const char *const mechs[] = {"PLAIN",       "LOGIN",         "CRAM-MD5",
                                    "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};
enum { MECHS = sizeof mechs / sizeof mechs[0] };

static struct store_dir store;

static bool is_scram(const char *mech)
{
    return strncmp(mech, "SCRAM", 5) == 0;
}

static int setup(void **state)
{
    (void)state;
    store_dir_make(&store, users, sizeof users / sizeof users[0]);
    host_use_store(&store);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_dir_remove(&store);
    return 0;
}

static void libraries_start(void)
{
    host_start();
    peer_library_start();
}

static void run_once(struct talk *t, struct peer *p, unsigned flags)
{
    sasl_conn_t *server = host_connect(HOST_REALM, (flags & SASL_SUCCESS_DATA) != 0);

    p->prompts = p->calls = 0;
    peer_open(p, flags);
    talk_run(t, server, p);
    peer_close(p);
    sasl_dispose(&server);
}

static void assert_both_ok(const struct talk *t)
{
    assert_string_equal(sasl_errstring(t->client_code, NULL, NULL), "successful result");
    assert_string_equal(sasl_errstring(t->server_code, NULL, NULL), "successful result");
}

/* Each mechanism, with answers from callbacks and from prompts, on protocols of every kind. */
static void every_mechanism(void **state)
{
    (void)state;
    libraries_start();
    for (size_t i = 0; i < MECHS; i++) {
        for (unsigned kind = 0; kind < 8; kind++) {
            struct peer p = {
                .authname = "alice", .password = "secret", .by_prompt = (kind & 1) != 0};
            struct talk t = {.mechs = mechs[i], .no_initial_response = (kind & 4) != 0};
            run_once(&t, &p, (kind & 2) != 0 ? SASL_SUCCESS_DATA : 0);
            assert_both_ok(&t);
            assert_string_equal(t.chosen, mechs[i]);
            assert_int_equal(p.prompts, p.by_prompt ? 1 : 0);
            assert_true(p.by_prompt ? p.calls == 0 : p.calls >= 2);
        }
    }
    host_stop();
}

static void wrong_passwords(void **state)
{
    (void)state;
    libraries_start();
    for (size_t i = 0; i < MECHS; i++) {
        struct peer p = {.authname = "alice", .password = "Secret"};
        struct talk t = {.mechs = mechs[i]};
        run_once(&t, &p, SASL_SUCCESS_DATA);
        assert_int_equal(t.server_code, SASL_BADAUTH);
        assert_true(!is_scram(mechs[i]) || t.client_code == SASL_CONTINUE);
    }
    host_stop();
}

/* The forms a person may type a name and a password in; the server knows the composed one. */
static void names_beyond_ascii(void **state)
{
    static const struct {
        const char *name;
        const char *password;
        bool raw_ok; /* what LOGIN and CRAM-MD5 make of it, which prepare nothing on this side */
        bool cram_ok;
    } cases[] = {
        {"j\xc3\xbcrgen", "gr\xc3\xbc\xc3\x9f", true, true},
        /* decomposed */
        {"ju\xcc\x88rgen", "gru\xcc\x88\xc3\x9f", true, false},
        {"a,b=c", "p,q=r", true, true},
    };

    (void)state;
    libraries_start();
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        for (size_t i = 0; i < MECHS; i++) {
            struct peer p = {.authname = cases[c].name, .password = cases[c].password};
            struct talk t = {.mechs = mechs[i]};
            run_once(&t, &p, 0);
            bool ok = strcmp(mechs[i], "CRAM-MD5") == 0 ? cases[c].cram_ok : cases[c].raw_ok;
            assert_int_equal(t.server_code, ok ? SASL_OK : SASL_BADAUTH);
        }
    }
    host_stop();
}

/* What SASLprep forbids never leaves the client, and he is told why. */
static void forbidden_input(void **state)
{
    static const struct peer peers[] = {
        {.authname = "ali\xff", .password = "secret"},
        {.authname = "ali\x07", .password = "secret"},
        {.authname = "alice", .password = "sec\x07ret"},
        {.authname = "alice", .password = ""},
        {.authname = "alice", .password = "\xc2\xad"}, /* nothing is left of it */
        {.authname = "alice", .user = "bo\x07", .password = "secret"},
        {.authname = "", .password = "secret"},
        {.authname = NULL, .password = "secret"},
        {.authname = "alice", .password = NULL},
    };

    (void)state;
    libraries_start();
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        static const char *const preparing[] = {"PLAIN", "SCRAM-SHA-256"};
        for (size_t m = 0; m < 2; m++) {
            struct peer p = peers[i];
            struct talk t = {.mechs = preparing[m]};
            run_once(&t, &p, 0);
            if (t.client_code == SASL_OK) {
                fail_msg("case %zu, %s: sent", i, preparing[m]);
            }
            assert_int_not_equal(t.server_code, SASL_OK);
            /* PLAIN says everything at once; SCRAM's password comes second. */
            assert_true(t.messages[FROM_CLIENT] <= (m == 0 ? 0 : 1));
        }
    }
    host_stop();
}

static void authorization_identities(void **state)
{
    static const struct {
        const char *user;
        bool ok;
    } cases[] = {{NULL, true}, {"", true}, {"alice", true}, {"bob", false}, {"ALICE", false}};

    (void)state;
    libraries_start();
    for (size_t i = 0; i < MECHS; i++) {
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            struct peer p = {.authname = "alice", .user = cases[c].user, .password = "secret"};
            struct talk t = {.mechs = mechs[i]};
            run_once(&t, &p, 0);
            /* LOGIN and CRAM-MD5 have no place for one, and do not ask. */
            bool ok =
                cases[c].ok || strcmp(mechs[i], "LOGIN") == 0 || strcmp(mechs[i], "CRAM-MD5") == 0;
            assert_true((t.server_code == SASL_OK) == ok);
        }
    }
    struct peer p = {.authname = "alice", .password = "secret", .no_user_cb = true};
    struct talk t = {.mechs = "PLAIN"};
    run_once(&t, &p, 0);
    assert_both_ok(&t);
    host_stop();
}

/* One change to one message. `applied` tells whether there was anything to change. */
struct change {
    enum direction from;
    unsigned number;
    size_t at;
    bool cut; /* everything from there on, instead of one bit */
    bool applied;
};

static void apply_change(void *ctx, enum direction from, unsigned number, struct buf *message)
{
    struct change *change = ctx;

    if (from != change->from || number != change->number || change->at >= message->n) {
        return;
    }
    change->applied = true;
    if (change->cut) {
        buf_truncate(message, change->at);
    } else {
        message->p[change->at] ^= 1;
    }
}

/* One exchange with the change made. False if both sides took it for a success all the same. */
static bool noticed(const char *mech, struct change *change)
{
    struct peer p = {.authname = "alice", .password = "secret"};
    struct talk t = {.mechs = mech, .tamper = apply_change, .tamper_ctx = change};

    change->applied = false;
    run_once(&t, &p, 0);
    return t.client_code != SASL_OK || t.server_code != SASL_OK;
}

/* Every byte of one message, changed, and everything from it on cut off. */
static unsigned tamper_with(const char *mech, enum direction from, unsigned number)
{
    /* What a server of LOGIN asks means nothing, and is not looked at. */
    const bool matters = from == FROM_CLIENT || strcmp(mech, "LOGIN") != 0;
    struct change change = {.from = from, .number = number, .applied = true};
    unsigned n = 0;

    for (change.at = 0; change.applied; change.at++) {
        for (int cut = 0; cut < 2; cut++) {
            change.cut = cut != 0;
            const bool seen = noticed(mech, &change);
            if (change.applied && matters && !seen) {
                fail_msg("%s: message %u from the %s, byte %zu: %s, and nobody noticed", mech,
                         number, from == FROM_CLIENT ? "client" : "server", change.at,
                         cut != 0 ? "cut" : "changed");
            }
            n += change.applied;
        }
    }
    return n;
}

static void tampered_messages(void **state)
{
    unsigned n = 0;

    (void)state;
    libraries_start();
    for (size_t i = 0; i < MECHS; i++) {
        struct peer p = {.authname = "alice", .password = "secret"};
        struct talk t = {.mechs = mechs[i]};
        run_once(&t, &p, 0);
        assert_both_ok(&t);
        for (unsigned k = 0; k < t.messages[FROM_CLIENT]; k++) {
            n += tamper_with(mechs[i], FROM_CLIENT, k);
        }
        for (unsigned k = 0; k < t.messages[FROM_SERVER]; k++) {
            n += tamper_with(mechs[i], FROM_SERVER, k);
        }
    }
    print_message("%u damaged exchanges\n", n);
    assert_true(n > 1000);
    host_stop();
}

/* A server that knows everything but the password: whatever it signs with is refused. */
static void forge_signature(void *ctx, enum direction from, unsigned number, struct buf *message)
{
    const char *forged = ctx;

    if (from == FROM_SERVER && number == 1) {
        buf_clear(message);
        buf_put_str(message, forged);
    }
}

static void server_without_the_password(void **state)
{
    static const struct {
        const char *final;
        int code;
    } cases[] = {
        {"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", SASL_BADSERV},
        {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", SASL_BADSERV},
        {"v=AAAA", SASL_BADPROT},
        {"v=", SASL_BADPROT},
        {"", SASL_BADPROT},
        {"e=invalid-proof", SASL_BADAUTH},
        {"e=unknown-user", SASL_BADAUTH},
        {"e=something-new", SASL_BADAUTH},
        {"e=channel-bindings-dont-match", SASL_BADBINDING},
        {"e=no-resources", SASL_UNAVAIL},
        {"e=", SASL_BADPROT},
    };

    (void)state;
    libraries_start();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char forged[128];
        struct peer p = {.authname = "alice", .password = "secret"};
        struct talk t = {.mechs = "SCRAM-SHA-256", .tamper = forge_signature, .tamper_ctx = forged};
        (void)snprintf(forged, sizeof forged, "%s", cases[i].final);
        run_once(&t, &p, 0);
        assert_int_equal(t.client_code, cases[i].code);
    }
    host_stop();
}

static void iteration_limits(void **state)
{
    static const struct {
        const char *min;
        const char *max;
        int code;
    } cases[] = {
        {NULL, NULL, SASL_OK},
        {"4096", "4096", SASL_OK},
        {"4097", NULL, SASL_BADSERV},
        {NULL, "4095", SASL_BADSERV},
        {"1", NULL, SASL_OK},
        {NULL, "2000000000", SASL_OK},
        /* what is no count is passed over */
        {"4097x", NULL, SASL_OK},
        {NULL, "-1", SASL_OK},
        {NULL, "0", SASL_OK},
        {NULL, "99999999999999999999", SASL_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer p = {.authname = "alice", .password = "secret"};
        struct talk t = {.mechs = "SCRAM-SHA-256"};
        host_option("scram_min_iterations", cases[i].min);
        host_option("scram_max_iterations", cases[i].max);
        libraries_start();
        run_once(&t, &p, 0);
        assert_int_equal(t.client_code, cases[i].code);
        host_stop();
    }
    host_option("scram_min_iterations", NULL);
    host_option("scram_max_iterations", NULL);
}

/* Nothing is left to say after the end, and no way back after a failure. */
static void steps_too_many(void **state)
{
    (void)state;
    libraries_start();
    for (size_t i = 0; i < MECHS; i++) {
        struct peer p = {.authname = "alice", .password = "secret"};
        struct talk t = {.mechs = mechs[i]};
        sasl_conn_t *server = host_connect(HOST_REALM, false);
        struct buf out;
        bool sent;
        buf_init(&out, 65536);
        peer_open(&p, 0);
        talk_run(&t, server, &p);
        assert_both_ok(&t);
        assert_int_not_equal(peer_step(&p, slice_str("x"), &out, &sent), SASL_OK);
        assert_false(sent);
        peer_close(&p);
        sasl_dispose(&server);
        buf_release(&out);
    }
    struct peer p = {.authname = "alice", .password = "secret"};
    const char *mech = NULL;
    struct buf out;
    bool sent;
    buf_init(&out, 65536);
    peer_open(&p, 0);
    assert_int_equal(peer_start(&p, "SCRAM-SHA-256", &mech, &out, &sent), SASL_CONTINUE);
    assert_int_equal(peer_step(&p, slice_str("r=x,s=AAAA,i=4096"), &out, &sent), SASL_BADPROT);
    assert_int_equal(peer_step(&p, slice_str("r=x,s=AAAA,i=4096"), &out, &sent), SASL_BADPROT);
    peer_close(&p);
    buf_release(&out);
    host_stop();
}

/* An application that wants a layer gets none from these; one that has TLS below needs none. */
static void strength_factors(void **state)
{
    sasl_security_properties_t props = {.min_ssf = 56, .max_ssf = 256, .maxbufsize = 65536};
    const char *mech = NULL;
    struct buf out;
    bool sent;

    (void)state;
    libraries_start();
    buf_init(&out, 65536);
    for (size_t i = 0; i < MECHS; i++) {
        for (int tls = 0; tls < 2; tls++) {
            struct peer p = {.authname = "alice", .password = "secret"};
            sasl_ssf_t external = 256;
            peer_open(&p, 0);
            assert_int_equal(sasl_setprop(p.conn, SASL_SEC_PROPS, &props), SASL_OK);
            if (tls != 0) {
                assert_int_equal(sasl_setprop(p.conn, SASL_SSF_EXTERNAL, &external), SASL_OK);
            }
            int code = peer_start(&p, mechs[i], &mech, &out, &sent);
            assert_true(tls != 0 ? code == SASL_OK || code == SASL_CONTINUE : code == SASL_NOMECH);
            peer_close(&p);
        }
    }
    buf_release(&out);
    host_stop();
}

/* A server that offers two realms, or none: what ours offers is changed on its way. */
static void change_realms(void *ctx, enum direction from, unsigned number, struct buf *message)
{
    static const char one[] = "realm=\"" HOST_REALM "\",";
    const char *instead = ctx;
    struct slice rest = buf_slice(message);
    struct buf changed;

    if (from != FROM_SERVER || number != 0) {
        return;
    }
    buf_init(&changed, 8192);
    assert_true(slice_take_literal(&rest, one));
    buf_put_str(&changed, instead);
    buf_put_slice(&changed, rest);
    buf_clear(message);
    buf_put_slice(message, buf_slice(&changed));
    buf_release(&changed);
}

#define TWO_REALMS "realm=\"" HOST_REALM "\",realm=\"other.test\","

static void realms_to_choose_from(void **state)
{
    static const struct {
        const char *offered;
        const char *realm; /* NULL: the application cannot be asked */
        bool by_prompt;
        const char *seen;
        bool ok;
    } cases[] = {
        {TWO_REALMS, NULL, false, "", true}, /* the first one */
        {TWO_REALMS, HOST_REALM, false, HOST_REALM "|other.test|", true},
        {TWO_REALMS, "other.test", false, HOST_REALM "|other.test|", false},
        {TWO_REALMS, HOST_REALM, true, "{" HOST_REALM "} {other.test}", true},
        {TWO_REALMS, "other.test", true, "{" HOST_REALM "} {other.test}", false},
        {"", HOST_REALM, false, "", true},
        {"", HOST_REALM, true, "{" HOST_FQDN "}", true},
    };

    (void)state;
    libraries_start();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char offered[64];
        struct peer p = {.authname = "alice",
                         .password = "secret",
                         .realm = cases[i].realm,
                         .by_prompt = cases[i].by_prompt};
        struct talk t = {.mechs = "DIGEST-MD5", .tamper = change_realms, .tamper_ctx = offered};
        (void)snprintf(offered, sizeof offered, "%s", cases[i].offered);
        run_once(&t, &p, 0);
        if ((t.client_code == SASL_OK && t.server_code == SASL_OK) != cases[i].ok) {
            fail_msg("case %zu: client %s, server %s", i, sasl_errstring(t.client_code, NULL, NULL),
                     sasl_errstring(t.server_code, NULL, NULL));
        }
        assert_string_equal(p.seen_realms, cases[i].seen);
        assert_int_equal(p.prompts, cases[i].by_prompt ? 2 : 0);
    }
    host_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mechanism),
        cmocka_unit_test(wrong_passwords),
        cmocka_unit_test(names_beyond_ascii),
        cmocka_unit_test(forbidden_input),
        cmocka_unit_test(authorization_identities),
        cmocka_unit_test(tampered_messages),
        cmocka_unit_test(server_without_the_password),
        cmocka_unit_test(iteration_limits),
        cmocka_unit_test(steps_too_many),
        cmocka_unit_test(strength_factors),
        cmocka_unit_test(realms_to_choose_from),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
