/* SPDX-License-Identifier: BSD-2-Clause */
/* Backups: whole or refused, and what a restore keeps. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/keyring.h"
#include "store/store_backup.h"
#include "store/store_rekey.h"
#include "store_scene.h"

enum { ACCOUNTS = 40 };

static const char *backup_path(const struct fixture *f)
{
    static char path[FIXTURE_PATH + 16];

    (void)snprintf(path, sizeof path, "%s/backup", f->dir);
    return path;
}

static void back_up(struct scene *scene)
{
    uint64_t n = 0;
    int fd = open(backup_path(scene->f), O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_status(scene->f, store_backup(scene->store, fd, NULL, &n, &scene->f->detail), AUTH_OK);
    close(fd);
}

static enum auth_status restore_into(struct store *store, struct fixture *f, uint64_t *ret_n)
{
    int fd = open(backup_path(f), O_RDONLY);

    assert_true(fd >= 0);
    enum auth_status status = store_restore(store, fd, NULL, ret_n, &f->detail);
    close(fd);
    return status;
}

static struct scene filled(void **state)
{
    struct scene scene = scene_begin(state, true);

    assert_status(scene.f, add_many(scene.store, 0, ACCOUNTS, &scene.f->detail), AUTH_OK);
    return scene;
}

static void what_was_there_comes_back(void **state)
{
    struct scene scene = filled(state);
    struct identity alice = fixture_who("alice", "example.org");
    struct record before;
    struct record after;
    uint64_t n = 0;

    assert_status(scene.f, store_get(scene.store, &alice, &before, NULL), AUTH_OK);
    back_up(&scene);
    fixture_add(scene.store, "later", "example.org", 9);
    fixture_add(scene.store, "alice", "example.org", 99);
    assert_status(scene.f, restore_into(scene.store, scene.f, &n), AUTH_OK);
    assert_int_equal(n, ACCOUNTS + 1);
    expect(&scene, "later", AUTH_UNKNOWN_USER);
    expect(&scene, "user7", AUTH_OK);
    assert_status(scene.f, store_get(scene.store, &alice, &after, NULL), AUTH_OK);
    assert_memory_equal(&before, &after, sizeof before);
    scene_end(&scene);
}

static void an_empty_store_has_a_backup_too(void **state)
{
    struct scene scene = {.f = *state};
    uint64_t n = 1;

    fixture_create(scene.f);
    scene.store = fixture_open(scene.f, true);
    back_up(&scene);
    fixture_add(scene.store, "later", "example.org", 9);
    assert_status(scene.f, restore_into(scene.store, scene.f, &n), AUTH_OK);
    assert_int_equal(n, 0);
    expect(&scene, "later", AUTH_UNKNOWN_USER);
    store_close(scene.store);
}

/* The store is lost, the key file and a backup are there. */
static void a_new_store_takes_a_backup(void **state)
{
    struct scene scene = filled(state);
    struct identity nobody = fixture_who("nobody", "example.org");
    struct store_answer before;
    struct store_answer after;
    uint64_t n = 0;

    back_up(&scene);
    assert_status(scene.f, store_lookup(scene.store, &nobody, 1, VERIFIER_SCRAM, &before, NULL),
                  AUTH_OK);
    store_close(scene.store);
    assert_int_equal(unlink(scene.f->path), 0);
    assert_int_equal(unlink(scene.f->lock), 0);
    fixture_create(scene.f);
    scene.store = fixture_open(scene.f, true);
    expect(&scene, "user7", AUTH_UNKNOWN_USER);
    assert_status(scene.f, restore_into(scene.store, scene.f, &n), AUTH_OK);
    expect(&scene, "user7", AUTH_OK);
    assert_status(scene.f, store_lookup(scene.store, &nobody, 1, VERIFIER_SCRAM, &after, NULL),
                  AUTH_OK);
    /* Not the ticket's target, which names the store. */
    assert_int_equal(after.verdict, before.verdict);
    assert_int_equal(after.decoy_kinds, before.decoy_kinds);
    assert_int_equal(after.decoy_digests, before.decoy_digests);
    assert_memory_equal(&before.decoys, &after.decoys, sizeof before.decoys);
    scene_end(&scene);
}

static void a_backup_of_the_key_before_comes_back(void **state)
{
    struct scene scene = filled(state);
    struct store_key_state keys;
    uint32_t id = 0;
    uint64_t n = 0;

    back_up(&scene);
    assert_status(scene.f, store_key_state(scene.store, &keys, NULL), AUTH_OK);
    assert_status(scene.f, keyring_add(scene.f->key, keys.store_id, 0600, (gid_t)-1, &id, NULL),
                  AUTH_OK);
    assert_status(scene.f, store_rekey(scene.store, id, NULL, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, restore_into(scene.store, scene.f, &n), AUTH_OK);
    expect(&scene, "user7", AUTH_OK);
    /* With the old key gone it is refused, and says what it wants. */
    assert_status(scene.f, keyring_remove(scene.f->key, keys.store_id, 1, NULL, NULL), AUTH_OK);
    store_close(scene.store);
    scene.store = fixture_open(scene.f, true);
    fixture_add(scene.store, "later", "example.org", 9);
    assert_int_equal(restore_into(scene.store, scene.f, &n), AUTH_KEY_WRONG);
    assert_non_null(strstr(scene.f->detail.text, "under key 1"));
    expect(&scene, "later", AUTH_OK);
    scene_end(&scene);
}

/* Refused, and the store as it was. */
static void assert_refused(struct scene *scene, const uint8_t *p, size_t n)
{
    uint64_t accounts = 0;

    write_file(backup_path(scene->f), p, n, 0600);
    enum auth_status status = restore_into(scene->store, scene->f, &accounts);
    if (status != AUTH_MALFORMED && status != AUTH_KEY_WRONG) {
        print_error("status \"%s\"\n", auth_status_text(status));
        fail();
    }
}

static void every_damage_is_refused(void **state)
{
    struct scene scene = scene_begin(state, true);
    size_t n = 0;

    back_up(&scene);
    uint8_t *good = read_file(backup_path(scene.f), &n);
    fixture_add(scene.store, "later", "example.org", 9);
    for (size_t i = 0; i < n; i += 3) {
        good[i] ^= (uint8_t)(1U << i % 8);
        assert_refused(&scene, good, n);
        good[i] ^= (uint8_t)(1U << i % 8);
    }
    for (size_t i = 0; i < n; i += 11) {
        assert_refused(&scene, good, i);
    }
    assert_refused(&scene, good, n - 1);
    uint8_t *longer = malloc(2 * n);
    assert_non_null(longer);
    memcpy(longer, good, n);
    memcpy(longer + n, good, n);
    assert_refused(&scene, longer, n + 1);
    assert_refused(&scene, longer, 2 * n);
    free(longer);
    expect(&scene, "later", AUTH_OK);
    expect(&scene, "alice", AUTH_OK);
    /* The bytes were good. */
    write_file(backup_path(scene.f), good, n, 0600);
    uint64_t accounts = 0;
    assert_status(scene.f, restore_into(scene.store, scene.f, &accounts), AUTH_OK);
    expect(&scene, "later", AUTH_UNKNOWN_USER);
    free(good);
    scene_end(&scene);
}

static void an_account_cannot_be_left_out(void **state)
{
    struct scene scene = filled(state);
    size_t n = 0;

    back_up(&scene);
    uint8_t *good = read_file(backup_path(scene.f), &n);
    /* The head: magic, format, length, description; then the first account. */
    size_t head = 16 + 4;
    head += 2 + ((size_t)good[head] << 8 | good[head + 1]);
    size_t account = 2 + 24 + ((size_t)good[head] << 8 | good[head + 1]);
    memmove(good + head, good + head + account, n - head - account);
    assert_refused(&scene, good, n - account);
    free(good);
    scene_end(&scene);
}

static void nothing_but_a_backup_is_restored(void **state)
{
    struct scene scene = filled(state);
    size_t n = 0;
    uint8_t *store = read_file(scene.f->path, &n);
    static const char text[] = "user\texample.org\tsecret\n";

    assert_refused(&scene, store, n);
    assert_refused(&scene, (const uint8_t *)text, sizeof text - 1);
    assert_refused(&scene, store, 0);
    free(store);
    expect(&scene, "user7", AUTH_OK);
    scene_end(&scene);
}

static void the_key_is_not_in_it(void **state)
{
    struct scene scene = filled(state);
    size_t n = 0;
    size_t n_key = 0;

    back_up(&scene);
    uint8_t *backup = read_file(backup_path(scene.f), &n);
    uint8_t *key = read_file(scene.f->key, &n_key);
    assert_null(memmem(backup, n, first_key(key, n_key), 20));
    assert_null(memmem(backup, n, "alice", 5));
    assert_null(memmem(backup, n, "example", 7));
    free(backup);
    free(key);
    scene_end(&scene);
}

static void write_on(void *ctx)
{
    struct scene *scene = ctx;

    /* Always both or none of the two, in one transaction. */
    for (unsigned i = 0;; i++) {
        struct record pair[2] = {fixture_record("left", "example.org", (uint8_t)i),
                                 fixture_record("right", "example.org", (uint8_t)i)};
        pair[0].changed = pair[1].changed = 1000 + i;
        if (store_write_batch(scene->store, pair, 2, NULL, NULL) != AUTH_OK) {
            _exit(55);
        }
        if (i == 0) {
            say(scene->to_parent);
        }
    }
}

static void it_is_of_one_moment(void **state)
{
    struct scene scene = filled(state);
    struct identity left = fixture_who("left", "example.org");
    struct identity right = fixture_who("right", "example.org");
    struct record a;
    struct record b;
    uint64_t n = 0;

    pid_t pid = start(write_on, &scene);
    hear(scene.to_parent);
    usleep(50000);
    for (int i = 0; i < 10; i++) {
        back_up(&scene);
    }
    kill(pid, SIGKILL);
    assert_int_equal(finish(pid), KILLED_BY + SIGKILL);
    assert_status(scene.f, restore_into(scene.store, scene.f, &n), AUTH_OK);
    assert_int_equal(n, ACCOUNTS + 3);
    assert_status(scene.f, store_get(scene.store, &left, &a, NULL), AUTH_OK);
    assert_status(scene.f, store_get(scene.store, &right, &b, NULL), AUTH_OK);
    assert_int_equal(a.changed, b.changed);
    assert_memory_equal(a.verifiers.cram, b.verifiers.cram, sizeof a.verifiers.cram);
    scene_end(&scene);
}

static void limited(void *ctx)
{
    struct scene *scene = ctx;
    const struct rlimit limit = {4096, 4096};
    uint64_t n = 0;
    int fd = open(backup_path(scene->f), O_RDWR | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        _exit(56);
    }
    enum auth_status status = store_backup(scene->store, fd, NULL, &n, &scene->f->detail);
    _exit(status == AUTH_STORE_FULL ? 0 : 57);
}

static void a_full_disk_is_told(void **state)
{
    struct scene scene = filled(state);

    assert_int_equal(finish(start(limited, &scene)), 0);
    expect(&scene, "user7", AUTH_OK);
    int full = open("/dev/full", O_WRONLY);
    uint64_t n = 0;
    assert_true(full >= 0);
    assert_int_equal(store_backup(scene.store, full, NULL, &n, &scene.f->detail), AUTH_STORE_FULL);
    close(full);
    scene_end(&scene);
}

static void a_damaged_record_is_no_backup(void **state)
{
    struct scene scene = filled(state);
    struct raw_row row;
    uint64_t n = 0;

    store_close(scene.store);
    assert_true(raw_read(scene.f, "users.1", 3, &row));
    row.value[row.n_value - 1] ^= 1;
    raw_write(scene.f, "users.1", &row);
    scene.store = fixture_open(scene.f, true);
    int fd = open("/dev/null", O_WRONLY);
    assert_int_equal(store_backup(scene.store, fd, NULL, &n, &scene.f->detail), AUTH_STORE_DAMAGED);
    assert_non_null(strstr(scene.f->detail.text, "check"));
    close(fd);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_there_comes_back, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_empty_store_has_a_backup_too, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_new_store_takes_a_backup, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_backup_of_the_key_before_comes_back, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(every_damage_is_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_account_cannot_be_left_out, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(nothing_but_a_backup_is_restored, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_key_is_not_in_it, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(it_is_of_one_moment, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_record_is_no_backup, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
