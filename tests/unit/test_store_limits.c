/* SPDX-License-Identifier: BSD-2-Clause */
/* The store at its limits: growth, full disks, little memory, truncated files, killed writers. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store_scene.h"

enum { BATCH = 200 };

static void read_until_told(void *ctx)
{
    struct scene *scene = ctx;
    unsigned n = 0;

    /* Opens afresh here, while the file is small. */
    expect(scene, "alice", AUTH_OK);
    say(scene->to_parent);
    while (n < scene->expected) {
        char name[32];

        expect(scene, "alice", AUTH_OK);
        (void)snprintf(name, sizeof name, "user%u", n);
        if (fixture_verdict(scene->store, name, "example.org") == AUTH_OK) {
            n += n + BATCH < scene->expected ? BATCH : scene->expected - n;
        }
    }
    expect(scene, "user7", AUTH_OK);
}

static void readers_follow_a_growing_map(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct stat before;
    struct stat after;

    scene.expected = 4000;
    assert_int_equal(stat(scene.f->path, &before), 0);
    pid_t pid = start(read_until_told, &scene);
    hear(scene.to_parent);
    for (unsigned i = 0; i < scene.expected; i += BATCH) {
        assert_status(scene.f, add_many(scene.store, i, BATCH, &scene.f->detail), AUTH_OK);
    }
    assert_int_equal(finish(pid), 0);
    assert_int_equal(stat(scene.f->path, &after), 0);
    assert_true(after.st_size > 2 * before.st_size);
    /* Near what is needed: 4 000 records of some 700 bytes are about 4 MB of pages. */
    assert_true(after.st_size < 12 << 20);
    expect(&scene, "user3999", AUTH_OK);
    scene_end(&scene);
}

static void one_transaction_larger_than_the_map(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store_info info;

    assert_status(scene.f, add_many(scene.store, 0, 8000, &scene.f->detail), AUTH_OK);
    expect(&scene, "user0", AUTH_OK);
    expect(&scene, "user7999", AUTH_OK);
    assert_status(scene.f, store_describe(scene.store, &info, &scene.f->detail), AUTH_OK);
    assert_int_equal(info.accounts, 8001);
    scene_end(&scene);
}

static void replacing_records_does_not_grow_the_file(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct stat before;
    struct stat after;

    assert_status(scene.f, add_many(scene.store, 0, 500, &scene.f->detail), AUTH_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_status(scene.f, add_many(scene.store, 0, 500, &scene.f->detail), AUTH_OK);
    }
    assert_int_equal(stat(scene.f->path, &before), 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_status(scene.f, add_many(scene.store, 0, 500, &scene.f->detail), AUTH_OK);
    }
    assert_int_equal(stat(scene.f->path, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
    scene_end(&scene);
}

static void two_writers(void *ctx)
{
    struct scene *scene = ctx;

    for (unsigned i = 0; i < 5; i++) {
        if (add_many(scene->store, 100000 + i * BATCH, BATCH, &scene->f->detail) != AUTH_OK) {
            print_error("%s\n", scene->f->detail.text);
            _exit(1);
        }
    }
}

static void writers_of_two_processes_take_turns(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store_info info;
    pid_t pid = start(two_writers, &scene);

    for (unsigned i = 0; i < 5; i++) {
        assert_status(scene.f, add_many(scene.store, i * BATCH, BATCH, &scene.f->detail), AUTH_OK);
    }
    assert_int_equal(finish(pid), 0);
    expect(&scene, "user999", AUTH_OK);
    expect(&scene, "user100999", AUTH_OK);
    assert_status(scene.f, store_describe(scene.store, &info, &scene.f->detail), AUTH_OK);
    assert_int_equal(info.accounts, 2001);
    scene_end(&scene);
}

/* --- limits --- */

static void write_with_limit(void *ctx)
{
    struct scene *scene = ctx;
    const struct rlimit limit = {1536 * 1024, RLIM_INFINITY};
    sigset_t blocked;

    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        _exit(SKIPPED);
    }
    enum auth_status status = add_many(scene->store, 0, 5000, &scene->f->detail);
    if (status != AUTH_STORE_FULL) {
        print_error("%s\n", detail_text(&scene->f->detail, status));
        _exit(1);
    }
    /* The signal mask is the host's. */
    if (sigprocmask(SIG_BLOCK, NULL, &blocked) != 0 || sigismember(&blocked, SIGXFSZ) != 0) {
        _exit(2);
    }
    expect(scene, "alice", AUTH_OK);
    expect(scene, "user0", AUTH_UNKNOWN_USER);
    /* What fits still goes. */
    if (add_many(scene->store, 0, 10, &scene->f->detail) != AUTH_OK) {
        print_error("%s\n", scene->f->detail.text);
        _exit(3);
    }
}

static void a_file_size_limit_is_no_signal(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store_info info;

    assert_int_equal(in_child(write_with_limit, &scene), 0);
    assert_status(scene.f, store_describe(scene.store, &info, &scene.f->detail), AUTH_OK);
    assert_int_equal(info.accounts, 11);
    expect(&scene, "user9", AUTH_OK);
    scene_end(&scene);
}

static void write_on_small_disk(void *ctx)
{
    struct fixture *f = ctx;
    struct scene scene = {.f = f};
    unsigned full = 0;
    unsigned n = 0;

    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", f->dir, "tmpfs", 0, "size=2500k") != 0) {
        _exit(SKIPPED);
    }
    fixture_create(f);
    scene.store = fixture_open(f, true);
    fixture_add(scene.store, "alice", "example.org", 1);
    /* Larger and smaller transactions, so that it fills up to the last page. */
    for (unsigned size = BATCH; size > 0; size /= 2) {
        enum auth_status status = AUTH_OK;

        while (status == AUTH_OK) {
            status = add_many(scene.store, n, size, &f->detail);
            n += status == AUTH_OK ? size : 0;
        }
        full += status == AUTH_STORE_FULL ? 1 : 0;
        if (status != AUTH_STORE_FULL) {
            print_error("%s\n", detail_text(&f->detail, status));
            _exit(1);
        }
        expect(&scene, "alice", AUTH_OK);
        expect(&scene, "user0", AUTH_OK);
    }
    struct store_info info;
    if (full < 3 || store_describe(scene.store, &info, NULL) != AUTH_OK || info.accounts != n + 1) {
        _exit(2);
    }
    store_close(scene.store);
    scene.store = fixture_open(f, false);
    expect(&scene, "alice", AUTH_OK);
    store_close(scene.store);
}

static void a_full_disk_leaves_the_store_whole(void **state)
{
    int status = in_child(write_on_small_disk, *state);

    if (status == SKIPPED) {
        skip();
    }
    assert_int_equal(status, 0);
}

/* Bytes of address space this process has. */
static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    if (statm == NULL || fscanf(statm, "%lu", &pages) != 1) {
        _exit(SKIPPED);
    }
    (void)fclose(statm);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static rlim_t size_of(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        _exit(2);
    }
    return (rlim_t)st.st_size;
}

static enum auth_status verdict_within(struct scene *scene, rlim_t space)
{
    const struct rlimit limit = {space, RLIM_INFINITY};
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};

    if (setrlimit(RLIMIT_AS, &limit) != 0) {
        _exit(SKIPPED);
    }
    enum auth_status status = fixture_verdict(scene->store, "alice", "example.org");
    (void)setrlimit(RLIMIT_AS, &none);
    return status;
}

/* Room for half of what the file has grown by is too little; for all of it is enough. */
static void read_in_little_space(void *ctx)
{
    enum { SPARE = 256 * 1024 };
    struct scene *scene = ctx;

    expect(scene, "alice", AUTH_OK);
    const rlim_t space = address_space();
    const rlim_t size = size_of(scene->f->path);
    say(scene->to_parent);
    hear(scene->to_child);
    const rlim_t growth = size_of(scene->f->path) - size;
    enum auth_status status = verdict_within(scene, space + growth / 2);
    if (status != AUTH_NO_MEMORY) {
        print_error("half the growth of %llu: %s\n", (unsigned long long)growth,
                    auth_status_text(status));
        _exit(1);
    }
    status = verdict_within(scene, space + growth + SPARE);
    if (status != AUTH_OK) {
        print_error("the growth of %llu: %s\n", (unsigned long long)growth,
                    auth_status_text(status));
        _exit(3);
    }
    expect(scene, "alice", AUTH_OK);
    expect(scene, "user1", AUTH_OK);
}

static void address_space_near_the_size_of_the_file(void **state)
{
    if (SANITIZED) {
        skip();
    }
    struct scene scene = scene_begin(state, true);
    pid_t pid = start(read_in_little_space, &scene);

    hear(scene.to_parent);
    assert_status(scene.f, add_many(scene.store, 0, 5000, &scene.f->detail), AUTH_OK);
    say(scene.to_child);
    assert_int_equal(finish(pid), 0);
    scene_end(&scene);
}

/* --- truncated under an open store --- */

static void truncated_files_are_no_faults(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct record record = fixture_record("bob", "example.org", 1);
    size_t n = 0;
    size_t n_lock = 0;

    assert_status(scene.f, add_many(scene.store, 0, 2000, &scene.f->detail), AUTH_OK);
    uint8_t *file = read_file(scene.f->path, &n);
    static const long cuts[] = {0, 1, 4096, 8191, 8192, 65536, 1000000};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        assert_int_equal(truncate(scene.f->path, cuts[i]), 0);
        assert_int_equal(fixture_verdict(scene.store, "alice", "example.org"), AUTH_STORE_DAMAGED);
        assert_int_equal(store_write_batch(scene.store, &record, 1, NULL, &scene.f->detail),
                         AUTH_STORE_DAMAGED);
        assert_non_null(strstr(scene.f->detail.text, "truncated"));
        /* Put back what was there, in place. */
        int fd = open(scene.f->path, O_WRONLY);
        assert_int_equal(write(fd, file, n), (ssize_t)n);
        close(fd);
        expect(&scene, "alice", AUTH_OK);
    }
    free(file);
    uint8_t *lock = read_file(scene.f->lock, &n_lock);
    for (long cut = 0; cut <= 8192; cut += 4096) {
        assert_int_equal(truncate(scene.f->lock, cut), 0);
        assert_int_equal(fixture_verdict(scene.store, "alice", "example.org"), AUTH_STORE_DAMAGED);
        assert_int_equal(store_write_batch(scene.store, &record, 1, NULL, &scene.f->detail),
                         AUTH_STORE_DAMAGED);
        assert_int_equal(truncate(scene.f->lock, (off_t)n_lock), 0);
    }
    free(lock);
    scene_end(&scene);
}

static void open_truncated(void *ctx)
{
    struct scene *scene = ctx;
    struct store *store = NULL;
    static const long cuts[] = {0, 1, 4095, 4096, 8192, 65536, 500000};

    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        if (truncate(scene->f->path, cuts[sizeof cuts / sizeof cuts[0] - 1 - i]) != 0) {
            _exit(2);
        }
        enum auth_status status = fixture_try_open(scene->f, false, &store);
        if (status == AUTH_OK) {
            status = fixture_verdict(store, "alice", "example.org");
            store_close(store);
        }
        if (status != AUTH_STORE_DAMAGED && status != AUTH_STORE_FOREIGN) {
            _exit(3);
        }
    }
}

static void opening_truncated_files(void **state)
{
    struct scene scene = scene_begin(state, true);

    assert_status(scene.f, add_many(scene.store, 0, 2000, &scene.f->detail), AUTH_OK);
    scene_end(&scene);
    assert_int_equal(in_child(open_truncated, &scene), 0);
}

static void a_replaced_file_is_noticed_by_a_child(void **state)
{
    struct scene scene = scene_begin(state, false);
    size_t n = 0;

    expect(&scene, "alice", AUTH_OK);
    uint8_t *file = read_file(scene.f->path, &n);
    assert_int_equal(unlink(scene.f->path), 0);
    write_file(scene.f->path, file, n, 0600);
    free(file);
    /* Whoever has it open goes on with what he has. */
    expect(&scene, "alice", AUTH_OK);
    pid_t pid = fork();
    if (pid == 0) {
        expect(&scene, "alice", AUTH_STORE_MISSING);
        _exit(0);
    }
    assert_int_equal(finish(pid), 0);
    scene_end(&scene);
}

/* --- killed --- */

static void write_and_tell(void *ctx)
{
    struct scene *scene = ctx;

    for (unsigned i = 0; i < 100000; i++) {
        if (add_many(scene->store, i * 3, 3, NULL) != AUTH_OK) {
            _exit(1);
        }
        say(scene->to_parent);
    }
}

static void killed_writers_lose_nothing_they_told(void **state)
{
    struct scene scene = scene_begin(state, true);

    for (unsigned round = 0; round < 20; round++) {
        struct timespec pause = {0, 1000000L + 1300000L * (long)round};
        char told[4096];
        struct store_info info;

        close(scene.to_parent[0]);
        close(scene.to_parent[1]);
        assert_int_equal(pipe(scene.to_parent), 0);
        pid_t pid = start(write_and_tell, &scene);
        (void)nanosleep(&pause, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(finish(pid), KILLED_BY + SIGKILL);
        say(scene.to_parent); /* so that there is something to read */
        ssize_t n = read(scene.to_parent[0], told, sizeof told) - 1;
        assert_true(n >= 0);
        char name[32];
        for (ssize_t i = 0; i < n; i++) {
            (void)snprintf(name, sizeof name, "user%zd", 3 * i + 2);
            expect(&scene, name, AUTH_OK);
        }
        assert_status(scene.f, store_describe(scene.store, &info, &scene.f->detail), AUTH_OK);
        assert_int_equal(info.accounts % 3, 1); /* whole batches, and alice */
    }
    scene_end(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(readers_follow_a_growing_map),
        TEST(one_transaction_larger_than_the_map),
        TEST(replacing_records_does_not_grow_the_file),
        TEST(writers_of_two_processes_take_turns),
        TEST(a_file_size_limit_is_no_signal),
        TEST(a_full_disk_leaves_the_store_whole),
        TEST(address_space_near_the_size_of_the_file),
        TEST(truncated_files_are_no_faults),
        TEST(opening_truncated_files),
        TEST(a_replaced_file_is_noticed_by_a_child),
        TEST(killed_writers_lose_nothing_they_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
