/* SPDX-License-Identifier: BSD-2-Clause */
/* Decoys among accounts of several kinds: how they are spread, and what moves them. */
#include "store_fixture.h"

#include <string.h>

#include "base/crypto.h"
#include "store/decoy.h"

enum { SAMPLES = 4000 };

static void add_class(struct store_meta *meta, unsigned n, uint32_t sha1, uint32_t sha256,
                      uint8_t salt_len)
{
    struct store_class class = {0};

    class.scram[0].iterations = sha1;
    class.scram[0].salt_len = sha1 == 0 ? 0 : salt_len;
    class.scram[1].iterations = sha256;
    class.scram[1].salt_len = sha256 == 0 ? 0 : salt_len;
    for (unsigned i = 0; i < n; i++) {
        meta_recount(meta, NULL, &class);
    }
}

static void sample(const struct decoy_plan *plan, unsigned i, struct decoy_set *ret,
                   unsigned *ret_kinds)
{
    struct identity who;
    char name[32];

    (void)snprintf(name, sizeof name, "user%u", i);
    who = fixture_who(name, "example.org");
    memset(ret, 0, sizeof *ret);
    assert_int_equal(decoy_make(plan, &who, NULL, VERIFIER_SCRAM, ret, ret_kinds), AUTH_OK);
}

static void decoys_follow_the_mix(void **state)
{
    struct store_meta meta = {.policy = {.kinds = VERIFIER_DEFAULT, .iterations = 9999}};
    struct decoy_plan plan;
    struct decoy_set set;
    unsigned kinds = 0;
    unsigned few = 0;
    unsigned only_sha1 = 0;
    unsigned long_salt = 0;

    (void)state;
    add_class(&meta, 70, 4096, 10000, 16); /* 70 % */
    add_class(&meta, 20, 5000, 0, 16);     /* 20 % have SHA-1 alone */
    add_class(&meta, 10, 4096, 20000, 40); /* 10 % */
    assert_int_equal(decoy_plan_make(&meta, &plan), AUTH_OK);
    for (unsigned i = 0; i < SAMPLES; i++) {
        sample(&plan, i, &set, &kinds);
        only_sha1 += set.scram[0].iterations == 5000 ? 1 : 0;
        assert_int_equal(kinds == VERIFIER_SCRAM_SHA_1, set.scram[0].iterations == 5000);
        /* Those who have not SHA-256 show it 7 to 1 as well. */
        few += set.scram[1].iterations == 20000 ? 1 : 0;
        long_salt += set.scram[1].salt_len == 40 ? 1 : 0;
        assert_int_equal(set.scram[1].salt_len == 40, set.scram[1].iterations == 20000);
        assert_true(set.scram[1].iterations == 10000 || set.scram[1].iterations == 20000);
        if (set.scram[1].salt_len == 40) {
            assert_false(is_zero(set.scram[1].salt + 16, 24));
        }
        /* Nobody has SHA-512: the policy. */
        assert_int_equal(set.scram[2].iterations, 9999);
    }
    assert_in_range(only_sha1, SAMPLES * 18 / 100, SAMPLES * 22 / 100);
    assert_in_range(few, SAMPLES * 105 / 1000, SAMPLES * 145 / 1000);
    assert_int_equal(few, long_salt);
}

/* A store's accounts by their iterations. */
static const struct {
    uint32_t iterations;
    unsigned percent;
} mixed[] = {{4096, 50}, {10000, 30}, {15000, 15}, {20000, 5}};

enum { MIXED = sizeof mixed / sizeof mixed[0], ACCOUNTS = 100 };

/*
 * What a client sees of names that do not exist is spread as what it sees of those that do. Six
 * standard deviations: the secret that decoys are drawn by is another one in every run.
 */
static void unknown_names_are_spread_as_accounts_are(void **state)
{
    static struct record accounts[ACCOUNTS];
    struct fixture *f = *state;
    unsigned seen[MIXED] = {0};
    unsigned n = 0;
    char name[32];

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    for (size_t i = 0; i < MIXED; i++) {
        for (unsigned j = 0; j < mixed[i].percent * ACCOUNTS / 100; j++) {
            (void)snprintf(name, sizeof name, "account%u", n);
            accounts[n] = fixture_record(name, "example.org", 1);
            for (size_t slot = 0; slot < VERIFIER_SCRAM_HASHES; slot++) {
                accounts[n].verifiers.scram[slot].iterations = mixed[i].iterations;
            }
            n++;
        }
    }
    assert_status(f, store_write_batch(store, accounts, n, NULL, &f->detail), AUTH_OK);
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct decoy_set decoys;
        (void)snprintf(name, sizeof name, "nobody%u", i);
        fixture_decoys(f, store, name, &decoys);
        for (size_t j = 0; j < MIXED; j++) {
            seen[j] += decoys.scram[1].iterations == mixed[j].iterations;
        }
    }
    for (size_t j = 0; j < MIXED; j++) {
        const int expected = (int)(SAMPLES * mixed[j].percent / 100);
        const int variance = expected * (int)(100 - mixed[j].percent) / 100;
        const int off = (int)seen[j] - expected;
        assert_true(off * off <= 36 * variance);
    }
    assert_int_equal(seen[0] + seen[1] + seen[2] + seen[3], SAMPLES);
    store_close(store);
}

/* Accounts that have not every hash, as imports leave them. */
static const struct {
    uint32_t iterations[VERIFIER_SCRAM_HASHES];
    unsigned n;
} partial[] = {{{10000, 10000, 10000}, 100},
               {{4096, 0, 0}, 150},
               {{0, 4096, 0}, 150},
               {{20000, 0, 20000}, 100},
               {{0, 0, 0}, 100}};

enum { PARTIAL = sizeof partial / sizeof partial[0], PARTIAL_ACCOUNTS = 600, SHOWN = 27 };

/* What the hashes show together, as one number below SHOWN. */
static unsigned shown(const struct decoy_set *set)
{
    unsigned together = 0;

    for (size_t slot = 0; slot < VERIFIER_SCRAM_HASHES; slot++) {
        const uint32_t n = set->scram[slot].iterations;
        assert_true(n == 4096 || n == 10000 || n == 20000);
        together = 3 * together + (n == 4096 ? 0 : n == 10000 ? 1 : 2);
    }
    return together;
}

/* Whoever asks for each hash in turn sees no combination oftener than accounts have it. */
static void what_hashes_show_together_is_spread_alike(void **state)
{
    static struct record accounts[PARTIAL_ACCOUNTS];
    struct fixture *f = *state;
    unsigned known[SHOWN] = {0};
    unsigned unknown[SHOWN] = {0};
    struct decoy_set decoys;
    unsigned n = 0;
    char name[32];

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    for (size_t i = 0; i < PARTIAL; i++) {
        for (unsigned j = 0; j < partial[i].n; j++) {
            (void)snprintf(name, sizeof name, "account%u", n);
            accounts[n] = fixture_record(name, "example.org", 1);
            for (size_t slot = 0; slot < VERIFIER_SCRAM_HASHES; slot++) {
                struct scram_verifier *scram = &accounts[n].verifiers.scram[slot];
                scram->iterations = partial[i].iterations[slot];
                if (scram->iterations == 0) {
                    memset(scram, 0, sizeof *scram);
                }
            }
            n++;
        }
    }
    assert_int_equal(n, PARTIAL_ACCOUNTS);
    assert_status(f, store_write_batch(store, accounts, n, NULL, &f->detail), AUTH_OK);
    for (unsigned i = 0; i < PARTIAL_ACCOUNTS; i++) {
        (void)snprintf(name, sizeof name, "account%u", i);
        fixture_decoys(f, store, name, &decoys);
        known[shown(&decoys)]++;
    }
    for (unsigned i = 0; i < SAMPLES; i++) {
        (void)snprintf(name, sizeof name, "nobody%u", i);
        fixture_decoys(f, store, name, &decoys);
        unknown[shown(&decoys)]++;
    }
    for (unsigned i = 0; i < SHOWN; i++) {
        /* Of two samples of one distribution; six standard deviations, and some for small ones. */
        const double share = (double)(known[i] + unknown[i]) / (PARTIAL_ACCOUNTS + SAMPLES);
        const double off = (double)known[i] / PARTIAL_ACCOUNTS - (double)unknown[i] / SAMPLES;
        const double variance = share * (1.0 / PARTIAL_ACCOUNTS + 1.0 / SAMPLES);
        if (off * off > 36 * variance + 0.0001) {
            print_error("combination %u: %u of %d accounts, %u of %d unknown names\n", i, known[i],
                        PARTIAL_ACCOUNTS, unknown[i], SAMPLES);
            assert_true(false);
        }
    }
    store_close(store);
}

static void a_change_of_mix_moves_few_names(void **state)
{
    struct store_meta meta = {.policy = {.kinds = VERIFIER_DEFAULT, .iterations = 9999}};
    struct decoy_plan before;
    struct decoy_plan after;
    struct decoy_set a;
    struct decoy_set b;
    unsigned kinds = 0;
    unsigned moved = 0;

    (void)state;
    add_class(&meta, 500, 4096, 10000, 16);
    add_class(&meta, 500, 4096, 20000, 16);
    assert_int_equal(decoy_plan_make(&meta, &before), AUTH_OK);
    add_class(&meta, 10, 4096, 15000, 16);
    add_class(&meta, 10, 4096, 10000, 16);
    assert_int_equal(decoy_plan_make(&meta, &after), AUTH_OK);
    for (unsigned i = 0; i < SAMPLES; i++) {
        sample(&before, i, &a, &kinds);
        sample(&after, i, &b, &kinds);
        assert_memory_equal(a.scram[1].salt, b.scram[1].salt, 16);
        moved += a.scram[1].iterations != b.scram[1].iterations ? 1 : 0;
    }
    assert_true(moved < SAMPLES * 3 / 100);
}

/*
 * One account among many moves few names even if it makes a class in front of all others, and so
 * moves every boundary.
 */
static void one_account_moves_as_few_names_as_it_is_one_of(void **state)
{
    struct store_meta meta = {.policy = {.kinds = VERIFIER_DEFAULT, .iterations = 9999}};
    struct decoy_plan before;
    struct decoy_plan after;
    struct decoy_set a;
    struct decoy_set b;
    unsigned kinds = 0;
    unsigned moved = 0;

    (void)state;
    memset(meta.decoy_secret, 5, sizeof meta.decoy_secret);
    add_class(&meta, 400, 5000, 10000, 16);
    add_class(&meta, 400, 6000, 15000, 16);
    add_class(&meta, 400, 7000, 20000, 16);
    assert_int_equal(decoy_plan_make(&meta, &before), AUTH_OK);
    add_class(&meta, 1, 4096, 4096, 16);
    assert_int_equal(decoy_plan_make(&meta, &after), AUTH_OK);
    for (unsigned i = 0; i < SAMPLES; i++) {
        sample(&before, i, &a, &kinds);
        sample(&after, i, &b, &kinds);
        moved += a.scram[1].iterations != b.scram[1].iterations ? 1 : 0;
    }
    /* Three boundaries, a 1201st each at most. */
    assert_in_range(moved, 1, SAMPLES * 2 * 3 / 1201);
}

static void assert_hex(const void *bytes, size_t n, const char *expected)
{
    struct buf hex;

    buf_init(&hex, 256);
    buf_put_hex(&hex, bytes, n);
    assert_string_equal(buf_text(&hex), expected);
    buf_release(&hex);
}

/*
 * The derivation is part of the format: a store shows the same from one version to the next.
 * Computed by Python's hmac and hashlib. "user5" is at 0.598 of the mix, "user10" at 0.605.
 */
static void the_derivation_is_as_it_was(void **state)
{
    struct store_meta meta = {.policy = {.kinds = VERIFIER_DEFAULT, .iterations = 9999}};
    struct decoy_plan plan;
    struct decoy_set set;
    unsigned kinds = 0;

    (void)state;
    for (size_t i = 0; i < sizeof meta.decoy_secret; i++) {
        meta.decoy_secret[i] = (uint8_t)i;
    }
    add_class(&meta, 60, 4096, 10000, 16);
    add_class(&meta, 40, 5000, 20000, 40);
    assert_int_equal(decoy_plan_make(&meta, &plan), AUTH_OK);
    sample(&plan, 5, &set, &kinds);
    assert_int_equal(set.scram[0].iterations, 4096);
    assert_int_equal(set.scram[1].iterations, 10000);
    assert_int_equal(set.scram[2].iterations, 9999);
    assert_hex(set.scram[0].salt, 16, "22aefc90f5ffbb0efc0a888ee7820ac4");
    assert_hex(set.scram[1].salt, 16, "d67e6d10dec3c07817399f019e0796b7");
    assert_hex(set.scram[2].salt, 16, "819cc985714e8ffb3fd6fdbaea991e28");
    assert_hex(set.scram[2].stored_key, 64,
               "20edc11020ca4e57423fdc2276da81d0b3ab87ac2aa53be8536137ca68f5663a"
               "d8608041a00277f76ad847b91664deca51be30b0d5e1edb28c34baf950053bbd");
    assert_memory_equal(set.scram[2].server_key, set.scram[2].stored_key, 64);
    sample(&plan, 10, &set, &kinds);
    assert_int_equal(set.scram[1].iterations, 20000);
    assert_int_equal(set.scram[1].salt_len, 40);
    assert_hex(set.scram[1].salt, 40,
               "50c7c4e3c34300df5d7140077c66839501f9bb013e98ceb78204f9ca4ea4a28b"
               "38a619595f4e5e3d");
}

static void large_counts_do_not_overflow(void **state)
{
    struct store_meta meta = {.policy = {.kinds = VERIFIER_DEFAULT, .iterations = 9999}};
    struct decoy_plan plan;
    struct decoy_set set;
    unsigned kinds = 0;
    unsigned first = 0;

    (void)state;
    add_class(&meta, 1, 4096, 10000, 16);
    add_class(&meta, 1, 8192, 10000, 16);
    meta.classes[0].count = UINT64_C(1) << 61;
    meta.classes[1].count = UINT64_C(1) << 61;
    assert_int_equal(decoy_plan_make(&meta, &plan), AUTH_OK);
    for (unsigned i = 0; i < SAMPLES; i++) {
        sample(&plan, i, &set, &kinds);
        first += set.scram[0].iterations == 4096 ? 1 : 0;
    }
    assert_in_range(first, SAMPLES * 45 / 100, SAMPLES * 55 / 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoys_follow_the_mix),
        TEST(unknown_names_are_spread_as_accounts_are),
        TEST(what_hashes_show_together_is_spread_alike),
        cmocka_unit_test(a_change_of_mix_moves_few_names),
        cmocka_unit_test(one_account_moves_as_few_names_as_it_is_one_of),
        cmocka_unit_test(the_derivation_is_as_it_was),
        cmocka_unit_test(large_counts_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
