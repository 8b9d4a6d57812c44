/* SPDX-License-Identifier: BSD-2-Clause */
#include "exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "engine/cram_md5.h"
#include "engine/digest_md5.h"
#include "engine/login.h"
#include "engine/plain.h"
#include "engine/scram_server.h"
#include "fake_host.h"

enum { HUGE_MESSAGE = 65536, MAX_STEPS = 8 };

static const struct {
    const char *name;
    const struct mech_server_ops *ops;
    const void *variant;
} mechanisms[] = {
    {"PLAIN", &plain_server, NULL},
    {"LOGIN", &login_server, NULL},
    {"CRAM-MD5", &cram_md5_server, NULL},
    {"DIGEST-MD5", &digest_md5_server, NULL},
    {"SCRAM-SHA-1", &scram_server, &scram_sha_1},
    {"SCRAM-SHA-256", &scram_server, &scram_sha_256},
    {"SCRAM-SHA-512", &scram_server, &scram_sha_512},
};

void exchange_start(struct exchange *ex, const char *mechanism, const struct mech_host *host)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (strcmp(mechanisms[i].name, mechanism) == 0) {
            ex->ops = mechanisms[i].ops;
            ex->state = calloc(1, ex->ops->state_size);
            assert_non_null(ex->state);
            buf_init(&ex->out, MECH_MAX_OUTPUT);
            ex->ops->start(ex->state, mechanisms[i].variant, host);
            return;
        }
    }
    fail_msg("no mechanism is called %s", mechanism);
}

enum auth_status exchange_step(struct exchange *ex, struct slice in)
{
    uint8_t *block = in.p != NULL ? malloc(in.n > 0 ? in.n : 1) : NULL;

    if (block != NULL && in.n > 0) {
        memcpy(block, in.p, in.n);
    }
    assert_true(block != NULL || in.p == NULL);
    buf_release(&ex->out);
    alloc_fail_count(true);
    enum auth_status status = ex->ops->step(ex->state, slice_of(block, in.n), &ex->out);
    alloc_fail_count(false);
    if (block != NULL) {
        memset(block, 0xa5, in.n); /* nothing of a message may be needed later */
        free(block);
    }
    return status;
}

const char *exchange_detail(const struct exchange *ex)
{
    const struct mech_server *mech = ex->state;

    return mech->detail;
}

void exchange_end(struct exchange *ex)
{
    const uint8_t *bytes = ex->state;

    ex->ops->release(ex->state);
    for (size_t i = 0; i < ex->ops->state_size; i++) {
        assert_int_equal(bytes[i], 0);
    }
    free(ex->state);
    buf_release(&ex->out);
}

void exchange_scene_open(struct exchange_scene *scene, const char *mechanism, const char *file,
                         unsigned id)
{
    scene->file = stanza_read(VECTORS, file);
    assert_non_null(scene->file);
    fake_host_open(&scene->fake, scene->file, stanza_case(scene->file, id));
    scene->fake.host.nonce = NULL;
    exchange_start(&scene->ex, mechanism, &scene->fake.host);
}

void exchange_scene_close(struct exchange_scene *scene)
{
    exchange_end(&scene->ex);
    fake_host_close(&scene->fake);
    stanza_free(scene->file);
}

enum auth_status exchange_no_random(void *ctx, uint8_t *ret, size_t n)
{
    (void)ctx;
    memset(ret, 0, n);
    return AUTH_CRYPTO;
}

/* The client's messages of a case, each owned by the file. */
static size_t client_messages(const struct stanza *s, struct slice ret[MAX_STEPS])
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->fields[i].key, "C") == 0) {
            assert_true(n < MAX_STEPS);
            ret[n++] = s->fields[i].value;
        }
    }
    return n;
}

static bool is_last_message(const struct stanza *s, size_t at)
{
    for (size_t i = at + 1; i < s->n; i++) {
        if (strcmp(s->fields[i].key, "C") == 0) {
            return false;
        }
    }
    return true;
}

/* Compares what an S line expects, and what the host was asked for. */
static const char *check_seen(const struct stanza_file *file, const struct stanza *s,
                              const struct fake_host *fake)
{
    const struct stanza_field *authcid = stanza_find(file, s, "authcid");
    const struct stanza_field *authzid = stanza_find(file, s, "authzid");

    if (authcid != NULL && !slice_equal(authcid->value, buf_slice(&fake->authcid))) {
        return "the host was asked for another authcid";
    }
    if (authzid != NULL && (!slice_equal(authzid->value, buf_slice(&fake->authzid)) ||
                            fake->has_authzid != (authzid->value.p != NULL))) {
        return "the host was given another authzid";
    }
    return NULL;
}

static const char *run_steps(const struct stanza *s, struct exchange *ex, enum auth_status expected)
{
    enum auth_status status = AUTH_CONTINUE;

    for (size_t i = 0; i < s->n; i++) {
        const struct stanza_field *field = &s->fields[i];
        if (strcmp(field->key, "S") == 0 && !slice_equal(field->value, buf_slice(&ex->out))) {
            fprintf(stderr, "sent: %.*s\n", (int)ex->out.n, buf_text(&ex->out));
            return "the server said something else";
        }
        if (strcmp(field->key, "C") != 0) {
            continue;
        }
        status = exchange_step(ex, field->value);
        const bool last = is_last_message(s, i);
        if (status != (last ? expected : AUTH_CONTINUE)) {
            fprintf(stderr, "status: %s (%s)\n", auth_status_text(status),
                    exchange_detail(ex) != NULL ? exchange_detail(ex) : "-");
            return last ? "another status" : "refused too early";
        }
    }
    if (status == AUTH_MALFORMED && exchange_detail(ex) == NULL) {
        return "malformed, and nobody is told why";
    }
    if (exchange_step(ex, slice_str("alice")) != AUTH_MALFORMED ||
        exchange_step(ex, slice_of(NULL, 0)) != AUTH_MALFORMED ||
        strcmp(exchange_detail(ex), "step after the end of the exchange") != 0) {
        return "a step after the end";
    }
    return NULL;
}

static bool run_case(const struct stanza_file *file, const struct stanza *s)
{
    const struct stanza_field *status = stanza_find(file, s, "status");
    char *mechanism = stanza_text(file, s, "mechanism");
    enum auth_status expected = AUTH_OK;
    struct fake_host fake;
    struct exchange ex;

    assert_non_null(mechanism);
    if (!stanza_is_valid(s)) {
        assert_non_null(status);
        expected = fake_host_status(status->value);
        assert_int_not_equal(expected, AUTH_OK);
    }
    fake_host_open(&fake, file, s);
    exchange_start(&ex, mechanism, &fake.host);
    const char *wrong = run_steps(s, &ex, expected);
    if (wrong == NULL) {
        wrong = check_seen(file, s, &fake);
    }
    exchange_end(&ex);
    fake_host_close(&fake);
    free(mechanism);
    return wrong == NULL || stanza_complain(file, s, wrong);
}

void exchange_run_vectors(const char *name)
{
    struct stanza_file *file = stanza_read(VECTORS, name);
    size_t valid = 0;
    size_t failed = 0;

    assert_non_null(file);
    for (size_t i = 0; i < file->n; i++) {
        valid += stanza_is_valid(&file->cases[i]);
        failed += !run_case(file, &file->cases[i]);
    }
    printf("%s: %zu valid, %zu invalid\n", name, valid, file->n - valid);
    assert_int_equal(failed, 0);
    assert_true(file->n - valid > valid);
    stanza_free(file);
}

/* What a run of given messages ends with; stops at the first that does not ask for another. */
static enum auth_status run_messages(const struct stanza_file *file, const struct stanza *s,
                                     const struct slice *messages, size_t n)
{
    char *mechanism = stanza_text(file, s, "mechanism");
    enum auth_status status = AUTH_CONTINUE;
    struct fake_host fake;
    struct exchange ex;

    fake_host_open(&fake, file, s);
    exchange_start(&ex, mechanism, &fake.host);
    for (size_t i = 0; i < n && status == AUTH_CONTINUE; i++) {
        status = exchange_step(&ex, messages[i]);
    }
    if (status != AUTH_CONTINUE) {
        assert_int_equal(exchange_step(&ex, messages[n - 1]), AUTH_MALFORMED);
    }
    exchange_end(&ex);
    fake_host_close(&fake);
    free(mechanism);
    return status;
}

/* Refused for what the client sent. Waiting for more is fine where the messages ran out. */
static void assert_refused(enum auth_status status)
{
    if (status == AUTH_OK || auth_status_is_outage(status)) {
        fail_msg("a damaged message: %s", auth_status_text(status));
    }
}

struct open_case {
    struct stanza_file *file;
    const struct stanza *s;
    struct slice messages[MAX_STEPS];
    size_t n;
};

static void open_case(struct open_case *c, const char *name, unsigned id)
{
    c->file = stanza_read(VECTORS, name);
    assert_non_null(c->file);
    c->s = stanza_case(c->file, id);
    assert_non_null(c->s);
    c->n = client_messages(c->s, c->messages);
    assert_true(c->n > 0);
    assert_int_equal(run_messages(c->file, c->s, c->messages, c->n), AUTH_OK);
}

/* Runs the case with message k replaced. */
static void run_replaced(const struct open_case *c, size_t k, struct slice message)
{
    struct slice messages[MAX_STEPS];

    memcpy(messages, c->messages, sizeof messages);
    messages[k] = message;
    assert_refused(run_messages(c->file, c->s, messages, c->n));
}

static void damage_bytes(const struct open_case *c, size_t k)
{
    const struct slice message = c->messages[k];
    struct buf copy;

    buf_init(&copy, message.n + 1);
    for (size_t i = 0; i < message.n; i++) {
        run_replaced(c, k, slice_of(message.p, i)); /* cut */
        buf_clear(&copy);
        buf_put_slice(&copy, message);
        copy.p[i] ^= 1; /* changed */
        run_replaced(c, k, buf_slice(&copy));
        for (int inserted = 0; inserted < 2; inserted++) {
            buf_clear(&copy);
            buf_put(&copy, message.p, i);
            buf_put_byte(&copy, inserted ? 0xff : 0);
            buf_put(&copy, message.p + i, message.n - i);
            run_replaced(c, k, buf_slice(&copy));
        }
    }
    buf_release(&copy);
}

static void damage_whole(const struct open_case *c, size_t k)
{
    static const uint8_t fillers[] = {0, ' ', 'a', '=', ',', '"', '\\', 0xff};
    struct slice messages[MAX_STEPS + 1];
    uint8_t *huge = malloc(HUGE_MESSAGE);

    assert_non_null(huge);
    for (size_t i = 0; i < sizeof fillers; i++) {
        memset(huge, fillers[i], HUGE_MESSAGE);
        run_replaced(c, k, slice_of(huge, HUGE_MESSAGE));
        run_replaced(c, k, slice_of(huge, 1));
    }
    /* Right at the start, then going on for 64 KiB. */
    memset(huge, 'a', HUGE_MESSAGE);
    memcpy(huge, c->messages[k].p, c->messages[k].n);
    run_replaced(c, k, slice_of(huge, HUGE_MESSAGE));
    free(huge);
    /* Twice: what comes next finds itself a step late. */
    memcpy(messages, c->messages, (k + 1) * sizeof messages[0]);
    memcpy(messages + k + 1, c->messages + k, (c->n - k) * sizeof messages[0]);
    if (k + 1 < c->n) {
        assert_refused(run_messages(c->file, c->s, messages, c->n + 1));
    }
}

void exchange_run_damage(const char *name, unsigned id)
{
    struct open_case c;

    open_case(&c, name, id);
    for (size_t k = 0; k < c.n; k++) {
        if (c.messages[k].n == 0) {
            continue; /* the client waited for the challenge */
        }
        damage_bytes(&c, k);
        damage_whole(&c, k);
        run_replaced(&c, k, slice_of(NULL, 0));
        run_replaced(&c, k, slice_of("", 0));
    }
    /* Without the first ones. That the client waited at the start may be left out. */
    for (size_t k = c.messages[0].n == 0 ? 2 : 1; k < c.n; k++) {
        assert_refused(run_messages(c.file, c.s, c.messages + k, c.n - k));
    }
    stanza_free(c.file);
}

static enum auth_status run_with(const struct open_case *c, enum auth_status outage,
                                 enum auth_status verdict, const char *user,
                                 size_t sizes[MAX_STEPS])
{
    char *mechanism = stanza_text(c->file, c->s, "mechanism");
    enum auth_status status = AUTH_CONTINUE;
    struct fake_host fake;
    struct exchange ex;

    fake_host_open(&fake, c->file, c->s);
    fake.outage = outage;
    fake.verdict = verdict;
    if (user != NULL) {
        free(fake.user);
        fake.user = strdup(user);
    }
    memset(sizes, 0, MAX_STEPS * sizeof *sizes);
    exchange_start(&ex, mechanism, &fake.host);
    for (size_t i = 0; i < c->n && status == AUTH_CONTINUE; i++) {
        status = exchange_step(&ex, c->messages[i]);
        sizes[i] = status == AUTH_CONTINUE ? ex.out.n + 1 : 0;
    }
    if (status != AUTH_OK) {
        assert_int_equal(ex.out.n, 0);
    }
    assert_int_equal(exchange_step(&ex, c->messages[c->n - 1]), AUTH_MALFORMED);
    exchange_end(&ex);
    fake_host_close(&fake);
    free(mechanism);
    return status;
}

void exchange_run_outages(const char *name, unsigned id)
{
    static const enum auth_status outages[] = {AUTH_UNAVAILABLE,   AUTH_NO_MEMORY,
                                               AUTH_STORE_DAMAGED, AUTH_STORE_DENIED,
                                               AUTH_KEY_WRONG,     AUTH_INTERNAL};
    size_t sizes[MAX_STEPS];
    struct open_case c;

    open_case(&c, name, id);
    for (size_t i = 0; i < sizeof outages / sizeof outages[0]; i++) {
        assert_int_equal(run_with(&c, outages[i], AUTH_OK, NULL, sizes), outages[i]);
    }
    /* A host that breaks its contract is a defect, never a way in. */
    assert_int_equal(run_with(&c, AUTH_CONTINUE, AUTH_OK, NULL, sizes), AUTH_INTERNAL);
    assert_true(run_with(&c, AUTH_OK, AUTH_CONTINUE, NULL, sizes) == AUTH_INTERNAL);
    stanza_free(c.file);
}

void exchange_run_doomed(const char *name, unsigned id)
{
    static const enum auth_status verdicts[] = {AUTH_DISABLED, AUTH_EXPIRED, AUTH_NO_VERIFIER,
                                                AUTH_UNKNOWN_USER};
    size_t normal[MAX_STEPS];
    size_t sizes[MAX_STEPS];
    struct open_case c;

    open_case(&c, name, id);
    assert_int_equal(run_with(&c, AUTH_OK, AUTH_OK, NULL, normal), AUTH_OK);
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        assert_int_equal(run_with(&c, AUTH_OK, verdicts[i], NULL, sizes), verdicts[i]);
        assert_memory_equal(sizes, normal, sizeof sizes);
    }
    /* Decoys that the response does satisfy: the name alone refuses. */
    enum auth_status status = run_with(&c, AUTH_OK, AUTH_OK, "somebody-else", sizes);
    assert_int_equal(status, AUTH_UNKNOWN_USER);
    assert_memory_equal(sizes, normal, sizeof sizes);
    stanza_free(c.file);
}

void exchange_run_allocations(const char *name, unsigned id)
{
    struct open_case c;
    unsigned count = 0;

    open_case(&c, name, id);
    for (int from_then = 0; from_then < 2; from_then++) {
        for (long at = 0;; at++) {
            alloc_fail_arm(at, from_then != 0);
            enum auth_status status = run_messages(c.file, c.s, c.messages, c.n);
            if (alloc_fail_disarm() == 0) {
                assert_int_equal(status, AUTH_OK);
                break;
            }
            assert_int_equal(status, AUTH_NO_MEMORY);
            count++;
        }
    }
    printf("%s: %u failed allocations\n", name, count);
    stanza_free(c.file);
}
