/* SPDX-License-Identifier: BSD-2-Clause */
/* All accounts replaced at once: what readers see, who may write meanwhile, what a dead one leaves.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/kv.h"
#include "store/store_generation.h"
#include "store_scene.h"

enum { NEW = 300 };

static struct record *records_new(const char *prefix, unsigned n, uint8_t seed)
{
    struct record *records = calloc(n, sizeof *records);

    assert_non_null(records);
    for (unsigned i = 0; i < n; i++) {
        char name[64];

        (void)snprintf(name, sizeof name, "%s%u", prefix, i);
        records[i] = fixture_record(name, "example.org", seed);
    }
    return records;
}

static struct store_build *begin(struct fixture *f, struct store *store)
{
    struct store_build *build = NULL;

    assert_status(f, store_build_begin(store, &build, &f->detail), AUTH_OK);
    return build;
}

static void add(struct fixture *f, struct store_build *build, const char *prefix, unsigned n,
                uint8_t seed)
{
    struct record *records = records_new(prefix, n, seed);

    assert_status(f, store_build_add(build, records, NULL, n, &f->detail), AUTH_OK);
    free(records);
}

static void answer_until_new(void *ctx)
{
    struct scene *scene = ctx;
    bool flipped = false;

    expect(scene, "alice", AUTH_OK);
    say(scene->to_parent);
    while (!flipped) {
        /* One or the other, in one moment. */
        enum auth_status old = fixture_verdict(scene->store, "alice", "example.org");
        enum auth_status now = fixture_verdict(scene->store, "new7", "example.org");

        if ((old != AUTH_OK && old != AUTH_UNKNOWN_USER) ||
            (now != AUTH_OK && now != AUTH_UNKNOWN_USER) ||
            (old == AUTH_UNKNOWN_USER && now == AUTH_UNKNOWN_USER)) {
            _exit(51);
        }
        flipped = old == AUTH_UNKNOWN_USER;
    }
    for (unsigned i = 0; i < NEW; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "new%u", i);
        expect(scene, name, AUTH_OK);
    }
}

static void readers_follow_in_one_step(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store_info before;
    struct store_info after;

    assert_status(scene.f, store_describe(scene.store, &before, NULL), AUTH_OK);
    pid_t pid = start(answer_until_new, &scene);
    hear(scene.to_parent);
    struct store_build *build = begin(scene.f, scene.store);
    add(scene.f, build, "new", NEW, 3);
    assert_int_equal(store_build_accounts(build), NEW);
    expect(&scene, "alice", AUTH_OK);
    expect(&scene, "new7", AUTH_UNKNOWN_USER);
    assert_status(scene.f, store_build_finish(build, &scene.f->detail), AUTH_OK);
    assert_int_equal(finish(pid), 0);
    expect(&scene, "alice", AUTH_UNKNOWN_USER);
    assert_status(scene.f, store_describe(scene.store, &after, NULL), AUTH_OK);
    assert_int_equal(after.accounts, NEW);
    assert_int_equal(after.generation, before.generation + 1);
    assert_true(after.seals >= before.seals + NEW);
    assert_sound(scene.f, scene.store, NEW);
    scene_end(&scene);
}

static void nothing_of_an_abandoned_build_stays(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store_build *build = begin(scene.f, scene.store);

    add(scene.f, build, "new", NEW, 3);
    store_build_abandon(build);
    store_build_abandon(NULL);
    expect(&scene, "alice", AUTH_OK);
    expect(&scene, "new7", AUTH_UNKNOWN_USER);
    assert_sound(scene.f, scene.store, 1);
    fixture_add(scene.store, "bob", "example.org", 4);
    scene_end(&scene);
    struct raw_row row;
    assert_false(raw_read(scene.f, "meta", 1, &row)); /* the description alone */
}

static unsigned answers_no; /* so often, before it says yes for good */

static bool stopped(void)
{
    return answers_no == 0 || answers_no-- == 0;
}

/* What is gathered is written, and cleared away, in parts, and whoever is asked to end it does. */
static void a_build_that_is_stopped(void **state)
{
    enum { MANY = 20000, PART = 16384, CLEARED = 10000, AT_ONCE = 500 };
    struct scene scene = scene_begin(state, true);
    struct store_build *build = begin(scene.f, scene.store);
    char prefix[16];

    for (unsigned i = 0; i < MANY / AT_ONCE; i++) {
        (void)snprintf(prefix, sizeof prefix, "n%u-", i);
        add(scene.f, build, prefix, AT_ONCE, 3);
    }
    answers_no = 1;
    store_build_stop_if(build, stopped);
    assert_status(scene.f, store_build_settle(build, &scene.f->detail), AUTH_UNAVAILABLE);
    assert_int_equal(store_build_accounts(build), PART);
    store_build_abandon(build);
    expect(&scene, "alice", AUTH_OK);
    expect(&scene, "n1-1", AUTH_UNKNOWN_USER);
    assert_sound(scene.f, scene.store, 1);
    scene_end(&scene);
    struct raw_row row;
    assert_true(raw_read(scene.f, "users.2", PART - CLEARED - 1, &row));
    assert_false(raw_read(scene.f, "users.2", PART - CLEARED, &row));
    /* The rest is the next writer's. */
    struct store *store = fixture_open(scene.f, true);
    assert_status(scene.f, store_sweep(store, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, store_build_finish(begin(scene.f, store), &scene.f->detail), AUTH_OK);
    assert_sound(scene.f, store, 0);
    store_close(store);
}

static void an_empty_generation_is_one(void **state)
{
    struct scene scene = scene_begin(state, true);

    assert_status(scene.f, store_build_finish(begin(scene.f, scene.store), &scene.f->detail),
                  AUTH_OK);
    expect(&scene, "alice", AUTH_UNKNOWN_USER);
    assert_sound(scene.f, scene.store, 0);
    scene_end(&scene);
}

static void the_later_of_two_names_counts(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store_build *build = begin(scene.f, scene.store);
    struct record twice[2] = {fixture_record("bob", "example.org", 1),
                              fixture_record("bob", "example.org", 2)};
    struct record got;
    struct identity who = fixture_who("bob", "example.org");

    twice[1].flags = RECORD_DISABLED;
    assert_status(scene.f, store_build_add(build, twice, NULL, 2, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, store_build_settle(build, &scene.f->detail), AUTH_OK);
    assert_int_equal(store_build_accounts(build), 1);
    /* Over what is in the table, and over what is still gathered. */
    assert_status(scene.f, store_build_add(build, &twice[1], NULL, 1, &scene.f->detail), AUTH_OK);
    twice[0].verifiers.scram[0].iterations = 0;
    assert_status(scene.f, store_build_add(build, twice, NULL, 1, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, store_build_settle(build, &scene.f->detail), AUTH_OK);
    assert_int_equal(store_build_accounts(build), 1);
    assert_status(scene.f, store_build_finish(build, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, store_get(scene.store, &who, &got, &scene.f->detail), AUTH_OK);
    assert_int_equal(got.flags, 0);
    assert_int_equal(got.verifiers.scram[0].iterations, 0);
    assert_sound(scene.f, scene.store, 1);
    scene_end(&scene);
}

static void a_bad_record_leaves_the_build_usable(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store_build *build = begin(scene.f, scene.store);
    struct record bad = fixture_record("bad", "example.org", 1);

    bad.who.user[0] = '\0';
    assert_status(scene.f, store_build_add(build, &bad, NULL, 1, &scene.f->detail), AUTH_BAD_NAME);
    bad = fixture_record("bad", "example.org", 1);
    bad.flags = 0x80;
    assert_status(scene.f, store_build_add(build, &bad, NULL, 1, &scene.f->detail), AUTH_MALFORMED);
    assert_int_equal(store_build_accounts(build), 0);
    add(scene.f, build, "new", 3, 3);
    assert_status(scene.f, store_build_finish(build, &scene.f->detail), AUTH_OK);
    assert_sound(scene.f, scene.store, 3);
    scene_end(&scene);
}

static enum store_edit write_it(void *ctx, bool exists, struct record *record)
{
    (void)exists;
    *record = *(const struct record *)ctx;
    return STORE_WRITE;
}

static enum auth_status change(struct scene *scene, const char *name)
{
    struct record record = fixture_record(name, "example.org", 9);

    return store_change(scene->store, &record.who, write_it, &record, NULL, NULL,
                        &scene->f->detail);
}

static void build_and_wait(void *ctx)
{
    struct scene *scene = ctx;
    struct store_build *build = NULL;
    struct record *records = records_new("new", NEW, 3);

    if (store_build_begin(scene->store, &build, &scene->f->detail) != AUTH_OK ||
        store_build_add(build, records, NULL, NEW, &scene->f->detail) != AUTH_OK ||
        store_build_settle(build, &scene->f->detail) != AUTH_OK) {
        print_error("%s\n", scene->f->detail.text);
        _exit(52);
    }
    say(scene->to_parent);
    pause();
}

static uint64_t pages_used(struct scene *scene)
{
    struct check_counts counts;

    assert_status(scene->f, store_check(scene->store, &scene_observer, &counts, &scene->f->detail),
                  AUTH_OK);
    return counts.pages - counts.pages_unused;
}

static void others_wait_for_a_build_and_outlive_it(void **state)
{
    struct scene scene = scene_begin(state, true);
    const uint64_t before = pages_used(&scene);
    struct store_build *build = NULL;
    pid_t pid = start(build_and_wait, &scene);

    hear(scene.to_parent);
    /* Somebody is loading: no second build, no change that would be lost. Reading goes on. */
    assert_int_equal(store_build_begin(scene.store, &build, &scene.f->detail), AUTH_STORE_BUSY);
    assert_null(build);
    assert_int_equal(change(&scene, "bob"), AUTH_STORE_BUSY);
    assert_status(scene.f, store_sweep(scene.store, &scene.f->detail), AUTH_OK);
    expect(&scene, "alice", AUTH_OK);
    expect(&scene, "bob", AUTH_UNKNOWN_USER);
    kill(pid, SIGKILL);
    assert_int_equal(finish(pid), KILLED_BY + SIGKILL);
    /* He is dead: changes go on, and the next sweep takes away what he left. */
    assert_status(scene.f, change(&scene, "bob"), AUTH_OK);
    assert_true(pages_used(&scene) > before + NEW / 20);
    assert_status(scene.f, store_sweep(scene.store, &scene.f->detail), AUTH_OK);
    assert_true(pages_used(&scene) < before + NEW / 20);
    assert_sound(scene.f, scene.store, 2);
    build = begin(scene.f, scene.store);
    add(scene.f, build, "new", 2, 1);
    assert_status(scene.f, store_build_finish(build, &scene.f->detail), AUTH_OK);
    assert_sound(scene.f, scene.store, 2);
    scene_end(&scene);
}

struct swap {
    struct scene *scene;
    struct kv_env *kv;
    const char *made;
    const char *dropped; /* NULL: none */
    unsigned runs;
};

static enum auth_status swap_run(struct kv_txn *txn, void *ctx)
{
    const struct swap *swap = ctx;
    unsigned table = 0;
    enum auth_status status = kv_make_table(txn, swap->made, &table);

    return status == AUTH_OK && swap->dropped != NULL ? kv_drop_table(txn, swap->dropped) : status;
}

/* In another process, whose handles this one does not share. */
static void swap_tables(void *ctx)
{
    struct swap *swap = ctx;

    _exit(kv_write(swap->kv, KV_ALONE, swap_run, swap, NULL) == AUTH_OK ? 0 : 53);
}

/* Wants a table that goes at this very moment; then, when it is run again, the one that came. */
static enum auth_status look_for_it(struct kv_txn *txn, void *ctx)
{
    struct swap *swap = ctx;
    unsigned table = 0;

    if (swap->runs++ == 0) {
        swap->made = "two";
        swap->dropped = "one";
        assert_int_equal(finish(start(swap_tables, swap)), 0);
        return kv_table(txn, "one", AUTH_STORE_DAMAGED, &table);
    }
    return kv_table(txn, "two", AUTH_STORE_DAMAGED, &table);
}

static enum auth_status look_for_what_is_gone(struct kv_txn *txn, void *ctx)
{
    unsigned table = 0;

    (void)ctx;
    return kv_table(txn, "one", AUTH_STORE_DAMAGED, &table);
}

/* A server's first lookup may just have begun when the generation it sees goes. */
static void a_table_goes_while_it_is_opened(void **state)
{
    struct scene scene = scene_begin(state, true);
    const struct kv_options options = {.writable = true};
    struct swap swap = {.scene = &scene, .made = "one"};

    assert_status(scene.f, kv_open(scene.f->path, &options, &swap.kv, &scene.f->detail), AUTH_OK);
    assert_int_equal(finish(start(swap_tables, &swap)), 0);
    assert_status(scene.f, kv_read(swap.kv, look_for_it, &swap, &scene.f->detail), AUTH_OK);
    assert_true(swap.runs > 1);
    assert_status(scene.f, kv_read(swap.kv, look_for_what_is_gone, NULL, &scene.f->detail),
                  AUTH_STORE_DAMAGED);
    kv_close(swap.kv);
    scene_end(&scene);
}

static void one_process_builds_one_at_a_time(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store_build *build = begin(scene.f, scene.store);
    struct store_build *second = NULL;

    assert_int_equal(store_build_begin(scene.store, &second, &scene.f->detail), AUTH_STORE_BUSY);
    assert_int_equal(change(&scene, "bob"), AUTH_STORE_BUSY);
    add(scene.f, build, "new", 5, 3);
    assert_status(scene.f, store_build_finish(build, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, change(&scene, "bob"), AUTH_OK);
    assert_sound(scene.f, scene.store, 6);
    scene_end(&scene);
}

/* The space of old generations is used again: ten times all accounts in less than four times. */
static void the_file_does_not_grow_without_end(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct stat st;
    off_t after_two = 0;

    for (int i = 0; i < 12; i++) {
        struct store_build *build = begin(scene.f, scene.store);

        for (int part = 0; part < 4; part++) {
            char prefix[32];

            (void)snprintf(prefix, sizeof prefix, "p%d-", part);
            add(scene.f, build, prefix, 1000, (uint8_t)i);
        }
        assert_status(scene.f, store_build_finish(build, &scene.f->detail), AUTH_OK);
        assert_int_equal(stat(scene.f->path, &st), 0);
        if (i == 1) {
            after_two = st.st_size;
        }
    }
    print_message("12 times 4000 accounts: %lld bytes after two, %lld in the end\n",
                  (long long)after_two, (long long)st.st_size);
    assert_true(st.st_size <= 2 * after_two);
    assert_sound(scene.f, scene.store, 4000);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(readers_follow_in_one_step, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(nothing_of_an_abandoned_build_stays, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_build_that_is_stopped, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_empty_generation_is_one, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_later_of_two_names_counts, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_bad_record_leaves_the_build_usable, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(others_wait_for_a_build_and_outlive_it, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_table_goes_while_it_is_opened, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(one_process_builds_one_at_a_time, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_file_does_not_grow_without_end, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
