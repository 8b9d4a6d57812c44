/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each mechanism says of itself to libsasl2 (security flags, features, strength), beside the
 * stock plugin: servers and clients choose by it. What differs is in a table here and, with its
 * reason, in docs/PROTOCOL.md. Either set is loaded by a process of its own, which has one path.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "attempt.h"

enum { HALVES = 2, LONGEST_NAME = 32, SKIPPED = 77 };

/* A half of a mechanism, as it travels from the process that has loaded it. */
struct said {
    unsigned half; /* 0: server, 1: client */
    char name[LONGEST_NAME];
    unsigned security_flags;
    unsigned features;
    unsigned max_ssf;
};

/* What our half lacks of the stock one's, and its strength. */
struct difference {
    const char *name;
    unsigned features_lacking;
    unsigned max_ssf;
};

static const struct difference differences[] = {
    /* No HTTP Digest; of the layers auth-int, unless lmdb_digest_layers says otherwise. */
    {"DIGEST-MD5", SASL_FEAT_SUPPORTS_HTTP, 1},
};

static int pipe_end;

static void tell(const struct said *said)
{
    if (write(pipe_end, said, sizeof *said) != (ssize_t)sizeof *said) {
        _exit(1);
    }
}

static void tell_server(server_sasl_mechanism_t *m, sasl_info_callback_stage_t stage, void *rock)
{
    struct said said;

    (void)rock;
    if (stage == SASL_INFO_LIST_MECH) {
        memset(&said, 0, sizeof said);
        said.half = 0;
        snprintf(said.name, sizeof said.name, "%s", m->plug->mech_name);
        said.security_flags = m->plug->security_flags;
        said.features = m->plug->features;
        said.max_ssf = m->plug->max_ssf;
        tell(&said);
    }
}

static void tell_client(client_sasl_mechanism_t *m, sasl_info_callback_stage_t stage, void *rock)
{
    struct said said;

    (void)rock;
    if (stage == SASL_INFO_LIST_MECH) {
        memset(&said, 0, sizeof said);
        said.half = 1;
        snprintf(said.name, sizeof said.name, "%s", m->plug->mech_name);
        said.security_flags = m->plug->security_flags;
        said.features = m->plug->features;
        said.max_ssf = m->plug->max_ssf;
        tell(&said);
    }
}

/* In a child: loads what the path has, without any option set, and tells it through the pipe. */
static void load(const char *path)
{
    host_plugins(path);
    if (sasl_server_init(host_callbacks(), "sasl-lmdb-test") != SASL_OK ||
        sasl_client_init(host_callbacks()) != SASL_OK ||
        sasl_server_plugin_info(NULL, tell_server, NULL) != SASL_OK ||
        sasl_client_plugin_info(NULL, tell_client, NULL) != SASL_OK) {
        _exit(1);
    }
    _exit(0);
}

/* ret[half][mechanism of attempt_mechs]; an empty name where there is none. Number of those found.
 */
static unsigned ask(const char *path, struct said ret[HALVES][ATTEMPT_MECHS])
{
    struct said said;
    unsigned found = 0;
    int fds[2];
    int status = 0;

    memset(ret, 0, sizeof(struct said) * HALVES * ATTEMPT_MECHS);
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        pipe_end = fds[1];
        load(path);
    }
    close(fds[1]);
    /* A pipe hands over what is shorter than PIPE_BUF in one piece. */
    while (read(fds[0], &said, sizeof said) == (ssize_t)sizeof said) {
        assert_true(said.half < HALVES);
        for (size_t m = 0; m < ATTEMPT_MECHS; m++) {
            if (strcmp(said.name, attempt_mechs[m]) == 0) {
                ret[said.half][m] = said;
                found++;
            }
        }
    }
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return found;
}

static const struct difference *find_difference(const char *name)
{
    for (size_t i = 0; i < sizeof differences / sizeof differences[0]; i++) {
        if (strcmp(differences[i].name, name) == 0) {
            return &differences[i];
        }
    }
    return NULL;
}

static struct said stock[HALVES][ATTEMPT_MECHS];
static struct said ours[HALVES][ATTEMPT_MECHS];

static void each_half_says_what_the_stock_one_does(void **state)
{
    (void)state;
    for (size_t half = 0; half < HALVES; half++) {
        for (size_t m = 0; m < ATTEMPT_MECHS; m++) {
            const struct said *theirs = &stock[half][m];
            const struct said *own = &ours[half][m];
            const struct difference *difference = find_difference(attempt_mechs[m]);
            unsigned lacking = difference != NULL ? difference->features_lacking : 0;
            unsigned max_ssf = difference != NULL ? difference->max_ssf : theirs->max_ssf;
            /* Every difference is one: a table that lags behind fails too. */
            assert_true(difference == NULL ||
                        ((theirs->features & lacking) == lacking && theirs->max_ssf != max_ssf));
            if (own->security_flags != theirs->security_flags ||
                own->features != (theirs->features & ~lacking) || own->max_ssf != max_ssf) {
                fail_msg("%s, %s: flags %#x features %#x ssf %u; stock: %#x %#x %u",
                         attempt_mechs[m], half == 0 ? "server" : "client", own->security_flags,
                         own->features, own->max_ssf, theirs->security_flags, theirs->features,
                         theirs->max_ssf);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_half_says_what_the_stock_one_does)};

    if (ask(STOCK_PLUGIN_DIR, stock) != HALVES * ATTEMPT_MECHS) {
        printf("SKIP: the stock plugins are missing: apt-get install libsasl2-modules\n");
        return SKIPPED;
    }
    if (ask(PLUGIN_DIR, ours) != HALVES * ATTEMPT_MECHS) {
        fprintf(stderr, "a half of a mechanism is missing in %s\n", PLUGIN_DIR);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
