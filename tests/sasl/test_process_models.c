/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The five ways servers have of living with a plugin, each played by a small process of its own:
 * who is root when, who forks between initialisation and lookup, who unloads and loads again. In
 * each whoever looks up is seen by another process to be a reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dlfcn.h>
#include <grp.h>
#include <lmdb.h>
#include <pthread.h>

#include <cmocka.h>

#include "client.h"
#include "host.h"
#include "watcher.h"

enum {
    NOBODY = 65534,
    THREADS = 16,
    LOGINS_PER_THREAD = 50,
    EXIM_AUTHENTICATORS = 6,
    EXIM_CHILDREN = 3
};

static const struct host_user users[] = {
    {.user = "alice", .realm = HOST_REALM, .password = "secret"},
    {.user = "bob", .realm = HOST_REALM, .password = "bobpw"},
};

static struct store_dir store;
static char jail[] = "/tmp/sasl-lmdb-jail-XXXXXX";

/*
 * Stands in front of LMDB's own for the plugins too. A server that initialises them as root must
 * not be led through the lock file, which others may write, before it has given root up.
 */
static bool initialising;
static atomic_uint transactions;

__attribute__((visibility("default"))) int mdb_txn_begin(MDB_env *env, MDB_txn *parent,
                                                         unsigned flags, MDB_txn **ret)
{
    void *symbol = dlsym(RTLD_NEXT, "mdb_txn_begin");
    int (*real)(MDB_env *, MDB_txn *, unsigned, MDB_txn **);

    if (initialising && geteuid() == 0) {
        abort();
    }
    memcpy(&real, &symbol, sizeof real);
    atomic_fetch_add(&transactions, 1);
    int rc = real(env, parent, flags, ret);
    if (rc == 0 && (flags & MDB_RDONLY) != 0) {
        watcher_look();
    }
    return rc;
}

static void initialise(void)
{
    initialising = true;
    host_start();
    initialising = false;
}

/* libsasl2's code of a CRAM-MD5 login. No cmocka assertion: also called in threads. */
static int login(const char *user, const char *password)
{
    struct client c;
    struct buf message;
    const char *out = NULL;
    unsigned n = 0;
    sasl_conn_t *conn = NULL;

    if (sasl_server_new("smtp", HOST_FQDN, HOST_REALM, NULL, NULL, NULL, 0, &conn) != SASL_OK) {
        return SASL_FAIL;
    }
    int code = sasl_server_start(conn, "CRAM-MD5", NULL, 0, &out, &n);
    if (code == SASL_CONTINUE) {
        client_init(&c, user, password);
        buf_init(&message, 1024);
        client_cram(&c, slice_of(out, n), &message);
        code = sasl_server_step(conn, buf_text(&message), (unsigned)message.n, &out, &n);
        buf_release(&message);
        client_release(&c);
    }
    sasl_dispose(&conn);
    return code;
}

/* 0 if logins go as they should; a number that says which did not. */
static int logins_work(void)
{
    return login("alice", "secret") != SASL_OK         ? 1
           : login("alice", "wrong") != SASL_BADAUTH   ? 2
           : login("nobody", "secret") != SASL_BADAUTH ? 3
           : login("bob", "bobpw") != SASL_OK          ? 4
                                                       : 0;
}

/*
 * Runs a model in a process of its own and expects it to exit with 0, and so many processes to have
 * looked something up and to have been seen at it.
 */
static void in_a_process(int (*model)(void), int readers)
{
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int failed = model();
        if (failed != 0) {
            fprintf(stderr, "step %d failed; log:\n%s", failed, host_log());
        }
        fflush(NULL);
        _exit(failed);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(watcher_seen(), readers);
}

static int wait_for(pid_t pid)
{
    int status = 0;

    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        return 99;
    }
    return WEXITSTATUS(status);
}

static bool become_nobody(void)
{
    return setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0;
}

/* Postfix smtpd: initialises as root outside, looks up as another user inside the jail. */
static int postfix(void)
{
    initialise();
    bool jailed = chroot(jail) == 0 && chdir("/") == 0 && become_nobody();
    atomic_store(&transactions, 0);
    int failed = jailed ? logins_work() : 91;
    /* Otherwise nothing would have been watched. */
    return failed == 0 && atomic_load(&transactions) == 0 ? 93 : failed;
}

/* Exim: initialised and unloaded once for each authenticator, then again in each child. */
static int exim(void)
{
    for (int i = 0; i < EXIM_AUTHENTICATORS; i++) {
        initialise();
        if (i % 2 == 0 && logins_work() != 0) {
            return 10 + i;
        }
        host_stop();
    }
    for (int i = 0; i < EXIM_CHILDREN; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (!become_nobody()) {
                _exit(92);
            }
            initialise();
            int failed = logins_work();
            host_stop();
            _exit(failed);
        }
        int failed = wait_for(pid);
        if (failed != 0) {
            return failed;
        }
    }
    return 0;
}

static void *log_in_repeatedly(void *arg)
{
    int *failed = arg;

    for (int i = 0; i < LOGINS_PER_THREAD && *failed == 0; i++) {
        *failed = logins_work();
    }
    return NULL;
}

/* slapd: initialises, forks into the background, looks up in many threads. */
static int slapd(void)
{
    if (!become_nobody()) {
        return 92;
    }
    initialise();
    /* The parent has looked something up, so its environment is in use when it forks. */
    if (logins_work() != 0) {
        return 9;
    }
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t threads[THREADS];
        int failed[THREADS] = {0};
        int worst = 0;
        for (size_t i = 0; i < THREADS; i++) {
            if (pthread_create(&threads[i], NULL, log_in_repeatedly, &failed[i]) != 0) {
                _exit(93);
            }
        }
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            worst = failed[i] > worst ? failed[i] : worst;
        }
        host_stop();
        _exit(worst);
    }
    int failed = wait_for(pid);
    return failed != 0 ? failed : logins_work();
}

/* sendmail: initialises as root, forks twice, then gives up root. */
static int sendmail(void)
{
    initialise();
    pid_t daemon = fork();
    if (daemon == 0) {
        pid_t connection = fork();
        if (connection == 0) {
            _exit(become_nobody() ? logins_work() : 92);
        }
        _exit(wait_for(connection));
    }
    return wait_for(daemon);
}

/* Cyrus imapd: never root, one process, many connections; and a host that starts over. */
static int imapd(void)
{
    if (!become_nobody()) {
        return 92;
    }
    for (int i = 0; i < 3; i++) {
        initialise();
        for (int j = 0; j < 20; j++) {
            int failed = logins_work();
            if (failed != 0) {
                return failed;
            }
        }
        host_stop();
    }
    return 0;
}

static void model_postfix(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(jail));
    in_a_process(postfix, 1);
    assert_int_equal(rmdir(jail), 0);
}

/* The reason root met at start is the one that is told, not what a jailed user meets later. */
static int postfix_without_key(void)
{
    char hidden[112];

    snprintf(hidden, sizeof hidden, "%s.hidden", store.key_path);
    if (rename(store.key_path, hidden) != 0) {
        return 90;
    }
    initialise();
    bool jailed = chroot(jail) == 0 && chdir("/") == 0 && become_nobody();
    if (!jailed) {
        return 91;
    }
    if (login("alice", "secret") != SASL_UNAVAIL) {
        return 1;
    }
    return strstr(host_log(), store.key_path) != NULL ? 0 : 2;
}

static void a_jailed_server_tells_the_first_reason(void **state)
{
    char hidden[112];

    (void)state;
    snprintf(hidden, sizeof hidden, "%s.hidden", store.key_path);
    snprintf(jail, sizeof jail, "/tmp/sasl-lmdb-jail-XXXXXX");
    assert_non_null(mkdtemp(jail));
    in_a_process(postfix_without_key, 0);
    assert_int_equal(rename(hidden, store.key_path), 0);
    assert_int_equal(rmdir(jail), 0);
}

static void model_exim(void **state)
{
    (void)state;
    in_a_process(exim, 1 + EXIM_CHILDREN);
}

static void model_slapd(void **state)
{
    (void)state;
    in_a_process(slapd, 2);
}

static void model_sendmail(void **state)
{
    (void)state;
    in_a_process(sendmail, 1);
}

static void model_imapd(void **state)
{
    (void)state;
    in_a_process(imapd, 1);
}

/* Nothing configured: loaded by a service that has nothing to do with us. */
static int inert(void)
{
    host_option("auxprop_plugin", NULL);
    host_option("lmdb_path", NULL);
    host_option("lmdb_keyfile", NULL);
    initialise();
    /* Not one line about a store nobody asked for. */
    if (host_log()[0] != '\0') {
        return 1;
    }
    /* With no other auxprop plugin there is nobody to ask: an outage, not a wrong password. */
    if (login("alice", "secret") != SASL_UNAVAIL) {
        return 2;
    }
    struct propctx *ctx = prop_new(0);
    static const char *names[] = {"userPassword", NULL};
    sasl_conn_t *conn = host_connect(HOST_REALM, true);
    if (prop_request(ctx, names) != SASL_OK || prop_set(ctx, "userPassword", "x", 1) != SASL_OK ||
        sasl_auxprop_store(conn, ctx, "alice") != SASL_CONSTRAINT_VIOLAT ||
        sasl_auxprop_store(NULL, NULL, NULL) != SASL_CONSTRAINT_VIOLAT) {
        return 3;
    }
    prop_dispose(&ctx);
    sasl_dispose(&conn);
    host_stop();
    return 0;
}

static void inert_where_not_configured(void **state)
{
    (void)state;
    in_a_process(inert, 0);
}

/* The places that need no configuration, below the jail. */
static const char *const default_directories[] = {"var", "var/lib", "var/lib/sasl-lmdb", "etc",
                                                  "etc/sasl-lmdb"};
static const char *const default_files[] = {
    "var/lib/sasl-lmdb/users.mdb", "var/lib/sasl-lmdb/users.mdb-lock", "etc/sasl-lmdb/key"};

/* The store as it would be there: links to its files, which are removed again with the jail. */
static void furnish_jail(void)
{
    char lock[112];

    snprintf(lock, sizeof lock, "%s-lock", store.path);
    const char *const files[] = {store.path, lock, store.key_path};
    assert_int_equal(chdir(jail), 0);
    for (size_t i = 0; i < sizeof default_directories / sizeof default_directories[0]; i++) {
        assert_int_equal(mkdir(default_directories[i], 0755), 0);
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_int_equal(link(files[i], default_files[i]), 0);
    }
    assert_int_equal(chdir("/"), 0);
}

static void clear_jail(void)
{
    assert_int_equal(chdir(jail), 0);
    for (size_t i = 0; i < sizeof default_files / sizeof default_files[0]; i++) {
        assert_int_equal(unlink(default_files[i]), 0);
    }
    for (size_t i = sizeof default_directories / sizeof default_directories[0]; i-- > 0;) {
        assert_int_equal(rmdir(default_directories[i]), 0);
    }
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(jail), 0);
}

/* slapd: its answer to auxprop_plugin is another before it has read its own configuration. */
static int named_later(void)
{
    host_option("auxprop_plugin", "slapd");
    host_option("lmdb_path", NULL);
    host_option("lmdb_keyfile", NULL);
    initialise();
    atomic_store(&transactions, 0);
    if (chroot(jail) != 0 || chdir("/") != 0) {
        return 91;
    }
    /* Until it does, no store is opened and nothing said of one. */
    if (login("alice", "secret") == SASL_OK || strstr(host_log(), "users.mdb") != NULL ||
        atomic_load(&transactions) != 0) {
        return 90;
    }
    host_option("auxprop_plugin", "lmdb");
    int failed = logins_work();
    /* Nor once it names another again. */
    host_option("auxprop_plugin", "slapd");
    return failed == 0 && login("alice", "secret") == SASL_OK ? 89 : failed;
}

static void a_store_is_opened_for_who_names_it_later(void **state)
{
    (void)state;
    snprintf(jail, sizeof jail, "/tmp/sasl-lmdb-jail-XXXXXX");
    assert_non_null(mkdtemp(jail));
    furnish_jail();
    in_a_process(named_later, 1);
    clear_jail();
}

/* The store appears after the server has started. */
static int late(void)
{
    char hidden[112];

    snprintf(hidden, sizeof hidden, "%s.hidden", store.path);
    if (rename(store.path, hidden) != 0) {
        return 90;
    }
    initialise();
    if (login("alice", "secret") != SASL_UNAVAIL || strstr(host_log(), "reason=store") == NULL ||
        strstr(host_log(), store.path) == NULL) {
        return 1;
    }
    if (rename(hidden, store.path) != 0) {
        return 91;
    }
    return logins_work();
}

static void a_store_missing_at_start_is_tried_again(void **state)
{
    (void)state;
    in_a_process(late, 1);
}

static int set_up(void **state)
{
    (void)state;
    if (getuid() != 0) {
        fprintf(stderr, "skipped: needs root for chroot and setuid\n");
        exit(77);
    }
    store_dir_make_for_group(&store, NOBODY, users, sizeof users / sizeof users[0]);
    host_use_store(&store);
    return watcher_start(store.path) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    watcher_stop();
    store_dir_remove(&store);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_postfix),
        cmocka_unit_test(a_jailed_server_tells_the_first_reason),
        cmocka_unit_test(model_exim),
        cmocka_unit_test(model_slapd),
        cmocka_unit_test(model_sendmail),
        cmocka_unit_test(model_imapd),
        cmocka_unit_test(inert_where_not_configured),
        cmocka_unit_test(a_store_is_opened_for_who_names_it_later),
        cmocka_unit_test(a_store_missing_at_start_is_tried_again),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
