/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Times the server's side of one mechanism through libsasl2: SASL_PATH says whose plugins. Only
 * libsasl2's calls are inside the clock; the client's arithmetic is not. One line of JSON with
 * microseconds for each exchange (minimum, median, mean of the middle half) and the process's
 * memory.
 *
 *   bench_server MECH COUNT USERS [again|deriving] -o OPTION=VALUE ...
 *
 * USERS: accounts u0 .. uN-1 at realm bench.test, each with password "pw"; the exchanges go over
 * them in a scattered order; with "again" those it times are the second ones of the same accounts,
 * so that the process has their part of the file mapped. A SCRAM client keeps the keys it derived;
 * with "deriving" some milliseconds of PBKDF2 pass on the same processor before each answer of its.
 * MECH "start" times sasl_server_init
 * instead; "pbkdf2-sha-1", "pbkdf2-sha-256" and "pbkdf2-sha-512" time one PKCS5_PBKDF2_HMAC of
 * USERS iterations.
 */
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

enum { MAX_OPTIONS = 16, MAX_COUNT = 1000000 };

static struct {
    char *name;
    char *value;
} options[MAX_OPTIONS];
static size_t n_options;
static bool deriving;

static int get_option(void *context, const char *plugin, const char *option, const char **result,
                      unsigned *len)
{
    (void)context;
    (void)plugin;
    for (size_t i = 0; i < n_options; i++) {
        if (strcmp(options[i].name, option) == 0) {
            *result = options[i].value;
            if (len != NULL) {
                *len = (unsigned)strlen(*result);
            }
            return SASL_OK;
        }
    }
    return SASL_FAIL;
}

static int no_log(void *context, int level, const char *message)
{
    (void)context;
    if (level <= SASL_LOG_ERR) {
        fprintf(stderr, "%s\n", message);
    }
    return SASL_OK;
}

static const sasl_callback_t callbacks[] = {
    {SASL_CB_GETOPT, (sasl_callback_ft)(void (*)(void))get_option, NULL},
    {SASL_CB_LOG, (sasl_callback_ft)(void (*)(void))no_log, NULL},
    {SASL_CB_LIST_END, NULL, NULL},
};

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(int code, int expected, const char *what)
{
    if (code != expected) {
        fprintf(stderr, "bench_server: %s: %s\n", what, sasl_errstring(code, NULL, NULL));
        exit(1);
    }
}

static double derivation(const char *mech, uint32_t iterations)
{
    uint8_t out[CRYPTO_MAX_HASH];
    enum crypto_hash hash = strcmp(mech, "pbkdf2-sha-1") == 0     ? CRYPTO_SHA1
                            : strcmp(mech, "pbkdf2-sha-512") == 0 ? CRYPTO_SHA512
                                                                  : CRYPTO_SHA256;
    double spent = -now_us();

    must(crypto_pbkdf2(hash, slice_str("pw"), slice_str("saltsaltsaltsalt"), iterations, out),
         AUTH_OK, mech);
    return spent + now_us();
}

/* One exchange; the microseconds spent in libsasl2. */
static double exchange(const char *mech, const char *user)
{
    struct client c;
    struct buf first;
    struct buf reply;
    struct buf rspauth;
    sasl_conn_t *conn = NULL;
    const char *out = NULL;
    unsigned n = 0;
    int code;
    enum crypto_hash hash = strcmp(mech, "SCRAM-SHA-1") == 0     ? CRYPTO_SHA1
                            : strcmp(mech, "SCRAM-SHA-512") == 0 ? CRYPTO_SHA512
                                                                 : CRYPTO_SHA256;
    bool scram = strncmp(mech, "SCRAM", 5) == 0;
    bool plain = strcmp(mech, "PLAIN") == 0;

    client_init(&c, user, "pw");
    buf_init(&first, 8192);
    buf_init(&reply, 8192);
    buf_init(&rspauth, 8192);
    if (plain) {
        client_plain(&c, &first);
    } else if (scram) {
        client_scram_first(&c, &first);
    }
    double spent = -now_us();
    must(sasl_server_new("smtp", "mail.lab.test", "bench.test", NULL, NULL, NULL, SASL_SUCCESS_DATA,
                         &conn),
         SASL_OK, "sasl_server_new");
    code = sasl_server_start(conn, mech, first.n > 0 ? buf_text(&first) : NULL, (unsigned)first.n,
                             &out, &n);
    spent += now_us();
    if (strcmp(mech, "LOGIN") == 0) {
        must(code, SASL_CONTINUE, "LOGIN");
        spent -= now_us();
        must(sasl_server_step(conn, user, (unsigned)strlen(user), &out, &n), SASL_CONTINUE, "name");
        code = sasl_server_step(conn, "pw", 2, &out, &n);
        spent += now_us();
    } else if (!plain) {
        must(code, SASL_CONTINUE, mech);
        if (scram) {
            if (deriving) {
                (void)derivation("pbkdf2-sha-256", VERIFIER_DEFAULT_ITERATIONS);
            }
            client_scram_final(&c, hash, slice_of(out, n), &reply);
        } else if (strcmp(mech, "CRAM-MD5") == 0) {
            client_cram(&c, slice_of(out, n), &reply);
        } else {
            client_digest(&c, slice_of(out, n), &reply, &rspauth);
        }
        spent -= now_us();
        code = sasl_server_step(conn, buf_text(&reply), (unsigned)reply.n, &out, &n);
        spent += now_us();
    }
    must(code, SASL_OK, mech);
    spent -= now_us();
    sasl_dispose(&conn);
    spent += now_us();
    buf_release(&first);
    buf_release(&reply);
    buf_release(&rspauth);
    client_release(&c);
    return spent;
}

static double start_up(void)
{
    double spent = -now_us();

    must(sasl_server_init(callbacks, "bench"), SASL_OK, "sasl_server_init");
    spent += now_us();
    sasl_done();
    return spent;
}

/* A number of KiB behind its name in a file of /proc; -1 if it is not there. */
static long proc_kb(const char *path, const char *name)
{
    char line[256];
    long value = -1;
    FILE *file = fopen(path, "r");

    while (file != NULL && value < 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            value = strtol(line + strlen(name), NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return value;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static long number(const char *text, long max)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);

    if (end == text || *end != '\0' || value < 1 || value > max) {
        fprintf(stderr, "bench_server: '%s' is not a number from 1 to %ld\n", text, max);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr,
                "usage: bench_server MECH COUNT USERS [again|deriving] -o OPTION=VALUE ...\n");
        return 2;
    }
    const char *mech = argv[1];
    size_t count = (size_t)number(argv[2], MAX_COUNT);
    uint64_t users = (uint64_t)number(argv[3], 100000000);
    bool again = argc > 4 && strcmp(argv[4], "again") == 0;
    deriving = argc > 4 && strcmp(argv[4], "deriving") == 0;
    for (int i = again || deriving ? 5 : 4; i + 1 < argc && n_options < MAX_OPTIONS; i += 2) {
        char *equals = strchr(argv[i + 1], '=');
        if (equals == NULL) {
            return 2;
        }
        *equals = '\0';
        options[n_options].name = argv[i + 1];
        options[n_options++].value = equals + 1;
    }
    double *times = calloc(count, sizeof *times);
    if (times == NULL) {
        return 1;
    }
    bool start = strcmp(mech, "start") == 0;
    bool raw = strncmp(mech, "pbkdf2", 6) == 0;
    if (!start && !raw) {
        must(sasl_server_init(callbacks, "bench"), SASL_OK, "sasl_server_init");
    }
    size_t warm = start ? 0 : again ? count : count / 10;
    uint64_t at = 1;
    for (size_t i = 0; i < warm + count; i++) {
        char user[32];
        if (again && i == warm) {
            at = 1;
        }
        /* A full-period generator scatters the accounts, the same way in every run. */
        at = at * 6364136223846793005ULL + 1442695040888963407ULL;
        snprintf(user, sizeof user, "u%llu", (unsigned long long)((at >> 33) % users));
        double spent = start ? start_up()
                       : raw ? derivation(mech, (uint32_t)users)
                             : exchange(mech, user);
        if (i >= warm) {
            times[i - warm] = spent;
        }
    }
    qsort(times, count, sizeof *times, by_size);
    double middle = 0;
    for (size_t i = count / 4; i < count - count / 4; i++) {
        middle += times[i];
    }
    printf("{\"mech\": \"%s\", \"count\": %zu, \"users\": %llu, \"min_us\": %.2f, "
           "\"median_us\": %.2f, \"middle_us\": %.2f, \"resident_kb\": %ld, \"private_kb\": %ld}\n",
           mech, count, (unsigned long long)users, times[0], times[count / 2],
           middle / (double)(count - 2 * (count / 4)), proc_kb("/proc/self/smaps_rollup", "Rss:"),
           proc_kb("/proc/self/smaps_rollup", "Private_Dirty:"));
    free(times);
    return 0;
}
