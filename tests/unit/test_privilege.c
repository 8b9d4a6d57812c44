/* SPDX-License-Identifier: BSD-2-Clause */
/* Who a tool becomes that root has started on a store. */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "privilege.h"
#include "store_scene.h"

enum { OTHER = 1, ROOT = 0, NONE = -1 };

/* Whose each is, NONE for one that is not there; a link leads from the store to the data file. */
struct files {
    const char *what;
    int directory;
    int link;
    int data;
    int lock;
    int becomes;
};

static const struct files cases[] = {
    {"all root's", ROOT, NONE, ROOT, ROOT, ROOT},
    {"all nobody's", NOBODY, NONE, NOBODY, NOBODY, NOBODY},
    {"the files nobody's", ROOT, NONE, NOBODY, NOBODY, NOBODY},
    {"the data nobody's", ROOT, NONE, NOBODY, ROOT, NOBODY},
    {"the data nobody's, in a directory of another", OTHER, NONE, NOBODY, ROOT, NOBODY},
    {"the lock file nobody's", ROOT, NONE, ROOT, NOBODY, NOBODY},
    {"the lock file nobody's, in a directory of another", OTHER, NONE, ROOT, NOBODY, NOBODY},
    {"the directory nobody's", NOBODY, NONE, ROOT, ROOT, NOBODY},
    {"the directory nobody's, no lock file", NOBODY, NONE, ROOT, NONE, NOBODY},
    {"the directory nobody's, no store", NOBODY, NONE, NONE, NONE, NOBODY},
    {"a link of nobody's", ROOT, NOBODY, ROOT, ROOT, NOBODY},
    {"a link of root's to data of nobody's", ROOT, ROOT, NOBODY, ROOT, NOBODY},
    {"a link of root's", ROOT, ROOT, ROOT, ROOT, ROOT},
    {"a link of root's that leads nowhere, in a directory of nobody's", NOBODY, ROOT, NONE, NONE,
     NOBODY},
};

struct trial {
    struct fixture *f;
    const struct files *files;
};

static void make(const char *path, int owner)
{
    if (owner != NONE) {
        write_file(path, "", 0, 0600);
        assert_int_equal(chown(path, (uid_t)owner, (gid_t)owner), 0);
    }
}

static void lay_out(struct fixture *f, const struct files *files)
{
    char data[FIXTURE_PATH + 16];

    (void)snprintf(data, sizeof data, "%s/data", f->dir);
    (void)unlink(data);
    (void)unlink(f->path);
    (void)unlink(f->lock);
    if (files->link != NONE) {
        const uid_t owner = (uid_t)files->link;

        assert_int_equal(symlink(data, f->path), 0);
        assert_int_equal(lchown(f->path, owner, owner), 0);
    }
    make(files->link != NONE ? data : f->path, files->data);
    make(f->lock, files->lock);
    assert_int_equal(chown(f->dir, (uid_t)files->directory, (gid_t)files->directory), 0);
}

static void become(void *ctx)
{
    const struct trial *trial = ctx;
    const uid_t wanted = (uid_t)trial->files->becomes;
    int end_with_parent = 0;

    /* It goes on ending with its parent, as worker_start() has asked for. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    enum auth_status status = privilege_become_owner(trial->f->path, &trial->f->detail);

    (void)prctl(PR_GET_PDEATHSIG, &end_with_parent);
    if (status != AUTH_OK || end_with_parent != SIGTERM || geteuid() != wanted ||
        getuid() != wanted || (wanted != 0 && getegid() != NOBODY)) {
        print_error("%s: %s, uid %u\n", trial->files->what, detail_text(&trial->f->detail, status),
                    (unsigned)geteuid());
        _exit(1);
    }
}

static void the_first_of_somebody_else(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trial trial = {*state, &cases[i]};

        lay_out(trial.f, trial.files);
        assert_int_equal(in_child(become, &trial), 0);
    }
}

/* In a directory of root's behind root's link the same holds as in the one named. */
static void the_directory_behind_a_link(void **state)
{
    struct fixture *f = *state;
    const struct files files = {"the directory behind it", ROOT, NONE, ROOT, ROOT, NOBODY};
    struct trial trial = {f, &files};
    char inner[FIXTURE_PATH + 16];
    char data[FIXTURE_PATH + 32];

    (void)snprintf(inner, sizeof inner, "%s/inner", f->dir);
    (void)snprintf(data, sizeof data, "%s/data", inner);
    assert_int_equal(mkdir(inner, 0755), 0);
    write_file(data, "", 0, 0600);
    assert_int_equal(symlink(data, f->path), 0);
    assert_int_equal(chown(inner, NOBODY, NOBODY), 0);
    assert_int_equal(in_child(become, &trial), 0);
}

static void look_for_nothing(void *ctx)
{
    struct fixture *f = ctx;

    if (privilege_become_owner(f->path, &f->detail) != AUTH_STORE_MISSING || geteuid() != 0 ||
        strstr(f->detail.text, f->path) == NULL) {
        _exit(1);
    }
}

/* Root does not go on: who makes one now makes it for root to open. */
static void a_store_that_is_not_there(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in_child(look_for_nothing, f), 0);
    assert_int_equal(symlink("/nonexistent/store", f->path), 0);
    assert_int_equal(in_child(look_for_nothing, f), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_of_somebody_else),
        TEST(the_directory_behind_a_link),
        TEST(a_store_that_is_not_there),
    };

    if (geteuid() != 0) {
        (void)fprintf(stderr, "skipped: only root becomes somebody else\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
