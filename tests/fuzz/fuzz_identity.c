/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names and passwords. What comes out of SASLprep is UTF-8 without NUL within its ceiling; what may
 * be stored may be asked for, as the same; a name that splits is what its parts put together say.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/identity.h"
#include "fuzz.h"

enum { MAX_NAME = IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM, MAX_LOG = 4 * 64 + 3 };

static void split(struct slice name, const char *realm)
{
    struct identity who;
    struct identity back;
    struct buf whole;

    if (identity_split(name, realm, &who) != AUTH_OK) {
        return;
    }
    FUZZ_CHECK(who.user[0] != '\0' && strchr(who.user, '@') == NULL);
    FUZZ_CHECK(who.realm[0] != '\0' && strchr(who.realm, '@') == NULL);
    for (const char *p = who.realm; *p != '\0'; p++) {
        FUZZ_CHECK(!(*p >= 'A' && *p <= 'Z') && *p != ' ');
    }
    buf_init(&whole, MAX_NAME);
    identity_put(&whole, &who);
    FUZZ_CHECK(identity_split(buf_slice(&whole), NULL, &back) == AUTH_OK);
    FUZZ_CHECK(strcmp(who.user, back.user) == 0 && strcmp(who.realm, back.realm) == 0);
    buf_release(&whole);
}

static void prepare(struct slice raw)
{
    struct buf stored;
    struct buf asked;

    buf_init(&stored, MAX_NAME);
    buf_init(&asked, MAX_NAME);
    enum auth_status status = identity_prepare_name(raw, IDENTITY_STORED, &stored);
    enum auth_status query = identity_prepare_name(raw, IDENTITY_QUERY, &asked);
    FUZZ_CHECK(!auth_status_is_outage(status) && !auth_status_is_outage(query));
    FUZZ_CHECK((query == AUTH_OK) == (asked.n > 0));
    FUZZ_CHECK(asked.n <= MAX_NAME && identity_is_utf8(buf_slice(&asked)));
    FUZZ_CHECK(!slice_find(buf_slice(&asked), 0, NULL));
    if (status == AUTH_OK) {
        FUZZ_CHECK(query == AUTH_OK && slice_equal(buf_slice(&stored), buf_slice(&asked)));
        split(buf_slice(&stored), FUZZ_REALM);
        split(buf_slice(&stored), NULL);
    }
    buf_release(&stored);
    buf_release(&asked);
    buf_init(&asked, IDENTITY_MAX_PASSWORD);
    FUZZ_CHECK(!auth_status_is_outage(identity_prepare_password(raw, IDENTITY_QUERY, &asked)));
    FUZZ_CHECK(asked.n <= IDENTITY_MAX_PASSWORD);
    buf_release(&asked);
}

static void convert(struct slice raw)
{
    struct buf utf8;
    struct buf latin1;
    struct buf log;

    buf_init(&utf8, 2 * MECH_MAX_INPUT);
    buf_init(&latin1, MECH_MAX_INPUT);
    buf_init(&log, MAX_LOG);
    if (raw.n <= MECH_MAX_INPUT) {
        identity_from_latin1(raw, &utf8);
        FUZZ_CHECK(buf_status(&utf8) == AUTH_OK && identity_is_utf8(buf_slice(&utf8)));
        FUZZ_CHECK(identity_to_latin1(buf_slice(&utf8), &latin1));
        FUZZ_CHECK(slice_equal(buf_slice(&latin1), raw));
    }
    identity_put_for_log(&log, raw);
    FUZZ_CHECK(buf_status(&log) == AUTH_OK && slice_is_printable(buf_slice(&log)));
    FUZZ_CHECK(!slice_find(buf_slice(&log), '"', NULL));
    buf_release(&utf8);
    buf_release(&latin1);
    buf_release(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *block = fuzz_block(slice_of(data, size));

    prepare(slice_of(block, size));
    split(slice_of(block, size), FUZZ_REALM);
    convert(slice_of(block, size));
    free(block);
    return 0;
}
