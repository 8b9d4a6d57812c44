/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

enum { USER = 0x01, REALM = 0x02, SCRAM = 0x10, CRAM = 0x11, CHECKPASS = 0x12 };
enum { DIGEST = 0x13, EXTRA_REALM = 0x14, CRYPT = 0x15 };

/* Decodes from a block of exactly that size, so that reading past it is seen. */
static enum auth_status decode(struct slice body, struct record *ret)
{
    uint8_t *exact = malloc(body.n == 0 ? 1 : body.n);

    assert_non_null(exact);
    if (body.n > 0) {
        memcpy(exact, body.p, body.n);
    }
    enum auth_status status = record_decode(slice_of(exact, body.n), ret);
    free(exact);
    return status;
}

static void assert_refused(struct slice body)
{
    struct record record;

    memset(&record, 0x55, sizeof record);
    assert_int_equal(decode(body, &record), AUTH_STORE_DAMAGED);
    assert_true(is_zero(&record.who, sizeof record.who));
    assert_true(is_zero(&record.verifiers, sizeof record.verifiers));
}

static void encode(const struct record *record, struct buf *b)
{
    buf_init(b, RECORD_MAX_BODY);
    assert_int_equal(record_encode(record, b), AUTH_OK);
}

/* Everything a record can hold, at its largest but for the number of digests. */
static struct record full_record(void)
{
    struct record record = fixture_record("alice", "example.org", 1);
    struct verifier_set *set = &record.verifiers;

    set->scram[0].salt_len = VERIFIER_MAX_SALT;
    memset(set->scram[0].salt, 7, VERIFIER_MAX_SALT);
    set->scram[1].iterations = VERIFIER_MAX_ITERATIONS;
    set->scram[2].salt_len = 1;
    memset(set->scram[2].salt + 1, 0, VERIFIER_NEW_SALT - 1);
    set->n_extra_realms = 2;
    memcpy(set->extra_realm[0], "mail.example.org", 17);
    memcpy(set->extra_realm[1], "Other Realm", 12);
    set->digest[4] = (struct digest_verifier){true, true, false, 1, DIGEST_REALM_EXTRA, {9}};
    set->digest[5] = (struct digest_verifier){false, true, true, 0, DIGEST_REALM_OWN, {8}};
    set->n_digest = 6;
    memcpy(set->crypt, "$y$j9T$abc", 11);
    return record;
}

static void round_trip(void **state)
{
    struct record all = full_record();
    struct record few = {.who = fixture_who("bob", "example.org")};
    struct record back = {.flags = RECORD_DISABLED, .created = 5};
    struct buf b;

    (void)state;
    encode(&all, &b);
    assert_int_equal(decode(buf_slice(&b), &back), AUTH_OK);
    assert_memory_equal(&back.verifiers, &all.verifiers, sizeof all.verifiers);
    assert_string_equal(back.who.user, "alice");
    assert_string_equal(back.who.realm, "example.org");
    /* Flags and times are not its business. */
    assert_int_equal(back.flags, RECORD_DISABLED);
    assert_int_equal(back.created, 5);
    buf_release(&b);

    encode(&few, &b);
    assert_int_equal(decode(buf_slice(&b), &back), AUTH_OK);
    assert_int_equal(verifier_kinds(&back.verifiers), 0);
    buf_release(&b);
}

static void every_truncation_is_refused_or_whole(void **state)
{
    struct record record = full_record();
    struct record back;
    struct buf b;
    unsigned refused = 0;

    (void)state;
    encode(&record, &b);
    for (size_t n = 0; n < b.n; n++) {
        /* A cut between two items is a shorter record; the seal's length is what forbids it. */
        if (decode(slice_of(b.p, n), &back) == AUTH_STORE_DAMAGED) {
            refused++;
            assert_refused(slice_of(b.p, n));
        }
    }
    assert_true(refused > b.n - 32);
    buf_put_byte(&b, 0);
    assert_refused(buf_slice(&b));
    buf_release(&b);
}

static void flipped_bits_stay_inside(void **state)
{
    struct record record = full_record();
    struct record back;
    struct buf b;

    (void)state;
    encode(&record, &b);
    for (size_t bit = 0; bit < 8 * b.n; bit++) {
        b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum auth_status status = decode(buf_slice(&b), &back);
        assert_true(status == AUTH_OK || status == AUTH_STORE_DAMAGED);
        b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    buf_release(&b);
}

static void item(struct buf *b, uint8_t type, const void *p, size_t n)
{
    buf_put_u8(b, type);
    buf_put_u16(b, (uint16_t)n);
    buf_put(b, p, n);
}

static void text(struct buf *b, uint8_t type, const char *s)
{
    item(b, type, s, strlen(s));
}

static void begin(struct buf *b)
{
    buf_init(b, 70000);
    text(b, USER, "alice");
    text(b, REALM, "example.org");
}

/* A SCRAM-SHA-1 item with the given parameters and n_keys bytes of keys. */
static void scram(struct buf *b, uint8_t slot, uint32_t iterations, uint8_t salt_len, size_t n_salt,
                  size_t n_keys)
{
    struct buf value;

    buf_init(&value, 4096);
    buf_put_u8(&value, slot);
    buf_put_u32(&value, iterations);
    buf_put_u8(&value, salt_len);
    for (size_t i = 0; i < n_salt + n_keys; i++) {
        buf_put_byte(&value, 'x');
    }
    item(b, SCRAM, value.p, value.n);
    buf_release(&value);
}

static void scram_items(void **state)
{
    static const struct {
        uint8_t slot;
        uint32_t iterations;
        uint8_t salt_len;
        size_t n_salt;
        size_t n_keys;
        bool good;
    } cases[] = {
        {0, 1, 1, 1, 40, true},
        {0, VERIFIER_MAX_ITERATIONS, 64, 64, 40, true},
        {1, 4096, 16, 16, 64, true},
        {2, 4096, 16, 16, 128, true},
        {0, 0, 16, 16, 40, false},
        {0, VERIFIER_MAX_ITERATIONS + 1, 16, 16, 40, false},
        {0, UINT32_C(1) << 31, 16, 16, 40, false},
        {0, UINT32_MAX, 16, 16, 40, false},
        {3, 4096, 16, 16, 40, false},
        {255, 4096, 16, 16, 40, false},
        {0, 4096, 0, 0, 40, false},
        {0, 4096, 65, 65, 40, false},
        {0, 4096, 255, 255, 40, false},
        {0, 4096, 255, 16, 40, false},
        {0, 4096, 16, 16, 39, false},
        {0, 4096, 16, 16, 41, false},
        {0, 4096, 16, 16, 0, false},
        {0, 4096, 16, 16, 64, false},
        {1, 4096, 16, 16, 40, false},
        {2, 4096, 16, 16, 64, false},
    };
    struct record record;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(&b);
        scram(&b, cases[i].slot, cases[i].iterations, cases[i].salt_len, cases[i].n_salt,
              cases[i].n_keys);
        if (cases[i].good) {
            assert_int_equal(decode(buf_slice(&b), &record), AUTH_OK);
        } else {
            assert_refused(buf_slice(&b));
        }
        buf_release(&b);
    }
    begin(&b);
    scram(&b, 0, 4096, 16, 16, 40);
    scram(&b, 0, 4096, 16, 16, 40);
    assert_refused(buf_slice(&b));
    buf_release(&b);
}

static void names(void **state)
{
    static const struct {
        const char *user;
        size_t n_user;
        const char *realm;
        size_t n_realm;
    } bad[] = {
        {"", 0, "example.org", 11},       {"alice", 5, "", 0},
        {"al\0ce", 5, "example.org", 11}, {"alice", 5, "example\0org", 11},
        {"a@b", 3, "example.org", 11},    {"alice", 5, "Example.org", 11},
        {"alice", 5, "exa mple", 8},      {"alice", 5, "a@b", 3},
        {"alice", 5, "a\nb", 3},          {"\0", 1, "example.org", 11},
    };
    char long_name[IDENTITY_MAX_USER + 1];
    struct record record;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        buf_init(&b, 4096);
        item(&b, USER, bad[i].user, bad[i].n_user);
        item(&b, REALM, bad[i].realm, bad[i].n_realm);
        assert_refused(buf_slice(&b));
        buf_release(&b);
    }
    memset(long_name, 'a', sizeof long_name);
    for (size_t n = IDENTITY_MAX_USER; n <= IDENTITY_MAX_USER + 1; n++) {
        buf_init(&b, 4096);
        item(&b, USER, long_name, n);
        item(&b, REALM, long_name, IDENTITY_MAX_REALM);
        assert_int_equal(decode(buf_slice(&b), &record),
                         n == IDENTITY_MAX_USER ? AUTH_OK : AUTH_STORE_DAMAGED);
        buf_release(&b);
    }
    buf_init(&b, 4096);
    text(&b, USER, "alice");
    assert_refused(buf_slice(&b));
    text(&b, REALM, "example.org");
    text(&b, USER, "bob");
    assert_refused(buf_slice(&b));
    buf_release(&b);
}

static void digest(struct buf *b, uint8_t form, uint8_t kind, uint8_t extra, size_t n_ha1)
{
    uint8_t value[3 + 32] = {form, kind, extra};

    item(b, DIGEST, value, 3 + n_ha1);
}

static void digest_items(void **state)
{
    static const struct {
        uint8_t form;
        uint8_t kind;
        uint8_t extra;
        size_t n_ha1;
        bool good;
    } cases[] = {
        {0, 0, 0, 16, true},    {3, 1, 0, 16, true},  {1, 2, 0, 16, true},  {0, 2, 1, 16, false},
        {0, 2, 255, 16, false}, {0, 3, 0, 16, false}, {4, 0, 0, 16, false}, {5, 0, 0, 16, false},
        {6, 0, 0, 16, true},    {8, 0, 0, 16, false}, {0, 0, 1, 16, false}, {0, 0, 0, 15, false},
        {0, 0, 0, 17, false},   {0, 0, 0, 0, false},
    };
    struct record record;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(&b);
        text(&b, EXTRA_REALM, "one");
        digest(&b, cases[i].form, cases[i].kind, cases[i].extra, cases[i].n_ha1);
        if (cases[i].good) {
            assert_int_equal(decode(buf_slice(&b), &record), AUTH_OK);
            digest(&b, cases[i].form, cases[i].kind, cases[i].extra, cases[i].n_ha1);
        }
        assert_refused(buf_slice(&b)); /* twice the same form, if it was good once */
        buf_release(&b);
    }
}

static void most_digests(void **state)
{
    static const uint8_t forms[] = {0, 1, 2, 3, 6, 7}; /* 4 goes with 2 only */
    struct record record;
    struct buf b;

    (void)state;
    begin(&b);
    for (unsigned i = 0; i < VERIFIER_MAX_EXTRA_REALMS; i++) {
        text(&b, EXTRA_REALM, "r");
    }
    assert_int_equal(decode(buf_slice(&b), &record), AUTH_OK);
    for (size_t f = 0; f < sizeof forms; f++) {
        const uint8_t form = forms[f];
        digest(&b, form, DIGEST_REALM_OWN, 0, 16);
        digest(&b, form, DIGEST_REALM_EMPTY, 0, 16);
        for (uint8_t i = 0; i < VERIFIER_MAX_EXTRA_REALMS; i++) {
            digest(&b, form, DIGEST_REALM_EXTRA, i, 16);
        }
    }
    assert_int_equal(decode(buf_slice(&b), &record), AUTH_OK);
    assert_int_equal(record.verifiers.n_digest, VERIFIER_MAX_DIGEST);
    digest(&b, 0, DIGEST_REALM_OWN, 0, 16);
    assert_refused(buf_slice(&b));
    buf_release(&b);

    begin(&b);
    for (unsigned i = 0; i <= VERIFIER_MAX_EXTRA_REALMS; i++) {
        text(&b, EXTRA_REALM, "r");
    }
    assert_refused(buf_slice(&b));
    buf_release(&b);
}

static void other_items(void **state)
{
    static const uint8_t bytes[512];
    static const struct {
        uint8_t type;
        size_t n;
    } bad[] = {
        {CRAM, 31},       {CRAM, 33},       {CRAM, 0},  {CHECKPASS, 32}, {CHECKPASS, 34},
        {EXTRA_REALM, 0}, {EXTRA_REALM, 3}, {CRYPT, 0}, {CRYPT, 5},      {0x00, 0},
        {0x03, 1},        {0x16, 4},        {0x7f, 0},  {0x7f, 512},
    };
    char long_text[VERIFIER_MAX_CRYPT + 1];
    struct record record;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin(&b);
        item(&b, bad[i].type, bytes, bad[i].n);
        assert_refused(buf_slice(&b));
        buf_release(&b);
    }
    for (int twice = 0; twice < 2; twice++) {
        begin(&b);
        item(&b, CRAM, bytes, 32);
        item(&b, twice == 0 ? CRAM : 0x80, bytes, 32);
        assert_int_equal(decode(buf_slice(&b), &record), twice == 0 ? AUTH_STORE_DAMAGED : AUTH_OK);
        item(&b, CHECKPASS, bytes, 33);
        item(&b, CHECKPASS, bytes, 33);
        assert_refused(buf_slice(&b));
        buf_release(&b);
    }
    memset(long_text, '$', sizeof long_text);
    begin(&b);
    item(&b, CRYPT, long_text, VERIFIER_MAX_CRYPT);
    assert_int_equal(decode(buf_slice(&b), &record), AUTH_OK);
    item(&b, CRYPT, "x", 1);
    assert_refused(buf_slice(&b));
    buf_release(&b);
    begin(&b);
    item(&b, CRYPT, long_text, VERIFIER_MAX_CRYPT + 1);
    assert_refused(buf_slice(&b));
    buf_release(&b);
}

static void unknown_items_may_be_skipped_from_0x80_on(void **state)
{
    struct record record;
    struct buf b;

    (void)state;
    for (unsigned type = 0x80; type <= 0xff; type++) {
        begin(&b);
        item(&b, (uint8_t)type, "whatever", 8);
        item(&b, (uint8_t)type, "", 0);
        assert_int_equal(decode(buf_slice(&b), &record), AUTH_OK);
        buf_release(&b);
    }
}

static void too_long_is_refused(void **state)
{
    uint8_t filler[RECORD_MAX_BODY] = {0};
    struct record record;
    struct buf b;

    (void)state;
    begin(&b);
    item(&b, 0x80, filler, RECORD_MAX_BODY - b.n - 3);
    assert_int_equal(b.n, RECORD_MAX_BODY);
    assert_int_equal(decode(buf_slice(&b), &record), AUTH_OK);
    buf_release(&b);
    begin(&b);
    item(&b, 0x80, filler, RECORD_MAX_BODY - b.n - 2);
    assert_refused(buf_slice(&b));
    buf_release(&b);
}

static void encoding_refuses_what_decoding_would(void **state)
{
    struct record good = full_record();
    static struct record bad[12];
    struct buf b;

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        bad[i] = good;
    }
    bad[0].who.user[0] = '\0';
    bad[1].who.realm[0] = '\0';
    bad[2].who.user[1] = '@';
    bad[3].who.realm[0] = 'E';
    bad[4].verifiers.scram[0].iterations = VERIFIER_MAX_ITERATIONS + 1;
    bad[5].verifiers.scram[1].salt_len = 0;
    bad[6].verifiers.scram[1].salt_len = VERIFIER_MAX_SALT + 1;
    bad[7].verifiers.scram[1].hash = CRYPTO_MD5;
    bad[8].verifiers.n_digest = VERIFIER_MAX_DIGEST + 1;
    bad[9].verifiers.digest[4].extra = 2;
    bad[10].verifiers.digest[1] = bad[10].verifiers.digest[0];
    bad[11].verifiers.n_extra_realms = VERIFIER_MAX_EXTRA_REALMS + 1;
    for (size_t i = 0; i < 12; i++) {
        buf_init(&b, RECORD_MAX_BODY);
        assert_int_equal(record_encode(&bad[i], &b), i < 4 ? AUTH_BAD_NAME : AUTH_MALFORMED);
        assert_int_equal(b.n, 0);
        buf_release(&b);
    }
}

static void encoding_has_a_ceiling(void **state)
{
    struct record record = full_record();
    struct buf b;

    (void)state;
    record.verifiers.n_extra_realms = VERIFIER_MAX_EXTRA_REALMS;
    for (size_t i = 0; i < VERIFIER_MAX_EXTRA_REALMS; i++) {
        memset(record.verifiers.extra_realm[i], 'r', IDENTITY_MAX_REALM);
    }
    memset(record.verifiers.crypt, '$', VERIFIER_MAX_CRYPT);
    memset(record.who.user, 'u', IDENTITY_MAX_USER);
    memset(record.who.realm, 'r', IDENTITY_MAX_REALM);
    buf_init(&b, 8192);
    buf_put_str(&b, "kept");
    assert_int_equal(record_encode(&record, &b), AUTH_TOO_LONG);
    assert_string_equal(buf_text(&b), "kept");
    buf_release(&b);
    buf_init(&b, 100);
    assert_int_equal(record_encode(&record, &b), AUTH_TOO_LONG);
    buf_release(&b);
}

static void verdicts(void **state)
{
    struct record record = {.expires = 0};

    (void)state;
    assert_int_equal(record_verdict(&record, INT64_MAX), AUTH_OK);
    record.expires = 1000;
    assert_int_equal(record_verdict(&record, 999), AUTH_OK);
    assert_int_equal(record_verdict(&record, 1000), AUTH_EXPIRED);
    assert_int_equal(record_verdict(&record, 1001), AUTH_EXPIRED);
    record.flags = RECORD_DISABLED;
    assert_int_equal(record_verdict(&record, 0), AUTH_DISABLED);
    assert_int_equal(record_verdict(&record, 1001), AUTH_DISABLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(every_truncation_is_refused_or_whole),
        cmocka_unit_test(flipped_bits_stay_inside),
        cmocka_unit_test(scram_items),
        cmocka_unit_test(names),
        cmocka_unit_test(digest_items),
        cmocka_unit_test(most_digests),
        cmocka_unit_test(other_items),
        cmocka_unit_test(unknown_items_may_be_skipped_from_0x80_on),
        cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(encoding_refuses_what_decoding_would),
        cmocka_unit_test(encoding_has_a_ceiling),
        cmocka_unit_test(verdicts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
