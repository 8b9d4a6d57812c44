/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Can a client tell by the clock why it was refused? Runs exchanges through libsasl2 that end in
 * refusal, of a known user with a wrong password, of a user that does not exist, of a disabled and
 * an expired one with the right password, and of one without a verifier for the mechanism, in
 * turns, and compares the time that each step takes with the first of these.
 *
 *   timing PLUGINS ROUNDS MECHANISM ...            prints a table
 *   timing --seen PLUGINS ROUNDS MECHANISM ...     fails unless each mechanism is over the limits
 *   timing --caught PLUGINS ROUNDS MECHANISM ...   fails unless a difference is plain to see
 *
 * "DIGEST-MD5/names" is the mechanism with names that ISO-8859-1 writes otherwise, "/password" with
 * such passwords, "/realm" with accounts in one of the store's extra realms. Where a password is
 * derived, a fifth of the rounds are made.
 *
 * "!" stands beside what is over the limits: |t| of 10 where it is about 0.1 us or more, for a
 * whole exchange medians 1 us apart, 0.3 % where a password is derived (PLAIN, LOGIN). On a busy
 * machine such marks mean little. With --seen and --caught each of unknown, disabled and expired
 * counts.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "client.h"
#include "host.h"
#include "statistics.h"

enum class { WRONG_PASSWORD, UNKNOWN, DISABLED, EXPIRED, NO_VERIFIER, CLASSES };

/* The last two are no steps: the end of the connection, and all together. */
enum { MAX_STEPS = 3, DISPOSE = MAX_STEPS, WHOLE, SPANS };

enum { NAMES = 8, MANY_ROUNDS = 1000, MAX_ROUNDS = 1000000, MESSAGE = 8192 };

static const char wrong[] = "some other password";

static const double t_limit = 10;
static const double us_limit = 1;
static const double us_floor = 0.1; /* below it |t| says how quiet the machine is, and no more */
static const double derived_limit = 0.003;
static const double caught_t = 5;       /* with --caught: for a difference no noise explains */
static const double caught_share = 0.5; /* of the median */

enum outcome { ALIKE, OVER_LIMITS, PLAIN_TO_SEE };

/* The accounts that are compared; a client knows how it is called, and not its password. */
struct accounts {
    const char *label; /* behind the mechanism's name on the command line and in the table */
    const char *user;  /* how names begin */
    const char *realm; /* of all */
    const char *password;
};

static const struct accounts accounts[] = {
    {"", "user", HOST_REALM, "the right password"},
    /* Of the last three DIGEST-MD5 has other verifiers, or more, or fewer. */
    {"/names", "us\xc3\xa9r", HOST_REALM, "the right password"},
    {"/password", "user", HOST_REALM,
     "the r\xc3\xad"
     "ght password"},
    {"/realm", "user", HOST_FQDN, "the right password"},
};

struct mechanism {
    const char *name;
    unsigned kinds; /* what the account without a verifier lacks */
    enum crypto_hash hash;
    bool derives;
};

static const struct mechanism mechanisms[] = {
    {"PLAIN", VERIFIER_SCRAM | VERIFIER_CHECKPASS_MD5, CRYPTO_HASHES, true},
    {"LOGIN", VERIFIER_SCRAM | VERIFIER_CHECKPASS_MD5, CRYPTO_HASHES, true},
    {"CRAM-MD5", VERIFIER_CRAM_MD5, CRYPTO_HASHES, false},
    {"DIGEST-MD5", VERIFIER_DIGEST_MD5, CRYPTO_HASHES, false},
    {"SCRAM-SHA-1", VERIFIER_SCRAM_SHA_1, CRYPTO_SHA1, false},
    {"SCRAM-SHA-256", VERIFIER_SCRAM_SHA_256, CRYPTO_SHA256, false},
    {"SCRAM-SHA-512", VERIFIER_SCRAM_SHA_512, CRYPTO_SHA512, false},
};

/* What is measured now. */
static const struct mechanism *m;
static const struct accounts *who;
static char title[32];

static const char *const class_names[] = {"wrong password", "unknown user", "disabled", "expired",
                                          "no verifier"};

/* Names of one length, so that no message is longer than another. */
static char names[CLASSES][NAMES][64];

/* Durations by class and span. */
static double *durations[CLASSES][SPANS];

static int no_log(void *context, int level, const char *message)
{
    (void)context;
    (void)level;
    (void)message;
    return SASL_OK;
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(bool holds, const char *mechanism, const char *what)
{
    if (!holds) {
        fprintf(stderr, "timing: %s: %s\n", mechanism, what);
        exit(1);
    }
}

/* What the client says in its step. False when there is none any more. */
static bool say(unsigned step, struct client *c, struct slice challenge, struct buf *ret)
{
    struct buf rspauth;

    buf_clear(ret);
    if (strcmp(m->name, "PLAIN") == 0) {
        client_plain(c, ret);
        return step == 0;
    }
    if (strcmp(m->name, "LOGIN") == 0) {
        buf_put_str(ret, step == 1 ? c->authcid : step == 2 ? c->password : "");
        return step <= 2;
    }
    if (step == 0) {
        if (m->hash != CRYPTO_HASHES) {
            client_scram_first(c, ret);
        }
        return true;
    }
    if (m->hash != CRYPTO_HASHES) {
        client_scram_final(c, m->hash, challenge, ret);
    } else if (strcmp(m->name, "CRAM-MD5") == 0) {
        client_cram(c, challenge, ret);
    } else {
        buf_init(&rspauth, MESSAGE);
        client_digest(c, challenge, ret, &rspauth);
        buf_release(&rspauth);
    }
    return step == 1;
}

/* One refused exchange. Only what happens inside libsasl2 is timed. */
static void exchange(enum class class, size_t name, double ret[SPANS])
{
    sasl_conn_t *conn = host_connect(HOST_REALM, true);
    int code = SASL_CONTINUE;
    const char *out = NULL;
    unsigned out_len = 0;
    struct client client;
    struct buf message;

    memset(ret, 0, SPANS * sizeof ret[0]);
    client_init(&client, names[class][name],
                class == DISABLED || class == EXPIRED ? who->password : wrong);
    client.realm = who->realm;
    buf_init(&message, MESSAGE);
    for (unsigned step = 0; code == SASL_CONTINUE; step++) {
        must(step < MAX_STEPS && say(step, &client, slice_of(out, out_len), &message), title,
             "the server goes on asking");
        const char *bytes = step > 0 || message.n > 0 ? buf_text(&message) : NULL;
        const unsigned n = (unsigned)message.n;
        const double start = now_us();
        code = step == 0 ? sasl_server_start(conn, m->name, bytes, n, &out, &out_len)
                         : sasl_server_step(conn, bytes, n, &out, &out_len);
        ret[step] = now_us() - start;
    }
    must(code == SASL_BADAUTH, title, "refused otherwise than for a wrong password");
    const double start = now_us();
    sasl_dispose(&conn);
    ret[DISPOSE] = now_us() - start;
    for (unsigned span = 0; span < WHOLE; span++) {
        ret[WHOLE] += ret[span];
    }
    buf_release(&message);
    client_release(&client);
}

/* Every class once a round, in another order each time. */
static void measure(size_t rounds)
{
    enum class order[CLASSES] = {WRONG_PASSWORD, UNKNOWN, DISABLED, EXPIRED, NO_VERIFIER};
    const size_t warm = rounds / 20 + 1;
    uint64_t random = 88172645463325252U;
    double spans[SPANS];

    for (size_t round = 0; round < warm + rounds; round++) {
        for (size_t i = CLASSES; i-- > 0;) {
            random ^= random << 13; /* xorshift, the same in every run */
            random ^= random >> 7;
            random ^= random << 17;
            const size_t with = random % (i + 1);
            const enum class class = order[with];
            order[with] = order[i];
            order[i] = class;
            exchange(class, random % NAMES, spans);
            for (size_t span = 0; round >= warm && span < SPANS; span++) {
                durations[class][span][round - warm] = spans[span];
            }
        }
    }
}

/*
 * Prints the table of a mechanism. How far apart those that are refused for what the store says of
 * them are from a wrong password, the least of them.
 */
static enum outcome report(size_t rounds)
{
    static const char *const span_names[] = {"step 1", "step 2", "step 3", "dispose", "whole"};
    enum outcome least = PLAIN_TO_SEE;

    for (int span = 0; span < SPANS; span++) {
        for (int class = UNKNOWN; class < CLASSES; class ++) {
            const struct comparison c =
                compare(durations[WRONG_PASSWORD][span], durations[class][span], rounds);
            if (c.median <= 0) {
                continue; /* no such step */
            }
            const double limit = m->derives ? c.median * derived_limit : us_limit;
            const bool over = (fabs(c.t) >= t_limit && fabs(c.difference) >= us_floor) ||
                              (span == WHOLE && fabs(c.difference) > limit);
            printf("%-19s %-8s %-13s %10.2f %+9.2f %+8.2f %% %+9.1f %s\n", title, span_names[span],
                   class_names[class], c.median, c.difference, 100 * c.difference / c.median, c.t,
                   over ? "!" : "");
            if (span != WHOLE || class == NO_VERIFIER) {
                continue;
            }
            const bool plain = fabs(c.t) > caught_t && fabs(c.difference) > caught_share * c.median;
            const enum outcome outcome = plain ? PLAIN_TO_SEE : over ? OVER_LIMITS : ALIKE;
            least = outcome < least ? outcome : least;
        }
    }
    return least;
}

static void make_store(struct store_dir *dir)
{
    static const char letters[CLASSES] = {'k', 'u', 'd', 'e', 'n'};
    struct host_user users[CLASSES * NAMES];
    size_t n = 0;

    for (int class = 0; class < CLASSES; class ++) {
        for (int i = 0; i < NAMES; i++) {
            snprintf(names[class][i], sizeof names[class][i], "%s-%c%d", who->user, letters[class],
                     i);
            if (class != UNKNOWN) {
                users[n++] = (struct host_user){.user = names[class][i],
                                                .realm = who->realm,
                                                .password = who->password,
                                                .disabled = class == DISABLED,
                                                .expires = class == EXPIRED ? 1 : 0,
                                                .drop = class == NO_VERIFIER ? m->kinds : 0};
            }
        }
    }
    store_dir_make(dir, users, n);
    for (int i = 0; strcmp(who->realm, HOST_REALM) != 0 && i < CLASSES * NAMES; i++) {
        char *name = names[i / NAMES][i % NAMES];
        snprintf(name + strlen(name), sizeof names[0][0] - strlen(name), "@%s", who->realm);
    }
}

static enum outcome run(size_t rounds)
{
    const sasl_callback_t callbacks[] = {
        host_callbacks()[0], /* options */
        {SASL_CB_LOG, (sasl_callback_ft)(void (*)(void))no_log, NULL},
        {SASL_CB_LIST_END, NULL, NULL},
    };
    struct store_dir dir;

    make_store(&dir);
    host_use_store(&dir);
    must(sasl_server_init(callbacks, "timing") == SASL_OK, title, "sasl_server_init");
    if (m->derives && rounds >= MANY_ROUNDS) {
        rounds /= 5;
    }
    measure(rounds);
    sasl_done();
    store_dir_remove(&dir);
    return report(rounds);
}

/* Sets m, who and title. */
static void choose(const char *name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        for (size_t j = 0; j < sizeof accounts / sizeof accounts[0]; j++) {
            m = &mechanisms[i];
            who = &accounts[j];
            snprintf(title, sizeof title, "%s%s", m->name, who->label);
            if (strcmp(title, name) == 0) {
                return;
            }
        }
    }
    must(false, name, "no such mechanism");
}

int main(int argc, char **argv)
{
    const enum outcome least = argc > 1 && strcmp(argv[1], "--caught") == 0 ? PLAIN_TO_SEE
                               : argc > 1 && strcmp(argv[1], "--seen") == 0 ? OVER_LIMITS
                                                                            : ALIKE;
    char **args = argv + (least == ALIKE ? 1 : 2);
    struct slice number = slice_str(argc > 3 ? args[1] : "");
    uint32_t rounds = 0;
    int status = 0;

    if (!slice_take_decimal(&number, MAX_ROUNDS, &rounds) || rounds < 2 || args[2] == NULL) {
        fprintf(stderr, "usage: timing [--caught | --seen] PLUGINS ROUNDS MECHANISM ...\n");
        return 2;
    }
    host_plugins(args[0]);
    for (size_t i = 0; i < CLASSES * SPANS; i++) {
        durations[i / SPANS][i % SPANS] = calloc(rounds, sizeof(double));
        must(durations[i / SPANS][i % SPANS] != NULL, args[0], "no memory");
    }
    printf("%-19s %-8s %-13s %10s %9s %10s %9s\n", "mechanism", "step", "beside known", "median us",
           "diff us", "diff", "t");
    for (char **name = args + 2; *name != NULL; name++) {
        choose(*name);
        if (run(rounds) < least) {
            fprintf(stderr, "timing: %s: the planted early exit was not seen\n", *name);
            status = 1;
        }
    }
    for (size_t i = 0; i < CLASSES * SPANS; i++) {
        free(durations[i / SPANS][i % SPANS]);
    }
    return status;
}
