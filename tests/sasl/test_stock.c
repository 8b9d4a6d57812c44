/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Against the stock plugins of libsasl2: our clients to their servers over sasldb, their clients to
 * our servers. Either side is a process of its own, since a process has one plugin path; messages
 * go over a socket pair, each with a byte that says how its sender stands.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host.h"
#include "peer.h"

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
    {.user = "a,b=c", .realm = HOST_REALM, .password = "p,q=r"},
    {.user = "j\xc3\xbcrgen", .realm = HOST_REALM, .password = "gr\xc3\xbc\xc3\x9f"},
};
enum { USERS = sizeof users / sizeof users[0], MAX_MESSAGE = 65536, MAX_ROUNDS = 8, PATIENCE = 60 };

#define STOCK_SCRAM STOCK_PLUGIN_DIR "/libscram.so"

static const struct mechanism {
    const char *name;   /* as offered */
    const char *plugin; /* the stock one: libsasl2 2.2 lacks some */
    bool plus;
} mechs[] = {
    {"PLAIN", STOCK_PLUGIN_DIR "/libplain.so", false},
    {"LOGIN", STOCK_PLUGIN_DIR "/liblogin.so", false},
    {"CRAM-MD5", STOCK_PLUGIN_DIR "/libcrammd5.so", false},
    {"DIGEST-MD5", STOCK_PLUGIN_DIR "/libdigestmd5.so", false},
    {"SCRAM-SHA-1", STOCK_SCRAM, false},
    {"SCRAM-SHA-256", STOCK_SCRAM, false},
    {"SCRAM-SHA-512", STOCK_SCRAM, false},
    {"SCRAM-SHA-1-PLUS", STOCK_SCRAM, true},
    {"SCRAM-SHA-256-PLUS", STOCK_SCRAM, true},
    {"SCRAM-SHA-512-PLUS", STOCK_SCRAM, true},
};
enum { MECHS = sizeof mechs / sizeof mechs[0] };

static const unsigned char channel[] = "what both sides see of a channel";
static sasl_channel_binding_t binding = {"tls-unique", 0, sizeof channel - 1, channel};

static struct store_dir store;
static char sasldb[128];

/* How a sender stands, the first byte of a message. */
enum standing { GOES_ON = 'c', DONE = 'o', FAILED = 'f' };

static void put_all(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t wrote = write(fd, at, n);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            _exit(3);
        }
        at += wrote;
        n -= (size_t)wrote;
    }
}

static bool get_all(int fd, void *p, size_t n)
{
    char *at = p;

    while (n > 0) {
        ssize_t got = read(fd, at, n);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        at += got;
        n -= (size_t)got;
    }
    return true;
}

/* One message: standing, whether there are bytes, their number, the bytes. */
static void tell(int fd, int code, const char *bytes, unsigned n)
{
    const char standing = code == SASL_OK ? DONE : code == SASL_CONTINUE ? GOES_ON : FAILED;
    const char has = bytes != NULL;

    put_all(fd, &standing, 1);
    put_all(fd, &has, 1);
    put_all(fd, &n, sizeof n);
    put_all(fd, bytes, n);
}

static enum standing hear(int fd, char bytes[MAX_MESSAGE + 1], unsigned *ret_n, bool *ret_has)
{
    char standing;
    char has;

    if (!get_all(fd, &standing, 1) || !get_all(fd, &has, 1) || !get_all(fd, ret_n, sizeof *ret_n) ||
        *ret_n > MAX_MESSAGE || !get_all(fd, bytes, *ret_n)) {
        return FAILED;
    }
    bytes[*ret_n] = '\0';
    *ret_has = has != 0;
    return (enum standing)standing;
}

/* A server until its end. Returns its last code. */
static int serve(int fd, const char *mech)
{
    static char in[MAX_MESSAGE + 1];
    sasl_conn_t *conn = host_connect(HOST_REALM, true);
    const char *out = NULL;
    unsigned out_len = 0;
    unsigned n = 0;
    bool has = false;
    int code = SASL_CONTINUE;

    if (sasl_setprop(conn, SASL_CHANNEL_BINDING, &binding) != SASL_OK) {
        return SASL_FAIL;
    }
    for (unsigned i = 0; i < MAX_ROUNDS && code == SASL_CONTINUE; i++) {
        if (hear(fd, in, &n, &has) == FAILED) {
            code = SASL_FAIL;
            break;
        }
        code = i == 0 ? sasl_server_start(conn, mech, has ? in : NULL, n, &out, &out_len)
                      : sasl_server_step(conn, in, n, &out, &out_len);
        const bool valid = code == SASL_OK || code == SASL_CONTINUE;
        tell(fd, code, valid ? out : NULL, valid ? out_len : 0);
    }
    sasl_dispose(&conn);
    return code;
}

/* A client until its end. */
static int call(int fd, const struct mechanism *mech, struct peer *p)
{
    static char in[MAX_MESSAGE + 1];
    const char *chosen = NULL;
    struct buf out;
    unsigned n = 0;
    bool has = false;
    bool sent = false;

    buf_init(&out, MAX_MESSAGE);
    peer_open(p, SASL_SUCCESS_DATA);
    if (mech->plus && sasl_setprop(p->conn, SASL_CHANNEL_BINDING, &binding) != SASL_OK) {
        return SASL_FAIL;
    }
    int code = peer_start(p, mech->name, &chosen, &out, &sent);
    for (unsigned i = 0; i < MAX_ROUNDS; i++) {
        tell(fd, code, sent ? buf_text(&out) : NULL, (unsigned)out.n);
        if (code != SASL_OK && code != SASL_CONTINUE) {
            break;
        }
        enum standing server = hear(fd, in, &n, &has);
        if (server == FAILED || (server == DONE && !has)) {
            code = server == FAILED ? SASL_BADAUTH : code;
            break;
        }
        code = peer_step(p, slice_of(in, n), &out, &sent);
        if (server == DONE) {
            break;
        }
    }
    peer_close(p);
    buf_release(&out);
    return code;
}

/* The process with the stock plugins; its exit status is 0 if its last code was SASL_OK. */
static pid_t start_stock(bool as_server, const struct mechanism *mech, const struct peer *known,
                         int fd, int other_fd)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid != 0) {
        return pid;
    }
    (void)alarm(PATIENCE);
    (void)close(other_fd);
    host_plugins(STOCK_PLUGIN_DIR);
    int code = SASL_FAIL;
    if (as_server) {
        host_option("auxprop_plugin", "sasldb");
        host_option("sasldb_path", sasldb);
        if (sasl_server_init(host_callbacks(), "stock") == SASL_OK) {
            code = serve(fd, mech->name);
        }
    } else {
        struct peer p = *known;
        if (sasl_client_init(host_callbacks()) == SASL_OK) {
            code = call(fd, mech, &p);
        }
    }
    _exit(code == SASL_OK ? 0 : 1);
}

/* Runs one login with the stock plugins on one side. True if both sides took it for a success. */
static bool login(bool stock_serves, const struct mechanism *mech, const struct peer *known)
{
    int fds[2];
    int status = 0;
    struct peer p = *known;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    pid_t pid = start_stock(stock_serves, mech, known, fds[1], fds[0]);
    (void)close(fds[1]);
    /* After the fork: the library loads its plugins once a process. */
    host_start();
    peer_library_start();
    int code = stock_serves ? call(fds[0], mech, &p) : serve(fds[0], mech->name);
    host_stop();
    (void)close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    bool theirs = WEXITSTATUS(status) == 0;
    if (theirs != (code == SASL_OK)) {
        print_message("%s: ours: %s, theirs: %s\n", mech->name, sasl_errstring(code, NULL, NULL),
                      theirs ? "ok" : "failed");
    }
    return theirs && code == SASL_OK;
}

/* Users of the stock side, by its own means, in a process of its own. */
static bool make_sasldb(void)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        host_plugins(STOCK_PLUGIN_DIR);
        host_option("auxprop_plugin", "sasldb");
        host_option("sasldb_path", sasldb);
        if (sasl_server_init(host_callbacks(), "stock") != SASL_OK) {
            _exit(1);
        }
        for (size_t i = 0; i < USERS; i++) {
            sasl_conn_t *conn = host_connect(HOST_REALM, true);
            if (sasl_setpass(conn, users[i].user, users[i].password,
                             (unsigned)strlen(users[i].password), NULL, 0,
                             SASL_SET_CREATE) != SASL_OK) {
                _exit(1);
            }
            sasl_dispose(&conn);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int setup(void **state)
{
    (void)state;
    store_dir_make(&store, users, USERS);
    (void)snprintf(sasldb, sizeof sasldb, "%s/sasldb2", store.dir);
    if (!make_sasldb()) {
        (void)unlink(sasldb);
        store_dir_remove(&store);
        puts("skipped: the stock plugins are missing: apt-get install libsasl2-modules "
             "libsasl2-modules-db");
        exit(77);
    }
    /* Ours last, so that the other processes begin without it. */
    host_use_store(&store);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(sasldb);
    store_dir_remove(&store);
    return 0;
}

static void both_ways(const struct mechanism *mech, const struct peer *p, bool expected)
{
    if (access(mech->plugin, R_OK) != 0) {
        print_message("skipped: %s: no %s\n", mech->name, mech->plugin);
        return;
    }
    for (int stock_serves = 0; stock_serves < 2; stock_serves++) {
        if (login(stock_serves != 0, mech, p) != expected) {
            fail_msg("%s, %s, stock %s", mech->name, p->authname,
                     stock_serves != 0 ? "server" : "client");
        }
    }
}

static void right(void **state)
{
    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        for (size_t u = 0; u < USERS; u++) {
            const struct peer p = {.authname = users[u].user, .password = users[u].password};
            both_ways(&mechs[i], &p, true);
        }
    }
}

static void by_prompts(void **state)
{
    const struct peer p = {.authname = "alice", .password = "secret", .by_prompt = true};

    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        both_ways(&mechs[i], &p, true);
    }
}

static void wrong_password(void **state)
{
    const struct peer p = {.authname = "alice", .password = "Secret"};

    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        both_ways(&mechs[i], &p, false);
    }
}

static void authorization_identity(void **state)
{
    const struct peer same = {.authname = "alice", .user = "alice", .password = "secret"};
    const struct peer bob = {.authname = "alice", .user = "bob", .password = "secret"};

    (void)state;
    for (size_t i = 0; i < MECHS; i++) {
        const bool carried =
            strcmp(mechs[i].name, "LOGIN") != 0 && strcmp(mechs[i].name, "CRAM-MD5") != 0;
        both_ways(&mechs[i], &same, true);
        both_ways(&mechs[i], &bob, !carried);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right),
        cmocka_unit_test(by_prompts),
        cmocka_unit_test(wrong_password),
        cmocka_unit_test(authorization_identity),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
