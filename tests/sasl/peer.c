/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host.h"

enum { MAX_MESSAGE = 65536, MAX_ROUNDS = 8 };

#define CALLBACK(function) ((sasl_callback_ft)(void (*)(void))(function))

static int get_simple(void *context, int id, const char **result, unsigned *len)
{
    struct peer *p = context;

    p->calls++;
    *result = id == SASL_CB_USER ? p->user : p->authname;
    if (len != NULL) {
        *len = *result == NULL ? 0 : (unsigned)strlen(*result);
    }
    return SASL_OK;
}

static int get_password(sasl_conn_t *conn, void *context, int id, sasl_secret_t **psecret)
{
    struct peer *p = context;

    (void)conn;
    assert_int_equal(id, SASL_CB_PASS);
    p->calls++;
    if (p->password == NULL) {
        return SASL_FAIL;
    }
    const size_t n = strlen(p->password);
    free(p->secret);
    host_enter(false);
    p->secret = malloc(sizeof *p->secret + n + 1);
    host_enter(true);
    assert_non_null(p->secret);
    p->secret->len = n;
    memcpy(p->secret->data, p->password, n + 1);
    *psecret = p->secret;
    return SASL_OK;
}

static void see_realms(struct peer *p, const char **offered)
{
    p->seen_realms[0] = '\0';
    for (; *offered != NULL; offered++) {
        size_t n = strlen(p->seen_realms);
        snprintf(p->seen_realms + n, sizeof p->seen_realms - n, "%s|", *offered);
    }
}

static int get_realm(void *context, int id, const char **offered, const char **result)
{
    struct peer *p = context;

    assert_int_equal(id, SASL_CB_GETREALM);
    p->calls++;
    see_realms(p, offered);
    *result = p->realm;
    return p->realm == NULL ? SASL_FAIL : SASL_OK;
}

void peer_library_start(void)
{
    assert_int_equal(sasl_client_init(host_callbacks()), SASL_OK);
}

void peer_open(struct peer *p, unsigned flags)
{
    unsigned n = 0;

    p->callbacks[n++] =
        (sasl_callback_t){SASL_CB_AUTHNAME, p->by_prompt ? NULL : CALLBACK(get_simple), p};
    p->callbacks[n++] =
        (sasl_callback_t){SASL_CB_PASS, p->by_prompt ? NULL : CALLBACK(get_password), p};
    if (!p->no_user_cb) {
        p->callbacks[n++] =
            (sasl_callback_t){SASL_CB_USER, p->by_prompt ? NULL : CALLBACK(get_simple), p};
    }
    if (p->realm != NULL) {
        p->callbacks[n++] =
            (sasl_callback_t){SASL_CB_GETREALM, p->by_prompt ? NULL : CALLBACK(get_realm), p};
    }
    p->callbacks[n] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
    assert_int_equal(sasl_client_new("smtp", HOST_FQDN, "192.0.2.7;4711", "127.0.0.1;25",
                                     p->callbacks, flags, &p->conn),
                     SASL_OK);
}

void peer_close(struct peer *p)
{
    sasl_dispose(&p->conn);
    free(p->secret);
    p->secret = NULL;
}

/* What a person types at each prompt. */
static void answer(struct peer *p, sasl_interact_t *prompt)
{
    p->prompts++;
    for (; prompt->id != SASL_CB_LIST_END; prompt++) {
        const char *text = NULL;
        assert_non_null(prompt->prompt);
        assert_non_null(prompt->challenge);
        switch (prompt->id) {
        case SASL_CB_USER:
            text = p->user;
            break;
        case SASL_CB_AUTHNAME:
            text = p->authname;
            break;
        case SASL_CB_PASS:
            text = p->password;
            break;
        case SASL_CB_GETREALM:
            snprintf(p->seen_realms, sizeof p->seen_realms, "%s", prompt->challenge);
            text = p->realm;
            break;
        default:
            fail_msg("a prompt nobody knows: %lx", prompt->id);
        }
        prompt->result = text;
        prompt->len = text == NULL ? 0 : (unsigned)strlen(text);
    }
}

static void keep(const char *out, unsigned n, struct buf *ret, bool *ret_sent)
{
    buf_clear(ret);
    *ret_sent = out != NULL;
    if (out != NULL) {
        buf_put(ret, out, n);
    }
    assert_int_equal(buf_status(ret), AUTH_OK);
}

int peer_start(struct peer *p, const char *mechs, const char **ret_mech, struct buf *out,
               bool *ret_sent)
{
    sasl_interact_t *prompts = NULL;
    const char *data = NULL;
    unsigned n = 0;
    int code;

    do {
        host_enter(true);
        code = sasl_client_start(p->conn, mechs, &prompts, &data, &n, ret_mech);
        host_enter(false);
        if (code == SASL_INTERACT) {
            assert_non_null(prompts);
            answer(p, prompts);
        }
    } while (code == SASL_INTERACT && p->prompts < MAX_ROUNDS);
    keep(data, n, out, ret_sent);
    return code;
}

int peer_step(struct peer *p, struct slice in, struct buf *out, bool *ret_sent)
{
    char *exact = malloc(in.n + 1);
    sasl_interact_t *prompts = NULL;
    const char *data = NULL;
    unsigned n = 0;
    int code;

    assert_non_null(exact);
    if (in.n > 0) {
        memcpy(exact, in.p, in.n);
    }
    exact[in.n] = '\0'; /* libsasl2 promises mechanisms this one */
    do {
        host_enter(true);
        code = sasl_client_step(p->conn, exact, (unsigned)in.n, &prompts, &data, &n);
        host_enter(false);
        if (code == SASL_INTERACT) {
            assert_non_null(prompts);
            answer(p, prompts);
        }
    } while (code == SASL_INTERACT && p->prompts < MAX_ROUNDS);
    free(exact);
    keep(data, n, out, ret_sent);
    return code;
}

static void deliver(struct talk *t, enum direction from, struct buf *message)
{
    if (message->n > t->bytes[from]) {
        t->bytes[from] = message->n;
    }
    if (t->tamper != NULL) {
        t->tamper(t->tamper_ctx, from, t->messages[from], message);
    }
    t->messages[from]++;
}

static int serve(struct talk *t, sasl_conn_t *server, const char *mech, bool has_in, struct buf *in,
                 struct buf *out, bool *ret_sent)
{
    struct slice said;

    if (has_in) {
        deliver(t, FROM_CLIENT, in);
    }
    struct slice bytes = buf_slice(in);
    if (bytes.p == NULL) {
        bytes.p = (const uint8_t *)"";
    }
    int code = host_step(server, mech, has_in ? bytes : slice_of(NULL, 0), &said);
    buf_clear(out);
    buf_put_slice(out, said);
    *ret_sent = said.p != NULL;
    return code;
}

void talk_run(struct talk *t, sasl_conn_t *server, struct peer *p)
{
    struct buf client_out;
    struct buf server_out;
    bool sent = false;
    bool said = false;

    buf_init(&client_out, MAX_MESSAGE);
    buf_init(&server_out, MAX_MESSAGE);
    t->messages[FROM_CLIENT] = t->messages[FROM_SERVER] = 0;
    t->server_code = SASL_CONTINUE;
    t->client_code = peer_start(p, t->mechs, &t->chosen, &client_out, &sent);
    if (t->client_code != SASL_OK && t->client_code != SASL_CONTINUE) {
        goto out;
    }
    const char *mech = t->server_mech != NULL ? t->server_mech : t->chosen;
    if (t->no_initial_response && sent) {
        struct buf nothing;
        buf_init(&nothing, 1);
        t->server_code = serve(t, server, mech, false, &nothing, &server_out, &said);
        assert_int_equal(t->server_code, SASL_CONTINUE);
        assert_int_equal(server_out.n, 0);
        mech = NULL;
    }
    t->server_code = serve(t, server, mech, sent, &client_out, &server_out, &said);
    for (unsigned round = 0; round < MAX_ROUNDS; round++) {
        bool more = t->server_code == SASL_CONTINUE || (t->server_code == SASL_OK && said);
        if (!more) {
            break;
        }
        deliver(t, FROM_SERVER, &server_out);
        if (t->client_code != SASL_CONTINUE) {
            break; /* done, and the server wants more */
        }
        t->client_code = peer_step(p, buf_slice(&server_out), &client_out, &sent);
        if (t->server_code == SASL_OK ||
            (t->client_code != SASL_OK && t->client_code != SASL_CONTINUE)) {
            break;
        }
        t->server_code = serve(t, server, NULL, true, &client_out, &server_out, &said);
    }
out:
    buf_release(&client_out);
    buf_release(&server_out);
}
