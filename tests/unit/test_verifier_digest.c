/* SPDX-License-Identifier: BSD-2-Clause */
/* As whom DIGEST-MD5 clients may log in to one account: what is hashed for each spelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/verifier.h"

static const struct identity alice = {.user = "alice", .realm = "example.org"};
static const struct verifier_policy digest_only = {.kinds = VERIFIER_DIGEST_MD5, .iterations = 1};

/* One spelling that a client may use, hashed here the long way. `other`: it is not the first. */
static bool has_form(const struct verifier_set *set, const struct identity *who,
                     const char *username, const char *realm, const char *password, bool other)
{
    uint8_t wanted[16];
    uint8_t got[VERIFIER_DIGEST_ENCODINGS][16];
    struct buf text;
    bool found = false;

    assert_int_equal(
        verifier_digest_ha1(slice_str(username), slice_str(realm), slice_str(password), wanted),
        AUTH_OK);
    buf_init(&text, 2048);
    for (unsigned i = 0; i < set->n_digest;) {
        bool match;
        buf_clear(&text);
        i = verifier_put_digests(&text, set, i, who);
        assert_int_equal(buf_status(&text), AUTH_OK);
        assert_int_equal(verifier_match_digests(buf_slice(&text), slice_str(username),
                                                slice_str(realm), got, &match),
                         AUTH_OK);
        const bool first = match && memcmp(got[0], wanted, sizeof wanted) == 0;
        found = found || (other ? match && !first &&
                                      (memcmp(got[1], wanted, sizeof wanted) == 0 ||
                                       memcmp(got[2], wanted, sizeof wanted) == 0)
                                : first);
    }
    buf_release(&text);
    return found;
}

static void digest_forms(void **state)
{
    struct verifier_set set;

    (void)state;
    assert_int_equal(verifier_make(&alice, slice_str("secret"), &digest_only, &set), AUTH_OK);
    assert_int_equal(set.n_digest, 4);
    assert_true(has_form(&set, &alice, "alice", "example.org", "secret", false));
    assert_true(has_form(&set, &alice, "alice", "", "secret", false));
    assert_true(has_form(&set, &alice, "alice@example.org", "example.org", "secret", false));
    assert_true(has_form(&set, &alice, "alice@example.org", "", "secret", false));
    assert_false(has_form(&set, &alice, "alice", "example.net", "secret", false));
    assert_false(has_form(&set, &alice, "alice", "example.org", "Secret", false));
}

static void digest_forms_of_extra_realms(void **state)
{
    static const char *const realms[] = {"mail.example.org", "example.org", "", "mail.example.org",
                                         "imap.example.org"};
    struct verifier_policy policy = digest_only;
    struct verifier_set set;

    (void)state;
    policy.n_extra_realms = 5;
    for (unsigned i = 0; i < 5; i++) {
        snprintf(policy.extra_realm[i], sizeof policy.extra_realm[i], "%s", realms[i]);
    }
    assert_int_equal(verifier_make(&alice, slice_str("secret"), &policy, &set), AUTH_OK);
    assert_int_equal(set.n_extra_realms, 2);
    assert_string_equal(set.extra_realm[0], "mail.example.org");
    assert_string_equal(set.extra_realm[1], "imap.example.org");
    assert_int_equal(set.n_digest, 8);
    assert_true(has_form(&set, &alice, "alice", "mail.example.org", "secret", false));
    assert_true(has_form(&set, &alice, "alice@example.org", "imap.example.org", "secret", false));
}

/* josé, münchen, pässword; the twin hashes each string in ISO-8859-1 that fits. */
static void digest_forms_in_latin1(void **state)
{
    const struct identity jose = {.user = "jos\xc3\xa9", .realm = "m\xc3\xbcnchen"};
    const struct identity ivan = {.user = "\xd0\xb8", .realm = "example.org"};
    struct verifier_set set;

    (void)state;
    assert_int_equal(verifier_make(&jose, slice_str("p\xc3\xa4ss"), &digest_only, &set), AUTH_OK);
    assert_int_equal(set.n_digest, 12);
    /* GNU SASL: the names as they are. */
    assert_true(has_form(&set, &jose, "jos\xc3\xa9", "m\xc3\xbcnchen", "p\xe4ss", true));
    assert_true(has_form(&set, &jose, "jos\xc3\xa9@m\xc3\xbcnchen", "", "p\xe4ss", true));
    assert_false(has_form(&set, &jose, "jos\xe9", "m\xfcnchen", "p\xc3\xa4ss", true));
    assert_true(has_form(&set, &jose, "jos\xc3\xa9", "m\xc3\xbcnchen", "p\xc3\xa4ss", false));
    assert_true(has_form(&set, &jose, "jos\xe9", "m\xfcnchen", "p\xe4ss", true));
    assert_true(has_form(&set, &jose, "jos\xe9@m\xfcnchen", "", "p\xe4ss", true));

    /* An ASCII account with such a password, and a name that has no ISO-8859-1 form. */
    assert_int_equal(verifier_make(&alice, slice_str("p\xc3\xa4ss"), &digest_only, &set), AUTH_OK);
    assert_int_equal(set.n_digest, 8);
    assert_true(has_form(&set, &alice, "alice", "example.org", "p\xe4ss", true));
    assert_int_equal(verifier_make(&ivan, slice_str("p\xc3\xa4ss"), &digest_only, &set), AUTH_OK);
    assert_int_equal(set.n_digest, 8);
    assert_true(has_form(&set, &ivan, "\xd0\xb8", "example.org", "p\xe4ss", true));
    assert_int_equal(verifier_make(&ivan, slice_str("secret"), &digest_only, &set), AUTH_OK);
    assert_int_equal(set.n_digest, 4);
    /* A third encoding only where a name and the password both have a second. */
    assert_int_equal(verifier_make(&jose, slice_str("secret"), &digest_only, &set), AUTH_OK);
    assert_int_equal(set.n_digest, 8);
    assert_int_equal(verifier_make(&jose, slice_str("\xd0\xb8"), &digest_only, &set), AUTH_OK);
    assert_int_equal(set.n_digest, 8);
}

/* Everything at its longest still fits: names, realms, number of forms. */
static void digest_forms_at_most(void **state)
{
    struct verifier_policy policy = digest_only;
    struct identity who;
    struct verifier_set set;
    struct buf text;

    (void)state;
    memset(&who, 'x', sizeof who);
    memcpy(who.user, "\xc3\xa9", 2);
    who.user[IDENTITY_MAX_USER] = '\0';
    who.realm[IDENTITY_MAX_REALM] = '\0';
    policy.n_extra_realms = VERIFIER_MAX_EXTRA_REALMS;
    for (unsigned i = 0; i < VERIFIER_MAX_EXTRA_REALMS; i++) {
        memset(policy.extra_realm[i], (int)('a' + i), IDENTITY_MAX_REALM);
        policy.extra_realm[i][IDENTITY_MAX_REALM] = '\0';
    }
    assert_int_equal(verifier_make(&who, slice_str("\xc3\xa4"), &policy, &set), AUTH_OK);
    assert_int_equal(set.n_digest, VERIFIER_MAX_DIGEST);
    buf_init(&text, 2048);
    for (unsigned i = 0; i < set.n_digest;) {
        buf_clear(&text);
        i = verifier_put_digests(&text, &set, i, &who);
        assert_int_equal(buf_status(&text), AUTH_OK);
    }
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_forms),
        cmocka_unit_test(digest_forms_of_extra_realms),
        cmocka_unit_test(digest_forms_in_latin1),
        cmocka_unit_test(digest_forms_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
