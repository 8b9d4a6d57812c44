/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "store/seal.h"
#include "store/store_meta.h"

static const char plaintext[] = "names and verifiers";
static const struct seal_header header = {.flags = 1, .created = 10, .changed = 20, .expires = 30};

static struct key make_key(uint32_t id, uint8_t seed)
{
    struct key key = {.id = id};

    memset(key.store_id, 0x11, sizeof key.store_id);
    memset(key.seal, seed, sizeof key.seal);
    memset(key.check, seed, sizeof key.check);
    return key;
}

static void put(const struct key *key, const char *place, struct buf *b)
{
    buf_init(b, 4096);
    assert_int_equal(seal_put(SEAL_RECORD, key, slice_str(place), &header, slice_str(plaintext), b),
                     AUTH_OK);
}

/* From an exact-size block; checks that nothing of the text is left after a refusal. */
static enum auth_status open_seal(enum seal_kind kind, const struct key *key, const char *place,
                                  struct slice value)
{
    static const uint8_t zeros[sizeof plaintext];
    struct seal_header got;
    uint8_t text[sizeof plaintext - 1] = {0};
    size_t n = 0;
    uint8_t *exact = malloc(value.n == 0 ? 1 : value.n);

    assert_non_null(exact);
    if (value.n > 0) {
        memcpy(exact, value.p, value.n);
    }
    enum auth_status status = seal_open(kind, key, slice_str(place), slice_of(exact, value.n), &got,
                                        text, sizeof text, &n);
    free(exact);
    if (status == AUTH_OK) {
        assert_int_equal(n, sizeof text);
        assert_memory_equal(text, plaintext, n);
        assert_int_equal(got.flags, 1);
        assert_int_equal(got.key_id, key->id);
        assert_int_equal(got.created, 10);
        assert_int_equal(got.changed, 20);
        assert_int_equal(got.expires, 30);
    } else {
        assert_memory_equal(text, zeros, sizeof text);
    }
    return status;
}

static void round_trip(void **state)
{
    struct key key = make_key(7, 1);
    struct buf b;

    (void)state;
    put(&key, "place", &b);
    assert_int_equal(b.n, sizeof plaintext - 1 + SEAL_OVERHEAD);
    assert_int_equal(open_seal(SEAL_RECORD, &key, "place", buf_slice(&b)), AUTH_OK);
    buf_release(&b);
}

static void every_bit_counts(void **state)
{
    struct key key = make_key(7, 1);
    struct buf b;

    (void)state;
    put(&key, "place", &b);
    for (size_t bit = 0; bit < 8 * b.n; bit++) {
        b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(open_seal(SEAL_RECORD, &key, "place", buf_slice(&b)), AUTH_OK);
        b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(open_seal(SEAL_RECORD, &key, "place", buf_slice(&b)), AUTH_OK);
    buf_release(&b);
}

static void every_length_counts(void **state)
{
    struct key key = make_key(7, 1);
    struct buf b;

    (void)state;
    put(&key, "place", &b);
    for (size_t n = 0; n < b.n; n++) {
        assert_int_equal(open_seal(SEAL_RECORD, &key, "place", slice_of(b.p, n)),
                         AUTH_STORE_DAMAGED);
    }
    buf_put_byte(&b, 0);
    assert_int_equal(open_seal(SEAL_RECORD, &key, "place", buf_slice(&b)), AUTH_STORE_DAMAGED);
    buf_release(&b);
}

static void place_kind_store_and_key_count(void **state)
{
    struct key key = make_key(7, 1);
    struct key other_key = make_key(7, 2);
    struct key other_store = key;
    struct key other_id = make_key(8, 1);
    struct buf b;

    (void)state;
    other_store.store_id[15] ^= 1;
    put(&key, "place", &b);
    assert_int_equal(open_seal(SEAL_RECORD, &key, "plac", buf_slice(&b)), AUTH_STORE_DAMAGED);
    assert_int_equal(open_seal(SEAL_RECORD, &key, "placf", buf_slice(&b)), AUTH_STORE_DAMAGED);
    assert_int_equal(open_seal(SEAL_RECORD, &key, "", buf_slice(&b)), AUTH_STORE_DAMAGED);
    assert_int_equal(open_seal(SEAL_META, &key, "place", buf_slice(&b)), AUTH_STORE_DAMAGED);
    assert_int_equal(open_seal(SEAL_RECORD, &other_key, "place", buf_slice(&b)),
                     AUTH_STORE_DAMAGED);
    assert_int_equal(open_seal(SEAL_RECORD, &other_store, "place", buf_slice(&b)),
                     AUTH_STORE_DAMAGED);
    assert_int_equal(open_seal(SEAL_RECORD, &other_id, "place", buf_slice(&b)), AUTH_KEY_WRONG);
    buf_release(&b);
}

static void versions(void **state)
{
    struct key key = make_key(7, 1);
    struct buf b;

    (void)state;
    put(&key, "place", &b);
    b.p[0] = 0;
    assert_int_equal(open_seal(SEAL_RECORD, &key, "place", buf_slice(&b)), AUTH_STORE_DAMAGED);
    b.p[0] = 2;
    assert_int_equal(open_seal(SEAL_RECORD, &key, "place", buf_slice(&b)), AUTH_STORE_FOREIGN);
    b.p[0] = 255;
    assert_int_equal(open_seal(SEAL_RECORD, &key, "place", buf_slice(&b)), AUTH_STORE_FOREIGN);
    buf_release(&b);
}

static void nonces_differ(void **state)
{
    struct key key = make_key(7, 1);
    struct buf a;
    struct buf b;

    (void)state;
    put(&key, "place", &a);
    put(&key, "place", &b);
    assert_memory_not_equal(a.p + SEAL_HEADER - CRYPTO_AEAD_NONCE,
                            b.p + SEAL_HEADER - CRYPTO_AEAD_NONCE, CRYPTO_AEAD_NONCE);
    assert_memory_not_equal(a.p + SEAL_HEADER, b.p + SEAL_HEADER, sizeof plaintext - 1);
    buf_release(&a);
    buf_release(&b);
}

static void what_cannot_be_sealed(void **state)
{
    static const struct seal_header bad[] = {{.created = -1}, {.changed = -1}, {.expires = -1}};
    char long_place[SEAL_MAX_PLACE + 1];
    struct key key = make_key(7, 1);
    struct buf b;

    (void)state;
    memset(long_place, 'x', sizeof long_place);
    buf_init(&b, 4096);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            seal_put(SEAL_RECORD, &key, slice_str("p"), &bad[i], slice_str(plaintext), &b),
            AUTH_MALFORMED);
    }
    assert_int_equal(seal_put(SEAL_RECORD, &key, slice_of(long_place, SEAL_MAX_PLACE + 1), &header,
                              slice_str(plaintext), &b),
                     AUTH_TOO_LONG);
    assert_int_equal(b.n, 0);
    assert_int_equal(seal_put(SEAL_RECORD, &key, slice_of(long_place, SEAL_MAX_PLACE), &header,
                              slice_str(plaintext), &b),
                     AUTH_OK);
    buf_release(&b);
    buf_init(&b, SEAL_OVERHEAD);
    assert_int_equal(seal_put(SEAL_RECORD, &key, slice_str("p"), &header, slice_str(plaintext), &b),
                     AUTH_TOO_LONG);
    buf_release(&b);
}

static void text_longer_than_the_room_is_refused(void **state)
{
    struct key key = make_key(7, 1);
    struct seal_header got;
    uint8_t text[sizeof plaintext];
    size_t n = 0;
    struct buf b;

    (void)state;
    put(&key, "place", &b);
    assert_int_equal(seal_open(SEAL_RECORD, &key, slice_str("place"), buf_slice(&b), &got, text,
                               sizeof plaintext - 2, &n),
                     AUTH_STORE_DAMAGED);
    buf_release(&b);
}

static struct store_meta make_meta(void)
{
    struct store_meta meta = {.table = 3, .seals = 5, .have_group = true, .group = 105};

    memset(meta.store_id, 0x11, sizeof meta.store_id);
    memset(meta.decoy_secret, 0x22, sizeof meta.decoy_secret);
    meta.policy.kinds = VERIFIER_DEFAULT;
    meta.policy.iterations = 4096;
    meta.policy.n_extra_realms = 1;
    memcpy(meta.policy.extra_realm[0], "Realm", 6);
    return meta;
}

static void meta_round_trip(void **state)
{
    struct key key = make_key(7, 1);
    struct store_meta meta = make_meta();
    struct store_meta back;
    struct record record = fixture_record("a", "b", 1);
    struct store_class class = meta_class_of(&record.verifiers);
    struct buf b;

    (void)state;
    meta_recount(&meta, NULL, &class);
    meta_recount(&meta, NULL, &class);
    buf_init(&b, META_MAX_VALUE);
    assert_int_equal(meta_put(&key, &meta, &b), AUTH_OK);
    assert_int_equal(meta.seals, 6);
    assert_int_equal(meta_open(&key, buf_slice(&b), &back), AUTH_OK);
    meta.format = META_FORMAT;
    assert_memory_equal(&back, &meta, sizeof meta);
    assert_int_equal(meta_accounts(&back), 2);
    for (size_t bit = 0; bit < 8 * b.n; bit++) {
        b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(meta_open(&key, buf_slice(&b), &back), AUTH_OK);
        b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t n = 0; n < b.n; n++) {
        uint8_t *exact = malloc(n == 0 ? 1 : n);

        assert_non_null(exact);
        memcpy(exact, b.p, n);
        assert_int_not_equal(meta_open(&key, slice_of(exact, n), &back), AUTH_OK);
        free(exact);
    }
    buf_release(&b);
}

static void meta_at_its_largest(void **state)
{
    struct key key = make_key(7, 1);
    struct store_meta meta = make_meta();
    struct store_meta back;
    struct buf b;

    (void)state;
    meta.policy.n_extra_realms = VERIFIER_MAX_EXTRA_REALMS;
    for (size_t i = 0; i < VERIFIER_MAX_EXTRA_REALMS; i++) {
        memset(meta.policy.extra_realm[i], 'r', IDENTITY_MAX_REALM);
    }
    for (uint32_t i = 0; i < META_MAX_CLASSES; i++) {
        struct store_class class = {.scram = {{4096 + i, 16}}};

        meta_recount(&meta, NULL, &class);
    }
    buf_init(&b, META_MAX_VALUE);
    assert_int_equal(meta_put(&key, &meta, &b), AUTH_OK);
    assert_int_equal(meta_open(&key, buf_slice(&b), &back), AUTH_OK);
    assert_int_equal(back.n_classes, META_MAX_CLASSES);
    buf_release(&b);
}

static void a_key_wears_out(void **state)
{
    struct key key = make_key(7, 1);
    struct store_meta meta = make_meta();
    struct buf b;

    (void)state;
    buf_init(&b, META_MAX_VALUE);
    meta.seals = META_MAX_SEALS - 1;
    assert_int_equal(meta_put(&key, &meta, &b), AUTH_OK);
    buf_clear(&b);
    assert_int_equal(meta_put(&key, &meta, &b), AUTH_STORE_FULL);
    buf_release(&b);
}

static void classes_keep_the_sum(void **state)
{
    struct store_meta meta = make_meta();
    struct store_class classes[META_MAX_CLASSES + 4];
    unsigned n = 0;

    (void)state;
    for (uint32_t i = 0; i < META_MAX_CLASSES + 4; i++) {
        classes[i] = (struct store_class){.scram = {{4096 + 7 * i % 13, (uint8_t)(1 + i)}}};
        for (uint32_t j = 0; j <= i % 3; j++) {
            meta_recount(&meta, NULL, &classes[i]);
            n++;
            assert_int_equal(meta_accounts(&meta), n);
        }
    }
    assert_int_equal(meta.n_classes, META_MAX_CLASSES);
    meta_recount(&meta, &classes[0], &classes[1]);
    assert_int_equal(meta_accounts(&meta), n);
    /* Taken away in another order than they came, the last one out leaves nothing. */
    for (uint32_t i = 0; n > 0; i++) {
        meta_recount(&meta, &classes[(META_MAX_CLASSES + 3 + 7 * i) % (META_MAX_CLASSES + 4)],
                     NULL);
        n--;
        assert_int_equal(meta_accounts(&meta), n);
    }
    assert_int_equal(meta.n_classes, 0);
    meta_recount(&meta, &classes[0], NULL);
    assert_int_equal(meta_accounts(&meta), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(every_length_counts),
        cmocka_unit_test(place_kind_store_and_key_count),
        cmocka_unit_test(versions),
        cmocka_unit_test(nonces_differ),
        cmocka_unit_test(what_cannot_be_sealed),
        cmocka_unit_test(text_longer_than_the_room_is_refused),
        cmocka_unit_test(meta_round_trip),
        cmocka_unit_test(meta_at_its_largest),
        cmocka_unit_test(a_key_wears_out),
        cmocka_unit_test(classes_keep_the_sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
