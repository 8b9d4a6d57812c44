/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/digest_md5_hash.h"
#include "engine/digest_md5_msg.h"
#include "exchange.h"
#include "fake_host.h"

#define FILE_NAME "digest_md5.txt"
#define QOP_FILE "digest_md5_qop.txt" /* the same with security layers */
#define MECHANISM "DIGEST-MD5"

enum { REQUIRED_ONLY = 8, EMPTY_AUTHZID = 48, LATIN1 = 53 }; /* cases of the file */
enum { STOCK_INT = 1, STOCK_CONF = 2, NO_MAXBUF = 11 };      /* of QOP_FILE */

static void vectors(void **state)
{
    (void)state;
    exchange_run_vectors(FILE_NAME);
    exchange_run_vectors(QOP_FILE);
}

static void damaged_messages(void **state)
{
    (void)state;
    exchange_run_damage(FILE_NAME, REQUIRED_ONLY);
    /* Without maxbuf, which no digest covers. */
    exchange_run_damage(QOP_FILE, NO_MAXBUF);
}

static void outages_of_the_host(void **state)
{
    (void)state;
    exchange_run_outages(FILE_NAME, 1);
}

static void accounts_that_may_not_log_in(void **state)
{
    (void)state;
    exchange_run_doomed(FILE_NAME, REQUIRED_ONLY);
    exchange_run_doomed(QOP_FILE, STOCK_INT);
}

static void allocations_that_fail(void **state)
{
    (void)state;
    exchange_run_allocations(FILE_NAME, 1);
    exchange_run_allocations(FILE_NAME, EMPTY_AUTHZID);
    exchange_run_allocations(FILE_NAME, LATIN1);
    exchange_run_allocations(QOP_FILE, STOCK_CONF);
}

static void own_challenge(void **state)
{
    struct exchange_scene h;

    (void)state;
    exchange_scene_open(&h, MECHANISM, FILE_NAME, REQUIRED_ONLY);
    assert_int_equal(exchange_step(&h.ex, slice_of(NULL, 0)), AUTH_CONTINUE);
    assert_string_equal(buf_text(&h.ex.out),
                        "realm=\"example.org\",nonce=\"AAECAwQFBgcICQoLDA0ODxAR\",qop=\"auth\","
                        "algorithm=md5-sess,charset=utf-8");
    assert_int_equal(h.fake.next_random, 18);
    exchange_scene_close(&h);
}

static void no_realm_to_offer(void **state)
{
    struct exchange_scene h;

    (void)state;
    exchange_scene_open(&h, MECHANISM, FILE_NAME, REQUIRED_ONLY);
    h.fake.host.realm = "";
    assert_int_equal(exchange_step(&h.ex, slice_of(NULL, 0)), AUTH_CONTINUE);
    assert_string_equal(
        buf_text(&h.ex.out),
        "nonce=\"AAECAwQFBgcICQoLDA0ODxAR\",qop=\"auth\",algorithm=md5-sess,charset=utf-8");
    exchange_scene_close(&h);
}

/* "The size of a digest-challenge MUST be less than 2048 bytes" (RFC 2831 2.1.1). */
static void challenge_of_2048_bytes(void **state)
{
    unsigned refused = 0;
    char realm[2049];

    (void)state;
    for (size_t n = 1940; n < 2048; n++) {
        struct exchange_scene h;
        memset(realm, 'r', n);
        realm[n] = '\0';
        exchange_scene_open(&h, MECHANISM, FILE_NAME, REQUIRED_ONLY);
        h.fake.host.realm = realm;
        enum auth_status status = exchange_step(&h.ex, slice_of(NULL, 0));
        assert_int_equal(status, h.ex.out.n < 2048 ? AUTH_CONTINUE : AUTH_TOO_LONG);
        refused += status == AUTH_TOO_LONG;
        exchange_scene_close(&h);
    }
    assert_in_range(refused, 1, 107);
}

#define RESPONSE                                                                                   \
    "username=\"alice\",nonce=\"AAECAwQFBgcICQoLDA0ODxAR\",cnonce=\"x\",nc=00000001,"              \
    "digest-uri=\"smtp/h\",response="

enum { NOWHERE = VERIFIER_DIGEST_ENCODINGS };

extern __typeof__(digest_md5_proof) __real_digest_md5_proof, __wrap_digest_md5_proof;

static unsigned proofs;

enum auth_status __wrap_digest_md5_proof(const uint8_t session_key[DIGEST_MD5_SIZE],
                                         const struct digest_md5_response *fields,
                                         const struct digest_md5_a2 *a2,
                                         uint8_t ret[DIGEST_MD5_SIZE])
{
    proofs++;
    return __real_digest_md5_proof(session_key, fields, a2, ret);
}

/* The client's digest in one of the places, or NOWHERE. */
static enum auth_status secret_in_a_place(void *ctx, const struct mech_identity *who,
                                          const struct mech_want *want, struct mech_secret *ret)
{
    const struct exchange_scene *h = ctx;

    (void)who;
    (void)want;
    ret->verdict = AUTH_OK;
    memset(ret->digest, 0x5a, sizeof ret->digest);
    if (h->broken != NOWHERE) {
        memset(ret->digest[h->broken], 7, sizeof ret->digest[0]);
    }
    return AUTH_OK;
}

/* The response of one who knows the digest of sevens. */
static void put_response(struct buf *ret)
{
    uint8_t ha1[DIGEST_MD5_SIZE];
    uint8_t proof[DIGEST_MD5_SIZE];
    struct digest_md5_a2 a2;
    struct digest_md5_response r;
    struct buf scratch;
    const char *detail;

    memset(ha1, 7, sizeof ha1);
    buf_init(&scratch, DIGEST_MD5_MAX_RESPONSE);
    assert_int_equal(
        digest_md5_parse_response(slice_str(RESPONSE "00000000000000000000000000000000"), &scratch,
                                  &r, &detail),
        AUTH_OK);
    assert_int_equal(digest_md5_session_key(ha1, &r, NULL, ha1), AUTH_OK);
    assert_int_equal(digest_md5_hash_a2(&r, false, &a2), AUTH_OK);
    assert_int_equal(__real_digest_md5_proof(ha1, &r, &a2, proof), AUTH_OK);
    buf_release(&scratch);
    buf_put_str(ret, RESPONSE);
    buf_put_hex(ret, proof, sizeof proof);
    assert_int_equal(buf_status(ret), AUTH_OK);
}

/* Every encoding may be the client's, and all are tried whichever it is: the same work. */
static void every_digest_is_tried(void **state)
{
    struct buf response;

    (void)state;
    buf_init(&response, DIGEST_MD5_MAX_RESPONSE);
    put_response(&response);
    for (unsigned place = 0; place <= NOWHERE; place++) {
        struct exchange_scene h;
        exchange_scene_open(&h, MECHANISM, FILE_NAME, REQUIRED_ONLY);
        h.broken = place;
        h.fake.host.find_secret = secret_in_a_place;
        assert_int_equal(exchange_step(&h.ex, slice_of(NULL, 0)), AUTH_CONTINUE);
        proofs = 0;
        assert_int_equal(exchange_step(&h.ex, buf_slice(&response)),
                         place == NOWHERE ? AUTH_WRONG_PASSWORD : AUTH_OK);
        /* And the server's own answer. */
        assert_int_equal(proofs, VERIFIER_DIGEST_ENCODINGS + (place != NOWHERE));
        exchange_scene_close(&h);
    }
    buf_release(&response);
}

static enum auth_status parse(const char *text, struct digest_md5_response *ret,
                              struct buf *scratch)
{
    const char *detail;

    buf_init(scratch, DIGEST_MD5_MAX_RESPONSE);
    return digest_md5_parse_response(slice_str(text), scratch, ret, &detail);
}

#define REST                                                                                       \
    "nonce=\"n\",cnonce=\"c\",nc=00000001,digest-uri=\"smtp/h/s\","                                \
    "response=0123456789abcdef0123456789abcdef"

static void parsed_values(void **state)
{
    struct digest_md5_response r;
    struct digest_md5_uri uri;
    struct buf scratch;

    (void)state;
    assert_int_equal(
        parse("username=\"a\\\"b\\\\c\",realm=\"\",authzid=\"x\\yz\"," REST, &r, &scratch),
        AUTH_OK);
    assert_true(slice_equal_str(r.username, "a\"b\\c"));
    assert_true(slice_equal_str(r.authzid, "xyz"));
    assert_true(r.realm.p != NULL && r.realm.n == 0);
    assert_null(r.qop.p);
    assert_null(r.charset.p);
    assert_null(r.maxbuf.p);
    assert_true(digest_md5_parse_uri(r.digest_uri, &uri));
    assert_true(slice_equal_str(uri.service, "smtp"));
    assert_true(slice_equal_str(uri.host, "h"));
    assert_true(slice_equal_str(uri.name, "s"));
    buf_release(&scratch);
}

/* What is written with escapes is read back. */
static void quoted_values(void **state)
{
    static const char *const values[] = {"", "plain", "\"", "\\", "\\\"", "a\"b\\c\"", "\\\\\"\""};
    struct digest_md5_response r;
    struct buf scratch;
    struct buf text;

    (void)state;
    buf_init(&text, 4096);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        buf_clear(&text);
        digest_md5_put_quoted(&text, "realm", slice_str(values[i]));
        buf_put_str(&text, ",username=\"u\"," REST);
        assert_int_equal(buf_status(&text), AUTH_OK);
        assert_int_equal(parse(buf_text(&text), &r, &scratch), AUTH_OK);
        assert_true(slice_equal_str(r.realm, values[i]));
        buf_release(&scratch);
    }
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(damaged_messages),
        cmocka_unit_test(outages_of_the_host),
        cmocka_unit_test(accounts_that_may_not_log_in),
        cmocka_unit_test(allocations_that_fail),
        cmocka_unit_test(own_challenge),
        cmocka_unit_test(no_realm_to_offer),
        cmocka_unit_test(challenge_of_2048_bytes),
        cmocka_unit_test(every_digest_is_tried),
        cmocka_unit_test(parsed_values),
        cmocka_unit_test(quoted_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
