/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "engine/verifier.h"
#include "fake_host.h"
#include "stanza.h"

static const struct identity alice = {.user = "alice", .realm = "example.org"};

static struct verifier_policy policy_of(unsigned kinds)
{
    return (struct verifier_policy){.kinds = kinds, .iterations = 1};
}

static bool is_zero(const void *p, size_t n)
{
    const uint8_t *bytes = p;

    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static enum crypto_hash hash_of(struct slice mechanism)
{
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if (slice_equal_str(mechanism, verifier_scram_name(verifier_scram_hash(i)))) {
            return verifier_scram_hash(i);
        }
    }
    fail_msg("no such mechanism");
    return CRYPTO_SHA1;
}

/* Each of the functions below runs the cases of one `function`; out is compared with `output`. */
struct run {
    const struct stanza_file *file;
    const struct stanza *s;
    struct buf out;
};

static struct slice value(const struct run *r, const char *key)
{
    return stanza_value(r->file, r->s, key);
}

static enum auth_status run_scram(struct run *r)
{
    struct scram_verifier made = {.iterations = 0};
    struct scram_verifier read = {.iterations = 0};
    struct buf prepared;
    struct buf text;

    buf_init(&prepared, IDENTITY_MAX_PASSWORD);
    buf_init(&text, 1024);
    enum auth_status status =
        identity_prepare_password(value(r, "password"), IDENTITY_STORED, &prepared);
    if (status == AUTH_OK) {
        status = verifier_make_scram(hash_of(value(r, "mechanism")), buf_slice(&prepared),
                                     value(r, "salt"),
                                     stanza_number(r->file, r->s, "iterations", 0), &made);
    }
    verifier_put_rfc5803(&text, &made);
    if (status == AUTH_OK && !slice_equal(buf_slice(&text), value(r, "text"))) {
        fprintf(stderr, "text: %s\n", buf_text(&text));
        status = AUTH_INTERNAL;
    }
    if (status == AUTH_OK) {
        status = verifier_take_rfc5803(buf_slice(&text), &read);
    }
    if (status == AUTH_OK) {
        buf_clear(&text);
        verifier_put_rfc5803(&text, &read);
        status = slice_equal(buf_slice(&text), value(r, "text")) ? AUTH_OK : AUTH_INTERNAL;
    }
    if (status == AUTH_OK) {
        status = verifier_check_scram(&read, value(r, "password"));
    }
    buf_release(&prepared);
    buf_release(&text);
    return status;
}

static enum auth_status run_check(struct run *r)
{
    struct scram_verifier verifier;

    assert_int_equal(verifier_take_rfc5803(value(r, "text"), &verifier), AUTH_OK);
    return verifier_check_scram(&verifier, value(r, "password"));
}

static enum auth_status run_parse(struct run *r)
{
    struct scram_verifier verifier;
    struct scram_verifier before;

    memset(&verifier, 0x5a, sizeof verifier);
    before = verifier;
    enum auth_status status = verifier_take_rfc5803(value(r, "text"), &verifier);
    if (status != AUTH_OK) {
        assert_memory_equal(&verifier, &before, sizeof before);
        return status;
    }
    verifier_put_rfc5803(&r->out, &verifier);
    return slice_equal(buf_slice(&r->out), value(r, "canonical")) ? AUTH_OK : AUTH_INTERNAL;
}

static enum auth_status run_cram(struct run *r)
{
    uint8_t cram[CRYPTO_HMAC_MD5_STATE];

    enum auth_status status = crypto_hmac_md5_precompute(value(r, "password"), cram);
    buf_put(&r->out, cram, sizeof cram);
    return status;
}

static enum auth_status run_ha1(struct run *r)
{
    uint8_t ha1[16];

    enum auth_status status =
        verifier_digest_ha1(value(r, "username"), value(r, "realm"), value(r, "password"), ha1);
    buf_put(&r->out, ha1, sizeof ha1);
    return status;
}

static enum auth_status run_crypt(struct run *r)
{
    char *hash = stanza_text(r->file, r->s, "hash");

    enum auth_status status = verifier_check_crypt(hash, value(r, "password"));
    free(hash);
    return status;
}

static enum auth_status run_make(struct run *r)
{
    const struct verifier_policy policy = policy_of(VERIFIER_DEFAULT);
    struct verifier_set set;

    memset(&set, 0x5a, sizeof set);
    enum auth_status status = verifier_make(&alice, value(r, "password"), &policy, &set);
    assert_true(is_zero(&set, sizeof set) == (status != AUTH_OK));
    return status;
}

static enum auth_status run_match(struct run *r)
{
    uint8_t ha1[VERIFIER_DIGEST_ENCODINGS][16] = {{0}};
    bool match = true;

    enum auth_status status = verifier_match_digests(value(r, "text"), value(r, "username"),
                                                     value(r, "realm"), ha1, &match);
    for (unsigned i = 0; i < VERIFIER_DIGEST_ENCODINGS; i++) {
        assert_true(is_zero(ha1[i], sizeof ha1[i]) == !match);
    }
    if (status != AUTH_OK) {
        assert_false(match);
        return status;
    }
    return match ? AUTH_OK : AUTH_WRONG_PASSWORD;
}

static const struct {
    const char *name;
    enum auth_status (*run)(struct run *r);
} functions[] = {
    {"scram", run_scram}, {"check", run_check}, {"parse", run_parse}, {"cram", run_cram},
    {"ha1", run_ha1},     {"crypt", run_crypt}, {"make", run_make},   {"match", run_match},
};

static bool run_case(const struct stanza_file *file, const struct stanza *s)
{
    const struct stanza_field *status = stanza_find(file, s, "status");
    const struct stanza_field *output = stanza_find(file, s, "output");
    struct run r = {.file = file, .s = s};
    enum auth_status expected = AUTH_OK;
    bool ok = true;
    size_t i = 0;

    if (!stanza_is_valid(s)) {
        expected = status != NULL ? fake_host_status(status->value) : AUTH_WRONG_PASSWORD;
    }
    buf_init(&r.out, 1024);
    while (!slice_equal_str(value(&r, "function"), functions[i].name)) {
        i++;
        assert_true(i < sizeof functions / sizeof functions[0]);
    }
    enum auth_status got = functions[i].run(&r);
    if (got != expected) {
        fprintf(stderr, "status: %s\n", auth_status_text(got));
        ok = stanza_complain(file, s, "another status");
    } else if (output != NULL && !slice_equal(buf_slice(&r.out), output->value)) {
        ok = stanza_complain(file, s, "another output");
    }
    buf_release(&r.out);
    return ok;
}

static void vectors(void **state)
{
    struct stanza_file *file = stanza_read(VECTORS, "verifier.txt");
    size_t valid = 0;
    size_t failed = 0;

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < file->n; i++) {
        valid += stanza_is_valid(&file->cases[i]);
        failed += !run_case(file, &file->cases[i]);
    }
    printf("verifier.txt: %zu valid, %zu invalid\n", valid, file->n - valid);
    assert_int_equal(failed, 0);
    assert_true(file->n - valid > valid);
    stanza_free(file);
}

static void slots_and_names(void **state)
{
    static const char *const names[] = {"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};

    (void)state;
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        assert_int_equal(verifier_scram_slot(verifier_scram_hash(i)), i);
        assert_string_equal(verifier_scram_name(verifier_scram_hash(i)), names[i]);
    }
}

/* Each kind alone, and all together; what is made can be told, and dropped. */
static void kinds(void **state)
{
    static const unsigned each[] = {VERIFIER_SCRAM_SHA_1,   VERIFIER_SCRAM_SHA_256,
                                    VERIFIER_SCRAM_SHA_512, VERIFIER_CRAM_MD5,
                                    VERIFIER_DIGEST_MD5,    VERIFIER_CHECKPASS_MD5};
    struct verifier_set set;

    (void)state;
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        struct verifier_policy policy = policy_of(each[i]);
        assert_int_equal(verifier_make(&alice, slice_str("secret"), &policy, &set), AUTH_OK);
        assert_int_equal(verifier_kinds(&set), each[i]);
        verifier_drop(&set, VERIFIER_DEFAULT & ~each[i]);
        assert_int_equal(verifier_kinds(&set), each[i]);
        verifier_drop(&set, each[i]);
        assert_true(is_zero(&set, sizeof set));
        policy.kinds = VERIFIER_DEFAULT;
        assert_int_equal(verifier_make(&alice, slice_str("secret"), &policy, &set), AUTH_OK);
        assert_int_equal(verifier_kinds(&set), VERIFIER_DEFAULT);
        verifier_drop(&set, each[i]);
        assert_int_equal(verifier_kinds(&set), VERIFIER_DEFAULT & ~each[i]);
    }
    set.crypt[0] = '*';
    verifier_drop(&set, VERIFIER_SCRAM | VERIFIER_LEGACY);
    assert_int_equal(verifier_kinds(&set), VERIFIER_CRYPT);
    verifier_drop(&set, VERIFIER_CRYPT);
    assert_true(is_zero(&set, sizeof set));
}

static void verifier_of_a_password(void **state)
{
    const struct verifier_policy policy = policy_of(VERIFIER_SCRAM);
    struct verifier_set set;

    (void)state;
    assert_int_equal(verifier_make(&alice, slice_str("secret"), &policy, &set), AUTH_OK);
    assert_ptr_equal(verifier_for_password(&set), &set.scram[1]);
    verifier_drop(&set, VERIFIER_SCRAM_SHA_256);
    assert_ptr_equal(verifier_for_password(&set), &set.scram[2]);
    verifier_drop(&set, VERIFIER_SCRAM_SHA_512);
    assert_ptr_equal(verifier_for_password(&set), &set.scram[0]);
    assert_int_equal(verifier_check_scram(&set.scram[0], slice_str("secret")), AUTH_OK);
    verifier_drop(&set, VERIFIER_SCRAM);
    assert_null(verifier_for_password(&set));
    assert_int_equal(verifier_check_scram(&set.scram[0], slice_str("secret")), AUTH_NO_VERIFIER);
}

static void salts_are_fresh(void **state)
{
    const struct verifier_policy policy = policy_of(VERIFIER_SCRAM | VERIFIER_CHECKPASS_MD5);
    struct verifier_set one;
    struct verifier_set two;

    (void)state;
    assert_int_equal(verifier_make(&alice, slice_str("secret"), &policy, &one), AUTH_OK);
    assert_int_equal(verifier_make(&alice, slice_str("secret"), &policy, &two), AUTH_OK);
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        assert_int_equal(one.scram[i].salt_len, VERIFIER_NEW_SALT);
        assert_memory_not_equal(one.scram[i].salt, two.scram[i].salt, VERIFIER_NEW_SALT);
        assert_memory_not_equal(one.scram[i].salt, one.scram[(i + 1) % 3].salt, VERIFIER_NEW_SALT);
    }
    assert_memory_not_equal(one.checkpass, two.checkpass, 16);
}

/* salt(16) NUL MD5(salt "sasldb" password) */
static void checkpass(void **state)
{
    const struct verifier_policy policy = policy_of(VERIFIER_CHECKPASS_MD5);
    struct verifier_set set;
    uint8_t digest[16];

    (void)state;
    assert_int_equal(verifier_make(&alice, slice_str("secret"), &policy, &set), AUTH_OK);
    const struct slice parts[] = {slice_of(set.checkpass, 16), slice_str("sasldbsecret")};
    assert_int_equal(crypto_digest(CRYPTO_MD5, parts, 2, digest), AUTH_OK);
    assert_int_equal(set.checkpass[16], 0);
    assert_memory_equal(set.checkpass + 17, digest, sizeof digest);
    assert_int_equal(verifier_check_checkpass(set.checkpass, slice_str("secret")), AUTH_OK);
    assert_int_equal(verifier_check_checkpass(set.checkpass, slice_str("secre")),
                     AUTH_WRONG_PASSWORD);
    assert_int_equal(verifier_check_checkpass(set.checkpass, slice_str("")), AUTH_WRONG_PASSWORD);
    for (size_t i = 0; i < sizeof set.checkpass; i++) {
        set.checkpass[i] ^= 1;
        assert_int_equal(verifier_check_checkpass(set.checkpass, slice_str("secret")),
                         AUTH_WRONG_PASSWORD);
        set.checkpass[i] ^= 1;
    }
}

static void limits_of_scram(void **state)
{
    const uint8_t salt[VERIFIER_MAX_SALT + 1] = {0};
    struct scram_verifier v;
    const struct slice pw = slice_str("x");

    (void)state;
    assert_int_equal(verifier_make_scram(CRYPTO_SHA1, pw, slice_of(salt, 0), 1, &v), AUTH_INTERNAL);
    assert_int_equal(verifier_make_scram(CRYPTO_SHA1, pw, slice_of(salt, sizeof salt), 1, &v),
                     AUTH_INTERNAL);
    assert_int_equal(verifier_make_scram(CRYPTO_SHA1, pw, slice_of(salt, 16), 0, &v),
                     AUTH_INTERNAL);
    assert_int_equal(
        verifier_make_scram(CRYPTO_SHA1, pw, slice_of(salt, 16), VERIFIER_MAX_ITERATIONS + 1, &v),
        AUTH_INTERNAL);
    assert_int_equal(verifier_make_scram(CRYPTO_SHA1, pw, slice_of(salt, 16), 1, &v), AUTH_OK);
}

static int64_t cpu_time_of_check(const struct scram_verifier *verifier, struct slice password)
{
    int64_t least = INT64_MAX;
    struct timespec a;
    struct timespec b;

    for (int i = 0; i < 5; i++) {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        assert_int_equal(verifier_check_scram(verifier, password), AUTH_WRONG_PASSWORD);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        int64_t ns = (b.tv_sec - a.tv_sec) * 1000000000 + (b.tv_nsec - a.tv_nsec);
        least = ns < least ? ns : least;
    }
    return least;
}

/* A password that SASLprep refuses must not be told by its speed. */
static void refused_password_costs_as_much(void **state)
{
    struct scram_verifier v;

    (void)state;
    assert_int_equal(verifier_make_scram(CRYPTO_SHA256, slice_str("secret"),
                                         slice_str("0123456789abcdef"), 20000, &v),
                     AUTH_OK);
    const int64_t wrong = cpu_time_of_check(&v, slice_str("wrong"));
    assert_true(cpu_time_of_check(&v, slice_str("wrong\a")) > wrong / 2);
    assert_true(cpu_time_of_check(&v, slice_str("wrong\xff")) > wrong / 2);
    assert_true(cpu_time_of_check(&v, slice_of("", 0)) > wrong / 2);
}

/* One function under failing allocations: each fails once, and it says so or does without. */
static void fail_each(enum auth_status (*function)(void))
{
    for (long at = 0;; at++) {
        alloc_fail_arm(at, false);
        alloc_fail_count(true);
        enum auth_status status = function();
        alloc_fail_count(false);
        if (alloc_fail_disarm() == 0) {
            assert_int_equal(status, AUTH_OK);
            assert_true(at > 0);
            return;
        }
        assert_int_equal(status, AUTH_NO_MEMORY);
    }
}

static enum auth_status make_everything(void)
{
    static const struct identity jose = {.user = "jos\xc3\xa9", .realm = "m\xc3\xbcnchen"};
    const struct verifier_policy policy = policy_of(VERIFIER_DEFAULT);
    struct verifier_set set;

    enum auth_status status = verifier_make(&jose, slice_str("p\xc3\xa4ss"), &policy, &set);
    assert_true(is_zero(&set, sizeof set) == (status != AUTH_OK));
    return status;
}

static enum auth_status check_both(void)
{
    struct scram_verifier v;

    enum auth_status status =
        verifier_make_scram(CRYPTO_SHA1, slice_str("p\xc3\xa4ss"), slice_str("salt"), 1, &v);
    if (status == AUTH_OK) {
        status = verifier_check_scram(&v, slice_str("p\xc3\xa4ss"));
    }
    return status == AUTH_OK ? verifier_check_crypt("abNANd1rDfiNc", slice_str("secret")) : status;
}

static enum auth_status put_and_match(void)
{
    static const struct identity jose = {.user = "jos\xc3\xa9", .realm = "example.org"};
    const struct verifier_set set = {.n_digest = 1, .digest = {{.full_name = true}}};
    struct buf text;
    uint8_t ha1[VERIFIER_DIGEST_ENCODINGS][16];
    bool match;

    buf_init(&text, 2048);
    (void)verifier_put_digests(&text, &set, 0, &jose);
    enum auth_status status = buf_status(&text);
    if (status == AUTH_OK) {
        status = verifier_match_digests(buf_slice(&text), slice_str("jos\xe9@example.org"),
                                        slice_str("example.org"), ha1, &match);
    }
    buf_release(&text);
    return status;
}

static void no_memory(void **state)
{
    (void)state;
    fail_each(make_everything);
    fail_each(check_both);
    fail_each(put_and_match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),         cmocka_unit_test(slots_and_names),
        cmocka_unit_test(kinds),           cmocka_unit_test(verifier_of_a_password),
        cmocka_unit_test(salts_are_fresh), cmocka_unit_test(checkpass),
        cmocka_unit_test(limits_of_scram), cmocka_unit_test(refused_password_costs_as_much),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
