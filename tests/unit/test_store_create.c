/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/files.h"

enum { NOBODY = 65534, SKIPPED = 77 };

/* Between LMDB and the code under test: which directory is looked at when a transaction ends. */
static const char *watched;
static unsigned looked;
static unsigned open_to_others;

/* LMDB's own, with a pointer that nobody here looks behind. */
int mdb_txn_commit(void *txn);

static void look_at_files(void)
{
    DIR *entries = opendir(watched);
    struct stat st;

    assert_non_null(entries);
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (strstr(entry->d_name, ".mdb") != NULL) {
            assert_int_equal(fstatat(dirfd(entries), entry->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
            looked++;
            open_to_others += (st.st_mode & 07777) != 0600 || st.st_uid != geteuid();
        }
    }
    closedir(entries);
}

int mdb_txn_commit(void *txn)
{
    int (*real)(void *txn) = NULL;
    void *found = dlsym(RTLD_NEXT, "mdb_txn_commit");

    assert_non_null(found);
    memcpy(&real, &found, sizeof real);
    if (watched != NULL) {
        look_at_files();
    }
    return real(txn);
}

static void modes_without_a_group(void **state)
{
    static const mode_t masks[] = {0777, 0, 022, 077};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        mode_t before = umask(masks[i]);
        enum auth_status status = store_create(&f->create, &f->detail);
        umask(before);
        assert_status(f, status, AUTH_OK);
        assert_files(f, "key\nusers.mdb\nusers.mdb-lock\n");
        assert_mode(f->path, 0600);
        assert_mode(f->lock, 0600);
        assert_mode(f->key, 0600);
        struct store *store = fixture_open(f, true);
        fixture_add(store, "alice", "example.org", 1);
        store_close(store);
        assert_mode(f->path, 0600);
        assert_mode(f->lock, 0600);
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(unlink(f->lock), 0);
        assert_int_equal(unlink(f->key), 0);
    }
}

static void modes_with_a_group(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    gid_t group = geteuid() == 0 ? 12 : getegid();

    f->create.have_group = true;
    f->create.group = group;
    for (int i = 0; i < 2; i++) {
        mode_t before = umask(i == 0 ? 0777 : 0);
        enum auth_status status = store_create(&f->create, &f->detail);
        umask(before);
        assert_status(f, status, AUTH_OK);
        assert_mode(f->path, 0640);
        assert_mode(f->lock, 0660);
        assert_mode(f->key, 0640);
        const char *const paths[] = {f->path, f->lock, f->key};
        for (size_t j = 0; j < 3; j++) {
            assert_int_equal(stat(paths[j], &st), 0);
            assert_int_equal(st.st_gid, group);
        }
        struct store *store = fixture_open(f, false);
        store_close(store);
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(unlink(f->lock), 0);
        assert_int_equal(unlink(f->key), 0);
    }
}

/*
 * As long as LMDB has the files open they are the caller's alone: what is in the lock file tells
 * LMDB where to write, and root may be the one who writes.
 */
static void files_are_shared_once_nobody_has_them_mapped(void **state)
{
    struct fixture *f = *state;
    bool root = geteuid() == 0;
    struct stat st;

    f->create.have_group = true;
    f->create.group = root ? 12 : getegid();
    f->create.have_owner = root;
    f->create.owner = 13;
    watched = f->dir;
    looked = 0;
    open_to_others = 0;
    enum auth_status status = store_create(&f->create, &f->detail);
    watched = NULL;
    assert_status(f, status, AUTH_OK);
    assert_true(looked >= 2);
    assert_int_equal(open_to_others, 0);
    assert_mode(f->path, 0640);
    assert_mode(f->lock, 0660);
    const char *const paths[] = {f->path, f->lock};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(stat(paths[i], &st), 0);
        assert_int_equal(st.st_uid, root ? 13 : geteuid());
        assert_int_equal(st.st_gid, f->create.group);
    }
}

static void a_second_store_leaves_the_first_alone(void **state)
{
    struct fixture *f = *state;
    size_t n[3];
    size_t n_again = 0;
    uint8_t *before[3];

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    const char *const paths[] = {f->path, f->lock, f->key};
    for (size_t i = 0; i < 3; i++) {
        before[i] = read_file(paths[i], &n[i]);
    }
    assert_status(f, store_create(&f->create, &f->detail), AUTH_STORE_EXISTS);
    assert_non_null(strstr(f->detail.text, f->path));
    for (size_t i = 0; i < 3; i++) {
        uint8_t *after = read_file(paths[i], &n_again);
        assert_int_equal(n[i], n_again);
        assert_memory_equal(before[i], after, n_again);
        free(after);
        free(before[i]);
    }
    assert_files(f, "key\nusers.mdb\nusers.mdb-lock\n");
    assert_int_equal(unlink(f->path), 0);
    assert_status(f, store_create(&f->create, &f->detail), AUTH_STORE_EXISTS);
    assert_files(f, "key\nusers.mdb-lock\n");
}

static void links_are_in_the_way(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(symlink("/nonexistent/file", f->path), 0);
    assert_status(f, store_create(&f->create, &f->detail), AUTH_STORE_EXISTS);
    assert_files(f, "users.mdb\n");
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(symlink("/nonexistent/file", f->lock), 0);
    assert_status(f, store_create(&f->create, &f->detail), AUTH_STORE_EXISTS);
    assert_files(f, "users.mdb-lock\n");
    assert_int_equal(unlink(f->lock), 0);
    assert_int_equal(symlink("/nonexistent/file", f->key), 0);
    assert_status(f, store_create(&f->create, &f->detail), AUTH_STORE_DENIED);
    assert_files(f, "key\n");
}

/* Should somebody make the file between looking and naming. */
static void the_last_step_takes_no_name_that_is_there(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;

    write_file(f->path, "theirs", 6, 0600);
    write_file(f->lock, "ours", 4, 0600);
    assert_status(f, file_rename_new(f->lock, f->path, &f->detail), AUTH_STORE_EXISTS);
    uint8_t *file = read_file(f->path, &n);
    assert_int_equal(n, 6);
    free(file);
    assert_files(f, "users.mdb\nusers.mdb-lock\n");
    assert_int_equal(unlink(f->path), 0);
    assert_status(f, file_rename_new(f->lock, f->path, &f->detail), AUTH_OK);
    assert_files(f, "users.mdb\n");
}

static void a_key_file_serves_several_stores(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;
    struct store *second = NULL;

    (void)snprintf(other.path, sizeof other.path, "%s/other.mdb", f->dir);
    other.create.path = other.path;
    other.create.key_path = f->key;
    fixture_create(f);
    fixture_create(&other);
    struct store *store = fixture_open(f, true);
    assert_status(f, fixture_try_open(&other, true, &second), AUTH_OK);
    fixture_add(store, "alice", "example.org", 1);
    fixture_add(second, "bob", "example.org", 1);
    assert_int_equal(fixture_verdict(store, "bob", "example.org"), AUTH_UNKNOWN_USER);
    assert_int_equal(fixture_verdict(second, "bob", "example.org"), AUTH_OK);
    store_close(store);
    store_close(second);
}

static void a_shared_key_file_keeps_its_rights(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;
    struct stat st;

    if (geteuid() != 0) {
        skip();
    }
    (void)snprintf(other.path, sizeof other.path, "%s/other.mdb", f->dir);
    other.create.path = other.path;
    other.create.key_path = f->key;
    other.create.have_group = true;
    other.create.group = 13;
    fixture_create(f);
    /* A private file is opened to the group asked for ... */
    fixture_create(&other);
    assert_mode(f->key, 0640);
    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_gid, 13);
    /* ... but one group's file is not taken from it for another. */
    (void)snprintf(other.path, sizeof other.path, "%s/third.mdb", f->dir);
    other.create.group = 14;
    size_t n = 0;
    size_t n_after = 0;
    uint8_t *before = read_file(f->key, &n);
    assert_status(&other, store_create(&other.create, &other.detail), AUTH_KEY_EXPOSED);
    uint8_t *after = read_file(f->key, &n_after);
    assert_int_equal(n, n_after);
    assert_memory_equal(before, after, n);
    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_gid, 13);
    assert_files(f, "key\nother.mdb\nother.mdb-lock\nusers.mdb\nusers.mdb-lock\n");
    free(before);
    free(after);
}

static void bad_policies(void **state)
{
    struct fixture *f = *state;
    struct verifier_policy good = f->create.policy;
    struct verifier_policy bad[9];

    for (size_t i = 0; i < 9; i++) {
        bad[i] = good;
    }
    bad[0].kinds = 0;
    bad[1].kinds |= VERIFIER_CRYPT;
    bad[2].kinds |= 1u << 20;
    bad[3].iterations = 0;
    bad[4].iterations = VERIFIER_MIN_ITERATIONS - 1;
    bad[5].iterations = VERIFIER_MAX_ITERATIONS + 1;
    bad[6].n_extra_realms = VERIFIER_MAX_EXTRA_REALMS + 1;
    bad[7].n_extra_realms = 1;
    bad[8].n_extra_realms = VERIFIER_MAX_EXTRA_REALMS;
    for (unsigned i = 0; i < VERIFIER_MAX_EXTRA_REALMS; i++) {
        memset(bad[8].extra_realm[i], (int)('a' + i), IDENTITY_MAX_REALM);
        bad[8].extra_realm[i][IDENTITY_MAX_REALM] = '\0';
    }
    for (size_t i = 0; i < 9; i++) {
        f->create.policy = bad[i];
        assert_status(f, store_create(&f->create, &f->detail), AUTH_MALFORMED);
        assert_files(f, "");
    }
}

static enum auth_status give(struct fixture *f, const char *path, uid_t uid)
{
    const struct file_mode owner = {FILES_ANY_MODE, uid, FILES_ANY_GROUP};

    return file_give(path, &owner, &f->detail);
}

/* Root gives away what it has made, and not what somebody has put in its place. */
static void only_what_was_made_is_given_away(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char other[FIXTURE_PATH * 2];

    if (geteuid() != 0) {
        skip();
    }
    fixture_create(f);
    (void)snprintf(other, sizeof other, "%s/other", f->dir);
    assert_status(f, give(f, f->path, 13), AUTH_OK);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_uid, 13);
    assert_status(f, give(f, f->path, 14), AUTH_STORE_DENIED);
    assert_int_equal(symlink(f->key, other), 0);
    assert_int_not_equal(give(f, other, 13), AUTH_OK);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(link(f->key, other), 0);
    assert_status(f, give(f, other, 13), AUTH_STORE_DENIED);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_status(f, give(f, other, 13), AUTH_STORE_DENIED);
    assert_int_equal(rmdir(other), 0);
    assert_int_not_equal(give(f, other, 13), AUTH_OK);
    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_uid, 0);
}

static void directories_that_will_not_do(void **state)
{
    struct fixture *f = *state;
    char path[FIXTURE_PATH * 2];

    (void)snprintf(path, sizeof path, "%s/none/users.mdb", f->dir);
    f->create.path = path;
    assert_status(f, store_create(&f->create, &f->detail), AUTH_STORE_MISSING);
    assert_files(f, "");
    write_file(f->key, "#\n", 2, 0600);
    (void)snprintf(path, sizeof path, "%s/key/users.mdb", f->dir);
    assert_status(f, store_create(&f->create, &f->detail), AUTH_STORE_MISSING);
    assert_files(f, "key\n");
    /* A good place for the store, none for the key. */
    (void)snprintf(path, sizeof path, "%s/none/key", f->dir);
    f->create.path = f->path;
    f->create.key_path = path;
    assert_status(f, store_create(&f->create, &f->detail), AUTH_STORE_MISSING);
    assert_files(f, "key\n");
    write_file(f->key, "garbage", 7, 0600);
    f->create.key_path = f->key;
    assert_status(f, store_create(&f->create, &f->detail), AUTH_KEY_DAMAGED);
    assert_files(f, "key\n");
}

static void create_as_nobody(void *ctx)
{
    struct fixture *f = ctx;

    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
        _exit(SKIPPED);
    }
    enum auth_status status = store_create(&f->create, &f->detail);
    _exit(status == AUTH_STORE_DENIED && f->detail.text[0] != '\0' ? 0 : 1);
}

static void rights_that_are_missing(void **state)
{
    struct fixture *f = *state;

    if (geteuid() != 0) {
        skip();
    }
    /* May look into the directory, but not write. */
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(in_child(create_as_nobody, f), 0);
    assert_files(f, "");
    /* May write, but not give files to that group. */
    assert_int_equal(chmod(f->dir, 0777), 0);
    f->create.have_group = true;
    f->create.group = 0;
    assert_int_equal(in_child(create_as_nobody, f), 0);
    assert_files(f, "");
}

static void create_with_limit(void *ctx)
{
    struct fixture *f = ctx;

    /* Enough for the key, for the two first pages, not for a map of a store. */
    static const rlim_t limits[] = {0, 200, 4096, 8192, 20000, 100000};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const struct rlimit limit = {limits[i], RLIM_INFINITY};
        char found[NAMES];

        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
            _exit(SKIPPED);
        }
        enum auth_status status = store_create(&f->create, &f->detail);
        fixture_list(f, found, sizeof found);
        if (status != AUTH_STORE_FULL || found[0] != '\0') {
            print_error("limit %zu: %s, left: %s\n", (size_t)limits[i],
                        detail_text(&f->detail, status), found);
            _exit(1);
        }
    }
}

static void a_file_size_limit_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in_child(create_with_limit, f), 0);
}

static void create_on_small_disk(void *ctx)
{
    struct fixture *f = ctx;
    static const char *const sizes[] = {"size=4k", "size=12k", "size=16k", "size=20k"};

    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        _exit(SKIPPED);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char found[NAMES];

        if (mount("tmpfs", f->dir, "tmpfs", 0, sizes[i]) != 0) {
            _exit(SKIPPED);
        }
        enum auth_status status = store_create(&f->create, &f->detail);
        fixture_list(f, found, sizeof found);
        if (status != AUTH_STORE_FULL || found[0] != '\0') {
            print_error("%s: %s, left: %s\n", sizes[i], detail_text(&f->detail, status), found);
            _exit(1);
        }
        if (umount(f->dir) != 0) {
            _exit(2);
        }
    }
}

static void a_full_disk_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    int status = in_child(create_on_small_disk, f);

    if (status == SKIPPED) {
        skip();
    }
    assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(modes_without_a_group),
        TEST(modes_with_a_group),
        TEST(files_are_shared_once_nobody_has_them_mapped),
        TEST(a_second_store_leaves_the_first_alone),
        TEST(links_are_in_the_way),
        TEST(the_last_step_takes_no_name_that_is_there),
        TEST(a_key_file_serves_several_stores),
        TEST(a_shared_key_file_keeps_its_rights),
        TEST(bad_policies),
        TEST(only_what_was_made_is_given_away),
        TEST(directories_that_will_not_do),
        TEST(rights_that_are_missing),
        TEST(a_file_size_limit_leaves_nothing),
        TEST(a_full_disk_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
