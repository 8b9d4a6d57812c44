/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/decoy.h"

static bool all_filled(const struct decoy_set *set)
{
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if (set->scram[i].iterations == 0 || set->scram[i].salt_len == 0) {
            return false;
        }
    }
    return true;
}

static void an_empty_store_follows_its_policy(void **state)
{
    struct fixture *f = *state;
    struct store_answer answer;

    f->create.policy.iterations = 5000;
    fixture_create(f);
    struct store *store = fixture_open(f, false);
    fixture_lookup(f, store, "nobody", "example.org", &answer);
    assert_int_equal(answer.verdict, AUTH_UNKNOWN_USER);
    assert_true(is_zero(&answer.record, sizeof answer.record));
    assert_int_equal(answer.decoy_kinds, VERIFIER_SCRAM_SHA_1 | VERIFIER_SCRAM_SHA_256);
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        assert_int_equal(answer.decoys.scram[i].hash, verifier_scram_hash(i));
        assert_int_equal(answer.decoys.scram[i].iterations, 5000);
        assert_int_equal(answer.decoys.scram[i].salt_len, VERIFIER_NEW_SALT);
        assert_false(is_zero(answer.decoys.scram[i].salt, 8));
        assert_false(is_zero(answer.decoys.scram[i].stored_key, 8));
    }
    assert_true(all_filled(&answer.decoys));
    store_close(store);
}

static void known_and_unknown_get_decoys(void **state)
{
    struct fixture *f = *state;
    struct store_answer before;
    struct store_answer after;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_lookup(f, store, "alice", "example.org", &before);
    fixture_add(store, "alice", "example.org", 1);
    fixture_lookup(f, store, "alice", "example.org", &after);
    assert_int_equal(before.verdict, AUTH_UNKNOWN_USER);
    assert_int_equal(after.verdict, AUTH_OK);
    assert_true(all_filled(&before.decoys) && all_filled(&after.decoys));
    store_close(store);
}

/* The account's own salts with dead keys where it has verifiers, the name's where it has none. */
static void an_account_shows_its_own_salts_in_every_state(void **state)
{
    static const struct {
        uint8_t flags;
        int64_t expires;
        enum auth_status verdict;
    } states[] = {{0, 0, AUTH_OK},
                  {RECORD_DISABLED, 0, AUTH_DISABLED},
                  {0, 50, AUTH_EXPIRED},
                  {0, 0, AUTH_OK}};
    struct fixture *f = *state;
    struct record record = fixture_record("alice", "example.org", 1);
    struct scram_verifier *own = record.verifiers.scram;
    struct store_answer unknown;
    struct store_answer answer;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_lookup(f, store, "alice", "example.org", &unknown);
    memset(&own[1], 0, sizeof own[1]);
    own[2].iterations = 7777;
    own[2].salt_len = 20;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        record.flags = states[i].flags;
        record.expires = states[i].expires;
        assert_status(f, store_replace_batch(store, &record, 1, NULL, &f->detail), AUTH_OK);
        fixture_lookup(f, store, "alice", "example.org", &answer);
        assert_int_equal(answer.verdict, states[i].verdict);
        assert_int_equal(answer.decoy_kinds, VERIFIER_SCRAM_SHA_1 | VERIFIER_SCRAM_SHA_512);
        for (size_t slot = 0; slot < VERIFIER_SCRAM_HASHES; slot++) {
            const struct scram_verifier *shown = &answer.decoys.scram[slot];
            const struct scram_verifier *expected =
                slot == 1 ? &unknown.decoys.scram[1] : &own[slot];
            assert_int_equal(shown->iterations, expected->iterations);
            assert_int_equal(shown->salt_len, expected->salt_len);
            assert_memory_equal(shown->salt, expected->salt, expected->salt_len);
            assert_memory_equal(shown->stored_key, unknown.decoys.scram[slot].stored_key,
                                sizeof shown->stored_key);
            assert_memory_equal(shown->server_key, unknown.decoys.scram[slot].server_key,
                                sizeof shown->server_key);
        }
    }
    store_close(store);
}

static void salts_differ_by_name_realm_and_hash(void **state)
{
    static const char *const names[][2] = {
        {"alice", "example.org"}, {"alicf", "example.org"}, {"alice", "example.orh"},
        {"alic", "eexample.org"}, {"", "aliceexample.org"},
    };
    struct fixture *f = *state;
    struct store_answer answers[5];

    fixture_create(f);
    struct store *store = fixture_open(f, false);
    for (size_t i = 0; i < 5; i++) {
        fixture_lookup(f, store, names[i][0], names[i][1], &answers[i]);
        for (size_t slot = 1; slot < VERIFIER_SCRAM_HASHES; slot++) {
            assert_memory_not_equal(answers[i].decoys.scram[slot].salt,
                                    answers[i].decoys.scram[slot - 1].salt, 8);
        }
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(answers[i].decoys.scram[0].salt,
                                    answers[j].decoys.scram[0].salt, 8);
        }
    }
    store_close(store);
}

struct other_process {
    struct fixture *f;
    struct decoy_set expected;
};

static void look_from_elsewhere(void *ctx)
{
    struct other_process *other = ctx;
    struct decoy_set got;
    struct store *store = fixture_open(other->f, false);

    fixture_decoys(other->f, store, "nobody", &got);
    store_close(store);
    _exit(memcmp(&got, &other->expected, sizeof got) == 0 ? 0 : 1);
}

static void decoys_are_the_same_everywhere_and_later(void **state)
{
    struct other_process other = {.f = *state};
    struct decoy_set again;

    fixture_create(other.f);
    struct store *store = fixture_open(other.f, true);
    fixture_decoys(other.f, store, "nobody", &other.expected);
    fixture_add(store, "alice", "example.org", 1);
    fixture_decoys(other.f, store, "nobody", &again);
    assert_memory_equal(&again, &other.expected, sizeof again);
    store_close(store);
    assert_int_equal(in_child(look_from_elsewhere, &other), 0);
    store = fixture_open(other.f, false);
    fixture_decoys(other.f, store, "nobody", &again);
    assert_memory_equal(&again, &other.expected, sizeof again);
    store_close(store);
}

static void another_store_has_other_decoys(void **state)
{
    struct fixture *f = *state;
    struct decoy_set first;
    struct decoy_set second;

    fixture_create(f);
    struct store *store = fixture_open(f, false);
    fixture_decoys(f, store, "nobody", &first);
    store_close(store);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(unlink(f->lock), 0);
    fixture_create(f);
    store = fixture_open(f, false);
    fixture_decoys(f, store, "nobody", &second);
    store_close(store);
    assert_memory_not_equal(first.scram[0].salt, second.scram[0].salt, 16);
    assert_memory_not_equal(first.scram[0].stored_key, second.scram[0].stored_key, 20);
}

static void the_secret_is_no_key_of_the_file(void **state)
{
    /* What rekey will rely on: the same secret under another key makes the same decoys. */
    struct store_meta meta = {.policy = {.kinds = VERIFIER_DEFAULT, .iterations = 4096}};
    struct identity who = fixture_who("nobody", "example.org");
    struct decoy_plan plan;
    struct decoy_set one = {0};
    struct decoy_set two = {0};
    unsigned kinds = 0;

    (void)state;
    memset(meta.decoy_secret, 5, sizeof meta.decoy_secret);
    assert_int_equal(decoy_plan_make(&meta, &plan), AUTH_OK);
    assert_int_equal(decoy_make(&plan, &who, NULL, VERIFIER_SCRAM, &one, &kinds), AUTH_OK);
    meta.key_id = 2;
    meta.table = 9;
    memset(meta.check, 7, sizeof meta.check);
    assert_int_equal(decoy_plan_make(&meta, &plan), AUTH_OK);
    assert_int_equal(decoy_make(&plan, &who, NULL, VERIFIER_SCRAM, &two, &kinds), AUTH_OK);
    assert_memory_equal(&one, &two, sizeof one);
}

static void only_what_is_wanted_is_made(void **state)
{
    struct store_meta meta = {.policy = {.kinds = VERIFIER_DEFAULT, .iterations = 4096}};
    struct identity who = fixture_who("nobody", "example.org");
    struct decoy_plan plan;
    struct decoy_set all = {0};
    struct decoy_set one = {0};
    unsigned kinds = 0;

    (void)state;
    memset(meta.decoy_secret, 5, sizeof meta.decoy_secret);
    assert_int_equal(decoy_plan_make(&meta, &plan), AUTH_OK);
    assert_int_equal(decoy_make(&plan, &who, NULL, VERIFIER_SCRAM, &all, &kinds), AUTH_OK);
    assert_int_equal(decoy_make(&plan, &who, NULL, VERIFIER_SCRAM_SHA_256, &one, &kinds), AUTH_OK);
    assert_memory_equal(&one.scram[1], &all.scram[1], sizeof one.scram[1]);
    assert_true(is_zero(&one.scram[0], sizeof one.scram[0]));
    assert_true(is_zero(&one.scram[2], sizeof one.scram[2]));
}

static void nobody_satisfies_a_decoy(void **state)
{
    struct fixture *f = *state;
    struct decoy_set set;

    fixture_create(f);
    struct store *store = fixture_open(f, false);
    fixture_decoys(f, store, "nobody", &set);
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        set.scram[i].iterations = 1;
        assert_int_equal(verifier_check_scram(&set.scram[i], slice_str("password")),
                         AUTH_WRONG_PASSWORD);
        assert_int_equal(verifier_check_scram(&set.scram[i], slice_str("")), AUTH_WRONG_PASSWORD);
    }
    store_close(store);
}

static void disabled_and_expired_accounts_have_decoys(void **state)
{
    struct fixture *f = *state;
    struct record record = fixture_record("alice", "example.org", 1);
    struct store_answer answer;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    record.flags = RECORD_DISABLED;
    assert_status(f, store_write_batch(store, &record, 1, NULL, &f->detail), AUTH_OK);
    fixture_lookup(f, store, "alice", "example.org", &answer);
    assert_int_equal(answer.verdict, AUTH_DISABLED);
    assert_true(all_filled(&answer.decoys));
    assert_string_equal(answer.record.who.user, "alice");
    store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_store_follows_its_policy),
        TEST(known_and_unknown_get_decoys),
        TEST(an_account_shows_its_own_salts_in_every_state),
        TEST(salts_differ_by_name_realm_and_hash),
        TEST(decoys_are_the_same_everywhere_and_later),
        TEST(another_store_has_other_decoys),
        cmocka_unit_test(the_secret_is_no_key_of_the_file),
        cmocka_unit_test(only_what_is_wanted_is_made),
        TEST(nobody_satisfies_a_decoy),
        TEST(disabled_and_expired_accounts_have_decoys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
