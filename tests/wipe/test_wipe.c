/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * After each step of an exchange and after its end, no secret of it is left anywhere in the memory
 * of the process, on either side. Each side runs in a process of its own, made for one exchange
 * out of a parent that has seen no secret.
 *
 *   test_wipe PLUGINS                 fails if anything is found
 *   test_wipe --must-find PLUGINS     fails if nothing is found, for some mechanism and side
 */
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

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/crypto.h"
#include "host.h"
#include "scan.h"
#include "secrets.h"

/* DEPTH: the search writes to the stack too, but not so far down as what it looks for. */
enum { MESSAGE = 8192, FOUND = 3, DEPTH = 65536 };

enum outcome { SUCCESS, WRONG_PASSWORD, UNKNOWN_USER, OUTCOMES };
enum side { SERVER, CLIENT, SIDES };

static const char *const outcome_names[] = {"success", "wrong password", "unknown user"};
static const char *const side_names[] = {"server", "client"};
static const char *const mechs[] = {"PLAIN",       "LOGIN",         "CRAM-MD5",     "DIGEST-MD5",
                                    "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};

/* One exchange, in either process. */
struct scene {
    const char *mech;
    enum outcome outcome;
    const struct secrets *secrets;
    const char *plugins;
    int peer; /* a socket that keeps messages apart */
    bool watched;
    unsigned found;
};

/* What travels: what libsasl2 returned, whether there is a message, the message. */
static struct packet {
    int code;
    int present;
    char text[MESSAGE];
} packet;

static void look(struct scene *s, enum scan_place place, const char *when)
{
    char where[128];

    if (s->watched) {
        snprintf(where, sizeof where, "%s, %s, %s", s->mech, outcome_names[s->outcome], when);
        s->found += scan_memory(&s->secrets->needles, place, where);
    }
}

static void hand_over(struct scene *s, int code, const char *text, unsigned n)
{
    packet.code = code;
    packet.present = text != NULL;
    if (n > sizeof packet.text) {
        exit(2);
    }
    if (n > 0) {
        memcpy(packet.text, text, n);
    }
    const size_t size = offsetof(struct packet, text) + n;
    if (send(s->peer, &packet, size, MSG_NOSIGNAL) != (ssize_t)size) {
        exit(2);
    }
    explicit_bzero(&packet, sizeof packet);
}

/* The other side's message, in `packet`; false when it has gone. */
static bool take_over(const struct scene *s, unsigned *ret_n)
{
    const ssize_t n = recv(s->peer, &packet, sizeof packet, 0);

    *ret_n = n > 0 ? (unsigned)((size_t)n - offsetof(struct packet, text)) : 0;
    return n >= (ssize_t)offsetof(struct packet, text);
}

/* One call of libsasl2, far down. */
struct call {
    sasl_conn_t *conn;
    const char *mech; /* NULL: not the first */
    bool client;
    const char *in;
    unsigned n;
    const char *out;
    unsigned out_len;
};

__attribute__((noinline)) static int call(struct call *c)
{
    uint8_t deep[DEPTH];
    const char *chosen;

    __asm__ volatile("" : : "r"(deep) : "memory");
    if (c->client) {
        return c->mech != NULL
                   ? sasl_client_start(c->conn, c->mech, NULL, &c->out, &c->out_len, &chosen)
                   : sasl_client_step(c->conn, c->in, c->n, NULL, &c->out, &c->out_len);
    }
    return c->mech != NULL ? sasl_server_start(c->conn, c->mech, c->in, c->n, &c->out, &c->out_len)
                           : sasl_server_step(c->conn, c->in, c->n, &c->out, &c->out_len);
}

static void serve(struct scene *s)
{
    sasl_conn_t *conn;
    unsigned n;
    int code = SASL_CONTINUE;

    host_use_store(&s->secrets->store);
    host_plugins(s->plugins);
    if (sasl_server_init(host_callbacks(), "wipe") != SASL_OK) {
        exit(2);
    }
    conn = host_connect(HOST_REALM, true);
    for (bool first = true; code == SASL_CONTINUE && take_over(s, &n); first = false) {
        const char *in = packet.present != 0 ? packet.text : NULL;
        struct call c = {.conn = conn, .mech = first ? s->mech : NULL, .in = in, .n = n};
        code = call(&c);
        explicit_bzero(&packet, sizeof packet);
        look(s, SCAN_SERVER_BUSY, "server, after a step");
        const bool valid = code == SASL_OK || code == SASL_CONTINUE;
        hand_over(s, code, valid ? c.out : NULL, valid ? c.out_len : 0);
    }
    const bool expected = (code == SASL_OK) == (s->outcome == SUCCESS);
    sasl_dispose(&conn);
    look(s, SCAN_AFTER, "server, after dispose");
    sasl_done();
    look(s, SCAN_AFTER, "server, at the end");
    exit(!expected ? 2 : s->found > 0 ? FOUND : 0);
}

static const char *name_of(const struct scene *s)
{
    return s->outcome == UNKNOWN_USER ? "nobody" : SECRETS_USER;
}

static int get_name(void *context, int id, const char **result, unsigned *len)
{
    *result = id == SASL_CB_USER ? "" : name_of(context);
    if (len != NULL) {
        *len = (unsigned)strlen(*result);
    }
    return SASL_OK;
}

static int get_realm(void *context, int id, const char **offered, const char **result)
{
    (void)context;
    (void)id;
    *result = offered != NULL && offered[0] != NULL ? offered[0] : HOST_REALM;
    return SASL_OK;
}

/* The application's copy, which it wipes. */
static union {
    sasl_secret_t secret;
    uint8_t room[sizeof(sasl_secret_t) + SECRETS_PASSWORD + 1];
} typed;

static int get_password(sasl_conn_t *conn, void *context, int id, sasl_secret_t **ret)
{
    const struct scene *s = context;

    (void)conn;
    (void)id;
    typed.secret.len = SECRETS_PASSWORD;
    scan_unmask(s->outcome == SUCCESS ? secrets_right : secrets_wrong, SECRETS_PASSWORD,
                typed.secret.data);
    *ret = &typed.secret;
    return SASL_OK;
}

/* Then it is in the message that libsasl2 hands the application, until the next step or the end. */
static bool says_password(const struct scene *s)
{
    return strcmp(s->mech, "PLAIN") == 0 || strcmp(s->mech, "LOGIN") == 0;
}

static void ask(struct scene *s)
{
    const sasl_callback_t callbacks[] = {
        {SASL_CB_AUTHNAME, (sasl_callback_ft)(void (*)(void))get_name, s},
        {SASL_CB_USER, (sasl_callback_ft)(void (*)(void))get_name, s},
        {SASL_CB_PASS, (sasl_callback_ft)(void (*)(void))get_password, s},
        {SASL_CB_GETREALM, (sasl_callback_ft)(void (*)(void))get_realm, s},
        {SASL_CB_LIST_END, NULL, NULL},
    };
    sasl_conn_t *conn = NULL;
    unsigned n;

    host_plugins(s->plugins);
    if (sasl_client_init(host_callbacks()) != SASL_OK ||
        sasl_client_new("smtp", HOST_FQDN, NULL, NULL, callbacks, SASL_SUCCESS_DATA, &conn) !=
            SASL_OK) {
        exit(2);
    }
    struct call c = {.conn = conn, .mech = s->mech, .client = true};
    int code = call(&c);
    bool refused = false;
    while (code == SASL_OK || code == SASL_CONTINUE) {
        explicit_bzero(&typed, sizeof typed);
        hand_over(s, code, c.out, c.out_len);
        if (!says_password(s)) {
            look(s, SCAN_CLIENT_BUSY, "client, after a step");
        }
        if (!take_over(s, &n)) {
            break;
        }
        const int theirs = packet.code;
        refused = theirs != SASL_OK && theirs != SASL_CONTINUE;
        if (refused || (theirs == SASL_OK && packet.present == 0)) {
            break;
        }
        c = (struct call){.conn = conn, .client = true, .in = packet.text, .n = n};
        code = call(&c);
        explicit_bzero(&packet, sizeof packet);
        if (theirs == SASL_OK) {
            break;
        }
    }
    explicit_bzero(&typed, sizeof typed);
    explicit_bzero(&packet, sizeof packet);
    const bool expected = refused == (s->outcome != SUCCESS);
    sasl_dispose(&conn);
    look(s, SCAN_AFTER, "client, after dispose");
    exit(!expected ? 2 : s->found > 0 ? FOUND : 0);
}

static int status_of(pid_t pid)
{
    int status = -1;

    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        return 2;
    }
    return WEXITSTATUS(status);
}

static pid_t start(struct scene *s, enum side side, int mine, int other)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)close(other);
        s->peer = mine;
        if (side == SERVER) {
            serve(s);
        } else {
            ask(s);
        }
    }
    return pid;
}

/* 0, FOUND, or anything else for an exchange that went wrong. */
static int run(struct scene scene, enum side watched)
{
    int ends[2];
    pid_t pids[SIDES];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) {
        return 2;
    }
    for (int side = 0; side < SIDES; side++) {
        scene.watched = side == (int)watched;
        pids[side] = start(&scene, (enum side)side, ends[side], ends[1 - side]);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    int status[SIDES];
    for (int side = 0; side < SIDES; side++) {
        status[side] = status_of(pids[side]);
    }
    return status[1 - (int)watched] != 0 ? status[1 - (int)watched] : status[watched];
}

/* The search finds what is there: in a living block, in a freed one, on a stack that was left. */
__attribute__((noinline)) static void leave_on_stack(const struct needle *needle)
{
    uint8_t deep[DEPTH];

    scan_unmask(needle->masked, needle->n, deep);
    __asm__ volatile("" : : "r"(deep) : "memory");
}

static bool search_works(const struct secrets *secrets)
{
    const struct needle *needle = &secrets->needles.all[0];
    bool works = scan_memory(&secrets->needles, SCAN_AFTER, "nothing planted yet") == 0;
    uint8_t *block = malloc(4096);

    if (block == NULL) {
        return false;
    }
    scan_unmask(needle->masked, needle->n, block + 1000);
    works = works && scan_memory(&secrets->needles, SCAN_AFTER, "planted in the heap") == 1;
    free(block);
    works = works && scan_memory(&secrets->needles, SCAN_AFTER, "planted in a freed block") == 1;
    block = malloc(4096);
    if (block == NULL) {
        return false;
    }
    memset(block, 0, 4096);
    __asm__ volatile("" : : "r"(block) : "memory"); /* else the compiler leaves it out */
    leave_on_stack(needle);
    works = works && scan_memory(&secrets->needles, SCAN_AFTER, "planted on the stack") == 1;
    free(block);
    return works;
}

int main(int argc, char **argv)
{
    const bool must_find = argc == 3 && strcmp(argv[1], "--must-find") == 0;
    static struct secrets secrets;
    int failed = 0;

    if (argc != 2 && !must_find) {
        fprintf(stderr, "usage: test_wipe [--must-find] PLUGINS\n");
        return 2;
    }
    secrets_make(&secrets);
    pid_t pid = fork();
    if (pid == 0) {
        exit(search_works(&secrets) ? 0 : 1);
    }
    if (status_of(pid) != 0) {
        fprintf(stderr, "the search does not find what was planted\n");
        failed = 1;
    }
    for (size_t i = 0; i < sizeof mechs / sizeof mechs[0]; i++) {
        for (int side = 0; side < SIDES; side++) {
            bool found = false;
            for (int outcome = 0; outcome < OUTCOMES; outcome++) {
                const struct scene scene = {.mech = mechs[i],
                                            .outcome = (enum outcome)outcome,
                                            .secrets = &secrets,
                                            .plugins = argv[argc - 1]};
                const int status = run(scene, (enum side)side);
                if (status != 0 && status != FOUND) {
                    fprintf(stderr, "%s, %s, %s: the exchange went wrong (%d)\n", mechs[i],
                            side_names[side], outcome_names[outcome], status);
                    failed = 1;
                }
                found = found || status == FOUND;
            }
            if (found != must_find) {
                fprintf(stderr, "%s, %s: %s\n", mechs[i], side_names[side],
                        found ? "secrets are left in memory" : "nothing was found");
                failed = 1;
            }
        }
    }
    store_dir_remove(&secrets.store);
    return failed;
}
