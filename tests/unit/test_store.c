/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/store_meta.h"

static void lookup(struct fixture *f, struct store *store, const char *user,
                   struct store_answer *ret)
{
    struct identity who = fixture_who(user, "example.org");

    assert_status(f, store_lookup(store, &who, 100, VERIFIER_SCRAM, ret, &f->detail), AUTH_OK);
}

static void a_record_comes_back(void **state)
{
    struct fixture *f = *state;
    struct record wanted = fixture_record("alice", "example.org", 1);
    struct store_answer answer;
    struct identity who = wanted.who;
    struct record got;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    for (int reopened = 0; reopened < 2; reopened++) {
        lookup(f, store, "alice", &answer);
        assert_int_equal(answer.verdict, AUTH_OK);
        assert_memory_equal(&answer.record.verifiers, &wanted.verifiers, sizeof wanted.verifiers);
        assert_memory_equal(&answer.record.who, &wanted.who, sizeof wanted.who);
        assert_true(answer.record.created > 0 && answer.record.changed > 0);
        assert_status(f, store_get(store, &who, &got, &f->detail), AUTH_OK);
        assert_memory_equal(&got, &answer.record, sizeof got);
        store_close(store);
        store = fixture_open(f, false);
    }
    who = fixture_who("nobody", "example.org");
    assert_status(f, store_get(store, &who, &got, &f->detail), AUTH_UNKNOWN_USER);
    store_close(store);
    store_close(NULL);
}

static void names_are_exact(void **state)
{
    static const char *const unknown[][2] = {
        {"Alice", "example.org"}, {"alic", "example.org"}, {"alicee", "example.org"},
        {"alice", "example.or"},  {"alice", "other.org"},  {"example.org", "alice"},
        {"", "example.org"},      {"alice", ""},
    };
    struct fixture *f = *state;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    fixture_add(store, "a", "bc", 2);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_OK);
    assert_int_equal(fixture_verdict(store, "ab", "c"), AUTH_UNKNOWN_USER);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_int_equal(fixture_verdict(store, unknown[i][0], unknown[i][1]), AUTH_UNKNOWN_USER);
    }
    store_close(store);
}

/* An edit function steered by its context. */
struct steer {
    enum store_edit decision;
    struct record record;
    bool existed;
    unsigned calls;
    struct record seen;
};

static enum store_edit steered(void *ctx, bool exists, struct record *record)
{
    struct steer *steer = ctx;

    steer->calls++;
    steer->existed = exists;
    steer->seen = *record;
    if (steer->decision == STORE_WRITE) {
        *record = steer->record;
    }
    return steer->decision;
}

static void change(struct fixture *f, struct store *store, struct steer *steer, bool existed)
{
    struct identity who = fixture_who("alice", "example.org");
    bool ret_existed = !existed;
    enum store_edit ret_edit = STORE_KEEP;

    assert_status(f, store_change(store, &who, steered, steer, &ret_existed, &ret_edit, &f->detail),
                  AUTH_OK);
    assert_int_equal(ret_existed, existed);
    assert_int_equal(ret_edit, steer->decision);
    assert_int_equal(steer->existed, existed);
}

static void changes(void **state)
{
    struct fixture *f = *state;
    struct store_info info;
    struct store_answer answer;
    struct steer steer = {.decision = STORE_KEEP};

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    change(f, store, &steer, false);
    assert_string_equal(steer.seen.who.user, "alice");
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_UNKNOWN_USER);
    steer.decision = STORE_DELETE;
    change(f, store, &steer, false);
    assert_status(f, store_describe(store, &info, &f->detail), AUTH_OK);
    assert_int_equal(info.accounts, 0);
    assert_int_equal(info.seals, 1); /* keeping and deleting nothing seals nothing */

    /* A name that edit() changes does not stick: it would be another account. */
    steer.decision = STORE_WRITE;
    steer.record = fixture_record("mallory", "elsewhere.org", 1);
    steer.record.created = 5;
    steer.record.changed = 77;
    change(f, store, &steer, false);
    lookup(f, store, "alice", &answer);
    assert_int_equal(answer.verdict, AUTH_OK);
    assert_string_equal(answer.record.who.user, "alice");
    assert_true(answer.record.created > 1000);
    assert_int_equal(answer.record.changed, 77);
    assert_int_equal(fixture_verdict(store, "mallory", "elsewhere.org"), AUTH_UNKNOWN_USER);

    /* created stays, everything else is edit()'s. */
    int64_t created = answer.record.created;
    steer.record.flags = RECORD_DISABLED;
    steer.record.expires = 50;
    change(f, store, &steer, true);
    assert_int_equal(steer.seen.created, created);
    lookup(f, store, "alice", &answer);
    assert_int_equal(answer.verdict, AUTH_DISABLED);
    assert_int_equal(answer.record.created, created);
    steer.record.flags = 0;
    change(f, store, &steer, true);
    lookup(f, store, "alice", &answer);
    assert_int_equal(answer.verdict, AUTH_EXPIRED);

    steer.decision = STORE_DELETE;
    change(f, store, &steer, true);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_UNKNOWN_USER);
    store_close(store);
}

static void bad_changes_change_nothing(void **state)
{
    struct fixture *f = *state;
    struct identity who = fixture_who("alice", "example.org");
    struct steer steer = {.decision = STORE_WRITE};
    struct record records[2];
    struct store_info before;
    struct store_info after;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    assert_status(f, store_describe(store, &before, &f->detail), AUTH_OK);
    steer.record = fixture_record("alice", "example.org", 2);
    steer.record.flags = 0x80;
    assert_status(f, store_change(store, &who, steered, &steer, NULL, NULL, &f->detail),
                  AUTH_MALFORMED);
    steer.record.flags = 0;
    steer.record.verifiers.scram[0].iterations = VERIFIER_MAX_ITERATIONS + 1;
    assert_status(f, store_change(store, &who, steered, &steer, NULL, NULL, &f->detail),
                  AUTH_MALFORMED);
    steer.record.verifiers.scram[0].iterations = 4096;
    steer.record.expires = -1;
    assert_status(f, store_change(store, &who, steered, &steer, NULL, NULL, &f->detail),
                  AUTH_MALFORMED);
    who.realm[0] = 'E';
    assert_status(f, store_change(store, &who, steered, &steer, NULL, NULL, &f->detail),
                  AUTH_BAD_NAME);
    /* The good one before the bad one goes with it. */
    records[0] = fixture_record("bob", "example.org", 3);
    records[1] = fixture_record("al@ice", "example.org", 3);
    assert_status(f, store_write_batch(store, records, 2, NULL, &f->detail), AUTH_BAD_NAME);
    assert_non_null(strstr(f->detail.text, "al@ice"));
    assert_int_equal(fixture_verdict(store, "bob", "example.org"), AUTH_UNKNOWN_USER);
    assert_status(f, store_describe(store, &after, &f->detail), AUTH_OK);
    assert_memory_equal(&before, &after, sizeof before);
    store_close(store);
}

static void batches(void **state)
{
    struct fixture *f = *state;
    struct steer steer = {.decision = STORE_WRITE};
    struct store_answer answer;
    struct record records[5];
    struct store_info info;
    size_t n_new = 99;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    assert_status(f, store_write_batch(store, NULL, 0, &n_new, &f->detail), AUTH_OK);
    assert_int_equal(n_new, 0);
    steer.record = fixture_record("alice", "example.org", 1);
    steer.record.expires = 4000;
    change(f, store, &steer, false);
    lookup(f, store, "alice", &answer);
    int64_t created = answer.record.created;

    records[0] = fixture_record("carol", "example.org", 3);
    records[1] = fixture_record("alice", "example.org", 9);
    records[1].created = 1;
    records[1].expires = 5000;
    records[2] = fixture_record("bob", "other.org", 3);
    records[3] = fixture_record("dave", "example.org", 3);
    records[4] = fixture_record("dave", "example.org", 8); /* the later one stands */
    records[3].created = 12;
    assert_status(f, store_write_batch(store, records, 5, &n_new, &f->detail), AUTH_OK);
    assert_int_equal(n_new, 3);
    lookup(f, store, "alice", &answer);
    assert_int_equal(answer.record.created, created);
    assert_int_equal(answer.record.expires, 4000);
    assert_memory_equal(&answer.record.verifiers, &records[1].verifiers,
                        sizeof records[1].verifiers);
    lookup(f, store, "dave", &answer);
    assert_int_equal(answer.record.created, 12);
    assert_memory_equal(&answer.record.verifiers, &records[4].verifiers,
                        sizeof records[4].verifiers);
    assert_status(f, store_describe(store, &info, &f->detail), AUTH_OK);
    assert_int_equal(info.accounts, 4);
    assert_int_equal(info.seals, 1 + 2 + 6); /* init; change; five records and the description */

    /* Of two times the earlier one. */
    records[1].expires = 1;
    assert_status(f, store_write_batch(store, &records[1], 1, &n_new, &f->detail), AUTH_OK);
    lookup(f, store, "alice", &answer);
    assert_int_equal(answer.record.expires, 1);

    /* A new password leaves an account disabled; a record given as a whole does not. */
    records[1].flags = RECORD_DISABLED;
    assert_status(f, store_replace_batch(store, &records[1], 1, &n_new, &f->detail), AUTH_OK);
    assert_int_equal(n_new, 0);
    lookup(f, store, "alice", &answer);
    assert_int_equal(answer.record.flags, RECORD_DISABLED);
    assert_int_equal(answer.record.created, 1);
    assert_int_equal(answer.record.expires, 1);
    records[1].flags = 0;
    records[1].expires = 0;
    assert_status(f, store_write_batch(store, &records[1], 1, &n_new, &f->detail), AUTH_OK);
    lookup(f, store, "alice", &answer);
    assert_int_equal(answer.record.flags, RECORD_DISABLED);
    assert_int_equal(answer.record.expires, 1);
    assert_status(f, store_replace_batch(store, &records[1], 1, &n_new, &f->detail), AUTH_OK);
    lookup(f, store, "alice", &answer);
    assert_int_equal(answer.record.flags, 0);
    assert_int_equal(answer.record.expires, 0);
    store_close(store);
}

static void description(void **state)
{
    struct fixture *f = *state;
    struct store_info info;
    struct stat st;

    f->create.policy.n_extra_realms = 1;
    (void)snprintf(f->create.policy.extra_realm[0], 20, "mail.example.org");
    fixture_create(f);
    struct store *store = fixture_open(f, true);
    assert_status(f, store_describe(store, &info, &f->detail), AUTH_OK);
    assert_int_equal(info.format, META_FORMAT);
    assert_int_equal(info.key_id, 1);
    assert_int_equal(info.generation, 1);
    assert_int_equal(info.accounts, 0);
    assert_int_equal(info.seals, 1);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(info.file_size, st.st_size);
    assert_memory_equal(&info.policy, &f->create.policy, sizeof info.policy);
    for (uint8_t i = 0; i < 3; i++) {
        fixture_add(store, "alice", "example.org", i);
    }
    assert_status(f, store_describe(store, &info, &f->detail), AUTH_OK);
    assert_int_equal(info.generation, 1);
    assert_int_equal(info.accounts, 1);
    assert_int_equal(info.seals, 7);
    store_close(store);
}

struct seen {
    char names[NAMES];
    unsigned n;
    unsigned stop_at; /* 0: never */
};

static enum auth_status see(void *ctx, const struct record *record)
{
    struct seen *seen = ctx;
    size_t used = strlen(seen->names);

    (void)snprintf(seen->names + used, sizeof seen->names - used, " %s@%s", record->who.user,
                   record->who.realm);
    seen->n++;
    return seen->n == seen->stop_at ? AUTH_NOT_ALLOWED : AUTH_OK;
}

static enum auth_status walk(struct fixture *f, struct store *store, const char *realm,
                             struct seen *seen)
{
    const struct store_visitor visitor = {.visit = see, .ctx = seen};

    return store_each(store, realm, &visitor, &f->detail);
}

static void walks(void **state)
{
    struct fixture *f = *state;
    struct seen all = {"", 0, 0};
    struct seen some = {"", 0, 0};
    struct seen none = {"", 0, 0};
    struct seen stopped = {"", 0, 2};

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    assert_status(f, walk(f, store, NULL, &none), AUTH_OK);
    fixture_add(store, "alice", "example.org", 1);
    fixture_add(store, "bob", "example.org", 1);
    fixture_add(store, "carol", "other.org", 1);
    assert_status(f, walk(f, store, NULL, &all), AUTH_OK);
    assert_int_equal(all.n, 3);
    assert_status(f, walk(f, store, "example.org", &some), AUTH_OK);
    assert_int_equal(some.n, 2);
    assert_non_null(strstr(some.names, " alice@example.org"));
    assert_non_null(strstr(some.names, " bob@example.org"));
    assert_status(f, walk(f, store, "nowhere.org", &none), AUTH_OK);
    assert_status(f, walk(f, store, "Example.org", &none), AUTH_OK);
    assert_status(f, walk(f, store, "", &none), AUTH_OK);
    assert_int_equal(none.n, 0);
    assert_status(f, walk(f, store, NULL, &stopped), AUTH_NOT_ALLOWED);
    assert_int_equal(stopped.n, 2);
    store_close(store);
}

static void the_same_file_is_the_same_store(void **state)
{
    struct fixture *f = *state;
    const char *name = strrchr(f->path, '/') + 1;
    char through[FIXTURE_PATH * 2];
    struct store_options options = {through, f->key, false, false};
    struct store *second = NULL;
    struct store *third = NULL;

    fixture_create(f);
    struct store *store = fixture_open(f, false);
    (void)snprintf(through, sizeof through, "%s/./%s", f->dir, name);
    assert_status(f, store_open(&options, &second, &f->detail), AUTH_OK);
    assert_ptr_equal(store, second);
    (void)snprintf(through, sizeof through, "%s/link", f->dir);
    assert_int_equal(symlink(f->path, through), 0);
    assert_status(f, store_open(&options, &third, &f->detail), AUTH_OK);
    assert_ptr_equal(store, third);
    /* No lock file beside the link. */
    (void)snprintf(through, sizeof through, "%s/link-lock", f->dir);
    assert_int_equal(access(through, F_OK), -1);

    struct store *writer = NULL;
    assert_status(f, fixture_try_open(f, true, &writer), AUTH_STORE_READONLY);
    struct record record = fixture_record("a", "b", 1);
    assert_status(f, store_write_batch(store, &record, 1, NULL, &f->detail), AUTH_STORE_READONLY);
    store_close(store);
    store_close(second);
    assert_int_equal(fixture_verdict(third, "a", "b"), AUTH_UNKNOWN_USER);
    store_close(third);
    store = fixture_open(f, true);
    assert_status(f, fixture_try_open(f, false, &second), AUTH_OK);
    assert_ptr_equal(store, second);
    store_close(second);
    store_close(store);
}

static bool contains(const uint8_t *p, size_t n, const void *what, size_t n_what)
{
    return memmem(p, n, what, n_what) != NULL;
}

static void the_file_shows_nothing(void **state)
{
    struct fixture *f = *state;
    struct record record = fixture_record("Max Mustermann", "mustermann.example", 1);
    struct identity who = record.who;
    struct store_answer answer;
    struct store_info info;
    size_t n = 0;

    (void)snprintf(f->create.policy.extra_realm[0], 20, "further.example");
    f->create.policy.n_extra_realms = 1;
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        assert_int_equal(crypto_random(record.verifiers.scram[i].salt, VERIFIER_NEW_SALT), AUTH_OK);
    }
    (void)snprintf(record.verifiers.crypt, sizeof record.verifiers.crypt, "$2b$05$abcdefgh");
    fixture_create(f);
    struct store *store = fixture_open(f, true);
    assert_status(f, store_write_batch(store, &record, 1, NULL, &f->detail), AUTH_OK);
    assert_status(f, store_lookup(store, &who, 1, VERIFIER_SCRAM, &answer, &f->detail), AUTH_OK);
    assert_status(f, store_describe(store, &info, &f->detail), AUTH_OK);
    store_close(store);

    uint8_t *file = read_file(f->path, &n);
    assert_true(contains(file, n, info.store_id, sizeof info.store_id)); /* the search does find */
    assert_false(contains(file, n, "Max", 3));
    assert_false(contains(file, n, "ustermann", 9));
    assert_false(contains(file, n, "example", 7));
    assert_false(contains(file, n, "$2b$", 4));
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        const struct scram_verifier *scram = &record.verifiers.scram[i];

        assert_false(contains(file, n, scram->salt, 8));
        assert_false(contains(file, n, scram->stored_key, 8));
        assert_false(contains(file, n, scram->server_key, 8));
        assert_false(contains(file, n, answer.decoys.scram[i].salt, 8));
    }
    assert_false(contains(file, n, record.verifiers.cram, 8));
    assert_false(contains(file, n, record.verifiers.checkpass, 8));
    for (unsigned i = 0; i < record.verifiers.n_digest; i++) {
        assert_false(contains(file, n, record.verifiers.digest[i].ha1, 8));
    }
    free(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_comes_back),
        TEST(names_are_exact),
        TEST(changes),
        TEST(bad_changes_change_nothing),
        TEST(batches),
        TEST(description),
        TEST(walks),
        TEST(the_same_file_is_the_same_store),
        TEST(the_file_shows_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
