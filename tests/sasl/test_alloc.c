/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every allocation that our code makes in an exchange fails once, alone and with all that follow.
 * The plugins are linked into this program with malloc and calloc wrapped and handed to libsasl2 as
 * functions, so that the library's own allocations are let through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "alloc_fail.h"
#include "engine/verifier.h"
#include "host.h"
#include "peer.h"

/* The entry points of the plugins, renamed by the build. */
sasl_server_plug_init_t alloc_plain_server, alloc_login_server, alloc_cram_md5_server,
    alloc_digest_md5_server, alloc_scram_server;
sasl_client_plug_init_t alloc_plain_client, alloc_login_client, alloc_cram_md5_client,
    alloc_digest_md5_client, alloc_scram_client;
sasl_auxprop_init_t alloc_lmdb_auxprop;

static const struct {
    const char *name;
    sasl_server_plug_init_t *server;
    sasl_client_plug_init_t *client;
} plugins[] = {
    {"plain", alloc_plain_server, alloc_plain_client},
    {"login", alloc_login_server, alloc_login_client},
    {"crammd5", alloc_cram_md5_server, alloc_cram_md5_client},
    {"digestmd5", alloc_digest_md5_server, alloc_digest_md5_client},
    {"scram", alloc_scram_server, alloc_scram_client},
};

static const char *const mechs[] = {"PLAIN",      "LOGIN",         "CRAM-MD5",
                                    "DIGEST-MD5", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};

static const struct host_user users[] = {
    {.user = "j\xc3\xbcrgen", .realm = HOST_REALM, .password = "gr\xc3\xbc\xc3\x9f"},
    {.user = "off", .realm = HOST_REALM, .password = "secret", .disabled = true},
    {.user = "legacy", .realm = HOST_REALM, .password = "secret", .drop = VERIFIER_SCRAM},
};

static const unsigned char channel[] = "what both sides see of a channel";
static sasl_channel_binding_t binding = {"tls-unique", 0, sizeof channel - 1, channel};

static struct store_dir store;
static char empty_dir[64];

/* Not wrapped: libsasl2's own allocations are let through. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);

/* The list of prompts is libsasl2's memory, since applications have it; known by its size. */
static size_t refused_size;
static bool inside_a_step;

static void *refusing_malloc(size_t n)
{
    return inside_a_step && n == refused_size ? NULL : __real_malloc(n);
}

static void watch(bool inside)
{
    (void)alloc_fail_count(inside);
    inside_a_step = inside;
}

static int setup(void **state)
{
    (void)state;
    store_dir_make(&store, users, sizeof users / sizeof users[0]);
    host_use_store(&store);
    (void)snprintf(empty_dir, sizeof empty_dir, "/tmp/sasl-lmdb-test-XXXXXX");
    assert_non_null(mkdtemp(empty_dir));
    host_plugins(empty_dir);
    sasl_set_alloc(refusing_malloc, __real_calloc, realloc, free);
    assert_int_equal(sasl_server_init(host_callbacks(), "sasl-lmdb-test"), SASL_OK);
    assert_int_equal(sasl_auxprop_add_plugin("sasllmdb", alloc_lmdb_auxprop), SASL_OK);
    assert_int_equal(sasl_client_init(host_callbacks()), SASL_OK);
    for (size_t i = 0; i < sizeof plugins / sizeof plugins[0]; i++) {
        assert_int_equal(sasl_server_add_plugin(plugins[i].name, plugins[i].server), SASL_OK);
        assert_int_equal(sasl_client_add_plugin(plugins[i].name, plugins[i].client), SASL_OK);
    }
    host_inside = watch;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_stop();
    (void)rmdir(empty_dir);
    store_dir_remove(&store);
    return 0;
}

/* One exchange. True if both sides took it for a success. */
static bool run(const char *mech, const struct peer *known, struct talk *t)
{
    sasl_conn_t *server = host_connect(HOST_REALM, false);
    struct peer p = *known;

    *t = (struct talk){.mechs = mech};
    peer_open(&p, 0);
    if (strstr(mech, "-PLUS") != NULL) {
        assert_int_equal(sasl_setprop(server, SASL_CHANNEL_BINDING, &binding), SASL_OK);
        assert_int_equal(sasl_setprop(p.conn, SASL_CHANNEL_BINDING, &binding), SASL_OK);
    }
    talk_run(t, server, &p);
    peer_close(&p);
    sasl_dispose(&server);
    return t->client_code == SASL_OK && t->server_code == SASL_OK;
}

static bool is_clean(int code)
{
    return code == SASL_NOMEM || code == SASL_FAIL || code == SASL_UNAVAIL || code == SASL_OK ||
           code == SASL_CONTINUE;
}

/* Returns how many allocations the exchange makes. */
static unsigned sweep(const char *mech, const struct peer *known, bool ends_well)
{
    unsigned count = 0;
    struct talk t;

    assert_true(run(mech, known, &t) == ends_well);
    for (int from_then = 0; from_then < 2; from_then++) {
        for (long at = 0;; at++) {
            alloc_fail_arm(at, from_then != 0);
            bool ok = run(mech, known, &t);
            const unsigned failed = alloc_fail_disarm();
            host_log_clear();
            if (failed == 0) {
                assert_true(ok == ends_well);
                break;
            }
            count++;
            if (ok || (ends_well && (!is_clean(t.client_code) || !is_clean(t.server_code)))) {
                fail_msg("%s, allocation %ld%s: client %s, server %s", mech, at,
                         from_then != 0 ? " and all later" : "",
                         sasl_errstring(t.client_code, NULL, NULL),
                         sasl_errstring(t.server_code, NULL, NULL));
            }
        }
    }
    return count;
}

static void exchanges(void **state)
{
    const struct peer callbacks = {.authname = "ju\xcc\x88rgen", .password = "gru\xcc\x88\xc3\x9f"};
    const struct peer composed = {.authname = "j\xc3\xbcrgen", .password = "gr\xc3\xbc\xc3\x9f"};
    const struct peer prompts = {
        .authname = "j\xc3\xbcrgen", .password = "gr\xc3\xbc\xc3\x9f", .by_prompt = true};
    const struct peer authzid = {
        .authname = "j\xc3\xbcrgen", .user = "j\xc3\xbcrgen", .password = "gr\xc3\xbc\xc3\x9f"};
    const struct peer unknown = {.authname = "nobody", .password = "secret"};
    const struct peer off = {.authname = "off", .password = "secret"};
    const struct peer legacy = {.authname = "legacy", .password = "wrong"};
    unsigned total = 0;

    (void)state;
    for (size_t i = 0; i < sizeof mechs / sizeof mechs[0]; i++) {
        const bool prepares = strcmp(mechs[i], "PLAIN") == 0 || strncmp(mechs[i], "SCRAM", 5) == 0;
        unsigned n = sweep(mechs[i], &composed, true);
        assert_true(n > 0);
        n += prepares ? sweep(mechs[i], &callbacks, true) : 0;
        n += sweep(mechs[i], &prompts, true);
        n += sweep(mechs[i], &authzid, true);
        n += sweep(mechs[i], &unknown, false);
        n += sweep(mechs[i], &off, false);
        n += sweep(mechs[i], &legacy, false);
        print_message("%s: %u\n", mechs[i], n);
        total += n;
    }
    print_message("%u failed allocations\n", total);
}

static void no_room_for_prompts(void **state)
{
    const struct peer p = {.authname = "j\xc3\xbcrgen", .password = "secret", .by_prompt = true};
    struct talk t;

    (void)state;
    for (size_t i = 0; i < sizeof mechs / sizeof mechs[0]; i++) {
        /* LOGIN and CRAM-MD5 do not ask for an authorization identity. */
        const size_t prompts =
            strcmp(mechs[i], "LOGIN") == 0 || strcmp(mechs[i], "CRAM-MD5") == 0 ? 2 : 3;
        refused_size = (prompts + 1) * sizeof(sasl_interact_t);
        assert_false(run(mechs[i], &p, &t));
        refused_size = 0;
        assert_int_equal(t.client_code, SASL_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges),
        cmocka_unit_test(no_room_for_prompts),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
