/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening what is there: sound, damaged, foreign, out of reach. */
#include "store_fixture.h"

#include <dlfcn.h>
#include <lmdb.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"

enum { NOBODY = 65534, SKIPPED = 77 };

static void what_is_no_store(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    uint8_t page[8192];

    write_file(f->key, "#\n", 2, 0600);
    for (int writable = 0; writable < 2; writable++) {
        assert_status(f, fixture_try_open(f, writable, &store), AUTH_STORE_MISSING);
        write_file(f->path, "", 0, 0600);
        assert_status(f, fixture_try_open(f, writable, &store), AUTH_STORE_FOREIGN);
        write_file(f->path, "x", 1, 0600);
        assert_status(f, fixture_try_open(f, writable, &store), AUTH_STORE_FOREIGN);
        memset(page, 0, sizeof page);
        write_file(f->path, page, sizeof page, 0600);
        assert_status(f, fixture_try_open(f, writable, &store), AUTH_STORE_FOREIGN);
        assert_int_equal(crypto_random(page, sizeof page), AUTH_OK);
        write_file(f->path, page, sizeof page, 0600);
        assert_status(f, fixture_try_open(f, writable, &store), AUTH_STORE_FOREIGN);
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(mkdir(f->path, 0700), 0);
        assert_status(f, fixture_try_open(f, writable, &store), AUTH_STORE_FOREIGN);
        assert_int_equal(rmdir(f->path), 0);
        assert_int_equal(mkfifo(f->path, 0600), 0);
        assert_status(f, fixture_try_open(f, writable, &store), AUTH_STORE_FOREIGN);
        assert_int_equal(unlink(f->path), 0);
        /* Nothing was made beside it. */
        assert_files(f, "key\n");
    }
}

/* The head of a data file with one field changed. */
static void damaged_heads(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {10, 0},    /* page flags */
        {16, 0},    /* magic */
        {40, 1},    /* page size 0x1001 */
        {41, 0},    /* page size 0 */
        {42, 0x80}, /* page size over 8 MiB */
        {20, 99},   /* format */
    };
    struct fixture *f = *state;
    struct store *store = NULL;
    size_t n = 0;

    fixture_create(f);
    uint8_t *good = read_file(f->path, &n);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t before = good[changes[i].at];

        assert_int_not_equal(before, changes[i].value);
        good[changes[i].at] = changes[i].value;
        write_file(f->path, good, n, 0600);
        assert_status(f, fixture_try_open(f, true, &store), AUTH_STORE_FOREIGN);
        good[changes[i].at] = before;
    }
    for (size_t cut = 0; cut < 8192; cut += 1024) {
        write_file(f->path, good, cut, 0600);
        enum auth_status status = fixture_try_open(f, false, &store);
        assert_true(status == AUTH_STORE_FOREIGN || status == AUTH_STORE_DAMAGED);
    }
    write_file(f->path, good, n, 0600);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "a", "b"), AUTH_UNKNOWN_USER);
    store_close(store);
    free(good);
}

static void a_writer_makes_a_lost_lock_file_a_reader_never(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;

    f->create.have_group = true;
    f->create.group = getegid();
    fixture_create(f);
    assert_int_equal(unlink(f->lock), 0);
    assert_status(f, fixture_try_open(f, false, &store), AUTH_STORE_MISSING);
    assert_non_null(strstr(f->detail.text, "-lock"));
    assert_files(f, "key\nusers.mdb\n");
    mode_t before = umask(0777);
    enum auth_status status = fixture_try_open(f, true, &store);
    umask(before);
    assert_status(f, status, AUTH_OK);
    store_close(store);
    assert_mode(f->lock, 0660);
    assert_int_equal(unlink(f->lock), 0);
    /* Without locks a reader needs none. */
    const struct store_options options = {f->path, f->key, false, true};
    assert_status(f, store_open(&options, &store, &f->detail), AUTH_OK);
    assert_int_equal(fixture_verdict(store, "a", "b"), AUTH_UNKNOWN_USER);
    store_close(store);
    const struct store_options writing = {f->path, f->key, true, true};
    assert_status(f, store_open(&writing, &store, &f->detail), AUTH_STORE_READONLY);
    assert_files(f, "key\nusers.mdb\n");
}

static void bad_lock_files(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;

    fixture_create(f);
    write_file(f->lock, "x", 1, 0600);
    assert_status(f, fixture_try_open(f, false, &store), AUTH_STORE_DAMAGED);
    assert_int_equal(unlink(f->lock), 0);
    assert_int_equal(mkdir(f->lock, 0700), 0);
    assert_status(f, fixture_try_open(f, true, &store), AUTH_STORE_FOREIGN);
    assert_int_equal(rmdir(f->lock), 0);
    /* An empty one is what init makes; whatever is in one nobody uses is set up anew. */
    write_file(f->lock, "", 0, 0600);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "a", "b"), AUTH_UNKNOWN_USER);
    store_close(store);
}

struct as_nobody {
    struct fixture *f;
    bool writable;
    const char *word; /* in the detail */
};

static void open_as_nobody(void *ctx)
{
    struct as_nobody *c = ctx;
    struct store *store = NULL;

    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
        _exit(SKIPPED);
    }
    enum auth_status status = fixture_try_open(c->f, c->writable, &store);
    if (c->word == NULL) {
        _exit(status == AUTH_OK && fixture_verdict(store, "a", "b") == AUTH_UNKNOWN_USER ? 0 : 1);
    }
    if (status != AUTH_STORE_DENIED || strstr(c->f->detail.text, c->word) == NULL) {
        print_error("%s\n", detail_text(&c->f->detail, status));
        _exit(1);
    }
}

static void each_missing_right_is_named(void **state)
{
    struct fixture *f = *state;
    struct as_nobody c = {f, false, NULL};

    if (geteuid() != 0) {
        skip();
    }
    f->create.have_group = true;
    f->create.group = NOBODY;
    fixture_create(f);
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(in_child(open_as_nobody, &c), 0);
    c.writable = true;
    c.word = f->path;
    assert_int_equal(in_child(open_as_nobody, &c), 0);
    c.writable = false;
    assert_int_equal(chmod(f->lock, 0640), 0);
    c.word = "must be able to write it";
    assert_int_equal(in_child(open_as_nobody, &c), 0);
    assert_int_equal(chmod(f->lock, 0660), 0);
    assert_int_equal(chmod(f->path, 0600), 0);
    c.word = "mode 0600";
    assert_int_equal(in_child(open_as_nobody, &c), 0);
    assert_int_equal(chmod(f->path, 0640), 0);
    assert_int_equal(chmod(f->key, 0600), 0);
    c.word = f->key;
    assert_int_equal(in_child(open_as_nobody, &c), 0);
    assert_int_equal(chmod(f->key, 0640), 0);
    assert_int_equal(chmod(f->dir, 0700), 0);
    c.word = f->dir;
    assert_int_equal(in_child(open_as_nobody, &c), 0);
}

static void open_read_only_mount(void *ctx)
{
    struct fixture *f = ctx;
    struct store *store = NULL;

    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(f->dir, f->dir, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, f->dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0) {
        _exit(SKIPPED);
    }
    for (int writable = 0; writable < 2; writable++) {
        if (fixture_try_open(f, writable, &store) != AUTH_STORE_DENIED ||
            strstr(f->detail.text, "ReadWritePaths") == NULL) {
            _exit(1);
        }
    }
    const struct store_options options = {f->path, f->key, false, true};
    if (store_open(&options, &store, &f->detail) != AUTH_OK ||
        fixture_verdict(store, "alice", "example.org") != AUTH_OK) {
        _exit(2);
    }
    store_close(store);
}

static void a_read_only_file_system_needs_nolock(void **state)
{
    struct fixture *f = *state;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    int status = in_child(open_read_only_mount, f);
    if (status == SKIPPED) {
        skip();
    }
    assert_int_equal(status, 0);
}

/*
 * Stands in front of LMDB's own, since some servers initialise plugins as root: opening must not
 * begin a transaction, which would follow pointers in a file that others may write.
 */
static unsigned transactions;

int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **ret)
{
    static int (*real)(MDB_env *, MDB_txn *, unsigned, MDB_txn **);

    if (real == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "mdb_txn_begin");

        memcpy(&real, &symbol, sizeof real);
    }
    transactions++;
    return real(env, parent, flags, ret);
}

static void opening_begins_no_transaction(void **state)
{
    struct fixture *f = *state;

    fixture_create(f);
    for (int writable = 0; writable < 2; writable++) {
        transactions = 0;
        struct store *store = fixture_open(f, writable);
        assert_int_equal(transactions, 0);
        assert_int_equal(fixture_verdict(store, "a", "b"), AUTH_UNKNOWN_USER);
        assert_true(transactions > 0); /* this one is asked */
        store_close(store);
    }
}

/* Also in front of LMDB's own: what happens right behind a commit. */
static const char *moves_after_commit;

int mdb_txn_commit(MDB_txn *txn)
{
    static int (*real)(MDB_txn *);

    if (real == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "mdb_txn_commit");

        memcpy(&real, &symbol, sizeof real);
    }
    const int rc = real(txn);
    if (moves_after_commit != NULL) {
        char to[2 * FIXTURE_PATH];

        snprintf(to, sizeof to, "%s.old", moves_after_commit);
        assert_int_equal(rename(moves_after_commit, to), 0);
        moves_after_commit = NULL;
    }
    return rc;
}

static enum store_edit write_it(void *ctx, bool exists, struct record *record)
{
    const struct record *wanted = ctx;

    (void)exists;
    record->verifiers = wanted->verifiers;
    return STORE_WRITE;
}

/* Writes alice, whose account was not there. */
static enum auth_status write_alice(struct fixture *f, struct store *store)
{
    struct record record = fixture_record("alice", "example.org", 1);

    return store_change(store, &record.who, write_it, &record, NULL, NULL, &f->detail);
}

static void move(const char *from, const char *end_from, const char *end_to)
{
    char old_name[2 * FIXTURE_PATH];
    char new_name[2 * FIXTURE_PATH];

    snprintf(old_name, sizeof old_name, "%s%s", from, end_from);
    snprintf(new_name, sizeof new_name, "%s%s", from, end_to);
    assert_int_equal(rename(old_name, new_name), 0);
}

static void nothing_is_written_into_a_store_that_was_moved_away(void **state)
{
    struct fixture *f = *state;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_UNKNOWN_USER);
    move(f->path, "", ".old");
    assert_status(f, write_alice(f, store), AUTH_STORE_MISSING);
    assert_non_null(strstr(f->detail.text, "nothing was written"));
    move(f->lock, "", ".old");
    fixture_create(f); /* another in its place */
    assert_status(f, write_alice(f, store), AUTH_STORE_MISSING);
    /* A reader goes on with what it has. */
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_UNKNOWN_USER);
    move(f->path, ".old", "");
    assert_status(f, write_alice(f, store), AUTH_STORE_MISSING); /* the lock file is another one */
    move(f->lock, ".old", "");
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_UNKNOWN_USER);
    assert_status(f, write_alice(f, store), AUTH_OK);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_OK);
    store_close(store);
}

static void a_store_that_is_moved_while_it_is_written_is_told(void **state)
{
    struct fixture *f = *state;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_UNKNOWN_USER);
    moves_after_commit = f->path;
    assert_status(f, write_alice(f, store), AUTH_STORE_MISSING);
    assert_null(moves_after_commit);
    assert_non_null(strstr(f->detail.text, "is in the file that was moved"));
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_OK);
    store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_store),
        TEST(damaged_heads),
        TEST(a_writer_makes_a_lost_lock_file_a_reader_never),
        TEST(bad_lock_files),
        TEST(each_missing_right_is_named),
        TEST(a_read_only_file_system_needs_nolock),
        TEST(opening_begins_no_transaction),
        TEST(nothing_is_written_into_a_store_that_was_moved_away),
        TEST(a_store_that_is_moved_while_it_is_written_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
