/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/decoy.h"

enum { SAMPLES = 4000 };

static void lookup(struct fixture *f, struct store *store, const char *user, const char *realm,
                   struct store_answer *ret)
{
    struct identity who = fixture_who(user, realm);

    assert_status(f, store_lookup(store, &who, 100, VERIFIER_SCRAM, ret, &f->detail), AUTH_OK);
}

static bool all_filled(const struct decoy_set *set)
{
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if (set->scram[i].iterations == 0 || set->scram[i].salt_len == 0) {
            return false;
        }
    }
    return true;
}

static void decoys_of(struct fixture *f, struct store *store, const char *user,
                      struct decoy_set *ret)
{
    struct store_answer answer;

    lookup(f, store, user, "example.org", &answer);
    *ret = answer.decoys;
}

static bool is_zero(const void *p, size_t n)
{
    const uint8_t *bytes = p;

    while (n > 0 && bytes[n - 1] == 0) {
        n--;
    }
    return n == 0;
}

static void an_empty_store_follows_its_policy(void **state)
{
    struct fixture *f = *state;
    struct store_answer answer;

    f->create.policy.iterations = 5000;
    fixture_create(f);
    struct store *store = fixture_open(f, false);
    lookup(f, store, "nobody", "example.org", &answer);
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
    lookup(f, store, "alice", "example.org", &before);
    fixture_add(store, "alice", "example.org", 1);
    lookup(f, store, "alice", "example.org", &after);
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
    lookup(f, store, "alice", "example.org", &unknown);
    memset(&own[1], 0, sizeof own[1]);
    own[2].iterations = 7777;
    own[2].salt_len = 20;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        record.flags = states[i].flags;
        record.expires = states[i].expires;
        assert_status(f, store_replace_batch(store, &record, 1, NULL, &f->detail), AUTH_OK);
        lookup(f, store, "alice", "example.org", &answer);
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
        lookup(f, store, names[i][0], names[i][1], &answers[i]);
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

    decoys_of(other->f, store, "nobody", &got);
    store_close(store);
    _exit(memcmp(&got, &other->expected, sizeof got) == 0 ? 0 : 1);
}

static void decoys_are_the_same_everywhere_and_later(void **state)
{
    struct other_process other = {.f = *state};
    struct decoy_set again;

    fixture_create(other.f);
    struct store *store = fixture_open(other.f, true);
    decoys_of(other.f, store, "nobody", &other.expected);
    fixture_add(store, "alice", "example.org", 1);
    decoys_of(other.f, store, "nobody", &again);
    assert_memory_equal(&again, &other.expected, sizeof again);
    store_close(store);
    assert_int_equal(in_child(look_from_elsewhere, &other), 0);
    store = fixture_open(other.f, false);
    decoys_of(other.f, store, "nobody", &again);
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
    decoys_of(f, store, "nobody", &first);
    store_close(store);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(unlink(f->lock), 0);
    fixture_create(f);
    store = fixture_open(f, false);
    decoys_of(f, store, "nobody", &second);
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
        decoys_of(f, store, name, &decoys);
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
        decoys_of(f, store, name, &decoys);
        known[shown(&decoys)]++;
    }
    for (unsigned i = 0; i < SAMPLES; i++) {
        (void)snprintf(name, sizeof name, "nobody%u", i);
        decoys_of(f, store, name, &decoys);
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

static void nobody_satisfies_a_decoy(void **state)
{
    struct fixture *f = *state;
    struct decoy_set set;

    fixture_create(f);
    struct store *store = fixture_open(f, false);
    decoys_of(f, store, "nobody", &set);
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
    lookup(f, store, "alice", "example.org", &answer);
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
        cmocka_unit_test(decoys_follow_the_mix),
        TEST(unknown_names_are_spread_as_accounts_are),
        TEST(what_hashes_show_together_is_spread_alike),
        cmocka_unit_test(a_change_of_mix_moves_few_names),
        cmocka_unit_test(one_account_moves_as_few_names_as_it_is_one_of),
        cmocka_unit_test(the_derivation_is_as_it_was),
        cmocka_unit_test(large_counts_do_not_overflow),
        TEST(nobody_satisfies_a_decoy),
        TEST(disabled_and_expired_accounts_have_decoys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
