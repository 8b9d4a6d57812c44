/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "engine/identity.h"
#include "fake_host.h"
#include "stanza.h"

enum { MAX_NAME = IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM, LOG_ROOM = 512 };

/* Runs one case. *ret_status is what the function said; `out` what it wrote. */
static enum auth_status run(const struct stanza_file *file, const struct stanza *s, struct buf *out,
                            struct identity *ret_who)
{
    const struct slice function = stanza_value(file, s, "function");
    const struct slice input = stanza_value(file, s, "input");
    const enum identity_use use =
        slice_equal_str(stanza_value(file, s, "use"), "stored") ? IDENTITY_STORED : IDENTITY_QUERY;

    if (slice_equal_str(function, "name")) {
        buf_init(out, MAX_NAME);
        return identity_prepare_name(input, use, out);
    }
    if (slice_equal_str(function, "password")) {
        buf_init(out, IDENTITY_MAX_PASSWORD);
        return identity_prepare_password(input, use, out);
    }
    if (slice_equal_str(function, "split")) {
        char *fallback = stanza_text(file, s, "default");
        enum auth_status status = identity_split(input, fallback, ret_who);
        free(fallback);
        return status;
    }
    if (slice_equal_str(function, "utf8")) {
        return identity_is_utf8(input) ? AUTH_OK : AUTH_MALFORMED;
    }
    if (slice_equal_str(function, "to-latin1")) {
        return identity_to_latin1(input, out) ? buf_status(out) : AUTH_BAD_NAME;
    }
    if (slice_equal_str(function, "from-latin1")) {
        identity_from_latin1(input, out);
        return buf_status(out);
    }
    assert_true(slice_equal_str(function, "log"));
    identity_put_for_log(out, input);
    return buf_status(out);
}

static bool run_case(const struct stanza_file *file, const struct stanza *s)
{
    const struct stanza_field *status = stanza_find(file, s, "status");
    const struct stanza_field *output = stanza_find(file, s, "output");
    const struct stanza_field *user = stanza_find(file, s, "user");
    enum auth_status expected = AUTH_OK;
    struct identity who = {.user = "untouched"};
    struct buf out;
    bool ok = true;

    if (!stanza_is_valid(s)) {
        expected = status != NULL ? fake_host_status(status->value) : AUTH_MALFORMED;
    }
    buf_init(&out, LOG_ROOM);
    enum auth_status got = run(file, s, &out, &who);
    if (got != expected) {
        fprintf(stderr, "status: %s\n", auth_status_text(got));
        ok = stanza_complain(file, s, "another status");
    } else if (got != AUTH_OK && (out.n != 0 || strcmp(who.user, "untouched") != 0)) {
        ok = stanza_complain(file, s, "refused, and wrote something");
    } else if (output != NULL && !slice_equal(buf_slice(&out), output->value)) {
        fprintf(stderr, "output: %s\n", buf_text(&out));
        ok = stanza_complain(file, s, "another output");
    } else if (user != NULL && (!slice_equal_str(user->value, who.user) ||
                                !slice_equal_str(stanza_value(file, s, "realm"), who.realm))) {
        ok = stanza_complain(file, s, "another user or realm");
    }
    buf_release(&out);
    return ok;
}

static void vectors(void **state)
{
    struct stanza_file *file = stanza_read(VECTORS, "identity.txt");
    size_t valid = 0;
    size_t failed = 0;

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < file->n; i++) {
        valid += stanza_is_valid(&file->cases[i]);
        failed += !run_case(file, &file->cases[i]);
    }
    printf("identity.txt: %zu valid, %zu invalid\n", valid, file->n - valid);
    assert_int_equal(failed, 0);
    assert_true(file->n - valid > valid);
    stanza_free(file);
}

static void library_is_prepared_twice(void **state)
{
    (void)state;
    assert_int_equal(identity_prepare_library(), AUTH_OK);
    assert_int_equal(identity_prepare_library(), AUTH_OK);
}

/* What is in the buffer stays, and counts against its ceiling. */
static void prepared_text_is_appended(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 8);
    buf_put_str(&out, "abc:");
    assert_int_equal(identity_prepare_name(slice_str("I\xc2\xadX"), IDENTITY_QUERY, &out), AUTH_OK);
    assert_string_equal(buf_text(&out), "abc:IX");
    assert_int_equal(identity_prepare_name(slice_str("xyz"), IDENTITY_QUERY, &out), AUTH_TOO_LONG);
    assert_int_equal(identity_prepare_name(slice_str("\a"), IDENTITY_QUERY, &out), AUTH_BAD_NAME);
    assert_string_equal(buf_text(&out), "abc:IX");
    assert_int_equal(identity_prepare_name(slice_str("xy"), IDENTITY_QUERY, &out), AUTH_OK);
    assert_string_equal(buf_text(&out), "abc:IXxy");
    buf_release(&out);
}

static void buffer_that_has_failed(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4);
    buf_put_str(&out, "12345");
    assert_int_equal(identity_prepare_name(slice_str("x"), IDENTITY_QUERY, &out), AUTH_TOO_LONG);
    buf_release(&out);
}

/* Without a ceiling worth the name the library still gets no more than it can take. */
static void buffer_without_a_ceiling(void **state)
{
    struct buf long_name;
    struct buf out;

    (void)state;
    buf_init(&out, SIZE_MAX);
    buf_init(&long_name, SIZE_MAX);
    for (int i = 0; i < 40000; i++) {
        buf_put_str(&long_name, "\xcc\x81"); /* a combining accent */
    }
    assert_int_equal(identity_prepare_name(buf_slice(&long_name), IDENTITY_QUERY, &out),
                     AUTH_TOO_LONG);
    assert_int_equal(identity_prepare_name(slice_str("\xe2\x85\xa8"), IDENTITY_QUERY, &out),
                     AUTH_OK);
    assert_string_equal(buf_text(&out), "IX");
    buf_release(&long_name);
    buf_release(&out);
}

static void name_without_default_realm(void **state)
{
    struct identity who;

    (void)state;
    assert_int_equal(identity_split(slice_str("alice"), NULL, &who), AUTH_BAD_NAME);
    assert_int_equal(identity_split(slice_of(NULL, 0), "example.org", &who), AUTH_BAD_NAME);
}

static void put_together_again(void **state)
{
    struct identity who;
    struct buf out;

    (void)state;
    buf_init(&out, MAX_NAME);
    assert_int_equal(identity_split(slice_str("alice@Example.org"), "", &who), AUTH_OK);
    identity_put(&out, &who);
    assert_string_equal(buf_text(&out), "alice@example.org");
    buf_release(&out);
}

/* Every character of ISO-8859-1 goes to UTF-8 and back. */
static void latin1_there_and_back(void **state)
{
    uint8_t bytes[256];
    struct buf utf8;
    struct buf latin1;

    (void)state;
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    buf_init(&utf8, 1024);
    buf_init(&latin1, 1024);
    identity_from_latin1(slice_of(bytes, sizeof bytes), &utf8);
    assert_int_equal(utf8.n, 128 + 2 * 128);
    assert_true(identity_is_utf8(buf_slice(&utf8)));
    assert_true(identity_to_latin1(buf_slice(&utf8), &latin1));
    assert_true(slice_equal(buf_slice(&latin1), slice_of(bytes, sizeof bytes)));
    buf_release(&utf8);
    buf_release(&latin1);
}

/* What a terminal is not given: all of Cc, Cf, Zl and Zp, for a start. */
static void what_is_shown(void **state)
{
    static const char *const shown[] = {" ",        "~",        "\xc3\xa9",     "\xe2\x82\xac",
                                        "\xcc\x81", "\xd7\x90", "\xe4\xb8\xad", "\xc2\xa8"};
    static const char *const hidden[] = {
        "\t",
        "\x1b",
        "\x7f",
        "\xc2\x9b",
        "\xc2\xad",
        "\xd8\x80",         /* U+0600 */
        "\xd8\x9c",         /* U+061C */
        "\xdb\x9d",         /* U+06DD */
        "\xe1\xa0\x8e",     /* U+180E */
        "\xe2\x80\x8b",     /* U+200B */
        "\xe2\x80\x8f",     /* U+200F */
        "\xe2\x80\xa8",     /* U+2028 */
        "\xe2\x80\xa9",     /* U+2029 */
        "\xe2\x80\xae",     /* U+202E */
        "\xe2\x81\xa0",     /* U+2060 */
        "\xe2\x81\xa6",     /* U+2066 */
        "\xe2\x81\xa9",     /* U+2069 */
        "\xef\xbb\xbf",     /* U+FEFF */
        "\xef\xbf\xb9",     /* U+FFF9 */
        "\xf0\x9d\x85\xb3", /* U+1D173 */
        "\xf3\xa0\x80\x81", /* U+E0001 */
        "\xf3\xa0\x81\x81", /* U+E0041 */
    };
    bool is_shown = false;

    (void)state;
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        struct slice text = slice_str(shown[i]);
        assert_int_equal(identity_shown(text, &is_shown), text.n);
        assert_true(is_shown);
    }
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
        struct slice text = slice_str(hidden[i]);
        is_shown = true;
        assert_int_equal(identity_shown(text, &is_shown), text.n);
        assert_false(is_shown);
    }
    assert_int_equal(identity_shown(slice_str("\xc3\xa9x"), &is_shown), 2);
    is_shown = true;
    assert_int_equal(identity_shown(slice_str("\xff"), &is_shown), 1);
    assert_false(is_shown);
}

static void no_memory(void **state)
{
    struct buf out;

    (void)state;
    for (int i = 0; i < 2; i++) {
        buf_init(&out, MAX_NAME);
        alloc_fail_arm(i, false);
        alloc_fail_count(true);
        enum auth_status status =
            identity_prepare_name(slice_str("jos\xc3\xa9"), IDENTITY_QUERY, &out);
        alloc_fail_count(false);
        assert_int_equal(alloc_fail_disarm(), 1);
        assert_int_equal(status, AUTH_NO_MEMORY);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(library_is_prepared_twice),
        cmocka_unit_test(prepared_text_is_appended),
        cmocka_unit_test(buffer_that_has_failed),
        cmocka_unit_test(buffer_without_a_ceiling),
        cmocka_unit_test(name_without_default_realm),
        cmocka_unit_test(put_together_again),
        cmocka_unit_test(latin1_there_and_back),
        cmocka_unit_test(what_is_shown),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
