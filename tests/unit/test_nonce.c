/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/nonce.h"

enum { SIZE = 18, THREADS = 4, DRAWS = 2000, CHILDREN = 3, AFTER_FORK = 100 };

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, SIZE);
}

static void assert_all_differ(uint8_t (*nonces)[SIZE], size_t n)
{
    qsort(nonces, n, SIZE, by_bytes);
    for (size_t i = 1; i < n; i++) {
        assert_memory_not_equal(nonces[i - 1], nonces[i], SIZE);
    }
}

static void *draw_many(void *ctx)
{
    uint8_t(*nonces)[SIZE] = ctx;

    for (size_t i = 0; i < DRAWS; i++) {
        if (nonce_draw(nonces[i], SIZE) != AUTH_OK) {
            memset(nonces[i], 0, SIZE);
        }
    }
    return NULL;
}

static void no_two_threads_draw_the_same(void **state)
{
    static uint8_t nonces[THREADS * DRAWS][SIZE];
    pthread_t threads[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, draw_many, nonces[i * DRAWS]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_all_differ(nonces, THREADS * (size_t)DRAWS);
}

/* The parent has a supply when it forks: none of it is the children's. */
static void no_two_processes_draw_the_same(void **state)
{
    static uint8_t nonces[(CHILDREN + 1) * AFTER_FORK][SIZE];
    int ends[2];

    (void)state;
    assert_int_equal(nonce_draw(nonces[0], SIZE), AUTH_OK);
    for (size_t child = 0; child < CHILDREN; child++) {
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            uint8_t drawn[AFTER_FORK][SIZE];
            bool ok = true;
            for (size_t i = 0; i < AFTER_FORK; i++) {
                ok = ok && nonce_draw(drawn[i], SIZE) == AUTH_OK;
            }
            ok = ok && write(ends[1], drawn, sizeof drawn) == (ssize_t)sizeof drawn;
            _exit(ok ? 0 : 1);
        }
        close(ends[1]);
        uint8_t *at = nonces[child * AFTER_FORK];
        size_t n = 0;
        ssize_t got = 0;
        while (n < AFTER_FORK * (size_t)SIZE &&
               (got = read(ends[0], at + n, AFTER_FORK * (size_t)SIZE - n)) > 0) {
            n += (size_t)got;
        }
        close(ends[0]);
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(n, AFTER_FORK * SIZE);
    }
    for (size_t i = 0; i < AFTER_FORK; i++) {
        assert_int_equal(nonce_draw(nonces[CHILDREN * AFTER_FORK + i], SIZE), AUTH_OK);
    }
    assert_all_differ(nonces, (CHILDREN + 1) * (size_t)AFTER_FORK);
}

static void any_size_can_be_had(void **state)
{
    static const uint8_t zeros[4096];
    uint8_t bytes[4096];

    (void)state;
    for (size_t n = 16; n <= sizeof bytes; n = n * 3 / 2) {
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(nonce_draw(bytes, n), AUTH_OK);
        assert_memory_not_equal(bytes, zeros, 16);
        assert_memory_not_equal(bytes + n - 16, zeros, 16);
        assert_memory_equal(bytes + n, zeros, sizeof bytes - n);
    }
    assert_int_equal(nonce_draw(bytes, 0), AUTH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_threads_draw_the_same),
        cmocka_unit_test(no_two_processes_draw_the_same),
        cmocka_unit_test(any_size_can_be_had),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
