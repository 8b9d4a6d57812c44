/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_scene.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void say(const int fds[2])
{
    if (write(fds[1], "x", 1) != 1) {
        _exit(99);
    }
}

void hear(const int fds[2])
{
    char c;

    if (read(fds[0], &c, 1) != 1) {
        _exit(98);
    }
}

pid_t start(void (*body)(void *ctx), void *ctx)
{
    (void)fflush(NULL);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        /* Some go on until they are told to stop, which a test that has failed does not do. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        body(ctx);
        _exit(0);
    }
    return pid;
}

int finish(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED_BY + WTERMSIG(status);
}

struct scene scene_begin(void **state, bool writable)
{
    struct scene scene = {.f = *state, .parent = getpid()};

    fixture_create(scene.f);
    struct store *store = fixture_open(scene.f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    scene.store = fixture_open(scene.f, writable);
    assert_int_equal(pipe(scene.to_child), 0);
    assert_int_equal(pipe(scene.to_parent), 0);
    return scene;
}

void scene_end(struct scene *scene)
{
    store_close(scene->store);
    for (int i = 0; i < 2; i++) {
        close(scene->to_child[i]);
        close(scene->to_parent[i]);
    }
}

void expect(struct scene *scene, const char *user, enum auth_status verdict)
{
    struct identity who = fixture_who(user, "example.org");
    struct store_answer answer;
    enum auth_status status =
        store_lookup(scene->store, &who, 1, VERIFIER_SCRAM, &answer, &scene->f->detail);

    if (status == AUTH_OK) {
        status = answer.verdict;
    }
    if (status != verdict) {
        print_error("%s: %s\n", user, detail_text(&scene->f->detail, status));
        _exit(50);
    }
}

/* n accounts user<first>.. in one transaction. */
enum auth_status add_many(struct store *store, unsigned first, unsigned n, struct detail *detail)
{
    struct record *records = calloc(n, sizeof *records);
    char name[32];

    if (records == NULL) {
        return AUTH_NO_MEMORY;
    }
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(name, sizeof name, "user%u", first + i);
        records[i] = fixture_record(name, "example.org", (uint8_t)i);
    }
    enum auth_status status = store_write_batch(store, records, n, NULL, detail);
    free(records);
    return status;
}

static void found(void *ctx, const struct check_finding *finding)
{
    (void)ctx;
    print_error("check: part %d: %s\n", (int)finding->part, finding->what);
}

static void at(void *ctx, const uint8_t *key, size_t n_key, uint64_t done, uint64_t all)
{
    (void)ctx;
    (void)key;
    (void)n_key;
    (void)done;
    (void)all;
}

const struct check_observer scene_observer = {found, at, NULL};

void assert_sound(struct fixture *f, struct store *store, uint64_t accounts)
{
    struct check_counts counts;

    assert_status(f, store_check(store, &scene_observer, &counts, &f->detail), AUTH_OK);
    assert_int_equal(counts.findings, 0);
    assert_int_equal(counts.accounts, accounts);
    assert_int_equal(counts.sound, accounts);
    assert_true(counts.pages_known);
}
