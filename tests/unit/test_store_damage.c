/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/account.h"
#include "store/seal.h"
#include "store/store_meta.h"

/* Counts how often it was asked; asks for nothing. */
static enum store_edit count_calls(void *ctx, bool exists, struct record *record)
{
    unsigned *calls = ctx;

    (void)exists;
    (void)record;
    (*calls)++;
    return STORE_KEEP;
}

static enum auth_status visit_nothing(void *ctx, const struct record *record)
{
    (void)ctx;
    (void)record;
    return AUTH_OK;
}

static void a_record_cut_short_is_refused(void **state)
{
    struct fixture *f = *state;
    struct raw_row row;
    struct raw_row flipped;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    assert_true(raw_read(f, "users.1", 0, &row));
    for (size_t n = 0; n < row.n_value; n++) {
        flipped = row;
        flipped.n_value = n;
        raw_write(f, "users.1", &flipped);
        store = fixture_open(f, true);
        assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_STORE_DAMAGED);
        struct identity who = fixture_who("alice", "example.org");
        unsigned calls = 0;
        assert_status(f, store_change(store, &who, count_calls, &calls, NULL, NULL, &f->detail),
                      AUTH_STORE_DAMAGED);
        assert_int_equal(calls, 0);
        assert_non_null(strstr(f->detail.text, "alice@example.org"));
        assert_status(
            f, store_each(store, NULL, &(struct store_visitor){.visit = visit_nothing}, &f->detail),
            AUTH_STORE_DAMAGED);
        store_close(store);
    }
    raw_write(f, "users.1", &row);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_OK);
    store_close(store);
}

struct walked {
    unsigned read;
    unsigned unreadable;
    struct store_unreadable last;
    uint8_t place[ACCOUNT_KEY];
};

static enum auth_status walked_read(void *ctx, const struct record *record)
{
    struct walked *walked = ctx;

    (void)record;
    walked->read++;
    return AUTH_OK;
}

static void walked_unreadable(void *ctx, const struct store_unreadable *what)
{
    struct walked *walked = ctx;

    walked->unreadable++;
    walked->last = *what;
    assert_int_equal(what->place.n, sizeof walked->place);
    memcpy(walked->place, what->place.p, sizeof walked->place);
}

static struct walked walk(struct fixture *f, const char *realm)
{
    struct walked walked = {0};
    const struct store_visitor visitor = {walked_read, &walked, walked_unreadable, &walked};
    struct store *store = fixture_open(f, false);

    assert_status(f, store_each(store, realm, &visitor, &f->detail), AUTH_OK);
    store_close(store);
    return walked;
}

static void a_walk_goes_past_a_damaged_record(void **state)
{
    struct fixture *f = *state;
    struct raw_row row;
    struct raw_row bad;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    fixture_add(store, "bob", "example.org", 1);
    fixture_add(store, "carol", "other.org", 1);
    store_close(store);
    for (unsigned at = 0; at < 3; at++) {
        assert_true(raw_read(f, "users.1", at, &row));
        bad = row;
        bad.value[row.n_value - 1] ^= 1;
        raw_write(f, "users.1", &bad);
        struct walked walked = walk(f, NULL);
        assert_int_equal(walked.read, 2);
        assert_int_equal(walked.unreadable, 1);
        assert_int_equal(walked.last.status, AUTH_STORE_DAMAGED);
        assert_true(walked.last.have_who);
        assert_memory_equal(walked.place, row.key, sizeof walked.place);
        walked = walk(f, walked.last.who.realm);
        assert_int_equal(walked.unreadable, 1);
        memset(bad.value + SEAL_HEADER, 0, 8); /* over the name */
        raw_write(f, "users.1", &bad);
        walked = walk(f, NULL);
        assert_int_equal(walked.read, 2);
        assert_int_equal(walked.unreadable, 1);
        assert_false(walked.last.have_who);
        raw_write(f, "users.1", &row);
    }
    assert_int_equal(walk(f, NULL).read, 3);
}

static void every_flipped_bit_of_the_description_is_refused(void **state)
{
    struct fixture *f = *state;
    struct raw_row row;
    struct raw_row flipped;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    assert_true(raw_read(f, META_TABLE, 0, &row));
    for (size_t bit = 0; bit < 8 * row.n_value; bit += bit < 8u * 104 ? 3 : 11) {
        flipped = row;
        flipped.value[bit / 8] ^= (uint8_t)(1u << bit % 8);
        raw_write(f, META_TABLE, &flipped);
        store = fixture_open(f, true);
        enum auth_status status = fixture_verdict(store, "alice", "example.org");
        assert_true(status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN ||
                    status == AUTH_KEY_WRONG);
        struct record record = fixture_record("bob", "example.org", 1);
        assert_int_equal(store_write_batch(store, &record, 1, NULL, NULL), status);
        store_close(store);
    }
    for (size_t n = 0; n < row.n_value; n++) {
        flipped = row;
        flipped.n_value = n;
        raw_write(f, META_TABLE, &flipped);
        store = fixture_open(f, false);
        enum auth_status status = fixture_verdict(store, "alice", "example.org");
        assert_true(status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN);
        store_close(store);
    }
    raw_delete(f, META_TABLE, &row);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_STORE_FOREIGN);
    store_close(store);
    raw_clear(f, META_TABLE, true);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_STORE_FOREIGN);
    store_close(store);
}

/* Runs in another process, as the store is open in this one. */
static void damage_description(void *ctx)
{
    struct fixture *f = ctx;
    struct raw_row row;

    if (!raw_read(f, META_TABLE, 0, &row)) {
        _exit(1);
    }
    row.value[row.n_value - 1] ^= 1;
    raw_write(f, META_TABLE, &row);
}

static void the_cached_description_is_not_trusted(void **state)
{
    struct fixture *f = *state;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_OK);
    assert_int_equal(in_child(damage_description, f), 0);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_STORE_DAMAGED);
    assert_int_equal(in_child(damage_description, f), 0);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_OK);
    store_close(store);
}

static void records_cannot_be_swapped(void **state)
{
    struct fixture *f = *state;
    struct raw_row a;
    struct raw_row b;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    fixture_add(store, "bob", "example.org", 2);
    store_close(store);
    assert_true(raw_read(f, "users.1", 0, &a));
    assert_true(raw_read(f, "users.1", 1, &b));
    struct raw_row mixed = a;
    memcpy(mixed.value, b.value, b.n_value);
    mixed.n_value = b.n_value;
    raw_write(f, "users.1", &mixed);
    mixed = b;
    memcpy(mixed.value, a.value, a.n_value);
    mixed.n_value = a.n_value;
    raw_write(f, "users.1", &mixed);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_STORE_DAMAGED);
    assert_int_equal(fixture_verdict(store, "bob", "example.org"), AUTH_STORE_DAMAGED);
    store_close(store);
    /* The description in place of a record, and the other way round. */
    struct raw_row meta;
    assert_true(raw_read(f, META_TABLE, 0, &meta));
    mixed = a;
    memcpy(mixed.value, meta.value + 60, meta.n_value - 60);
    mixed.n_value = meta.n_value - 60;
    raw_write(f, "users.1", &mixed);
    store = fixture_open(f, false);
    assert_int_not_equal(fixture_verdict(store, "alice", "example.org"), AUTH_OK);
    assert_int_not_equal(fixture_verdict(store, "bob", "example.org"), AUTH_OK);
    store_close(store);
}

/* What the file's writer can do without the key; docs/SECURITY.md says so. */
static void an_older_record_of_the_same_user_opens(void **state)
{
    struct fixture *f = *state;
    struct raw_row old;
    struct store_answer answer;
    struct record first = fixture_record("alice", "example.org", 1);

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    assert_true(raw_read(f, "users.1", 0, &old));
    store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 99);
    store_close(store);
    raw_write(f, "users.1", &old);
    store = fixture_open(f, false);
    struct identity who = first.who;
    assert_status(f, store_lookup(store, &who, 1, VERIFIER_SCRAM, &answer, &f->detail), AUTH_OK);
    assert_int_equal(answer.verdict, AUTH_OK);
    assert_memory_equal(&answer.record.verifiers, &first.verifiers, sizeof first.verifiers);
    store_close(store);
}

static void lost_tables_are_no_unknown_users(void **state)
{
    struct fixture *f = *state;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    raw_clear(f, "users.1", false);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_STORE_DAMAGED);
    assert_int_equal(fixture_verdict(store, "bob", "example.org"), AUTH_STORE_DAMAGED);
    store_close(store);
    raw_clear(f, "users.1", true);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_STORE_DAMAGED);
    store_close(store);
}

/* Another store with its own key in the same directory, whose files can then be mixed up. */
static void make_other(struct fixture *f, struct fixture *other)
{
    *other = *f;
    (void)snprintf(other->path, sizeof other->path, "%s/other.mdb", f->dir);
    (void)snprintf(other->lock, sizeof other->lock, "%s/other.mdb-lock", f->dir);
    (void)snprintf(other->key, sizeof other->key, "%s/otherkey", f->dir);
    other->create.path = other->path;
    other->create.key_path = other->key;
    fixture_create(other);
}

static void assert_key_refused(struct fixture *f, const char *word)
{
    struct record record = fixture_record("bob", "example.org", 1);
    struct identity who = record.who;
    unsigned calls = 0;
    struct store_info info;
    size_t n_before = 0;
    size_t n_after = 0;
    uint8_t *before = read_file(f->path, &n_before);
    struct store *store = fixture_open(f, true);

    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_KEY_WRONG);
    assert_int_equal(fixture_verdict(store, "nobody", "example.org"), AUTH_KEY_WRONG);
    assert_status(f, store_write_batch(store, &record, 1, NULL, &f->detail), AUTH_KEY_WRONG);
    assert_non_null(strstr(f->detail.text, word));
    assert_non_null(strstr(f->detail.text, "wants key 1"));
    assert_status(f, store_change(store, &who, count_calls, &calls, NULL, NULL, &f->detail),
                  AUTH_KEY_WRONG);
    assert_int_equal(calls, 0);
    assert_status(
        f, store_each(store, NULL, &(struct store_visitor){.visit = visit_nothing}, &f->detail),
        AUTH_KEY_WRONG);
    assert_status(f, store_describe(store, &info, &f->detail), AUTH_KEY_WRONG);
    store_close(store);
    uint8_t *after = read_file(f->path, &n_after);
    assert_int_equal(n_before, n_after);
    assert_memory_equal(before, after, n_before);
    free(before);
    free(after);
}

static void a_foreign_key_opens_and_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct fixture other;
    size_t n = 0;
    size_t n_other = 0;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    make_other(f, &other);
    char *right = (char *)read_file(f->key, &n);
    char *wrong = (char *)read_file(other.key, &n_other);
    right[n] = '\0';
    wrong[n_other] = '\0';

    /* The key of another store. */
    write_file(f->key, wrong, n_other, 0600);
    assert_key_refused(f, "not in");
    /* No keys at all. */
    write_file(f->key, "#\n", 2, 0600);
    assert_key_refused(f, "not in");
    /* The right store and number, another key. */
    char forged[256];
    (void)snprintf(forged, sizeof forged, "%.34s %.*s\n", right, KEY_BASE64,
                   first_key((const uint8_t *)wrong, n_other));
    write_file(f->key, forged, strlen(forged), 0600);
    assert_key_refused(f, "another key has that number");
    /* The right key under another number. */
    (void)snprintf(forged, sizeof forged, "2%s", right + 1);
    write_file(f->key, forged, strlen(forged), 0600);
    assert_key_refused(f, "not in");

    write_file(f->key, right, n, 0600);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_OK);
    store_close(store);
    free(right);
    free(wrong);
}

static void a_key_put_right_is_found_without_a_restart(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    uint8_t *right = read_file(f->key, &n);
    write_file(f->key, "#\n", 2, 0600);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_KEY_WRONG);
    write_file(f->key, right, n, 0644);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_KEY_WRONG);
    write_file(f->key, right, n, 0600);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_OK);
    /* Once known it is kept, as a server needs that cannot reach the file any more. */
    assert_int_equal(unlink(f->key), 0);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_OK);
    store_close(store);
    free(right);
}

static void keys_that_cannot_be_used(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;

    fixture_create(f);
    assert_int_equal(chmod(f->key, 0644), 0);
    assert_status(f, fixture_try_open(f, false, &store), AUTH_KEY_EXPOSED);
    assert_non_null(strstr(f->detail.text, "chmod 0600"));
    assert_int_equal(chmod(f->key, 0640), 0);
    assert_status(f, fixture_try_open(f, false, &store), AUTH_KEY_EXPOSED);
    /* The data file's group may read the key if it may read the data. */
    assert_int_equal(chmod(f->path, 0640), 0);
    store = fixture_open(f, false);
    store_close(store);
    if (geteuid() == 0) {
        assert_int_equal(chown(f->key, (uid_t)-1, 12), 0);
        assert_status(f, fixture_try_open(f, false, &store), AUTH_KEY_EXPOSED);
    }
    write_file(f->key, "?\n", 2, 0600);
    assert_status(f, fixture_try_open(f, false, &store), AUTH_KEY_DAMAGED);
    assert_int_equal(unlink(f->key), 0);
    assert_status(f, fixture_try_open(f, false, &store), AUTH_KEY_MISSING);
    assert_non_null(strstr(f->detail.text, f->key));
}

static void records_of_another_store_are_refused(void **state)
{
    struct fixture *f = *state;
    struct fixture other;
    struct raw_row row;
    struct raw_row description;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    make_other(f, &other);
    store = fixture_open(&other, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    /* The whole description of another store: its key is wanted. */
    assert_true(raw_read(&other, META_TABLE, 0, &description));
    assert_true(raw_read(f, META_TABLE, 0, &row));
    raw_write(f, META_TABLE, &description);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_KEY_WRONG);
    store_close(store);
    /* Its value under the key of ours. */
    raw_write(f, META_TABLE, &row);
    struct raw_row theirs;
    struct raw_row ours;
    assert_true(raw_read(&other, "users.1", 0, &theirs));
    assert_true(raw_read(f, "users.1", 0, &ours));
    assert_memory_not_equal(ours.key, theirs.key, ours.n_key);
    memcpy(ours.value, theirs.value, theirs.n_value);
    raw_write(f, "users.1", &ours);
    store = fixture_open(f, false);
    assert_int_equal(fixture_verdict(store, "alice", "example.org"), AUTH_STORE_DAMAGED);
    store_close(store);
}

/* Writes two bytes into the node that holds this row, wherever the file has one. */
static void patch_nodes(struct fixture *f, const struct raw_row *row, size_t at, uint16_t wrong)
{
    enum { NODE_HEADER = 8 };
    size_t n = 0;
    uint8_t *file = read_file(f->path, &n);
    size_t found = 0;

    for (size_t i = NODE_HEADER; i + row->n_key <= n; i++) {
        if (memcmp(file + i, row->key, row->n_key) == 0) {
            memcpy(file + i - NODE_HEADER + at, &wrong, sizeof wrong);
            found++;
        }
    }
    assert_true(found > 0);
    write_file(f->path, file, n, 0600);
    free(file);
}

/* A node: length of the value 4, flags 2, length of the key 2. LMDB believes them all. */
static void lengths_that_lead_out_of_a_page(void **state)
{
    static const char text[] = "leads out of its page";
    enum { VALUE_LENGTH = 0, KEY_LENGTH = 6 };
    struct fixture *f = *state;
    struct raw_row row;

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    store_close(store);
    assert_true(raw_read(f, "users.1", 0, &row));

    patch_nodes(f, &row, VALUE_LENGTH, RAW_MAX);
    store = fixture_open(f, false);
    struct identity who = fixture_who("alice", "example.org");
    struct record record;
    assert_status(f, store_get(store, &who, &record, &f->detail), AUTH_STORE_DAMAGED);
    assert_non_null(strstr(f->detail.text, text));
    assert_status(
        f, store_each(store, NULL, &(struct store_visitor){.visit = visit_nothing}, &f->detail),
        AUTH_STORE_DAMAGED);
    assert_non_null(strstr(f->detail.text, text));
    store_close(store);

    patch_nodes(f, &row, VALUE_LENGTH, (uint16_t)row.n_value);
    patch_nodes(f, &row, KEY_LENGTH, UINT16_MAX);
    store = fixture_open(f, false);
    assert_status(
        f, store_each(store, NULL, &(struct store_visitor){.visit = visit_nothing}, &f->detail),
        AUTH_STORE_DAMAGED);
    assert_non_null(strstr(f->detail.text, text));
    store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_cut_short_is_refused),
        TEST(a_walk_goes_past_a_damaged_record),
        TEST(every_flipped_bit_of_the_description_is_refused),
        TEST(the_cached_description_is_not_trusted),
        TEST(records_cannot_be_swapped),
        TEST(an_older_record_of_the_same_user_opens),
        TEST(lost_tables_are_no_unknown_users),
        TEST(a_foreign_key_opens_and_writes_nothing),
        TEST(a_key_put_right_is_found_without_a_restart),
        TEST(keys_that_cannot_be_used),
        TEST(records_of_another_store_are_refused),
        TEST(lengths_that_lead_out_of_a_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
