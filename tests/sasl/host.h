/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server application around the real libsasl2, with only our plugins on its path: options from
 * a table, log lines kept, one exchange at a time. What every test in this folder starts from.
 */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sasl/sasl.h>

#include "base/slice.h"

#define HOST_FQDN "mail.lab.test"
#define HOST_REALM "lab.test"

/* A private store in a directory of its own, with the users the tests speak of. */
struct store_dir {
    char dir[64];
    char path[96];
    char key_path[96];
};

struct host_user {
    const char *user;
    const char *realm;
    const char *password;
    bool disabled;
    unsigned drop;   /* kinds of verifiers to leave out */
    int64_t expires; /* seconds since 1970; 0: never */
};

/* Makes the store with 4096 iterations, the extra realm HOST_FQDN and these users. */
void store_dir_make(struct store_dir *ret, const struct host_user *users, size_t n);

/* The same, readable by a group too (data 0640, lock 0660, key 0640). */
void store_dir_make_for_group(struct store_dir *ret, gid_t group, const struct host_user *users,
                              size_t n);
void store_dir_remove(struct store_dir *dir);

/*
 * Called with true before libsasl2 is entered for a step, with false after it and around callbacks
 * of the application; NULL for nothing. For those who watch what happens inside.
 */
extern void (*host_inside)(bool inside);
void host_enter(bool inside);

/* Sets an option, NULL takes it away. The strings must outlive the host. */
void host_option(const char *name, const char *value);

/* auxprop_plugin, lmdb_path, lmdb_keyfile for this store. */
void host_use_store(const struct store_dir *dir);

/* The callbacks behind these options and host_log(), for others who initialise a library. */
const sasl_callback_t *host_callbacks(void);

/* Where libsasl2 finds plugins: SASL_PATH, and the name its development version has for that. */
void host_plugins(const char *directory);

/* sasl_server_init on the directory of our plugins; sasl_done. */
void host_start(void);
void host_stop(void);

/*
 * What a group of tests begins and ends with where it needs nothing more: a store with these
 * accounts, a host that uses it. Return 0, as cmocka wants its fixtures to.
 */
int host_begin(struct store_dir *ret, const struct host_user *users, size_t n);
int host_end(struct store_dir *dir);

/* All log lines since the last call to host_log_clear, newline-separated. */
const char *host_log(void);
void host_log_clear(void);

/* One connection. user_realm may be NULL. success_data: the protocol carries data with success. */
sasl_conn_t *host_connect(const char *user_realm, bool success_data);

/*
 * One step: the first call with mech starts the exchange, later ones have mech NULL. The client's
 * bytes are handed over in a heap block of exactly their size. in.p NULL: no initial response.
 * Returns libsasl2's code; *ret_out is what the server said, valid until the next step.
 */
int host_step(sasl_conn_t *conn, const char *mech, struct slice in, struct slice *ret_out);

/* SASL_USERNAME of the connection, or NULL. */
const char *host_username(sasl_conn_t *conn);

#endif
