/* SPDX-License-Identifier: BSD-2-Clause */
/* What a probe shows of a server's words: nothing of the password, nor of what is made from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "probe_mask.h"

static const char password[] = "correct horse";

static bool finds(const struct probe_mask *mask, const char *text)
{
    return probe_mask_finds(mask, slice_str(text));
}

static bool finds_in_base64(const struct probe_mask *mask, const char *before, const char *text)
{
    char joined[256];
    struct buf coded;
    int n = snprintf(joined, sizeof joined, "%s%s", before, text);

    buf_init(&coded, sizeof joined * 2);
    crypto_base64_put(&coded, slice_of(joined, (size_t)n));
    bool found = probe_mask_finds(mask, buf_slice(&coded));
    buf_release(&coded);
    return found;
}

static bool add(struct probe_mask *mask, const char *message, size_t n)
{
    bool secret = false;

    assert_int_equal(probe_mask_add(mask, slice_of(message, n), &secret), AUTH_OK);
    return secret;
}

static struct probe_mask mask_of(const char *text)
{
    struct probe_mask mask;

    assert_int_equal(probe_mask_init(&mask, slice_str(text)), AUTH_OK);
    return mask;
}

static void a_password_in_every_form(void **state)
{
    struct probe_mask mask = mask_of(password);

    (void)state;
    assert_true(finds(&mask, "535 correct horse is wrong"));
    assert_true(finds(&mask, "500 CORRECT HORSE?"));
    assert_true(finds(&mask, "500 unknown command: correct h")); /* cut off at the end */
    assert_true(finds(&mask, "500 rect horse"));                 /* and in front */
    assert_true(finds(&mask, "500 636f727265637420686f727365")); /* in hexadecimal */
    assert_true(finds(&mask, "500 x2F636F72726563742068"));
    assert_true(finds_in_base64(&mask, "", password));
    assert_true(finds_in_base64(&mask, "x", password));
    assert_true(finds_in_base64(&mask, "xy", password));
    assert_true(finds(&mask, "500 AGFSAWNLAGNVCNJLY3QGAG9YC2U=")); /* PLAIN's, in upper case */
    assert_false(finds(&mask, "535 5.7.8 Error: authentication failed: authentication failure"));
    assert_false(finds(&mask, "235 2.7.0 correct"));
    assert_false(finds(&mask, ""));
    probe_mask_release(&mask);
}

static void short_passwords(void **state)
{
    struct probe_mask mask = mask_of("pass");

    (void)state;
    assert_true(finds(&mask, "535 bad pass"));
    assert_true(finds(&mask, "535 PASSword"));
    assert_true(finds(&mask, "535 cGFzcw=="));
    assert_false(finds(&mask, "535 pas s"));
    probe_mask_release(&mask);

    /* Three letters are everywhere: as a word they count, and as they were sent. */
    mask = mask_of("for");
    assert_true(finds(&mask, "535 not \"for\" alice"));
    assert_false(finds(&mask, "535 no form"));
    assert_false(finds(&mask, "535 FOR"));
    assert_false(finds(&mask, "500 AGFsaWNlAGZvcg=="));
    assert_true(add(&mask, "\0alice\0for", 10));
    assert_true(finds(&mask, "500 AGFsaWNlAGZvcg=="));
    probe_mask_release(&mask);
}

/* What is sent is the prepared password: here U+00AA becomes "a". */
static void what_saslprep_makes_of_it(void **state)
{
    struct probe_mask mask = mask_of("correct horse st\xc2\xaaple");

    (void)state;
    assert_true(finds(&mask, "535 ...e staple"));
    assert_true(finds(&mask, "535 st\xc2\xaaple"));
    probe_mask_release(&mask);
}

static void responses_and_proofs(void **state)
{
    static const struct {
        const char *message;
        const char *proof; /* NULL: no secret in it */
    } cases[] = {
        {"alice", NULL},
        {"n,,n=alice,r=fyko+d2lbbFgONRv9qkxdawL", NULL},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
         "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="},
        {"alice b913a602c7eda7a495b4e6e7334d3890", "b913a602c7eda7a495b4e6e7334d3890"},
        {"username=\"alice\",realm=\"mail.example.org\",nonce=\"OA6MG9tEQGm2hhabcdefghij\","
         "cnonce=\"OA6MHXh6VqTrRk\",nc=00000001,qop=auth,digest-uri=\"smtp/mail.example.org\","
         "response=d388dad90d4bbd760a152321f2143af7,charset=utf-8",
         "d388dad90d4bbd760a152321f2143af7"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct probe_mask mask = mask_of(password);
        const char *message = cases[i].message;

        assert_int_equal(add(&mask, message, strlen(message)), cases[i].proof != NULL);
        assert_int_equal(finds(&mask, message), cases[i].proof != NULL);
        assert_int_equal(finds_in_base64(&mask, "", message), cases[i].proof != NULL);
        if (cases[i].proof != NULL) {
            assert_true(finds(&mask, cases[i].proof));
            assert_true(finds_in_base64(&mask, "y", cases[i].proof));
            assert_true(finds_in_base64(&mask, "the ", cases[i].proof));
        }
        /* What the server says rightly in a challenge. */
        assert_false(finds_in_base64(&mask, "",
                                     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
                                     "s=QSXCR+Q6sek8bf92,i=4096"));
        assert_false(finds_in_base64(&mask, "",
                                     "realm=\"mail.example.org\",nonce="
                                     "\"OA6MG9tEQGm2hhabcdefghij\",qop=\"auth\""));
        assert_false(finds(&mask, "235 2.7.0 alice at mail.example.org: smtp/mail.example.org"));
        probe_mask_release(&mask);
    }
}

static void without_a_password(void **state)
{
    struct probe_mask mask = mask_of("");

    (void)state;
    assert_false(finds(&mask, "535 no"));
    assert_false(add(&mask, "", 0));
    assert_false(finds(&mask, "535 no"));
    probe_mask_release(&mask);
}

static void many_messages(void **state)
{
    struct probe_mask mask = mask_of(password);
    char message[64];

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        int n = snprintf(message, sizeof message, "alice %032u", i * 7919);

        assert_true(add(&mask, message, (size_t)n));
        assert_true(finds(&mask, message));
    }
    assert_true(finds(&mask, "00000000000007919"));
    assert_true(finds(&mask, password));
    assert_false(finds(&mask, "535 5.7.8 Error: authentication failed"));
    probe_mask_release(&mask);
}

static void stars_for_what_may_be_a_proof(void **state)
{
    static const struct {
        const char *text;
        const char *shown;
    } cases[] = {
        {"", ""},
        {"2.7.0 Authentication successful", "2.7.0 Authentication successful"},
        {"dj1ybUY5cHFWOFM3c3VBb1pXamE0ZEpSa0ZzS1E9", "********"},
        {"v=rmF9pqV8S7suAoZWja4dJRkFsKQ= ok", "v=********= ok"},
        {"ok (rspauth=ea40f60335c427b5527b84dbabcdfffd)", "ok (rspauth=********)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf shown;

        buf_init(&shown, 256);
        probe_mask_put(&shown, slice_str(cases[i].text));
        assert_string_equal(buf_text(&shown), cases[i].shown);
        buf_release(&shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_in_every_form),
        cmocka_unit_test(short_passwords),
        cmocka_unit_test(what_saslprep_makes_of_it),
        cmocka_unit_test(responses_and_proofs),
        cmocka_unit_test(without_a_password),
        cmocka_unit_test(many_messages),
        cmocka_unit_test(stars_for_what_may_be_a_proof),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
