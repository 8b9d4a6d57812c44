/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "engine/digest_layer.h"
#include "engine/digest_md5_client.h"
#include "exchange.h"
#include "fake_host.h"
#include "stanza.h"

#define FILE_NAME "digest_md5_client.txt"

enum { RFC_IMAP = 1, STOCK_CONF = 5, GNU_AUTHZID = 11 }; /* cases of the file */

/* A client, its host and its account, as a case describes them. */
struct client {
    struct mech_client_host host;
    struct mech_account account;
    char *service;
    char *fqdn;
    struct slice nonce;
    struct slice choice; /* p NULL: the first realm offered */
    unsigned ask;        /* how often a person has to be asked for the realm */
    unsigned asked;
    enum auth_status realm_failure;
    void *state;
    struct buf out;
};

static enum auth_status choose_realm(void *ctx, const struct slice *offered, size_t n,
                                     struct slice *ret)
{
    struct client *c = ctx;

    if (c->asked < c->ask) {
        c->asked++;
        return AUTH_NEED_INPUT;
    }
    if (c->choice.p != NULL) {
        *ret = c->choice;
    } else if (n > 0) {
        *ret = offered[0];
    }
    return c->realm_failure;
}

static enum auth_status put_nonce(void *ctx, struct buf *ret)
{
    const struct client *c = ctx;

    buf_put_slice(ret, c->nonce);
    return buf_status(ret);
}

static enum auth_status count_up(void *ctx, uint8_t *ret, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        ret[i] = (uint8_t)i;
    }
    return AUTH_OK;
}

static void client_open(struct client *c, const struct stanza_file *file, const struct stanza *s)
{
    *c = (struct client){
        .service = stanza_text(file, s, "service"),
        .fqdn = stanza_text(file, s, "fqdn"),
        .nonce = stanza_value(file, s, "nonce"),
        .choice = stanza_value(file, s, "choice"),
        .account = {.authcid = stanza_value(file, s, "user"),
                    .authzid = stanza_value(file, s, "authzid"),
                    .password = stanza_value(file, s, "password")},
    };
    c->host = (struct mech_client_host){
        .ctx = c,
        .service = c->service,
        .server_fqdn = c->fqdn,
        .layers = fake_host_layers(file, s),
        .random = count_up,
        .nonce = put_nonce,
        .choose_realm = choose_realm,
    };
    c->state = calloc(1, digest_md5_client.state_size);
    assert_non_null(c->state);
    buf_init(&c->out, MECH_MAX_OUTPUT);
    digest_md5_client.start(c->state, NULL, &c->host, &c->account);
}

static void client_close(struct client *c)
{
    const uint8_t *bytes = c->state;

    digest_md5_client.release(c->state);
    for (size_t i = 0; i < digest_md5_client.state_size; i++) {
        assert_int_equal(bytes[i], 0);
    }
    free(c->state);
    free(c->service);
    free(c->fqdn);
    buf_release(&c->out);
}

/* The message from a block of exactly its size, spoilt afterwards. */
static enum auth_status client_step(struct client *c, struct slice in)
{
    uint8_t *block = in.p != NULL ? malloc(in.n > 0 ? in.n : 1) : NULL;

    if (in.n > 0) {
        assert_non_null(block);
        memcpy(block, in.p, in.n);
    }
    buf_release(&c->out);
    alloc_fail_count(true);
    enum auth_status status = digest_md5_client.step(c->state, slice_of(block, in.n), &c->out);
    alloc_fail_count(false);
    if (block != NULL) {
        memset(block, 0xa5, in.n);
        free(block);
    }
    return status;
}

static const char *client_detail(const struct client *c)
{
    return ((const struct mech_client *)c->state)->detail;
}

static size_t count_server_messages(const struct stanza *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        n += strcmp(s->fields[i].key, "S") == 0;
    }
    return n;
}

static const char *run_steps(const struct stanza_file *file, const struct stanza *s,
                             struct client *c)
{
    const bool valid = stanza_is_valid(s);
    const size_t n = count_server_messages(s);
    enum auth_status status = AUTH_CONTINUE;
    size_t step = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct stanza_field *field = &s->fields[i];
        if (strcmp(field->key, "C") == 0 && !slice_equal(field->value, buf_slice(&c->out))) {
            fprintf(stderr, "sent: %s\n", buf_text(&c->out));
            return "the client said something else";
        }
        if (strcmp(field->key, "S") != 0) {
            continue;
        }
        if (digest_md5_client.layer(c->state) != NULL) {
            return "a layer before the end";
        }
        status = client_step(c, field->value);
        step++;
        const enum auth_status expected = step < n ? AUTH_CONTINUE
                                          : valid
                                              ? AUTH_OK
                                              : fake_host_status(stanza_value(file, s, "status"));
        if (status != expected) {
            fprintf(stderr, "status: %s (%s)\n", auth_status_text(status),
                    client_detail(c) != NULL ? client_detail(c) : "-");
            return step == n ? "another status" : "refused too early";
        }
    }
    if (status != AUTH_OK && client_detail(c) == NULL) {
        return "refused, and nobody is told why";
    }
    if (status == AUTH_OK && c->out.p != NULL) {
        return "a message after success";
    }
    return NULL;
}

static const char *run_end(const struct stanza_file *file, const struct stanza *s, struct client *c)
{
    const struct stanza_field *last = NULL;
    unsigned ssf = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->fields[i].key, "C") == 0) {
            last = &s->fields[i];
        }
    }
    if (stanza_is_valid(s)) {
        const struct slice message = last == NULL ? slice_str("") : last->value;
        ssf = memmem(message.p, message.n, "qop=auth-conf", 13) != NULL  ? 128
              : memmem(message.p, message.n, "qop=auth-int", 12) != NULL ? 1
                                                                         : 0;
    }
    struct digest_layer *layer = digest_md5_client.layer(c->state);
    if ((layer == NULL ? 0 : digest_layer_ssf(layer)) != ssf) {
        return "another layer";
    }
    for (int i = 0; i < 2; i++) {
        if (client_step(c, stanza_value(file, s, "S")) != AUTH_MALFORMED || c->out.n > 0 ||
            strcmp(client_detail(c), "step after the end of the exchange") != 0) {
            return "a step after the end";
        }
    }
    return digest_md5_client.layer(c->state) == NULL ? NULL : "a layer after a failure";
}

static void vectors(void **state)
{
    struct stanza_file *file = stanza_read(VECTORS, FILE_NAME);
    size_t valid = 0;
    size_t failed = 0;

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < file->n; i++) {
        const struct stanza *s = &file->cases[i];
        struct client c;
        client_open(&c, file, s);
        const char *wrong = run_steps(file, s, &c);
        if (wrong == NULL) {
            wrong = run_end(file, s, &c);
        }
        client_close(&c);
        valid += stanza_is_valid(s);
        failed += wrong != NULL && !stanza_complain(file, s, wrong);
    }
    printf("%s: %zu valid, %zu invalid\n", FILE_NAME, valid, file->n - valid);
    assert_int_equal(failed, 0);
    assert_true(file->n - valid > valid);
    stanza_free(file);
}

struct open_case {
    struct stanza_file *file;
    const struct stanza *s;
    struct slice challenge;
    struct slice rspauth;
};

static void open_case(struct open_case *ret, unsigned id)
{
    size_t n = 0;

    ret->file = stanza_read(VECTORS, FILE_NAME);
    assert_non_null(ret->file);
    ret->s = stanza_case(ret->file, id);
    assert_non_null(ret->s);
    for (size_t i = 0; i < ret->s->n; i++) {
        if (strcmp(ret->s->fields[i].key, "S") == 0) {
            *(n++ == 0 ? &ret->challenge : &ret->rspauth) = ret->s->fields[i].value;
        }
    }
    assert_int_equal(n, 2);
}

/* What comes of these two messages. */
static enum auth_status run(const struct open_case *oc, struct slice challenge,
                            struct slice rspauth)
{
    struct client c;

    client_open(&c, oc->file, oc->s);
    enum auth_status status = client_step(&c, challenge);
    if (status == AUTH_CONTINUE) {
        status = client_step(&c, rspauth);
    }
    client_close(&c);
    return status;
}

/* Each byte of either message changed, cut off, put in: the client never believes it is done. */
static void damaged_messages(void **state)
{
    static const uint8_t inserted[] = {0, 0xff, '"', '\\', ','};
    struct open_case oc;
    struct buf copy;

    (void)state;
    open_case(&oc, RFC_IMAP);
    buf_init(&copy, 4096);
    assert_int_equal(run(&oc, oc.challenge, oc.rspauth), AUTH_OK);
    for (size_t i = 0; i < oc.rspauth.n; i++) {
        assert_int_not_equal(run(&oc, oc.challenge, slice_of(oc.rspauth.p, i)), AUTH_OK);
        for (unsigned bit = 0; bit < 8; bit++) {
            if (i < 7 && bit == 5) {
                continue; /* names of directives are the same in upper case */
            }
            buf_clear(&copy);
            buf_put_slice(&copy, oc.rspauth);
            copy.p[i] ^= (uint8_t)(1U << bit);
            assert_int_not_equal(run(&oc, oc.challenge, buf_slice(&copy)), AUTH_OK);
        }
    }
    for (size_t i = 0; i < oc.challenge.n; i++) {
        enum auth_status status = run(&oc, slice_of(oc.challenge.p, i), slice_of("", 0));
        assert_true(status == AUTH_MALFORMED);
        for (size_t j = 0; j < sizeof inserted; j++) {
            buf_clear(&copy);
            buf_put(&copy, oc.challenge.p, i);
            buf_put_byte(&copy, inserted[j]);
            buf_put(&copy, oc.challenge.p + i, oc.challenge.n - i);
            status = run(&oc, buf_slice(&copy), slice_str("rspauth=0"));
            assert_true(status == AUTH_MALFORMED || status == AUTH_NOT_ALLOWED ||
                        status == AUTH_BAD_NAME);
        }
    }
    buf_release(&copy);
    stanza_free(oc.file);
}

/* A client that is asked to speak first does so once, and says nothing. */
static void speaking_first(void **state)
{
    struct open_case oc;

    (void)state;
    open_case(&oc, RFC_IMAP);
    for (int empty = 0; empty < 2; empty++) {
        const struct slice nothing = empty ? slice_of("", 0) : slice_of(NULL, 0);
        struct client c;
        client_open(&c, oc.file, oc.s);
        assert_int_equal(client_step(&c, nothing), AUTH_CONTINUE);
        assert_null(c.out.p);
        assert_int_equal(client_step(&c, oc.challenge), AUTH_CONTINUE);
        assert_int_equal(client_step(&c, oc.rspauth), AUTH_OK);
        client_close(&c);
        client_open(&c, oc.file, oc.s);
        assert_int_equal(client_step(&c, nothing), AUTH_CONTINUE);
        assert_int_equal(client_step(&c, nothing), AUTH_MALFORMED);
        assert_int_equal(client_step(&c, oc.challenge), AUTH_MALFORMED);
        client_close(&c);
    }
    stanza_free(oc.file);
}

/* While a person is asked nothing happens, and then all of it. */
static void asking_for_the_realm(void **state)
{
    struct open_case oc;
    struct client c;

    (void)state;
    open_case(&oc, RFC_IMAP);
    client_open(&c, oc.file, oc.s);
    c.ask = 3;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(client_step(&c, oc.challenge), AUTH_NEED_INPUT);
        assert_int_equal(c.out.n, 0);
        assert_int_equal(c.asked, i + 1);
    }
    assert_int_equal(client_step(&c, oc.challenge), AUTH_CONTINUE);
    assert_int_equal(client_step(&c, oc.rspauth), AUTH_OK);
    client_close(&c);
    client_open(&c, oc.file, oc.s);
    c.realm_failure = AUTH_UNAVAILABLE;
    assert_int_equal(client_step(&c, oc.challenge), AUTH_UNAVAILABLE);
    assert_int_equal(client_step(&c, oc.challenge), AUTH_MALFORMED);
    client_close(&c);
    client_open(&c, oc.file, oc.s);
    c.realm_failure = AUTH_CONTINUE; /* a host that breaks its contract */
    assert_int_equal(client_step(&c, oc.challenge), AUTH_INTERNAL);
    client_close(&c);
    stanza_free(oc.file);
}

/* Without a recorded cnonce: 144 bits of the host's randomness. */
static void own_cnonce(void **state)
{
    struct open_case oc;
    struct client c;

    (void)state;
    open_case(&oc, RFC_IMAP);
    client_open(&c, oc.file, oc.s);
    c.host.nonce = NULL;
    assert_int_equal(client_step(&c, oc.challenge), AUTH_CONTINUE);
    assert_non_null(strstr(buf_text(&c.out), ",cnonce=\"AAECAwQFBgcICQoLDA0ODxAR\","));
    assert_int_equal(client_step(&c, oc.rspauth), AUTH_BAD_SERVER);
    client_close(&c);
    stanza_free(oc.file);
}

static void allocations_that_fail(void **state)
{
    static const unsigned ids[] = {RFC_IMAP, STOCK_CONF, GNU_AUTHZID};
    unsigned count = 0;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof ids / sizeof ids[0]; i++) {
        struct open_case oc;
        open_case(&oc, ids[i / 2]);
        for (long at = 0;; at++) {
            alloc_fail_arm(at, i % 2 == 1);
            enum auth_status status = run(&oc, oc.challenge, oc.rspauth);
            if (alloc_fail_disarm() == 0) {
                assert_int_equal(status, AUTH_OK);
                break;
            }
            assert_int_equal(status, AUTH_NO_MEMORY);
            count++;
        }
        stanza_free(oc.file);
    }
    printf("client: %u failed allocations\n", count);
    assert_true(count > 12);
}

/* Both of our halves in one process. */
struct loop {
    struct fake_host server;
    struct exchange ex;
    struct client client;
    struct stanza_file *file;
};

static const char loop_text[] =
    "count = 4\nuser = j\xc3\xbcrgen\npassword = gr\xc3\xbc\xc3\x9f\nservice = imap\n"
    "realm = example.org\nfqdn = mail.example.org\n\n"
    "tcId = 1\ncomment = auth\nresult = valid\n\n"
    "tcId = 2\ncomment = auth-int\nresult = valid\nmax-ssf = 1\nmax-buffer = 1000\n\n"
    "tcId = 3\ncomment = auth-conf\nresult = valid\nmax-ssf = 128\nmax-buffer = 1000\nrc4 = 1\n\n"
    "tcId = 4\ncomment = small\nresult = valid\nmax-ssf = 1\nmax-buffer = 17\n\n# end\n";

static void loop_open(struct loop *l, unsigned id, bool charset)
{
    struct buf challenge;

    l->file = stanza_parse("loop", slice_str(loop_text));
    assert_non_null(l->file);
    const struct stanza *s = stanza_case(l->file, id);
    fake_host_open(&l->server, l->file, s);
    exchange_start(&l->ex, "DIGEST-MD5", &l->server.host);
    client_open(&l->client, l->file, s);
    l->client.host.nonce = NULL;
    assert_int_equal(exchange_step(&l->ex, slice_of(NULL, 0)), AUTH_CONTINUE);
    buf_init(&challenge, 4096);
    buf_put_slice(&challenge, buf_slice(&l->ex.out));
    if (!charset) {
        buf_truncate(&challenge, challenge.n - strlen(",charset=utf-8"));
    }
    assert_int_equal(client_step(&l->client, buf_slice(&challenge)), AUTH_CONTINUE);
    assert_int_equal(exchange_step(&l->ex, buf_slice(&l->client.out)), AUTH_OK);
    assert_int_equal(client_step(&l->client, buf_slice(&l->ex.out)), AUTH_OK);
    buf_release(&challenge);
}

static void loop_close(struct loop *l)
{
    client_close(&l->client);
    exchange_end(&l->ex);
    fake_host_close(&l->server);
    stanza_free(l->file);
}

static void say(struct digest_layer *from, struct digest_layer *to, struct slice message)
{
    struct buf packets;
    struct buf out;

    buf_init(&packets, INT32_MAX);
    buf_init(&out, INT32_MAX);
    assert_int_equal(digest_layer_encode(from, &message, 1, &packets), AUTH_OK);
    assert_int_equal(digest_layer_decode(to, buf_slice(&packets), &out), AUTH_OK);
    assert_true(slice_equal(message, buf_slice(&out)));
    buf_release(&packets);
    buf_release(&out);
}

static void loopback(void **state)
{
    static const unsigned ssf[] = {0, 0, 1, 128, 1};
    uint8_t text[5000];

    (void)state;
    memset(text, 'x', sizeof text);
    for (unsigned id = 1; id <= 4; id++) {
        for (int charset = 0; charset < 2; charset++) {
            struct loop l;
            loop_open(&l, id, charset != 0);
            struct digest_layer *server = l.ex.ops->layer(l.ex.state);
            struct digest_layer *client = digest_md5_client.layer(l.client.state);
            assert_int_equal(server == NULL ? 0 : digest_layer_ssf(server), ssf[id]);
            assert_int_equal(client == NULL ? 0 : digest_layer_ssf(client), ssf[id]);
            for (size_t n = 0; n < sizeof text && server != NULL && client != NULL; n += 499) {
                say(client, server, slice_of(text, n));
                say(server, client, slice_of(text + n, sizeof text - n));
            }
            loop_close(&l);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),        cmocka_unit_test(damaged_messages),
        cmocka_unit_test(speaking_first), cmocka_unit_test(asking_for_the_realm),
        cmocka_unit_test(own_cnonce),     cmocka_unit_test(allocations_that_fail),
        cmocka_unit_test(loopback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
