/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys added to a key file and removed, by one program at a time. */
#include "key_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/files.h"
#include "store/key_turn.h"

static void add_and_remove(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;
    struct stat st;
    uint32_t id = 0;
    char names[256];
    const time_t before = time(NULL);

    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 1);
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 2);
    assert_status(f, keyring_add(f->key, id_b, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 1);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    assert_memory_not_equal(keyring_find(ring, id_a, 1)->seal, keyring_find(ring, id_a, 2)->seal,
                            32);
    assert_non_null(keyring_find(ring, id_b, 1));
    const uint32_t since = keyring_find(ring, id_b, 1)->since;
    assert_in_range(since, before, time(NULL));
    keyring_free(ring);
    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    assert_status(f, keyring_remove(f->key, id_a, 1, NULL, &f->detail), AUTH_OK);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    assert_null(keyring_find(ring, id_a, 1));
    assert_non_null(keyring_find(ring, id_a, 2));
    assert_int_equal(keyring_find(ring, id_b, 1)->since, since);
    keyring_free(ring);
    /* The number of a key that is gone does not come back while a later one is there. */
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 3);

    assert_status(f, keyring_remove(f->key, id_a, 3, NULL, &f->detail), AUTH_OK);
    assert_status(f, keyring_remove(f->key, id_a, 2, NULL, &f->detail), AUTH_OK);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "key\n");
    assert_status(f, keyring_remove(f->key, id_b, 1, NULL, &f->detail), AUTH_OK);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "");
    assert_status(f, keyring_remove(f->key, id_b, 1, NULL, &f->detail), AUTH_KEY_MISSING);
}

static void a_file_of_somebody_elses_outlives_its_last_key(void **state)
{
    struct fixture *f = *state;
    const struct file_mode before = {0600, FILES_ANY_USER, FILES_ANY_GROUP};
    struct stat st;
    uint32_t id = 0;

    assert_status(f, keyring_add(f->key, id_a, 0640, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_status(f, keyring_remove(f->key, id_a, id, &before, &f->detail), AUTH_OK);
    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void other_lines_and_rights_stay(void **state)
{
    struct fixture *f = *state;
    struct stat before;
    struct stat after;
    uint32_t id = 0;
    size_t n = 0;

    write_key_file(f, "# by hand\n\n7 " ID_A " " KEY_A, 0600);
    if (geteuid() == 0) {
        assert_int_equal(chown(f->key, 1, 2), 0);
    }
    assert_int_equal(stat(f->key, &before), 0);
    assert_status(f, keyring_add(f->key, id_a, 0640, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 8);
    assert_int_equal(stat(f->key, &after), 0);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_gid, before.st_gid);
    assert_int_equal(after.st_mode & 07777, 0640);
    char *text = (char *)read_file(f->key, &n);
    const char *begin = "# by hand\n\n7 " ID_A " " KEY_A "\n8 " ID_A " ";
    assert_memory_equal(text, begin, strlen(begin));
    free(text);
    assert_status(f, keyring_remove(f->key, id_a, 8, NULL, &f->detail), AUTH_OK);
    assert_int_equal(stat(f->key, &after), 0);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_mode & 07777, 0640);
}

static void nothing_is_added_where_it_should_not(void **state)
{
    struct fixture *f = *state;
    char elsewhere[FIXTURE_PATH + 32];
    char names[256];
    uint32_t id = 0;
    size_t n = 0;

    (void)snprintf(elsewhere, sizeof elsewhere, "%s/real", f->dir);
    write_file(elsewhere, "#\n", 2, 0600);
    assert_int_equal(symlink(elsewhere, f->key), 0);
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail),
                  AUTH_STORE_DENIED);
    assert_status(f, keyring_remove(f->key, id_a, 1, NULL, &f->detail), AUTH_STORE_DENIED);
    free(read_file(elsewhere, &n));
    assert_int_equal(n, 2);
    assert_int_equal(unlink(f->key), 0);

    write_key_file(f, "garbage\n", 0600);
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail),
                  AUTH_KEY_DAMAGED);
    assert_status(f, keyring_remove(f->key, id_a, 1, NULL, &f->detail), AUTH_KEY_DAMAGED);
    write_key_file(f, "4294967295 " ID_A " " KEY_A "\n", 0600);
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail),
                  AUTH_KEY_DAMAGED);
    assert_int_equal(id, 0);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "key\nreal\n");

    (void)snprintf(elsewhere, sizeof elsewhere, "%s/none/key", f->dir);
    assert_status(f, keyring_add(elsewhere, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail),
                  AUTH_STORE_MISSING);
}

static void modes_do_not_depend_on_the_umask(void **state)
{
    static const mode_t masks[] = {0777, 0, 077, 022};
    struct fixture *f = *state;
    struct stat st;
    uint32_t id = 0;

    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        mode_t before = umask(masks[i]);
        enum auth_status status = keyring_add(f->key, id_a, 0640, FILES_ANY_GROUP, &id, &f->detail);
        umask(before);
        assert_status(f, status, AUTH_OK);
        assert_int_equal(stat(f->key, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
    }
}

static void add_with_limit(void *ctx)
{
    struct fixture *f = ctx;
    const struct rlimit limit = {10, 10};
    uint32_t id = 0;

    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        _exit(77);
    }
    enum auth_status status = keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail);
    _exit(status == AUTH_STORE_FULL ? 0 : 1);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;
    char names[256];

    write_key_file(f, "1 " ID_A " " KEY_A "\n", 0600);
    assert_int_equal(in_child(add_with_limit, f), 0);
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    assert_non_null(keyring_find(ring, id_a, 1));
    keyring_free(ring);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "key\n");
}

/* Killed between writing and renaming, one leaves keys lying about; the next clears them away. */
static void what_a_killed_one_left_goes(void **state)
{
    struct fixture *f = *state;
    static const char *const stay[] = {"key.bak", "key.0123456789abcde", "key.0123456789abcdef0",
                                       "key.0123456789ABCDEF", "other.0123456789abcdef"};
    char path[FIXTURE_PATH + 64];
    char names[512];
    uint32_t id = 0;

    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    (void)snprintf(path, sizeof path, "%s/key.00112233445566ff", f->dir);
    write_file(path, "1 x", 3, 0600);
    for (size_t i = 0; i < sizeof stay / sizeof stay[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", f->dir, stay[i]);
        write_file(path, "x", 1, 0600);
    }
    (void)snprintf(path, sizeof path, "%s/key.ffffffffffffffff", f->dir);
    assert_int_equal(symlink("key", path), 0);
    assert_status(f, keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    fixture_list(f, names, sizeof names);
    assert_null(strstr(names, "key.00112233445566ff"));
    assert_non_null(strstr(names, "key.ffffffffffffffff")); /* a link is none of ours */
    for (size_t i = 0; i < sizeof stay / sizeof stay[0]; i++) {
        assert_non_null(strstr(names, stay[i]));
    }
}

/* Who may only read the key file and its directory can lock them, and keeps no change away. */
static void locks_of_readers_stop_nobody(void **state)
{
    struct fixture *f = *state;
    char names[256];
    uint32_t id = 0;

    assert_status(f, keyring_add(f->key, id_a, 0640, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    int directory = open(f->dir, O_RDONLY | O_DIRECTORY);
    int key = open(f->key, O_RDONLY);
    assert_true(directory >= 0 && key >= 0);
    assert_int_equal(flock(directory, LOCK_EX), 0);
    assert_int_equal(flock(key, LOCK_EX), 0);
    assert_status(f, keyring_add(f->key, id_a, 0640, FILES_ANY_GROUP, &id, &f->detail), AUTH_OK);
    assert_status(f, keyring_remove(f->key, id_a, 1, NULL, &f->detail), AUTH_OK);
    close(key);
    close(directory);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "key\n");
}

static void nobody_else_can_open_what_a_turn_locks(void **state)
{
    struct fixture *f = *state;
    char path[FIXTURE_PATH + 32];
    char names[256];
    struct key_turn turn;
    struct stat st;

    (void)snprintf(path, sizeof path, "%s-lock", f->key);
    if (geteuid() == 0) {
        assert_int_equal(chown(f->dir, 1, FILES_ANY_GROUP), 0);
    }
    assert_status(f, key_turn_take(f->key, &turn, &f->detail), AUTH_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 1 : geteuid());
    key_turn_end(&turn);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "");

    /* One that was killed leaves its file; one that others may open is none of ours. */
    write_file(path, "", 0, 0600);
    assert_status(f, key_turn_take(f->key, &turn, &f->detail), AUTH_OK);
    key_turn_end(&turn);
    write_file(path, "", 0, 0644);
    assert_status(f, key_turn_take(f->key, &turn, &f->detail), AUTH_STORE_DENIED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("key", path), 0);
    assert_int_not_equal(key_turn_take(f->key, &turn, &f->detail), AUTH_OK);
    assert_int_equal(unlink(path), 0);
}

enum { WRITERS = 3, KEYS_EACH = 4 };

static void add_some(void *ctx)
{
    struct fixture *f = ctx;
    uint32_t id = 0;

    for (unsigned n = 0; n < KEYS_EACH;) {
        enum auth_status status = keyring_add(f->key, id_a, 0600, FILES_ANY_GROUP, &id, &f->detail);
        if (status != AUTH_OK && status != AUTH_STORE_BUSY) {
            _exit(1);
        }
        n += status == AUTH_OK;
    }
    _exit(0);
}

/* No key of one is lost by the change of another. */
static void several_take_turns(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = NULL;
    pid_t pids[WRITERS];
    char names[256];

    for (unsigned i = 0; i < WRITERS; i++) {
        pids[i] = start(add_some, f);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(finish(pids[i]), 0);
    }
    assert_status(f, load(f, FILES_ANY_GROUP, &ring), AUTH_OK);
    for (uint32_t id = 1; id <= WRITERS * KEYS_EACH; id++) {
        assert_non_null(keyring_find(ring, id_a, id));
    }
    keyring_free(ring);
    fixture_list(f, names, sizeof names);
    assert_string_equal(names, "key\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(add_and_remove),
        TEST(a_file_of_somebody_elses_outlives_its_last_key),
        TEST(other_lines_and_rights_stay),
        TEST(nothing_is_added_where_it_should_not),
        TEST(modes_do_not_depend_on_the_umask),
        TEST(a_full_disk_leaves_the_old_file),
        TEST(what_a_killed_one_left_goes),
        TEST(locks_of_readers_stop_nobody),
        TEST(nobody_else_can_open_what_a_turn_locks),
        TEST(several_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
