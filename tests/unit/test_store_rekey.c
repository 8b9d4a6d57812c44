/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys changed under running servers, those that can read the key file and those that cannot. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/keyring.h"
#include "store/store_generation.h"
#include "store/store_rekey.h"
#include "store_scene.h"

enum { ACCOUNTS = SANITIZED ? 800 : 5000, CHANGES = SANITIZED ? 90 : 300, ROUNDS = 20 };

/* Adds a key to the key file and returns its number. */
static uint32_t add_key(struct scene *scene)
{
    struct store_key_state state;
    uint32_t id = 0;

    assert_status(scene->f, store_key_state(scene->store, &state, &scene->f->detail), AUTH_OK);
    assert_status(
        scene->f,
        keyring_add(scene->f->key, state.store_id, 0600, (gid_t)-1, &id, &scene->f->detail),
        AUTH_OK);
    return id;
}

static void rekey(struct scene *scene)
{
    uint32_t id = add_key(scene);
    struct store_key_state state;

    assert_status(scene->f, store_rekey(scene->store, id, NULL, &scene->f->detail), AUTH_OK);
    assert_status(scene->f, store_key_state(scene->store, &state, &scene->f->detail), AUTH_OK);
    assert_int_equal(state.active, id);
    assert_int_equal(state.latest, id);
    assert_int_equal(state.previous, id - 1);
}

/* A store that can only ever see the keys of now: as in a jail. */
static struct store *open_jailed(struct scene *scene)
{
    char path[FIXTURE_PATH + 32];
    size_t n = 0;
    uint8_t *keys = read_file(scene->f->key, &n);
    struct store *store = NULL;

    (void)snprintf(path, sizeof path, "%s/key-of-the-jail", scene->f->dir);
    write_file(path, keys, n, 0600);
    free(keys);
    const struct store_options options = {scene->f->path, path, false, false};
    assert_status(scene->f, store_open(&options, &store, &scene->f->detail), AUTH_OK);
    return store;
}

static void rekey_keeps_everything(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct identity nobody = fixture_who("nobody", "example.org");
    struct identity who = fixture_who("user77", "example.org");
    struct store_answer before;
    struct store_answer after;
    struct record old;
    struct record now;

    assert_status(scene.f, add_many(scene.store, 0, ACCOUNTS, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, store_lookup(scene.store, &nobody, 1, VERIFIER_SCRAM, &before, NULL),
                  AUTH_OK);
    assert_status(scene.f, store_get(scene.store, &who, &old, NULL), AUTH_OK);
    rekey(&scene);
    assert_status(scene.f, store_lookup(scene.store, &nobody, 1, VERIFIER_SCRAM, &after, NULL),
                  AUTH_OK);
    assert_memory_equal(&before, &after, sizeof before); /* decoys do not change */
    assert_status(scene.f, store_get(scene.store, &who, &now, NULL), AUTH_OK);
    assert_memory_equal(&old, &now, sizeof old);
    assert_sound(scene.f, scene.store, ACCOUNTS + 1);
    assert_status(scene.f, store_rekey_retire(scene.store, &scene.f->detail), AUTH_OK);
    rekey(&scene); /* and once more */
    assert_sound(scene.f, scene.store, ACCOUNTS + 1);
    assert_status(scene.f, store_rekey_retire(scene.store, &scene.f->detail), AUTH_OK);
    assert_sound(scene.f, scene.store, ACCOUNTS + 1);
    assert_status(scene.f, store_lookup(scene.store, &nobody, 1, VERIFIER_SCRAM, &after, NULL),
                  AUTH_OK);
    assert_memory_equal(&before, &after, sizeof before);
    scene_end(&scene);
}

static enum store_edit delete_it(void *ctx, bool exists, struct record *record)
{
    (void)ctx;
    (void)exists;
    (void)record;
    return STORE_DELETE;
}

static enum auth_status verdict(struct store *store, const char *name)
{
    return fixture_verdict(store, name, "example.org");
}

static void a_server_in_a_jail_goes_on(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store *jailed = open_jailed(&scene);
    struct identity alice = fixture_who("alice", "example.org");

    assert_int_equal(verdict(jailed, "alice"), AUTH_OK);
    rekey(&scene);
    /* What is changed afterwards it sees too. */
    assert_int_equal(verdict(jailed, "alice"), AUTH_OK);
    fixture_add(scene.store, "bob", "example.org", 5);
    assert_int_equal(verdict(jailed, "bob"), AUTH_OK);
    assert_int_equal(verdict(jailed, "carol"), AUTH_UNKNOWN_USER);
    assert_status(scene.f,
                  store_change(scene.store, &alice, delete_it, NULL, NULL, NULL, &scene.f->detail),
                  AUTH_OK);
    assert_int_equal(verdict(jailed, "alice"), AUTH_UNKNOWN_USER);
    assert_int_equal(verdict(scene.store, "alice"), AUTH_UNKNOWN_USER);
    assert_sound(scene.f, scene.store, 1);
    /* Retired: it says which key it lacks, and nobody is let in or told that he does not exist. */
    assert_status(scene.f, store_rekey_retire(scene.store, &scene.f->detail), AUTH_OK);
    assert_int_equal(store_get(jailed, &alice, &(struct record){0}, &scene.f->detail),
                     AUTH_KEY_WRONG);
    assert_non_null(strstr(scene.f->detail.text, "wants key 2"));
    assert_int_equal(verdict(jailed, "bob"), AUTH_KEY_WRONG);
    assert_int_equal(verdict(scene.store, "bob"), AUTH_OK);
    store_close(jailed);
    /* Restarted, it goes on. */
    jailed = open_jailed(&scene);
    assert_int_equal(verdict(jailed, "bob"), AUTH_OK);
    /* A further key is refused while it would be the end of what this one is served from. */
    rekey(&scene);
    const uint32_t further = add_key(&scene);
    assert_status(scene.f, store_rekey(scene.store, further, NULL, &scene.f->detail),
                  AUTH_NOT_ALLOWED);
    assert_non_null(strstr(scene.f->detail.text, "only key 2"));
    assert_int_equal(verdict(jailed, "bob"), AUTH_OK);
    assert_sound(scene.f, scene.store, 1);
    assert_status(scene.f, store_rekey_retire(scene.store, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, store_rekey(scene.store, further, NULL, &scene.f->detail), AUTH_OK);
    store_close(jailed);
    jailed = open_jailed(&scene);
    assert_int_equal(verdict(jailed, "bob"), AUTH_OK);
    store_close(jailed);
    scene_end(&scene);
}

static void a_key_made_before_the_jail_closed_will_do(void **state)
{
    struct scene scene = scene_begin(state, true);
    uint32_t id = add_key(&scene);
    struct store *jailed = open_jailed(&scene);

    assert_int_equal(verdict(jailed, "alice"), AUTH_OK);
    assert_status(scene.f, store_rekey(scene.store, id, NULL, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, store_rekey_retire(scene.store, &scene.f->detail), AUTH_OK);
    assert_int_equal(verdict(jailed, "alice"), AUTH_OK);
    store_close(jailed);
    scene_end(&scene);
}

static void a_key_that_is_not_there_changes_nothing(void **state)
{
    struct scene scene = scene_begin(state, true);

    assert_int_equal(store_rekey(scene.store, 7, NULL, &scene.f->detail), AUTH_KEY_WRONG);
    assert_int_equal(store_rekey(scene.store, 1, NULL, &scene.f->detail), AUTH_KEY_WRONG);
    assert_int_equal(store_rekey(scene.store, 0, NULL, &scene.f->detail), AUTH_KEY_WRONG);
    assert_sound(scene.f, scene.store, 1);
    scene_end(&scene);
}

static void read_all_the_time(void *ctx)
{
    struct scene *scene = ctx;
    unsigned n = 0;

    expect(scene, "alice", AUTH_OK);
    say(scene->to_parent);
    for (;;) {
        expect(scene, "alice", AUTH_OK);
        expect(scene, "user17", AUTH_OK);
        expect(scene, "nobody", AUTH_UNKNOWN_USER);
        n++;
    }
}

/* Adds, replaces and deletes accounts, and says so with a byte for each that is acknowledged. */
static void write_all_the_time(void *ctx)
{
    struct scene *scene = ctx;

    say(scene->to_parent);
    for (unsigned i = 0; i < CHANGES; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "during%u", i);
        fixture_add(scene->store, name, "example.org", (uint8_t)i);
        if (i % 3 == 0) {
            struct identity who = fixture_who(name, "example.org");

            if (store_change(scene->store, &who, delete_it, NULL, NULL, NULL, NULL) != AUTH_OK) {
                _exit(53);
            }
        }
    }
}

static void nothing_written_meanwhile_is_lost(void **state)
{
    struct scene scene = scene_begin(state, true);

    assert_status(scene.f, add_many(scene.store, 0, ACCOUNTS, &scene.f->detail), AUTH_OK);
    struct store *jailed = open_jailed(&scene);
    pid_t reader = start(read_all_the_time, &scene);
    hear(scene.to_parent);
    pid_t writer = start(write_all_the_time, &scene);
    hear(scene.to_parent);
    rekey(&scene);
    assert_status(scene.f, store_rekey_retire(scene.store, &scene.f->detail), AUTH_OK);
    rekey(&scene);
    assert_int_equal(finish(writer), 0);
    kill(reader, SIGTERM);
    assert_int_equal(finish(reader), KILLED_BY + SIGTERM);
    for (unsigned i = 0; i < CHANGES; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "during%u", i);
        expect(&scene, name, i % 3 == 0 ? AUTH_UNKNOWN_USER : AUTH_OK);
    }
    assert_sound(scene.f, scene.store, ACCOUNTS + 1 + CHANGES - (CHANGES + 2) / 3);
    /* Two changes of keys were too many for it. */
    assert_int_equal(verdict(jailed, "alice"), AUTH_KEY_WRONG);
    store_close(jailed);
    scene_end(&scene);
}

static void rekey_in_a_child(void *ctx)
{
    struct scene *scene = ctx;
    enum auth_status status = store_rekey(scene->store, scene->expected, NULL, &scene->f->detail);

    if (status != AUTH_OK) {
        print_error("%s\n", detail_text(&scene->f->detail, status));
        _exit(54);
    }
}

static void killed_in_the_middle_it_can_be_run_again(void **state)
{
    struct scene scene = scene_begin(state, true);
    unsigned halves = 0;

    assert_status(scene.f, add_many(scene.store, 0, ACCOUNTS, &scene.f->detail), AUTH_OK);
    scene.expected = add_key(&scene);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct store_key_state keys;
        pid_t pid = start(rekey_in_a_child, &scene);

        usleep(i * 15000);
        if (i < ROUNDS - 1) {
            kill(pid, SIGKILL); /* the last one may end */
        }
        int end = finish(pid);
        assert_true(end == 0 || end == KILLED_BY + SIGKILL);
        /*
         * Killed between the last write of a transaction and the word that it is valid, the change
         * of keys stands as soon as the next writer finds its owner dead: so write, then ask.
         */
        fixture_add(scene.store, "bob", "example.org", (uint8_t)i);
        assert_status(scene.f, store_key_state(scene.store, &keys, &scene.f->detail), AUTH_OK);
        assert_true(keys.active == scene.expected || end != 0);
        if (keys.active == scene.expected) {
            assert_status(scene.f, store_rekey_retire(scene.store, &scene.f->detail), AUTH_OK);
            scene.expected = add_key(&scene);
        } else {
            halves++;
        }
        expect(&scene, "user17", AUTH_OK);
        assert_status(scene.f, store_sweep(scene.store, &scene.f->detail), AUTH_OK);
        assert_sound(scene.f, scene.store, ACCOUNTS + 2);
    }
    print_message("killed before the end: %u of %d\n", halves, ROUNDS);
    assert_true(halves > 0);
    assert_true(halves < ROUNDS);
    scene_end(&scene);
}

/* Somebody removed the old key by hand: the accounts under it are given up, and writing goes on. */
static void an_old_key_that_is_gone_is_not_waited_for(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct store_key_state keys;
    struct store_info info;

    rekey(&scene);
    assert_status(scene.f, store_key_state(scene.store, &keys, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, keyring_remove(scene.f->key, keys.store_id, 1, NULL, &scene.f->detail),
                  AUTH_OK);
    store_close(scene.store);
    scene.store = fixture_open(scene.f, true);
    fixture_add(scene.store, "bob", "example.org", 5);
    assert_status(scene.f, store_key_state(scene.store, &keys, &scene.f->detail), AUTH_OK);
    assert_int_equal(keys.previous, 0);
    assert_status(scene.f, store_sweep(scene.store, &scene.f->detail), AUTH_OK);
    assert_status(scene.f, store_describe(scene.store, &info, NULL), AUTH_OK);
    assert_int_equal(info.key_id, 2);
    assert_sound(scene.f, scene.store, 2);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rekey_keeps_everything, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_server_in_a_jail_goes_on, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_key_made_before_the_jail_closed_will_do, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_key_that_is_not_there_changes_nothing, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(nothing_written_meanwhile_is_lost, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(killed_in_the_middle_it_can_be_run_again, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(an_old_key_that_is_gone_is_not_waited_for, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
