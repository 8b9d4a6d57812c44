/* SPDX-License-Identifier: BSD-2-Clause */
/* What a check finds, and whom it names. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_check.h"
#include "store_scene.h"

enum { STEP = SANITIZED ? 11 : 1 }; /* bits */

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

enum { RECORDS = 3, COPIES = 8 };

/* A record as it lies in the file, mapped; the pages that are free have copies of it, too. */
struct target {
    struct raw_row row;
    struct identity who;
    uint8_t *at[COPIES];
    size_t n;
};

static void find_copies(struct target *target, uint8_t *file, size_t n)
{
    const struct raw_row *row = &target->row;
    uint8_t *found = file;

    while ((found = memmem(found, n - (size_t)(found - file), row->value, row->n_value)) != NULL) {
        assert_true(target->n < COPIES);
        target->at[target->n++] = found;
        found += row->n_value;
    }
    assert_true(target->n > 0);
}

static void flip(const struct target *target, size_t bit)
{
    for (size_t i = 0; i < target->n; i++) {
        target->at[i][bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static enum auth_status sound_verdict(const struct identity *who)
{
    return strcmp(who->user, "grace.hopper") == 0 ? AUTH_DISABLED : AUTH_OK;
}

/* Whoever's record it is: he is not let in, check names him, and nobody else notices. */
static void assert_refused_and_named(struct store *store, struct fixture *f,
                                     const struct target *targets, size_t hit, size_t bit)
{
    struct findings findings = {0};
    const struct check_observer observer = {found, at, &findings};
    struct check_counts counts;

    for (size_t i = 0; i < RECORDS; i++) {
        const struct identity *who = &targets[i].who;
        const enum auth_status verdict = fixture_verdict(store, who->user, who->realm);

        if (i != hit ? verdict != sound_verdict(who)
                     : verdict != AUTH_STORE_DAMAGED && verdict != AUTH_STORE_FOREIGN) {
            fail_msg("bit %zu of %s: %s %s", bit, targets[hit].who.user, who->user,
                     auth_status_text(verdict));
        }
    }
    assert_int_equal(fixture_verdict(store, "nobody", "example.org"), AUTH_UNKNOWN_USER);
    assert_status(f, store_check(store, &observer, &counts, &f->detail), AUTH_OK);
    if (counts.sound != RECORDS - 1 || !findings.last.have_who ||
        strcmp(findings.last.who.user, targets[hit].who.user) != 0 ||
        strcmp(findings.last.who.realm, targets[hit].who.realm) != 0) {
        fail_msg("bit %zu of %s: check names %s@%s", bit, targets[hit].who.user,
                 findings.last.who.user, findings.last.who.realm);
    }
}

/* Header, nonce, ciphertext and tag, in each record of a store. */
static void every_flipped_bit_of_every_record(void **state)
{
    static struct target targets[RECORDS];
    struct fixture *f = *state;
    struct stat st;

    fill(state);
    for (unsigned i = 0; i < RECORDS; i++) {
        assert_true(raw_read(f, "users.1", i, &targets[i].row));
        name_of(f, &targets[i].row, &targets[i].who);
    }
    int fd = open(f->path, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    uint8_t *file = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    assert_true(file != MAP_FAILED);
    struct store *store = fixture_open(f, false);
    for (size_t i = 0; i < RECORDS; i++) {
        find_copies(&targets[i], file, (size_t)st.st_size);
        for (size_t bit = 0; bit < 8 * targets[i].row.n_value; bit += STEP) {
            flip(&targets[i], bit);
            assert_refused_and_named(store, f, targets, i, bit);
            flip(&targets[i], bit);
        }
    }
    store_close(store);
    munmap(file, (size_t)st.st_size);
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
        cmocka_unit_test_setup_teardown(every_flipped_bit_of_every_record, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_record_in_a_wrong_place_is_found, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(sums_are_compared, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(without_its_description_nothing_is_checked, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
