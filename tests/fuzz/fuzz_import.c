/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What import reads, in every format. Input: a byte that chooses the format (and whether there is a
 * default realm), then the file. Promised: an account fits into a record and is found again under
 * its name, its password is one that can be set; anything else has a status that says what it is;
 * and it ends.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "import_source.h"
#include "json_memory.h"

enum { MEMORY = 256 * 1024, NO_DEFAULT = 0x80 };

static const struct import_format *const formats[] = {
    &import_tsv,      &import_csv,    &import_jsonl, &import_dovecot,
    &import_htpasswd, &import_shadow, &import_ldif,  &import_sasldb};

enum { FORMATS = sizeof formats / sizeof formats[0] };

/* As it would be stored, with a verifier in the place of a password. */
static void check_account(struct import_entry *entry)
{
    static struct record back;
    struct record *record = &entry->record;
    struct detail why = {.text = ""};
    struct identity who;
    struct buf body;

    FUZZ_CHECK(entry->password.p != NULL || verifier_kinds(&record->verifiers) != 0);
    if (entry->password.p != NULL) {
        FUZZ_CHECK(import_check_password(entry->password, &why) == AUTH_OK);
        record->verifiers.has_cram = true;
    }
    buf_init(&body, IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM);
    identity_put(&body, &record->who);
    FUZZ_CHECK(identity_split(buf_slice(&body), NULL, &who) == AUTH_OK);
    FUZZ_CHECK(strcmp(who.user, record->who.user) == 0 &&
               strcmp(who.realm, record->who.realm) == 0);
    buf_release(&body);
    buf_init(&body, RECORD_MAX_BODY);
    FUZZ_CHECK(record_encode(record, &body) == AUTH_OK);
    FUZZ_CHECK(record_decode(buf_slice(&body), &back) == AUTH_OK);
    FUZZ_CHECK(record->created >= 0 && record->changed >= 0 && record->expires >= 0);
    buf_release(&body);
}

static void check_fault(enum auth_status status, const struct detail *why)
{
    FUZZ_CHECK(memchr(why->text, 0, sizeof why->text) != NULL);
    FUZZ_CHECK(!import_is_fatal(status));
    FUZZ_CHECK(status == AUTH_DISABLED || status == AUTH_MALFORMED || status == AUTH_TOO_LONG ||
               status == AUTH_BAD_NAME || status == AUTH_BAD_PASSWORD ||
               status == AUTH_NO_VERIFIER);
}

static void read_all(const struct import_format *format, struct import_source *source)
{
    static struct import_entry entry;
    enum auth_status status = AUTH_INTERNAL;
    uint64_t before = 0;

    do {
        struct detail why = {.text = ""};
        status = import_next(format, source, &entry, &why);
        if (status == AUTH_OK) {
            check_account(&entry);
        } else if (status != AUTH_CONTINUE) {
            check_fault(status, &why);
        }
        FUZZ_CHECK(status == AUTH_CONTINUE || source->first > before);
        before = source->first;
    } while (status != AUTH_CONTINUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const volatile sig_atomic_t never;
    static const struct verifier_policy policy = {.kinds = VERIFIER_LEGACY, .iterations = 1};
    static bool prepared;
    struct slice in = slice_of(data, size);
    struct detail why = {.text = ""};
    uint8_t choice;

    if (!prepared) {
        prepared = true;
        json_memory_wiped();
    }
    if (!slice_take_u8(&in, &choice)) {
        return 0;
    }
    const struct import_format *format = formats[(choice & ~NO_DEFAULT) % FORMATS];
    struct import_source source = {
        .default_realm = (choice & NO_DEFAULT) != 0 ? "" : FUZZ_REALM,
        .policy = &policy,
        .interrupted = &never,
    };
    uint8_t *block = fuzz_block(in);
    buf_init(&source.text, MEMORY);
    buf_init(&source.password, MEMORY);
    line_reader_init_memory(&source.reader, slice_of(block, in.n), format->line_max);
    enum auth_status status = format->begin != NULL ? format->begin(&source, &why) : AUTH_OK;
    if (status == AUTH_OK) {
        read_all(format, &source);
    } else {
        check_fault(status, &why);
    }
    if (format->end != NULL) {
        format->end(&source);
    }
    buf_release(&source.text);
    buf_release(&source.password);
    line_reader_release(&source.reader);
    free(block);
    return 0;
}
