/* SPDX-License-Identifier: BSD-2-Clause */
/* The store inside other processes: forks, jails, closed descriptors, reader tables. */
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "readers.h"
#include "store_scene.h"

/* --- forks --- */

static void look_in_child(void *ctx)
{
    struct scene *scene = ctx;

    for (int i = 0; i < 100; i++) {
        expect(scene, "alice", AUTH_OK);
        expect(scene, "bob", AUTH_UNKNOWN_USER);
    }
    store_close(scene->store);
}

static void a_child_reads_while_the_parent_goes_on(void **state)
{
    struct scene scene = scene_begin(state, true);

    for (int used = 0; used < 2; used++) {
        pid_t pid = start(look_in_child, &scene);
        for (int i = 0; i < 100; i++) {
            expect(&scene, "alice", AUTH_OK);
        }
        assert_int_equal(finish(pid), 0);
    }
    /* The parent can still write, and is the only one. */
    fixture_add(scene.store, "carol", "example.org", 1);
    expect(&scene, "carol", AUTH_OK);
    scene_end(&scene);
}

static void look_in_grandchild(void *ctx)
{
    struct scene *scene = ctx;
    pid_t pid = fork();

    if (pid == 0) {
        look_in_child(scene);
        _exit(0);
    }
    _exit(finish(pid));
}

static void forks_before_the_first_use(void **state)
{
    struct scene scene = scene_begin(state, false);

    assert_int_equal(in_child(look_in_grandchild, &scene), 0);
    expect(&scene, "alice", AUTH_OK);
    assert_int_equal(in_child(look_in_grandchild, &scene), 0);
    scene_end(&scene);
}

static void write_in_child(void *ctx)
{
    struct scene *scene = ctx;

    fixture_add(scene->store, "dave", "example.org", 1);
    expect(scene, "dave", AUTH_OK);
}

static void a_child_writes(void **state)
{
    struct scene scene = scene_begin(state, true);

    expect(&scene, "dave", AUTH_UNKNOWN_USER);
    assert_int_equal(in_child(write_in_child, &scene), 0);
    expect(&scene, "dave", AUTH_OK);
    scene_end(&scene);
}

/* Forks in the middle of a write transaction: the child's copy of it must never be touched. */
static enum store_edit fork_and_write(void *ctx, bool exists, struct record *record)
{
    struct scene *scene = ctx;

    (void)exists;
    if (scene->expected == 0) {
        pid_t pid = start(look_in_child, scene);
        scene->expected = finish(pid) == 0 ? 1 : 2;
    }
    *record = fixture_record(record->who.user, record->who.realm, 7);
    return STORE_WRITE;
}

static void a_fork_inside_a_write_transaction(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct identity who = fixture_who("erin", "example.org");

    assert_status(
        scene.f,
        store_change(scene.store, &who, fork_and_write, &scene, NULL, NULL, &scene.f->detail),
        AUTH_OK);
    assert_int_equal(scene.expected, 1);
    expect(&scene, "erin", AUTH_OK);
    scene_end(&scene);
}

static enum auth_status fork_and_look(void *ctx, const struct record *record)
{
    struct scene *scene = ctx;
    pid_t pid = start(look_in_child, scene);

    (void)record;
    return finish(pid) == 0 ? AUTH_OK : AUTH_INTERNAL;
}

static void a_fork_inside_a_read_transaction(void **state)
{
    struct scene scene = scene_begin(state, false);

    assert_status(scene.f,
                  store_each(scene.store, NULL,
                             &(struct store_visitor){.visit = fork_and_look, .ctx = &scene},
                             &scene.f->detail),
                  AUTH_OK);
    expect(&scene, "alice", AUTH_OK);
    scene_end(&scene);
}

/* --- who sees whose reader --- */

/* In a process of its own: is process `parent` in the table of active readers? */
static void look_for_reader(void *ctx)
{
    struct scene *scene = ctx;
    bool known;
    bool found = readers_has(scene->f->path, scene->parent, &known);

    _exit(!known ? 2 : found ? 0 : 1);
}

static enum auth_status check_reader(void *ctx, const struct record *record)
{
    struct scene *scene = ctx;

    (void)record;
    return in_child(look_for_reader, scene) == 0 ? AUTH_OK : AUTH_INTERNAL;
}

static void walk_and_be_seen(void *ctx)
{
    struct scene *scene = ctx;

    scene->parent = getpid();
    if (store_each(scene->store, NULL, &(struct store_visitor){.visit = check_reader, .ctx = scene},
                   NULL) != AUTH_OK) {
        _exit(1);
    }
}

static void an_active_reader_is_seen(void **state)
{
    struct scene scene = scene_begin(state, false);

    assert_int_equal(in_child(look_for_reader, &scene), 1);
    walk_and_be_seen(&scene);
    /* The same for a child that uses what it inherited. */
    assert_int_equal(in_child(walk_and_be_seen, &scene), 0);
    scene.parent = getpid();
    assert_int_equal(in_child(look_for_reader, &scene), 1);
    scene_end(&scene);
}

/* Takes every place in the reader table and keeps it. */
static void crowd_the_table(void *ctx)
{
    struct scene *scene = ctx;
    MDB_env *env;
    MDB_txn *txn;
    int rc = 0;

    if (mdb_env_create(&env) != 0 ||
        mdb_env_open(env, scene->f->path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOTLS, 0600) != 0) {
        _exit(2);
    }
    while (rc == 0) {
        rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    }
    say(scene->to_parent);
    (void)pause();
}

static void a_full_reader_table(void **state)
{
    struct scene scene = scene_begin(state, true);
    pid_t pid = start(crowd_the_table, &scene);

    hear(scene.to_parent);
    assert_int_equal(fixture_verdict(scene.store, "alice", "example.org"), AUTH_STORE_BUSY);
    /* The places of the dead are given back. */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(finish(pid), KILLED_BY + SIGKILL);
    expect(&scene, "alice", AUTH_OK);
    fixture_add(scene.store, "carol", "example.org", 1);
    scene_end(&scene);
}

/* --- jails and closed descriptors --- */

static void look_in_jail(void *ctx)
{
    struct scene *scene = ctx;
    char jail[FIXTURE_PATH * 2];

    (void)snprintf(jail, sizeof jail, "%s/jail", scene->f->dir);
    if (mkdir(jail, 0755) != 0) {
        _exit(2);
    }
    struct store *store = fixture_open(scene->f, false);
    if (chroot(jail) != 0 || chdir("/") != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
        _exit(SKIPPED);
    }
    scene->store = store;
    look_in_child(scene);
}

static void a_server_in_a_jail(void **state)
{
    struct scene scene = {.f = *state};

    if (geteuid() != 0) {
        skip();
    }
    fixture_create(scene.f);
    struct store *store = fixture_open(scene.f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    assert_int_equal(chmod(scene.f->dir, 0700), 0);
    assert_int_equal(in_child(look_in_jail, &scene), 0);
}

static void fork_in_jail(void *ctx)
{
    struct scene *scene = ctx;

    if (chroot(scene->f->dir) != 0 || chdir("/") != 0) {
        _exit(SKIPPED);
    }
    /* This process inherited the store, so it has to open it again, and cannot. */
    expect(scene, "alice", AUTH_STORE_MISSING);
    expect(scene, "bob", AUTH_STORE_MISSING);
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
        _exit(SKIPPED);
    }
    expect(scene, "alice", AUTH_STORE_MISSING);
    store_close(scene->store);
}

static void drop_rights(void *ctx)
{
    struct scene *scene = ctx;

    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
        _exit(SKIPPED);
    }
    expect(scene, "alice", AUTH_STORE_DENIED);
}

static void a_child_that_cannot_reach_the_file(void **state)
{
    struct scene scene = scene_begin(state, false);

    if (geteuid() != 0) {
        scene_end(&scene);
        skip();
    }
    assert_int_equal(chmod(scene.f->dir, 0755), 0);
    assert_int_equal(in_child(fork_in_jail, &scene), 0);
    assert_int_equal(in_child(drop_rights, &scene), 0);
    expect(&scene, "alice", AUTH_OK);
    scene_end(&scene);
}

/* Like a daemon that closes all it does not know, then opens files of its own. */
static void close_everything(void *ctx)
{
    struct scene *scene = ctx;
    int fds[32];
    struct stat before;
    struct stat after;

    if (scene->expected != 0) {
        expect(scene, "alice", AUTH_OK); /* opened in this process */
    }
    for (int fd = 3; fd < 256; fd++) {
        close(fd);
    }
    for (size_t i = 0; i < 32; i++) {
        fds[i] = open("/dev/null", O_RDONLY);
    }
    if (fstat(fds[0], &before) != 0) {
        _exit(2);
    }
    expect(scene, "alice", AUTH_OK);
    scene->parent = getpid();
    if (store_each(scene->store, NULL, &(struct store_visitor){.visit = check_reader, .ctx = scene},
                   NULL) != AUTH_OK) {
        _exit(3);
    }
    store_close(scene->store);
    for (size_t i = 0; i < 32; i++) {
        if (fstat(fds[i], &after) != 0 || after.st_ino != before.st_ino) {
            _exit(4);
        }
    }
}

static void descriptors_closed_under_us(void **state)
{
    struct scene scene = scene_begin(state, false);

    for (unsigned opened = 0; opened < 2; opened++) {
        scene.expected = opened;
        assert_int_equal(in_child(close_everything, &scene), 0);
    }
    expect(&scene, "alice", AUTH_OK);
    scene_end(&scene);
}

static bool lock_is_seen(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    int fd = open(path, O_RDWR);
    bool seen = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;

    close(fd);
    return seen;
}

static void look_for_lock(void *ctx)
{
    _exit(lock_is_seen(ctx) ? 0 : 1);
}

/* What kv_files_watch_lock() rests on. */
static void closing_an_o_path_descriptor_keeps_locks(void **state)
{
    struct fixture *f = *state;
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};

    write_file(f->lock, "x", 1, 0600);
    int fd = open(f->lock, O_RDWR);
    assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
    int watch = open(f->lock, O_PATH | O_CLOEXEC);
    assert_true(watch >= 0);
    close(watch);
    assert_int_equal(in_child(look_for_lock, f->lock), 0);
    close(open(f->lock, O_RDONLY)); /* any other does drop it: the test can fail */
    assert_int_equal(in_child(look_for_lock, f->lock), 1);
    close(fd);
}

static void opening_again_keeps_locks(void **state)
{
    struct scene scene = scene_begin(state, false);
    struct store *again = NULL;

    expect(&scene, "alice", AUTH_OK);
    assert_int_equal(in_child(look_for_lock, scene.f->lock), 0);
    assert_status(scene.f, fixture_try_open(scene.f, false, &again), AUTH_OK);
    store_close(again);
    assert_status(scene.f, fixture_try_open(scene.f, true, &again), AUTH_STORE_READONLY);
    assert_int_equal(in_child(look_for_lock, scene.f->lock), 0);
    scene_end(&scene);
}

/* --- the process models of real servers --- */

static void open_and_close(void *ctx)
{
    struct scene *scene = ctx;

    for (int i = 0; i < 6; i++) {
        scene->store = fixture_open(scene->f, false);
        store_close(scene->store);
    }
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 6; i++) {
            scene->store = fixture_open(scene->f, false);
            expect(scene, "alice", AUTH_OK);
            store_close(scene->store);
        }
        _exit(0);
    }
    _exit(finish(pid));
}

static void opened_and_closed_many_times(void **state)
{
    struct scene scene = scene_begin(state, false);

    store_close(scene.store);
    assert_int_equal(in_child(open_and_close, &scene), 0);
    scene.store = NULL;
    scene_end(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_child_reads_while_the_parent_goes_on),
        TEST(forks_before_the_first_use),
        TEST(a_child_writes),
        TEST(a_fork_inside_a_write_transaction),
        TEST(a_fork_inside_a_read_transaction),
        TEST(an_active_reader_is_seen),
        TEST(a_full_reader_table),
        TEST(a_server_in_a_jail),
        TEST(a_child_that_cannot_reach_the_file),
        TEST(descriptors_closed_under_us),
        TEST(closing_an_o_path_descriptor_keeps_locks),
        TEST(opening_again_keeps_locks),
        TEST(opened_and_closed_many_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
