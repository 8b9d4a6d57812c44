/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server with our plugins, for tests that are no C program: sasl_login STORE KEYFILE. Each line
 * of standard input is "MECHANISM<TAB>USER<TAB>PASSWORD"; for each one line comes back, libsasl2's
 * code. The line "log" gives the log so far, and an empty line after it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client.h"
#include "host.h"

enum { MAX_LINE = 4096, MAX_MESSAGE = 4096 };

static int by_scram(sasl_conn_t *conn, struct client *c, struct buf *message)
{
    struct slice out;

    client_scram_first(c, message);
    int code = host_step(conn, "SCRAM-SHA-256", buf_slice(message), &out);
    if (code == SASL_CONTINUE) {
        buf_clear(message);
        client_scram_final(c, CRYPTO_SHA256, out, message);
        code = host_step(conn, NULL, buf_slice(message), &out);
    }
    return code;
}

static int by_cram(sasl_conn_t *conn, struct client *c, struct buf *message)
{
    struct slice out;
    int code = host_step(conn, "CRAM-MD5", slice_of(NULL, 0), &out);

    if (code == SASL_CONTINUE) {
        client_cram(c, out, message);
        code = host_step(conn, NULL, buf_slice(message), &out);
    }
    return code;
}

static int by_login(sasl_conn_t *conn, struct client *c)
{
    struct slice out;
    int code = host_step(conn, "LOGIN", slice_str(c->authcid), &out);

    return code == SASL_CONTINUE ? host_step(conn, NULL, slice_str(c->password), &out) : code;
}

static int log_in(const char *mech, const char *user, const char *password)
{
    struct client c;
    struct buf message;
    int code;
    sasl_conn_t *conn = host_connect(HOST_REALM, true);

    client_init(&c, user, password);
    buf_init(&message, MAX_MESSAGE);
    if (strcmp(mech, "SCRAM-SHA-256") == 0) {
        code = by_scram(conn, &c, &message);
    } else if (strcmp(mech, "CRAM-MD5") == 0) {
        code = by_cram(conn, &c, &message);
    } else if (strcmp(mech, "LOGIN") == 0) {
        code = by_login(conn, &c);
    } else {
        client_plain(&c, &message);
        code = host_step(conn, "PLAIN", buf_slice(&message), NULL);
    }
    buf_release(&message);
    client_release(&c);
    sasl_dispose(&conn);
    return code;
}

int main(int argc, char **argv)
{
    char line[MAX_LINE];

    if (argc < 3) {
        fprintf(stderr, "usage: sasl_login STORE KEYFILE [OPTION VALUE]...\n");
        return 2;
    }
    host_option("auxprop_plugin", "lmdb");
    host_option("lmdb_path", argv[1]);
    host_option("lmdb_keyfile", argv[2]);
    for (int i = 3; i + 1 < argc; i += 2) {
        host_option(argv[i], argv[i + 1]);
    }
    host_start();
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *rest = NULL;
        const char *mech = strtok_r(line, "\t\n", &rest);
        const char *user = strtok_r(NULL, "\t", &rest);
        const char *password = strtok_r(NULL, "\n", &rest);
        if (mech != NULL && user != NULL && password != NULL) {
            printf("%d\n", log_in(mech, user, password));
        } else {
            printf("%s\n", host_log());
        }
        fflush(stdout);
    }
    host_stop();
    return 0;
}
