/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server forks while one of its threads is inside a plugin and holds a lock there. The thread is
 * not in the child, so nobody lets go in it: the fork handlers of plugins/lmdb.c and
 * common/sasl_ticket.c do. Where the thread is at that moment is no matter of luck: functions of
 * LMDB's and of libc's that are called under those locks are this program's own, and wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dlfcn.h>
#include <lmdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host.h"
#include "store/store.h"
#include "store/ticket_file.h"

enum { PATIENCE = 60 }; /* seconds until a child counts as waiting for ever */

static const struct host_user users[] = {
    {.user = "alice",
     .realm = HOST_REALM,
     .password = "secret",
     .drop = VERIFIER_SCRAM_SHA_256 | VERIFIER_SCRAM_SHA_512},
    {.user = "carol",
     .realm = HOST_REALM,
     .password = "secret",
     .drop = VERIFIER_SCRAM_SHA_256 | VERIFIER_SCRAM_SHA_512},
};

static struct store_dir store;

/* What the next thread to come by waits at. */
enum place { NOWHERE, AT_OPEN, AT_WRITE };
static atomic_int wait_at;
static sem_t inside;
static sem_t go_on;

static void come_by(enum place place)
{
    int expected = (int)place;

    if (atomic_compare_exchange_strong(&wait_at, &expected, NOWHERE)) {
        sem_post(&inside);
        while (sem_wait(&go_on) != 0) {
        }
    }
}

__attribute__((visibility("default"))) int mdb_env_open(MDB_env *env, const char *path,
                                                        unsigned flags, mdb_mode_t mode)
{
    void *symbol = dlsym(RTLD_NEXT, "mdb_env_open");
    int (*real)(MDB_env *, const char *, unsigned, mdb_mode_t);

    memcpy(&real, &symbol, sizeof real);
    come_by(AT_OPEN);
    return real(env, path, flags, mode);
}

__attribute__((visibility("default"))) ssize_t write(int fd, const void *bytes, size_t n)
{
    if (n == TICKET_SIZE) {
        come_by(AT_WRITE);
    }
    return (ssize_t)syscall(SYS_write, fd, bytes, n);
}

/* Another account in each test: one that has left a ticket leaves no second one. */
static const char *message;

/* libsasl2's code of a PLAIN login. */
static int login(void)
{
    const char *out = NULL;
    unsigned n = 0;
    sasl_conn_t *conn = NULL;
    int code = sasl_server_new("smtp", HOST_FQDN, HOST_REALM, NULL, NULL, NULL, 0, &conn);

    if (code == SASL_OK) {
        code = sasl_server_start(conn, "PLAIN", message, (unsigned)sizeof "\0alice\0secret" - 1,
                                 &out, &n);
    }
    sasl_dispose(&conn);
    return code;
}

static void *log_in(void *ret)
{
    *(int *)ret = login();
    return NULL;
}

/* Forks while a thread is at that place; both that login and one in the child come out well. */
static void fork_while_a_thread_is(enum place place)
{
    pthread_t thread;
    int code = SASL_FAIL;
    int status = 0;

    atomic_store(&wait_at, (int)place);
    assert_int_equal(pthread_create(&thread, NULL, log_in, &code), 0);
    struct timespec until;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
    until.tv_sec += PATIENCE;
    assert_int_equal(sem_timedwait(&inside, &until), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(PATIENCE);
        _exit(login() == SASL_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    sem_post(&go_on);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(code, SASL_OK);
    assert_false(WIFSIGNALED(status)); /* SIGALRM: it waits for a thread that is not there */
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void while_the_store_is_opened(void **state)
{
    char hidden[112];

    (void)state;
    /* Missing at the start, so that the first login opens it. */
    (void)snprintf(hidden, sizeof hidden, "%s.hidden", store.path);
    assert_int_equal(rename(store.path, hidden), 0);
    message = "\0alice\0secret";
    host_start();
    assert_int_equal(rename(hidden, store.path), 0);
    fork_while_a_thread_is(AT_OPEN);
    host_stop();
}

static void while_a_ticket_is_left(void **state)
{
    (void)state;
    message = "\0carol\0secret";
    host_start();
    fork_while_a_thread_is(AT_WRITE);
    host_stop();
}

static void prepare_tickets(void)
{
    const struct store_options options = {
        .path = store.path, .key_path = store.key_path, .writable = true};
    uint8_t key[CRYPTO_X25519] = {9};
    struct store *opened = NULL;

    assert_int_equal(ticket_file_make(store.path, (uid_t)-1, NULL, NULL), AUTH_OK);
    assert_int_equal(store_open(&options, &opened, NULL), AUTH_OK);
    assert_int_equal(store_set_ticket_key(opened, key, NULL), AUTH_OK);
    store_close(opened);
}

static int set_up(void **state)
{
    (void)state;
    if (sem_init(&inside, 0, 0) != 0 || sem_init(&go_on, 0, 0) != 0) {
        return -1;
    }
    store_dir_make(&store, users, sizeof users / sizeof users[0]);
    host_use_store(&store);
    host_option("lmdb_upgrade", "yes");
    prepare_tickets();
    return 0;
}

static int tear_down(void **state)
{
    char path[sizeof store.path + sizeof TICKET_FILE_SUFFIX];

    (void)state;
    (void)snprintf(path, sizeof path, "%s" TICKET_FILE_SUFFIX, store.path);
    (void)unlink(path);
    store_dir_remove(&store);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_the_store_is_opened),
        cmocka_unit_test(while_a_ticket_is_left),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
