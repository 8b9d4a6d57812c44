/* SPDX-License-Identifier: BSD-2-Clause */
/* What a check finds, and whom it names. */
#include <stdlib.h>
#include <string.h>

#include "store/store_check.h"
#include "store_scene.h"

struct findings {
    unsigned n;
    struct check_finding last;
};

static void found(void *ctx, const struct check_finding *finding)
{
    struct findings *findings = ctx;

    findings->n++;
    if (finding->have_key || findings->n == 1) {
        findings->last = *finding;
    }
}

static void at(void *ctx, const uint8_t *key, size_t n_key, uint64_t done, uint64_t all)
{
    (void)ctx;
    (void)key;
    assert_true(n_key > 0);
    assert_true(done <= all);
}

static enum auth_status check(struct fixture *f, struct findings *ret, struct check_counts *counts)
{
    const struct check_observer observer = {found, at, ret};
    struct store *store = NULL;

    memset(ret, 0, sizeof *ret);
    enum auth_status status = fixture_try_open(f, false, &store);
    if (status == AUTH_OK) {
        status = store_check(store, &observer, counts, &f->detail);
    }
    store_close(store);
    return status;
}

static void fill(void **state)
{
    struct scene scene = scene_begin(state, true);
    struct record record = fixture_record("grace.hopper", "navy.example", 8);

    record.expires = 5000000000;
    record.flags = RECORD_DISABLED;
    fixture_add(scene.store, "bob", "example.org", 7);
    assert_status(scene.f, store_write_batch(scene.store, &record, 1, NULL, NULL), AUTH_OK);
    scene_end(&scene);
}

static void nothing_is_found_in_a_sound_store(void **state)
{
    struct findings findings;
    struct check_counts counts;

    fill(state);
    assert_status(*state, check(*state, &findings, &counts), AUTH_OK);
    assert_int_equal(findings.n, 0);
    assert_int_equal(counts.findings, 0);
    assert_int_equal(counts.accounts, 3);
    assert_int_equal(counts.expected, 3);
    assert_int_equal(counts.sound, 3);
    assert_int_equal(counts.disabled, 1);
    assert_int_equal(counts.expiring, 1);
    assert_int_equal(counts.kinds[3], 3); /* CRAM-MD5 */
    assert_int_equal(counts.kinds[6], 0); /* crypt */
    assert_true(counts.pages_known);
}

/* The name of the record in row `index`. */
static void name_of(struct fixture *f, const struct raw_row *row, struct identity *ret)
{
    static const char *const users[] = {"alice", "bob", "grace.hopper"};
    static const char *const realms[] = {"example.org", "example.org", "navy.example"};
    struct findings findings;
    struct check_counts counts;
    struct raw_row damaged = *row;
    bool known = false;

    damaged.value[damaged.n_value - 1] ^= 1;
    raw_write(f, "users.1", &damaged);
    assert_status(f, check(f, &findings, &counts), AUTH_OK);
    assert_true(findings.last.have_who);
    *ret = findings.last.who;
    for (size_t i = 0; i < 3; i++) {
        known = known || (strcmp(ret->user, users[i]) == 0 && strcmp(ret->realm, realms[i]) == 0);
    }
    assert_true(known);
    raw_write(f, "users.1", row);
}

static void one_flipped_bit_and_it_names_the_user(void **state)
{
    struct fixture *f = *state;
    struct raw_row row;
    struct identity who;

    fill(state);
    assert_true(raw_read(f, "users.1", 1, &row));
    name_of(f, &row, &who);
    /* Every bit of header, nonce and names; of what follows every 37th, they are all alike. */
    for (size_t bit = 0; bit < row.n_value * 8; bit += bit < 100 * 8 ? 1 : 37) {
        struct findings findings;
        struct check_counts counts;
        struct raw_row damaged = row;

        damaged.value[bit / 8] ^= (uint8_t)(1U << bit % 8);
        raw_write(f, "users.1", &damaged);
        assert_status(f, check(f, &findings, &counts), AUTH_OK);
        assert_true(findings.n >= 1);
        assert_int_equal(counts.sound, 2);
        if (!findings.last.have_who || strcmp(findings.last.who.user, who.user) != 0 ||
            strcmp(findings.last.who.realm, who.realm) != 0) {
            print_error("bit %zu: %s@%s\n", bit, findings.last.who.user, findings.last.who.realm);
            fail();
        }
    }
}

static void a_record_in_a_wrong_place_is_found(void **state)
{
    struct fixture *f = *state;
    struct raw_row row;
    struct findings findings;
    struct check_counts counts;
    struct identity who;

    fill(state);
    assert_true(raw_read(f, "users.1", 0, &row));
    name_of(f, &row, &who);
    for (size_t bit = 0; bit < row.n_key * 8; bit += 7) {
        struct raw_row moved = row;

        moved.key[bit / 8] ^= (uint8_t)(1U << bit % 8);
        raw_delete(f, "users.1", &row);
        raw_write(f, "users.1", &moved);
        assert_status(f, check(f, &findings, &counts), AUTH_OK);
        assert_true(findings.n >= 1);
        assert_true(findings.last.have_who);
        assert_string_equal(findings.last.who.user, who.user);
        raw_delete(f, "users.1", &moved);
        raw_write(f, "users.1", &row);
    }
    /* Under another account's key nobody is named wrongly. */
    struct raw_row other;
    assert_true(raw_read(f, "users.1", 1, &other));
    memcpy(other.value, row.value, row.n_value);
    other.n_value = row.n_value;
    raw_write(f, "users.1", &other);
    assert_status(f, check(f, &findings, &counts), AUTH_OK);
    assert_int_equal(counts.sound, 2);
    assert_false(findings.last.have_who);
    assert_int_equal(findings.last.n_key, 24);
    assert_memory_equal(findings.last.key, other.key, 24);
}

static void sums_are_compared(void **state)
{
    struct fixture *f = *state;
    struct raw_row row;
    struct raw_row extra = {.n_key = 5, .key = "stray", .n_value = 3, .value = "abc"};
    struct findings findings;
    struct check_counts counts;

    fill(state);
    assert_true(raw_read(f, "users.1", 0, &row));
    raw_delete(f, "users.1", &row);
    assert_status(f, check(f, &findings, &counts), AUTH_OK);
    assert_true(findings.n >= 1);
    assert_int_equal(counts.expected, 3);
    assert_int_equal(counts.accounts, 2);
    raw_write(f, "users.1", &row);
    assert_status(f, check(f, &findings, &counts), AUTH_OK);
    assert_int_equal(findings.n, 0);
    raw_write(f, "users.1", &extra);
    assert_status(f, check(f, &findings, &counts), AUTH_OK);
    assert_true(findings.n >= 2);
    raw_delete(f, "users.1", &extra);
    raw_clear(f, "users.1", false);
    assert_status(f, check(f, &findings, &counts), AUTH_OK);
    assert_int_equal(counts.accounts, 0);
    assert_true(findings.n >= 1);
    raw_clear(f, "users.1", true);
    assert_int_equal(check(f, &findings, &counts), AUTH_STORE_DAMAGED);
}

static void without_its_description_nothing_is_checked(void **state)
{
    struct fixture *f = *state;
    struct raw_row row;
    struct findings findings;
    struct check_counts counts;

    fill(state);
    assert_true(raw_read(f, "meta", 0, &row));
    struct raw_row damaged = row;
    damaged.value[damaged.n_value - 1] ^= 1;
    raw_write(f, "meta", &damaged);
    assert_int_equal(check(f, &findings, &counts), AUTH_STORE_DAMAGED);
    damaged = row;
    damaged.value[44] ^= 1; /* of the check value */
    raw_write(f, "meta", &damaged);
    assert_int_equal(check(f, &findings, &counts), AUTH_KEY_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_found_in_a_sound_store, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(one_flipped_bit_and_it_names_the_user, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_record_in_a_wrong_place_is_found, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(sums_are_compared, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(without_its_description_nothing_is_checked, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
