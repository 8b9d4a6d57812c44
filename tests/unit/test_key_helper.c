/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that changes the key file for a verb which is not root any more, and may be anybody.
 */
#include "store_fixture.h"

#include <string.h>
#include <unistd.h>

#include "key_helper.h"

static const uint8_t other_store[STORE_ID_SIZE] = {7};

static struct tool tool_of(const struct fixture *f)
{
    return (struct tool){.program = "test", .store_path = f->path, .key_path = f->key};
}

static bool has(struct fixture *f, const uint8_t store_id[STORE_ID_SIZE], uint32_t id)
{
    struct keyring *ring = NULL;

    assert_status(f, keyring_load(f->key, FILES_ANY_GROUP, &ring, &f->detail), AUTH_OK);
    bool found = keyring_find(ring, store_id, id) != NULL;
    keyring_free(ring);
    return found;
}

static void store_id_of(struct fixture *f, uint8_t ret[STORE_ID_SIZE])
{
    struct store *store = fixture_open(f, false);
    struct store_info info;

    assert_status(f, store_describe(store, &info, &f->detail), AUTH_OK);
    memcpy(ret, info.store_id, STORE_ID_SIZE);
    store_close(store);
}

static void two_keys_of_another_store(struct fixture *f)
{
    uint32_t id = 0;

    for (uint32_t i = 1; i <= 2; i++) {
        assert_status(f, keyring_add(f->key, other_store, 0600, FILES_ANY_GROUP, &id, &f->detail),
                      AUTH_OK);
        assert_int_equal(id, i);
    }
}

static void what_a_verb_asks_for(void **state)
{
    struct fixture *f = *state;
    struct tool tool = tool_of(f);
    struct key_helper helper;
    uint8_t store_id[STORE_ID_SIZE];
    uint32_t id = 0;

    fixture_create(f);
    store_id_of(f, store_id);
    two_keys_of_another_store(f);
    assert_true(key_helper_start(&helper, &tool));
    assert_status(f, key_helper_add(&helper, store_id, &id, &f->detail), AUTH_OK);
    assert_int_equal(id, 2);
    assert_status(f, key_helper_remove_older(&helper, store_id, 9, &f->detail), AUTH_OK);
    key_helper_stop(&helper);
    assert_false(has(f, store_id, 1));
    assert_true(has(f, store_id, 2));
    assert_true(has(f, other_store, 1) && has(f, other_store, 2));
}

static void what_a_verb_that_was_taken_over_asks_for(void **state)
{
    struct fixture *f = *state;
    struct tool tool = tool_of(f);
    struct key_helper helper;
    uint8_t store_id[STORE_ID_SIZE];
    uint32_t id = 0;

    if (geteuid() != 0) {
        skip();
    }
    fixture_create(f);
    store_id_of(f, store_id);
    two_keys_of_another_store(f);
    assert_true(key_helper_start(&helper, &tool));
    assert_status(f, key_helper_remove_older(&helper, other_store, 2, &f->detail),
                  AUTH_NOT_ALLOWED);
    assert_non_null(strstr(f->detail.text, "another store"));
    assert_status(f, key_helper_add(&helper, other_store, &id, &f->detail), AUTH_NOT_ALLOWED);
    /* Nor does it go on for ever. */
    assert_status(f, key_helper_add(&helper, store_id, &id, &f->detail), AUTH_UNAVAILABLE);
    key_helper_stop(&helper);
    assert_true(has(f, other_store, 1) && has(f, other_store, 2));
    assert_false(has(f, other_store, 3) || has(f, store_id, 2));
}

static void a_store_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    struct tool tool = tool_of(f);
    struct key_helper helper;
    uint8_t store_id[STORE_ID_SIZE];
    uint32_t id = 0;

    if (geteuid() != 0) {
        skip();
    }
    fixture_create(f);
    store_id_of(f, store_id);
    assert_int_equal(truncate(f->path, 100), 0);
    assert_true(key_helper_start(&helper, &tool));
    assert_status(f, key_helper_add(&helper, store_id, &id, &f->detail), AUTH_NOT_ALLOWED);
    key_helper_stop(&helper);
    assert_false(has(f, store_id, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_verb_asks_for, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_a_verb_that_was_taken_over_asks_for, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_store_that_cannot_be_read, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
