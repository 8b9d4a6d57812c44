/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe_sasl.h"

#include <sasl/sasl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

enum { CALLBACKS = 6 };

struct probe_sasl {
    const struct probe_account *account;
    sasl_conn_t *conn;     /* owned */
    sasl_secret_t *secret; /* owned */
    size_t secret_size;
    bool done;
    sasl_channel_binding_t binding;
    sasl_callback_t callbacks[CALLBACKS];
};

/* SASL's callbacks have many types and one slot; by way of the type that gcc takes for any. */
#define CALLBACK(function_) ((int (*)(void))(void (*)(void))(function_))

static int no_log(void *context, int level, const char *message)
{
    (void)context;
    (void)level;
    (void)message;
    return SASL_OK;
}

static int get_name(void *context, int id, const char **ret, unsigned *ret_n)
{
    const struct probe_sasl *sasl = context;
    /* No authorization identity: the server takes the one that follows from the name. */
    const char *name = id == SASL_CB_USER ? "" : sasl->account->user;
    *ret = name;
    if (ret_n != NULL) {
        *ret_n = (unsigned)strlen(name);
    }
    return SASL_OK;
}

static int get_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **ret)
{
    const struct probe_sasl *sasl = context;
    (void)conn;
    (void)id;
    *ret = sasl->secret;
    return SASL_OK;
}

/* The first realm that is offered, as clients that cannot ask do. */
static int get_realm(void *context, int id, const char **offered, const char **ret)
{
    (void)context;
    (void)id;
    *ret = offered != NULL && offered[0] != NULL ? offered[0] : "";
    return SASL_OK;
}

enum auth_status probe_sasl_load(struct detail *detail)
{
    static const sasl_callback_t callbacks[] = {{SASL_CB_LOG, CALLBACK(no_log), NULL},
                                                {SASL_CB_LIST_END, NULL, NULL}};
    int code = sasl_client_init(callbacks);
    if (code != SASL_OK) {
        return detail_set(detail, AUTH_UNAVAILABLE, "%s", sasl_errstring(code, NULL, NULL));
    }
    return AUTH_OK;
}

void probe_sasl_unload(void)
{
    sasl_client_done();
}

static enum auth_status make_secret(struct probe_sasl *sasl, struct slice password)
{
    sasl->secret_size = sizeof *sasl->secret + password.n + 1;
    sasl->secret = calloc(1, sasl->secret_size);
    if (sasl->secret == NULL) {
        return AUTH_NO_MEMORY;
    }
    sasl->secret->len = password.n;
    if (password.n > 0) {
        memcpy(sasl->secret->data, password.p, password.n);
    }
    return AUTH_OK;
}

/* No security layer: SMTP has TLS for that. */
static int set_properties(struct probe_sasl *sasl)
{
    const sasl_security_properties_t properties = {.max_ssf = 0};
    const sasl_ssf_t external = sasl->account->tls_bits;
    int code = sasl_setprop(sasl->conn, SASL_SEC_PROPS, &properties);
    return code == SASL_OK ? sasl_setprop(sasl->conn, SASL_SSF_EXTERNAL, &external) : code;
}

enum auth_status probe_sasl_new(const struct probe_account *account, struct probe_sasl **ret,
                                struct detail *detail)
{
    struct probe_sasl *sasl = calloc(1, sizeof *sasl);
    if (sasl == NULL) {
        return AUTH_NO_MEMORY;
    }
    sasl->account = account;
    const sasl_callback_t callbacks[CALLBACKS] = {
        {SASL_CB_USER, CALLBACK(get_name), sasl},   {SASL_CB_AUTHNAME, CALLBACK(get_name), sasl},
        {SASL_CB_PASS, CALLBACK(get_secret), sasl}, {SASL_CB_GETREALM, CALLBACK(get_realm), sasl},
        {SASL_CB_LOG, CALLBACK(no_log), NULL},      {SASL_CB_LIST_END, NULL, NULL},
    };
    memcpy(sasl->callbacks, callbacks, sizeof callbacks);
    enum auth_status status = make_secret(sasl, account->password);
    if (status == AUTH_OK) {
        int code =
            sasl_client_new("smtp", account->host, NULL, NULL, sasl->callbacks, 0, &sasl->conn);
        code = code == SASL_OK ? set_properties(sasl) : code;
        if (code != SASL_OK) {
            status = detail_set(detail, AUTH_UNAVAILABLE, "libsasl2: %s",
                                sasl_errstring(code, NULL, NULL));
        }
    }
    if (status != AUTH_OK) {
        probe_sasl_free(sasl);
        return status;
    }
    *ret = sasl;
    return AUTH_OK;
}

void probe_sasl_free(struct probe_sasl *sasl)
{
    if (sasl == NULL) {
        return;
    }
    sasl_dispose(&sasl->conn);
    if (sasl->secret != NULL) {
        crypto_wipe(sasl->secret, sasl->secret_size);
    }
    free(sasl->secret);
    free(sasl);
}

/* Takes over what a call of libsasl2 gave. */
static enum auth_status take_result(struct probe_sasl *sasl, int code, const char *out, unsigned n,
                                    struct buf *ret, struct detail *detail)
{
    if (code != SASL_OK && code != SASL_CONTINUE) {
        return detail_set(detail, AUTH_BAD_SERVER, "%s", sasl_errdetail(sasl->conn));
    }
    sasl->done = code == SASL_OK;
    buf_clear(ret);
    if (out != NULL) {
        buf_put(ret, out, n);
    }
    return buf_status(ret);
}

bool probe_sasl_binds(const char *mechanism)
{
    static const char suffix[] = "-PLUS";
    size_t n = strlen(mechanism);
    return n > sizeof suffix - 1 && strcmp(mechanism + n - (sizeof suffix - 1), suffix) == 0;
}

/*
 * For no other names: a client that has a binding and chooses a name without it says so, and the
 * server, which does offer the one with it, has to take that for an attack (RFC 5802 6).
 */
static int bind_channel(struct probe_sasl *sasl, const char *mechanism)
{
    const struct probe_binding *binding = &sasl->account->binding;
    if (!probe_sasl_binds(mechanism)) {
        return SASL_OK;
    }
    if (binding->name == NULL) {
        return SASL_NOMECH;
    }
    sasl->binding = (sasl_channel_binding_t){
        .name = binding->name,
        .critical = 1,
        .len = binding->n,
        .data = binding->data,
    };
    return sasl_setprop(sasl->conn, SASL_CHANNEL_BINDING, &sasl->binding);
}

enum auth_status probe_sasl_start(struct probe_sasl *sasl, const char *mechanism, struct buf *ret,
                                  bool *ret_initial, struct detail *detail)
{
    const char *out = NULL;
    const char *chosen = NULL;
    unsigned n = 0;
    int code = bind_channel(sasl, mechanism);
    if (code == SASL_OK) {
        code = sasl_client_start(sasl->conn, mechanism, NULL, &out, &n, &chosen);
    }
    if (code == SASL_NOMECH) {
        return AUTH_NOT_ALLOWED;
    }
    *ret_initial = out != NULL;
    return take_result(sasl, code, out, n, ret, detail);
}

enum auth_status probe_sasl_step(struct probe_sasl *sasl, struct slice challenge, struct buf *ret,
                                 struct detail *detail)
{
    const char *out = NULL;
    unsigned n = 0;
    buf_clear(ret);
    if (sasl->done) {
        /* An empty challenge behind the end is how some servers say "go on". */
        return challenge.n == 0 ? AUTH_OK
                                : detail_set(detail, AUTH_BAD_SERVER,
                                             "the server goes on after the end of the exchange");
    }
    const char *in = challenge.n > 0 ? (const char *)challenge.p : "";
    int code = sasl_client_step(sasl->conn, in, (unsigned)challenge.n, NULL, &out, &n);
    return take_result(sasl, code, out, n, ret, detail);
}

bool probe_sasl_done(const struct probe_sasl *sasl)
{
    return sasl->done;
}
