/* SPDX-License-Identifier: BSD-2-Clause */
/* Many threads on one store; meant to be run under ThreadSanitizer, too. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_scene.h"

enum { READERS = 8, ROUNDS = 30, BATCH = 100, KEY_ROUNDS = 50 };

struct crew {
    struct scene *scene;
    atomic_bool stop;
    atomic_uint failures;
    atomic_uint lookups;
    atomic_uint written; /* accounts user0 .. that are committed */
    atomic_uint next;    /* number of the next account of write_on() */
};

static void count_failure(struct crew *crew, const char *what, enum auth_status status)
{
    print_error("%s: %s\n", what, auth_status_text(status));
    atomic_fetch_add(&crew->failures, 1);
}

static void want(struct crew *crew, const char *user, enum auth_status verdict)
{
    enum auth_status status = fixture_verdict(crew->scene->store, user, "example.org");

    if (status != verdict) {
        count_failure(crew, user, status);
    }
    atomic_fetch_add(&crew->lookups, 1);
}

static void *read_on(void *ctx)
{
    struct crew *crew = ctx;
    char name[32];

    while (!atomic_load(&crew->stop)) {
        unsigned written = atomic_load(&crew->written);

        want(crew, "alice", AUTH_OK);
        want(crew, "nobody", AUTH_UNKNOWN_USER);
        if (written > 0) {
            (void)snprintf(name, sizeof name, "user%u", written - 1);
            want(crew, name, AUTH_OK);
        }
    }
    return NULL;
}

static enum auth_status count(void *ctx, const struct record *record)
{
    unsigned *n = ctx;

    (*n)++;
    return record->who.user[0] == '\0' ? AUTH_INTERNAL : AUTH_OK;
}

static void *walk_on(void *ctx)
{
    struct crew *crew = ctx;

    while (!atomic_load(&crew->stop)) {
        unsigned before = atomic_load(&crew->written);
        unsigned n = 0;
        enum auth_status status = store_each(
            crew->scene->store, NULL, &(struct store_visitor){.visit = count, .ctx = &n}, NULL);

        if (status != AUTH_OK || n < before + 1 || n % BATCH != 1) {
            count_failure(crew, "walk", status);
        }
    }
    return NULL;
}

static void begin(pthread_t *threads, unsigned n, void *(*body)(void *ctx), struct crew *crew)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, body, crew), 0);
    }
}

static void end(pthread_t *threads, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void readers_beside_a_writer_that_grows_the_map(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct crew crew = {.scene = &scene};
    pthread_t threads[READERS];
    pthread_t walker;

    begin(threads, READERS, read_on, &crew);
    begin(&walker, 1, walk_on, &crew);
    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_status(scene.f, add_many(scene.store, i * BATCH, BATCH, &scene.f->detail), AUTH_OK);
        atomic_store(&crew.written, (i + 1) * BATCH);
    }
    atomic_store(&crew.stop, true);
    end(threads, READERS);
    end(&walker, 1);
    assert_int_equal(atomic_load(&crew.failures), 0);
    assert_true(atomic_load(&crew.lookups) > READERS);
    scene_end(&scene);
}

static void *write_on(void *ctx)
{
    struct crew *crew = ctx;

    for (unsigned i = 0; i < 5; i++) {
        unsigned first = 1000000 + atomic_fetch_add(&crew->next, BATCH);
        enum auth_status status = add_many(crew->scene->store, first, BATCH, NULL);

        if (status != AUTH_OK) {
            count_failure(crew, "write", status);
        }
    }
    return NULL;
}

static void writers_in_one_process_take_turns(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct crew crew = {.scene = &scene};
    pthread_t threads[4];
    struct store_info info;

    begin(threads, 4, write_on, &crew);
    end(threads, 4);
    assert_int_equal(atomic_load(&crew.failures), 0);
    assert_status(scene.f, store_describe(scene.store, &info, &scene.f->detail), AUTH_OK);
    assert_int_equal(info.accounts, 1 + 4 * 5 * BATCH);
    scene_end(&scene);
}

static void *open_and_close(void *ctx)
{
    struct crew *crew = ctx;

    for (unsigned i = 0; i < KEY_ROUNDS; i++) {
        const struct store_options options = {crew->scene->f->path, crew->scene->f->key, false,
                                              false};
        struct store *store = NULL;
        enum auth_status status = store_open(&options, &store, NULL);

        if (status == AUTH_OK) {
            status = fixture_verdict(store, "alice", "example.org");
        }
        store_close(store);
        if (status != AUTH_OK) {
            count_failure(crew, "open", status);
        }
    }
    return NULL;
}

static void opening_and_closing_at_once(void **state)
{
    struct scene scene = scene_begin(state, false);
    struct crew crew = {.scene = &scene};
    pthread_t threads[READERS];

    /* Once beside a user who keeps it open, once so that the last one closes it each time. */
    begin(threads, READERS, open_and_close, &crew);
    end(threads, READERS);
    store_close(scene.store);
    scene.store = NULL;
    begin(threads, READERS, open_and_close, &crew);
    end(threads, READERS);
    assert_int_equal(atomic_load(&crew.failures), 0);
    scene_end(&scene);
}

static void threads_after_fork(void *ctx)
{
    struct scene *scene = ctx;
    struct crew crew = {.scene = scene};
    pthread_t threads[READERS];

    begin(threads, READERS, read_on, &crew);
    (void)usleep(50000);
    atomic_store(&crew.stop, true);
    end(threads, READERS);
    if (atomic_load(&crew.failures) != 0 || atomic_load(&crew.lookups) < READERS) {
        _exit(1);
    }
}

/* slapd: opened, then forked, then used by many threads at once. */
static void a_fork_then_threads(void **state)
{
    struct scene scene = scene_begin(state, false);

    assert_int_equal(in_child(threads_after_fork, &scene), 0);
    scene_end(&scene);
}

static void look_once(void *ctx)
{
    struct scene *scene = ctx;

    expect(scene, "alice", AUTH_OK);
    expect(scene, "nobody", AUTH_UNKNOWN_USER);
}

/* Whatever the other threads were doing at that instant, the child can go on. */
static void forks_beside_busy_threads(void **state)
{
    if (SANITIZED) {
        skip(); /* their allocators' locks stay locked in the child */
    }
    struct scene scene = scene_begin(state, true);
    struct crew crew = {.scene = &scene};
    pthread_t readers[4];
    pthread_t writer;

    begin(readers, 4, read_on, &crew);
    begin(&writer, 1, write_on, &crew);
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(in_child(look_once, &scene), 0);
    }
    end(&writer, 1);
    atomic_store(&crew.stop, true);
    end(readers, 4);
    assert_int_equal(atomic_load(&crew.failures), 0);
    expect(&scene, "alice", AUTH_OK);
    scene_end(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(readers_beside_a_writer_that_grows_the_map),
        TEST(writers_in_one_process_take_turns),
        TEST(opening_and_closing_at_once),
        TEST(a_fork_then_threads),
        TEST(forks_beside_busy_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
