/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DIGEST-MD5's security layers through the real libsasl2: our halves against those of the
 * distribution, both ways round and both layers. A half is a directory of plugins: ours, or one
 * with the distribution's mechanism beside our store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "host.h"

#define STOCK_DIGEST STOCK_PLUGIN_DIR "/libdigestmd5.so"

enum { BUFFER = 65536, SKIPPED = 77 };

/* The stock halves load OpenSSL's legacy provider anew for every connection and never let it go. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libcrypto\n";
}

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
    {.user = "\"q\\", .realm = HOST_REALM, .password = "p\"w\\"},
    {.user = "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd",
     .realm = HOST_REALM,
     .password = "\xd0\xbf\xd1\x8c"},
    {.user = "j\xc3\xbcrgen", .realm = HOST_REALM, .password = "gr\xc3\xbc\xc3\x9f"},
};

static struct store_dir store;
static char stock_dir[64];
static const char *server_path;
static const char *client_path;
static const char *layers_option; /* lmdb_digest_layers */

static int get_path(void *context, const char **path)
{
    const char *const *which = context;

    *path = *which;
    return SASL_OK;
}

static int get_option(void *context, const char *plugin, const char *option, const char **result,
                      unsigned *len)
{
    const struct {
        const char *name;
        const char *value;
    } options[] = {
        {"auxprop_plugin", "lmdb"},
        {"lmdb_path", store.path},
        {"lmdb_keyfile", store.key_path},
        {"mech_list", "DIGEST-MD5"},
        {"lmdb_digest_layers", layers_option},
        {"client_mech_list", "DIGEST-MD5"},
    };

    (void)context;
    (void)plugin;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(options[i].name, option) == 0 && options[i].value != NULL) {
            *result = options[i].value;
            if (len != NULL) {
                *len = (unsigned)strlen(*result);
            }
            return SASL_OK;
        }
    }
    return SASL_FAIL;
}

static const char *user_name;
static const char *user_password;

static int get_simple(void *context, int id, const char **result, unsigned *len)
{
    (void)context;
    *result = id == SASL_CB_PASS ? user_password : user_name;
    if (len != NULL) {
        *len = (unsigned)strlen(*result);
    }
    return SASL_OK;
}

static int get_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **ret)
{
    static union {
        sasl_secret_t secret;
        char room[sizeof(sasl_secret_t) + 64];
    } kept;

    (void)conn;
    (void)context;
    (void)id;
    kept.secret.len = strlen(user_password);
    assert_true(kept.secret.len < 64);
    memcpy(kept.room + offsetof(sasl_secret_t, data), user_password, kept.secret.len + 1);
    *ret = &kept.secret;
    return SASL_OK;
}

static int get_realm(void *context, int id, const char **offered, const char **result)
{
    (void)context;
    (void)id;
    *result = offered != NULL && offered[0] != NULL ? offered[0] : HOST_REALM;
    return SASL_OK;
}

static int keep_quiet(void *context, int level, const char *message)
{
    (void)context;
    if (getenv("SASL_LMDB_TEST_VERBOSE") != NULL) {
        fprintf(stderr, "%d: %s\n", level, message);
    }
    return SASL_OK;
}

#define CALLBACK(function) ((sasl_callback_ft)(void (*)(void))(function))

static const sasl_callback_t server_callbacks[] = {
    {SASL_CB_GETOPT, CALLBACK(get_option), NULL},
    {SASL_CB_GETPATH, CALLBACK(get_path), &server_path},
    {SASL_CB_LOG, CALLBACK(keep_quiet), NULL},
    {SASL_CB_LIST_END, NULL, NULL},
};

static const sasl_callback_t client_callbacks[] = {
    {SASL_CB_GETOPT, CALLBACK(get_option), NULL},
    {SASL_CB_GETPATH, CALLBACK(get_path), &client_path},
    {SASL_CB_LOG, CALLBACK(keep_quiet), NULL},
    {SASL_CB_USER, CALLBACK(get_simple), NULL},
    {SASL_CB_AUTHNAME, CALLBACK(get_simple), NULL},
    {SASL_CB_PASS, CALLBACK(get_secret), NULL},
    {SASL_CB_GETREALM, CALLBACK(get_realm), NULL},
    {SASL_CB_LIST_END, NULL, NULL},
};

/* Both ends of one connection. */
struct pair {
    sasl_conn_t *server;
    sasl_conn_t *client;
};

struct setting {
    sasl_ssf_t min;
    sasl_ssf_t max;
    sasl_ssf_t external;
    unsigned buffer;
};

static void set_properties(sasl_conn_t *conn, const struct setting *setting)
{
    const sasl_security_properties_t props = {
        .min_ssf = setting->min, .max_ssf = setting->max, .maxbufsize = setting->buffer};

    assert_int_equal(sasl_setprop(conn, SASL_SEC_PROPS, &props), SASL_OK);
    assert_int_equal(sasl_setprop(conn, SASL_SSF_EXTERNAL, &setting->external), SASL_OK);
}

/* The whole exchange. Returns the first code that was neither OK nor CONTINUE, else SASL_OK. */
static int talk(struct pair *p, const struct setting *server, const struct setting *client)
{
    const char *out = NULL;
    const char *in = NULL;
    const char *mech = NULL;
    unsigned out_len = 0;
    unsigned in_len = 0;

    assert_int_equal(sasl_server_new("imap", HOST_FQDN, HOST_REALM, NULL, NULL, NULL,
                                     SASL_SUCCESS_DATA, &p->server),
                     SASL_OK);
    assert_int_equal(
        sasl_client_new("imap", HOST_FQDN, NULL, NULL, NULL, SASL_SUCCESS_DATA, &p->client),
        SASL_OK);
    set_properties(p->server, server);
    set_properties(p->client, client);
    int code = sasl_client_start(p->client, "DIGEST-MD5", NULL, &out, &out_len, &mech);
    if (code != SASL_CONTINUE) {
        return code;
    }
    code = sasl_server_start(p->server, mech, out, out_len, &in, &in_len);
    while (code == SASL_CONTINUE) {
        code = sasl_client_step(p->client, in, in_len, NULL, &out, &out_len);
        if (code == SASL_CONTINUE) {
            code = sasl_server_step(p->server, out, out_len, &in, &in_len);
        }
        if (code == SASL_OK) {
            code = sasl_client_step(p->client, in, in_len, NULL, &out, &out_len);
            return code;
        }
    }
    return code;
}

static void hang_up(struct pair *p)
{
    sasl_dispose(&p->server);
    sasl_dispose(&p->client);
}

static sasl_ssf_t ssf_of(sasl_conn_t *conn)
{
    const void *value = NULL;

    assert_int_equal(sasl_getprop(conn, SASL_SSF, &value), SASL_OK);
    return *(const sasl_ssf_t *)value;
}

static void start(const char *server, const char *client, const char *layers)
{
    server_path = server;
    client_path = client;
    layers_option = layers;
    user_name = "alice";
    user_password = "secret";
    assert_int_equal(sasl_server_init(server_callbacks, "sasl-lmdb-test"), SASL_OK);
    assert_int_equal(sasl_client_init(client_callbacks), SASL_OK);
}

static void stop(void)
{
    sasl_client_done();
    sasl_server_done();
}

/* What one side says, as the other receives it in pieces of this size. */
static void say(sasl_conn_t *from, sasl_conn_t *to, struct slice message, unsigned piece)
{
    const char *packets = NULL;
    unsigned n = 0;
    struct buf heard;

    buf_init(&heard, INT32_MAX);
    assert_int_equal(sasl_encode(from, (const char *)message.p, (unsigned)message.n, &packets, &n),
                     SASL_OK);
    for (unsigned at = 0; at < n; at += piece) {
        const char *out = NULL;
        unsigned out_len = 0;
        assert_int_equal(
            sasl_decode(to, packets + at, n - at < piece ? n - at : piece, &out, &out_len),
            SASL_OK);
        buf_put(&heard, out == NULL ? "" : out, out_len);
    }
    assert_int_equal(heard.n, message.n);
    assert_memory_equal(heard.p, message.p, message.n);
    buf_release(&heard);
}

static void say_both_ways(const struct pair *p)
{
    static const size_t sizes[] = {1, 2, 15, 16, 17, 1000, 65000, 65516, 65536, 200000};
    static const unsigned pieces[] = {1000000, 4096, 7, 1};
    uint8_t *text = malloc(200000);

    assert_non_null(text);
    assert_int_equal(crypto_random(text, 200000), AUTH_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct slice message = slice_of(text, sizes[i]);
        for (size_t j = 0; j < sizeof pieces / sizeof pieces[0]; j++) {
            say(p->client, p->server, message, pieces[j]);
            say(p->server, p->client, message, pieces[j]);
        }
    }
    for (size_t i = 0; i < 300; i++) {
        say(p->client, p->server, slice_of(text + i, i + 1), 100);
        say(p->server, p->client, slice_of(text + 2 * i, 300 - i), 100);
    }
    free(text);
}

/* Several parts at once, more than fit into anybody's small array. */
static void say_in_parts(const struct pair *p)
{
    enum { PARTS = 40 };
    static char word[] = "sixteen octets..";
    struct iovec parts[PARTS];
    const char *packets = NULL;
    const char *out = NULL;
    unsigned n = 0;
    unsigned out_len = 0;

    for (size_t count = 1; count <= PARTS; count++) {
        parts[count - 1] = (struct iovec){word, 16};
        assert_int_equal(sasl_encodev(p->client, parts, (unsigned)count, &packets, &n), SASL_OK);
        assert_int_equal(sasl_decode(p->server, packets, n, &out, &out_len), SASL_OK);
        assert_int_equal(out_len, 16 * count);
        for (size_t i = 0; i < count; i++) {
            assert_memory_equal(out + 16 * i, word, 16);
        }
    }
}

/*
 * A packet with one bit changed, and then the good one again and again: not one byte may come out
 * of it, and sooner or later it is refused (a length that has grown waits for more first).
 */
static void refuse_changed(sasl_conn_t *from, sasl_conn_t *to, size_t at)
{
    enum { TRIES = 200 };
    const char *packets = NULL;
    const char *out = NULL;
    unsigned n = 0;
    unsigned out_len = 0;
    int refused = 0;
    struct buf changed;

    assert_int_equal(sasl_encode(from, "transfer 10", 11, &packets, &n), SASL_OK);
    buf_init(&changed, BUFFER);
    buf_put(&changed, packets, n);
    changed.p[at % n] ^= 0x10;
    for (int i = 0; i < TRIES; i++) {
        const char *next = i == 0 ? (const char *)changed.p : packets;
        const bool ok = sasl_decode(to, next, n, &out, &out_len) == SASL_OK;
        assert_int_equal(out_len, 0);
        assert_true(!ok || refused == 0);
        refused += !ok;
    }
    assert_true(refused > 0);
    buf_release(&changed);
}

/* The same packet twice; then the second of two without the first. */
static void refuse_replayed(sasl_conn_t *from, sasl_conn_t *to, bool skip)
{
    const char *packets = NULL;
    const char *out = NULL;
    unsigned n = 0;
    unsigned out_len = 0;

    assert_int_equal(sasl_encode(from, "transfer 10", 11, &packets, &n), SASL_OK);
    if (skip) {
        assert_int_equal(sasl_encode(from, "transfer 20", 11, &packets, &n), SASL_OK);
    } else {
        assert_int_equal(sasl_decode(to, packets, n, &out, &out_len), SASL_OK);
        assert_int_equal(out_len, 11);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_not_equal(sasl_decode(to, packets, n, &out, &out_len), SASL_OK);
        assert_int_equal(out_len, 0);
    }
}

static const struct setting any = {.max = 256, .buffer = BUFFER};

static void open_pair(struct pair *p, sasl_ssf_t expected)
{
    assert_int_equal(talk(p, &any, &any), SASL_OK);
    assert_int_equal(ssf_of(p->server), expected);
    assert_int_equal(ssf_of(p->client), expected);
}

/* Everything a layer has to stand, between two halves. ours: the side that must refuse. */
static void run_layer(const char *server, const char *client, const char *layers,
                      sasl_ssf_t expected)
{
    const bool ours_is_server = strcmp(server, PLUGIN_DIR) == 0;
    struct pair p;

    start(server, client, layers);
    open_pair(&p, expected);
    say_both_ways(&p);
    say_in_parts(&p);
    hang_up(&p);
    for (size_t at = 0; at < 4 + 11 + 16; at++) {
        open_pair(&p, expected);
        refuse_changed(ours_is_server ? p.client : p.server, ours_is_server ? p.server : p.client,
                       at);
        hang_up(&p);
    }
    for (int skip = 0; skip < 2; skip++) {
        open_pair(&p, expected);
        refuse_replayed(ours_is_server ? p.client : p.server, ours_is_server ? p.server : p.client,
                        skip != 0);
        hang_up(&p);
    }
    stop();
}

static void need_stock(void)
{
    if (access(STOCK_DIGEST, R_OK) != 0) {
        print_message("skipped: no %s\n", STOCK_DIGEST);
        skip();
    }
}

static void integrity_with_the_stock_client(void **state)
{
    (void)state;
    need_stock();
    run_layer(PLUGIN_DIR, stock_dir, NULL, 1);
}

static void rc4_with_the_stock_client(void **state)
{
    (void)state;
    need_stock();
    run_layer(PLUGIN_DIR, stock_dir, "conf", 128);
}

static void integrity_with_the_stock_server(void **state)
{
    (void)state;
    need_stock();
    /* The stock server would offer rc4 too. */
    run_layer(stock_dir, PLUGIN_DIR, NULL, 1);
}

static void rc4_with_the_stock_server(void **state)
{
    (void)state;
    need_stock();
    run_layer(stock_dir, PLUGIN_DIR, "conf", 128);
}

static void both_ours(void **state)
{
    (void)state;
    run_layer(PLUGIN_DIR, PLUGIN_DIR, NULL, 1);
    run_layer(PLUGIN_DIR, PLUGIN_DIR, "conf", 128);
}

/* Names and passwords in every pairing of halves. What the stock halves cannot do is said so. */
static void names(void **state)
{
    static const struct {
        const char *user;
        const char *password;
        bool from_stock; /* the stock client gets in */
        bool to_stock;   /* our client gets into the stock server */
    } rows[] = {
        {"alice", "secret", true, true},
        {"alice", "Secret", false, false},
        {"alice@" HOST_REALM, "secret", true, false}, /* our store gives it one digest only */
        {"nobody", "secret", false, false},
        {"\"q\\", "p\"w\\", true, true},
        {"\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd", "\xd0\xbf\xd1\x8c", true, true},
        {"j\xc3\xbcrgen", "gr\xc3\xbc\xc3\x9f", true, false}, /* the same: that of UTF-8 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int pairing = 0; pairing < 3; pairing++) {
            const bool stock = pairing < 2;
            struct pair p;
            if (stock && access(STOCK_DIGEST, R_OK) != 0) {
                continue;
            }
            start(pairing == 1 ? stock_dir : PLUGIN_DIR, pairing == 0 ? stock_dir : PLUGIN_DIR,
                  NULL);
            user_name = rows[i].user;
            user_password = rows[i].password;
            const bool expected = pairing == 0   ? rows[i].from_stock
                                  : pairing == 1 ? rows[i].to_stock
                                                 : rows[i].from_stock || rows[i].to_stock;
            const int code = talk(&p, &any, &any);
            if ((code == SASL_OK) != expected) {
                fail_msg("row %zu, pairing %d: code %d", i, pairing, code);
            }
            hang_up(&p);
            stop();
        }
    }
}

/* What is agreed on, from the limits of both sides. */
static void limits(void **state)
{
    static const struct {
        const char *layers;
        struct setting server;
        struct setting client;
        int code;
        sasl_ssf_t ssf;
    } rows[] = {
        {"none", {0, 256, 0, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 0},
        {"int", {0, 256, 0, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 1},
        {"nonsense", {0, 256, 0, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 1},
        {"conf", {0, 256, 0, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 128},
        {"conf", {0, 127, 0, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 1},
        {"conf", {0, 256, 0, BUFFER}, {0, 1, 0, BUFFER}, SASL_OK, 1},
        {"conf", {0, 0, 0, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 0},
        {"conf", {0, 256, 0, BUFFER}, {0, 0, 0, BUFFER}, SASL_OK, 0},
        {"conf", {0, 256, 0, 0}, {0, 256, 0, BUFFER}, SASL_OK, 0},
        {"conf", {0, 256, 0, BUFFER}, {0, 256, 0, 0}, SASL_OK, 0},
        {"conf", {128, 256, 0, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 128},
        {"int", {1, 256, 0, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 1},
        {"int", {128, 256, 0, BUFFER}, {0, 256, 0, BUFFER}, SASL_TOOWEAK, 0},
        /* TLS below counts on both sides of the limits. */
        {"conf", {128, 256, 256, BUFFER}, {0, 256, 256, BUFFER}, SASL_OK, 0},
        {"conf", {0, 256, 128, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 128},
        {"conf", {0, 256, 129, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 1},
        {"int", {56, 256, 55, BUFFER}, {0, 256, 0, BUFFER}, SASL_OK, 1},
        {"int", {56, 256, 56, BUFFER}, {0, 0, 0, BUFFER}, SASL_OK, 0},
        {"none", {1, 256, 0, BUFFER}, {0, 256, 0, BUFFER}, SASL_TOOWEAK, 0},
        /* The client insists on what is not offered. */
        {"int", {0, 256, 0, BUFFER}, {128, 256, 0, BUFFER}, SASL_TOOWEAK, 0},
        {"none", {0, 256, 0, BUFFER}, {1, 256, 0, BUFFER}, SASL_TOOWEAK, 0},
    };

    (void)state;
    need_stock();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pair p;
        start(PLUGIN_DIR, stock_dir, rows[i].layers);
        const int code = talk(&p, &rows[i].server, &rows[i].client);
        if (code != rows[i].code || (code == SASL_OK && ssf_of(p.server) != rows[i].ssf)) {
            fail_msg("row %zu: code %d, ssf %u", i, code, ssf_of(p.server));
        }
        hang_up(&p);
        stop();
    }
}

static int set_up(void **state)
{
    char link_name[96];

    (void)state;
    store_dir_make(&store, users, sizeof users / sizeof users[0]);
    snprintf(stock_dir, sizeof stock_dir, "/tmp/sasl-lmdb-stock-XXXXXX");
    assert_non_null(mkdtemp(stock_dir));
    snprintf(link_name, sizeof link_name, "%s/libdigestmd5.so", stock_dir);
    assert_int_equal(symlink(STOCK_DIGEST, link_name), 0);
    snprintf(link_name, sizeof link_name, "%s/libsasllmdb.so", stock_dir);
    assert_int_equal(symlink(PLUGIN_DIR "/libsasllmdb.so", link_name), 0);
    return 0;
}

static int tear_down(void **state)
{
    char link_name[96];

    (void)state;
    snprintf(link_name, sizeof link_name, "%s/libdigestmd5.so", stock_dir);
    assert_int_equal(unlink(link_name), 0);
    snprintf(link_name, sizeof link_name, "%s/libsasllmdb.so", stock_dir);
    assert_int_equal(unlink(link_name), 0);
    assert_int_equal(rmdir(stock_dir), 0);
    store_dir_remove(&store);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integrity_with_the_stock_client),
        cmocka_unit_test(rc4_with_the_stock_client),
        cmocka_unit_test(integrity_with_the_stock_server),
        cmocka_unit_test(rc4_with_the_stock_server),
        cmocka_unit_test(both_ours),
        cmocka_unit_test(names),
        cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
