/* SPDX-License-Identifier: BSD-2-Clause */
#include "client_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "engine/scram_msg.h"
#include "fake_host.h"
#include "stanza.h"

enum { HUGE_MESSAGE = 65536, MAX_STEPS = 8 };

/* One exchange: an engine, its user and its surroundings. */
struct run {
    const struct mech_client_ops *ops;
    void *state;
    struct mech_client_host host;
    struct mech_account account;
    struct mech_binding binding;
    char *binding_name;
    struct slice nonce;
    struct buf out;
};

static enum auth_status put_nonce(void *ctx, struct buf *ret)
{
    const struct run *run = ctx;

    buf_put_slice(ret, run->nonce);
    return buf_status(ret);
}

static enum auth_status no_random(void *ctx, uint8_t *ret, size_t n)
{
    (void)ctx;
    memset(ret, 0, n);
    return AUTH_CRYPTO;
}

static enum mech_binding_use binding_use(const struct stanza_file *file, const struct stanza *s)
{
    struct slice use = stanza_value(file, s, "binding-use");

    if (use.n == 0 || slice_equal_str(use, "none")) {
        return MECH_BINDING_NONE;
    }
    if (slice_equal_str(use, "unoffered")) {
        return MECH_BINDING_UNOFFERED;
    }
    assert_true(slice_equal_str(use, "used"));
    return MECH_BINDING_USED;
}

static const struct scram_variant *variant_of(const struct stanza_file *file,
                                              const struct stanza *s)
{
    static const struct scram_variant *const variants[] = {&scram_sha_1, &scram_sha_256,
                                                           &scram_sha_512};

    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (slice_equal_str(stanza_value(file, s, "mechanism"), variants[i]->name)) {
            return variants[i];
        }
    }
    return NULL;
}

static void run_open(struct run *run, const struct mech_client_ops *ops,
                     const struct stanza_file *file, const struct stanza *s)
{
    *run = (struct run){
        .ops = ops,
        .state = calloc(1, ops->state_size),
        .account = {.authcid = stanza_value(file, s, "user"),
                    .authzid = stanza_value(file, s, "authzid"),
                    .password = stanza_value(file, s, "password")},
        .binding_name = stanza_text(file, s, "binding"),
        .nonce = stanza_value(file, s, "nonce"),
    };
    assert_non_null(run->state);
    run->binding.name = run->binding_name;
    run->binding.data = stanza_value(file, s, "binding-data");
    run->host = (struct mech_client_host){
        .ctx = run,
        .service = "smtp",
        .server_fqdn = "mail.example.org",
        .min_iterations = stanza_number(file, s, "min-iterations", CLIENT_MIN_ITERATIONS),
        .max_iterations = stanza_number(file, s, "max-iterations", CLIENT_MAX_ITERATIONS),
        .binding = run->binding_name != NULL ? &run->binding : NULL,
        .binding_use = binding_use(file, s),
        .random = no_random,
        .nonce = put_nonce,
    };
    buf_init(&run->out, MECH_MAX_OUTPUT);
    ops->start(run->state, variant_of(file, s), &run->host, &run->account);
}

/* The message in a heap block of its size, gone afterwards. */
static enum auth_status run_step(struct run *run, struct slice in)
{
    uint8_t *block = in.p != NULL ? malloc(in.n > 0 ? in.n : 1) : NULL;

    if (in.n > 0) {
        assert_non_null(block);
        memcpy(block, in.p, in.n);
    }
    buf_release(&run->out);
    alloc_fail_count(true);
    enum auth_status status = run->ops->step(run->state, slice_of(block, in.n), &run->out);
    alloc_fail_count(false);
    if (block != NULL) {
        memset(block, 0xa5, in.n);
        free(block);
    }
    return status;
}

static const char *run_detail(const struct run *run)
{
    const struct mech_client *mech = run->state;

    return mech->detail;
}

static void run_close(struct run *run)
{
    const uint8_t *bytes = run->state;

    run->ops->release(run->state);
    for (size_t i = 0; i < run->ops->state_size; i++) {
        assert_int_equal(bytes[i], 0);
    }
    free(run->state);
    free(run->binding_name);
    buf_release(&run->out);
}

static size_t server_messages(const struct stanza *s, struct slice ret[MAX_STEPS])
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->fields[i].key, "S") == 0) {
            assert_true(n < MAX_STEPS);
            ret[n++] = s->fields[i].value;
        }
    }
    return n;
}

static const char *play(const struct stanza *s, struct run *run, size_t n_server,
                        enum auth_status expected)
{
    enum auth_status status = AUTH_CONTINUE;
    bool answered = true;
    size_t seen = 0;

    for (size_t i = 0; i < s->n; i++) {
        const struct stanza_field *field = &s->fields[i];
        if (strcmp(field->key, "C") == 0) {
            answered = true;
            if (!slice_equal(field->value, buf_slice(&run->out))) {
                fprintf(stderr, "sent: %.*s\n", (int)run->out.n, buf_text(&run->out));
                return "the client said something else";
            }
        } else if (strcmp(field->key, "S") == 0) {
            status = run_step(run, field->value);
            answered = false;
            seen++;
            if (status != (seen == n_server ? expected : AUTH_CONTINUE)) {
                fprintf(stderr, "status: %s (%s)\n", auth_status_text(status),
                        run_detail(run) != NULL ? run_detail(run) : "-");
                return "another status";
            }
        }
    }
    if (expected != AUTH_OK && run_detail(run) == NULL) {
        return "a failure, and nobody is told why";
    }
    if (expected == AUTH_OK && !answered && run->out.p != NULL) {
        return "something to send after success";
    }
    if (run_step(run, slice_str("x")) != AUTH_MALFORMED ||
        run_step(run, slice_of(NULL, 0)) != AUTH_MALFORMED || run->out.n != 0) {
        return "a step after the end";
    }
    return NULL;
}

static bool run_case(const struct mech_client_ops *ops, const struct stanza_file *file,
                     const struct stanza *s)
{
    const struct stanza_field *status = stanza_find(file, s, "status");
    enum auth_status expected = AUTH_OK;
    struct slice messages[MAX_STEPS];
    struct run run;

    if (!stanza_is_valid(s)) {
        assert_non_null(status);
        expected = fake_host_status(status->value);
        assert_int_not_equal(expected, AUTH_OK);
    }
    run_open(&run, ops, file, s);
    const char *wrong = play(s, &run, server_messages(s, messages), expected);
    run_close(&run);
    return wrong == NULL || stanza_complain(file, s, wrong);
}

void client_run_vectors(const struct mech_client_ops *ops, const char *name)
{
    struct stanza_file *file = stanza_read(VECTORS, name);
    size_t valid = 0;
    size_t failed = 0;

    assert_non_null(file);
    for (size_t i = 0; i < file->n; i++) {
        valid += stanza_is_valid(&file->cases[i]);
        failed += !run_case(ops, file, &file->cases[i]);
    }
    printf("%s: %zu valid, %zu invalid\n", name, valid, file->n - valid);
    assert_int_equal(failed, 0);
    assert_true(file->n - valid > valid);
    stanza_free(file);
}

/* A valid case, to be run with other messages. */
struct open_case {
    const struct mech_client_ops *ops;
    struct stanza_file *file;
    const struct stanza *s;
    struct slice messages[MAX_STEPS];
    size_t n;
    bool server_proves;
};

static enum auth_status run_messages(const struct open_case *c, const struct slice *messages)
{
    enum auth_status status = AUTH_CONTINUE;
    struct run run;

    run_open(&run, c->ops, c->file, c->s);
    for (size_t i = 0; i < c->n && status == AUTH_CONTINUE; i++) {
        status = run_step(&run, messages[i]);
    }
    run_close(&run);
    return status;
}

static void open_case(struct open_case *c, const struct mech_client_ops *ops, const char *name,
                      unsigned id)
{
    c->ops = ops;
    c->file = stanza_read(VECTORS, name);
    assert_non_null(c->file);
    c->s = stanza_case(c->file, id);
    assert_non_null(c->s);
    c->n = server_messages(c->s, c->messages);
    assert_int_equal(run_messages(c, c->messages), AUTH_OK);
}

static void run_replaced(const struct open_case *c, size_t k, struct slice message)
{
    struct slice messages[MAX_STEPS];

    memcpy(messages, c->messages, sizeof messages);
    messages[k] = message;
    enum auth_status status = run_messages(c, messages);
    if ((status == AUTH_OK && c->server_proves) || auth_status_is_outage(status)) {
        fail_msg("message %zu: %.*s: %s", k, (int)(message.n < 200 ? message.n : 200),
                 message.p == NULL ? "" : (const char *)message.p, auth_status_text(status));
    }
}

static void damage(const struct open_case *c, size_t k)
{
    static const uint8_t fillers[] = {0, ' ', 'a', '=', ',', 0xff};
    const struct slice message = c->messages[k];
    uint8_t *huge = malloc(HUGE_MESSAGE);
    struct buf copy;

    assert_non_null(huge);
    buf_init(&copy, message.n + 1);
    for (size_t i = 0; i < message.n; i++) {
        run_replaced(c, k, slice_of(message.p, i));
        buf_clear(&copy);
        buf_put_slice(&copy, message);
        copy.p[i] ^= 1;
        run_replaced(c, k, buf_slice(&copy));
        for (int inserted = 0; inserted < 2; inserted++) {
            buf_clear(&copy);
            buf_put(&copy, message.p, i);
            buf_put_byte(&copy, inserted ? 0xff : 0);
            buf_put(&copy, message.p + i, message.n - i);
            run_replaced(c, k, buf_slice(&copy));
        }
    }
    for (size_t i = 0; i < sizeof fillers; i++) {
        memset(huge, fillers[i], HUGE_MESSAGE);
        run_replaced(c, k, slice_of(huge, HUGE_MESSAGE));
        run_replaced(c, k, slice_of(huge, 1));
    }
    run_replaced(c, k, slice_of(NULL, 0));
    buf_release(&copy);
    free(huge);
}

void client_run_damage(const struct mech_client_ops *ops, const char *name, unsigned id,
                       bool server_proves)
{
    struct open_case c = {.server_proves = server_proves};

    open_case(&c, ops, name, id);
    for (size_t k = 0; k < c.n; k++) {
        if (c.messages[k].n > 0) {
            damage(&c, k);
        }
    }
    stanza_free(c.file);
}

void client_run_allocations(const struct mech_client_ops *ops, const char *name, unsigned id)
{
    struct open_case c = {.server_proves = false};
    unsigned count = 0;

    open_case(&c, ops, name, id);
    for (int from_then = 0; from_then < 2; from_then++) {
        for (long at = 0;; at++) {
            alloc_fail_arm(at, from_then != 0);
            enum auth_status status = run_messages(&c, c.messages);
            if (alloc_fail_disarm() == 0) {
                assert_int_equal(status, AUTH_OK);
                break;
            }
            assert_int_equal(status, AUTH_NO_MEMORY);
            count++;
        }
    }
    printf("%s: %u failed allocations\n", name, count);
    assert_true(count > 0);
    stanza_free(c.file);
}
