/* SPDX-License-Identifier: BSD-2-Clause */
#include "host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <pthread.h>

#include <cmocka.h>

#include <sasl/saslplug.h>

#include "engine/verifier.h"
#include "store/store.h"

enum { MAX_OPTIONS = 32, LOG_SIZE = 65536 };

static struct {
    const char *name;
    const char *value;
} options[MAX_OPTIONS];
static char log_text[LOG_SIZE];
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER; /* servers have threads */

void (*host_inside)(bool inside);

void host_enter(bool inside)
{
    if (host_inside != NULL) {
        host_inside(inside);
    }
}

void host_option(const char *name, const char *value)
{
    size_t i = 0;

    while (i < MAX_OPTIONS && options[i].name != NULL && strcmp(options[i].name, name) != 0) {
        i++;
    }
    assert_true(i < MAX_OPTIONS);
    options[i].name = name;
    options[i].value = value;
}

static int get_option(void *context, const char *plugin, const char *option, const char **result,
                      unsigned *len)
{
    (void)context;
    (void)plugin;
    for (size_t i = 0; i < MAX_OPTIONS && options[i].name != NULL; i++) {
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

static int keep_log(void *context, int level, const char *message)
{
    (void)context;
    if (level <= SASL_LOG_WARN) {
        pthread_mutex_lock(&log_mutex);
        size_t n = strlen(log_text);
        snprintf(log_text + n, sizeof log_text - n, "%s\n", message);
        pthread_mutex_unlock(&log_mutex);
    }
    return SASL_OK;
}

const char *host_log(void)
{
    return log_text;
}

void host_log_clear(void)
{
    log_text[0] = '\0';
}

static const sasl_callback_t callbacks[] = {
    {SASL_CB_GETOPT, (sasl_callback_ft)(void (*)(void))get_option, NULL},
    {SASL_CB_LOG, (sasl_callback_ft)(void (*)(void))keep_log, NULL},
    {SASL_CB_LIST_END, NULL, NULL},
};

const sasl_callback_t *host_callbacks(void)
{
    return callbacks;
}

void host_use_store(const struct store_dir *dir)
{
    host_option("auxprop_plugin", "lmdb");
    host_option("lmdb_path", dir->path);
    host_option("lmdb_keyfile", dir->key_path);
}

void host_plugins(const char *directory)
{
    assert_int_equal(setenv("SASL_PATH", directory, 1), 0);
    assert_int_equal(setenv("SASL_PLUGINDIR", directory, 1), 0);
}

void host_start(void)
{
    host_log_clear();
    host_plugins(PLUGIN_DIR);
    assert_int_equal(sasl_server_init(callbacks, "sasl-lmdb-test"), SASL_OK);
}

void host_stop(void)
{
    sasl_done();
}

int host_begin(struct store_dir *ret, const struct host_user *users, size_t n)
{
    store_dir_make(ret, users, n);
    host_use_store(ret);
    host_start();
    return 0;
}

int host_end(struct store_dir *dir)
{
    host_stop();
    store_dir_remove(dir);
    return 0;
}

sasl_conn_t *host_connect(const char *user_realm, bool success_data)
{
    sasl_conn_t *conn = NULL;

    assert_int_equal(sasl_server_new("smtp", HOST_FQDN, user_realm, "127.0.0.1;25",
                                     "192.0.2.7;4711", NULL, success_data ? SASL_SUCCESS_DATA : 0,
                                     &conn),
                     SASL_OK);
    return conn;
}

int host_step(sasl_conn_t *conn, const char *mech, struct slice in, struct slice *ret_out)
{
    const char *out = NULL;
    unsigned out_len = 0;
    char *exact = NULL;

    if (in.p != NULL) {
        /* malloc(0) gives a block in which not one byte may be read. */
        exact = malloc(in.n);
        assert_non_null(exact);
        if (in.n > 0) {
            memcpy(exact, in.p, in.n);
        }
    }
    host_enter(true);
    int code = mech != NULL ? sasl_server_start(conn, mech, exact, (unsigned)in.n, &out, &out_len)
                            : sasl_server_step(conn, exact, (unsigned)in.n, &out, &out_len);
    host_enter(false);
    free(exact);
    if (ret_out != NULL) {
        /* After a refusal libsasl2 has disposed of the exchange and what it said. */
        bool valid = code == SASL_OK || code == SASL_CONTINUE;
        *ret_out = valid ? slice_of(out, out_len) : slice_of(NULL, 0);
    }
    return code;
}

const char *host_username(sasl_conn_t *conn)
{
    const void *value = NULL;

    return sasl_getprop(conn, SASL_USERNAME, &value) == SASL_OK ? value : NULL;
}

static void add_user(struct store *store, const struct verifier_policy *policy,
                     const struct host_user *user)
{
    struct record record = {
        .flags = user->disabled ? RECORD_DISABLED : 0,
        .expires = user->expires,
    };

    record.changed = (int64_t)time(NULL);
    snprintf(record.who.user, sizeof record.who.user, "%s", user->user);
    snprintf(record.who.realm, sizeof record.who.realm, "%s", user->realm);
    assert_int_equal(
        verifier_make(&record.who, slice_str(user->password), policy, &record.verifiers), AUTH_OK);
    verifier_drop(&record.verifiers, user->drop);
    assert_int_equal(store_write_batch(store, &record, 1, NULL, NULL), AUTH_OK);
}

static void make_store(struct store_dir *ret, bool have_group, gid_t group,
                       const struct host_user *users, size_t n)
{
    struct detail detail = {{0}};
    struct store *store = NULL;

    snprintf(ret->dir, sizeof ret->dir, "/tmp/sasl-lmdb-test-XXXXXX");
    assert_non_null(mkdtemp(ret->dir));
    snprintf(ret->path, sizeof ret->path, "%s/users.mdb", ret->dir);
    snprintf(ret->key_path, sizeof ret->key_path, "%s/key", ret->dir);
    struct store_create_options create = {
        .path = ret->path,
        .key_path = ret->key_path,
        .have_group = have_group,
        .group = group,
        .policy = {.kinds = VERIFIER_DEFAULT,
                   .iterations = VERIFIER_MIN_ITERATIONS,
                   .n_extra_realms = 1,
                   .extra_realm = {HOST_FQDN}},
    };
    if (store_create(&create, &detail) != AUTH_OK) {
        fail_msg("store_create: %s", detail.text);
    }
    const struct store_options open = {
        .path = ret->path, .key_path = ret->key_path, .writable = true};
    if (store_open(&open, &store, &detail) != AUTH_OK) {
        fail_msg("store_open: %s", detail.text);
    }
    for (size_t i = 0; i < n; i++) {
        add_user(store, &create.policy, &users[i]);
    }
    store_close(store);
}

void store_dir_make(struct store_dir *ret, const struct host_user *users, size_t n)
{
    make_store(ret, false, 0, users, n);
}

void store_dir_make_for_group(struct store_dir *ret, gid_t group, const struct host_user *users,
                              size_t n)
{
    make_store(ret, true, group, users, n);
    assert_int_equal(chmod(ret->dir, 0755), 0);
}

void store_dir_remove(struct store_dir *dir)
{
    char lock[112];

    snprintf(lock, sizeof lock, "%s-lock", dir->path);
    (void)unlink(dir->path);
    (void)unlink(lock);
    (void)unlink(dir->key_path);
    (void)rmdir(dir->dir);
}
