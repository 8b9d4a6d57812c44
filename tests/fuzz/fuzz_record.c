/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sealed part of an account. What decodes is within its limits and encodes again to something
 * that decodes to the same; what does not leaves nothing behind.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "store/record.h"

static void check_limits(const struct record *record)
{
    const struct verifier_set *set = &record->verifiers;

    FUZZ_CHECK(record->who.user[0] != '\0' && record->who.realm[0] != '\0');
    FUZZ_CHECK(strchr(record->who.user, '@') == NULL && strchr(record->who.realm, '@') == NULL);
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        FUZZ_CHECK(set->scram[i].iterations <= VERIFIER_MAX_ITERATIONS);
        FUZZ_CHECK(set->scram[i].salt_len <= VERIFIER_MAX_SALT);
        FUZZ_CHECK(set->scram[i].iterations == 0 || set->scram[i].salt_len > 0);
    }
    FUZZ_CHECK(set->n_digest <= VERIFIER_MAX_DIGEST);
    FUZZ_CHECK(set->n_extra_realms <= VERIFIER_MAX_EXTRA_REALMS);
    for (unsigned i = 0; i < set->n_digest; i++) {
        FUZZ_CHECK(set->digest[i].realm_kind != DIGEST_REALM_EXTRA ||
                   set->digest[i].extra < set->n_extra_realms);
    }
    FUZZ_CHECK(memchr(set->crypt, 0, sizeof set->crypt) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct record record;
    static struct record back;
    uint8_t *block = fuzz_block(slice_of(data, size));
    struct buf first;
    struct buf second;

    buf_init(&first, RECORD_MAX_BODY);
    buf_init(&second, RECORD_MAX_BODY);
    memset(&record, 0x55, sizeof record);
    enum auth_status status = record_decode(slice_of(block, size), &record);
    free(block);
    if (status == AUTH_OK) {
        check_limits(&record);
        FUZZ_CHECK(record_encode(&record, &first) == AUTH_OK);
        FUZZ_CHECK(record_decode(buf_slice(&first), &back) == AUTH_OK);
        FUZZ_CHECK(strcmp(record.who.user, back.who.user) == 0);
        FUZZ_CHECK(strcmp(record.who.realm, back.who.realm) == 0);
        FUZZ_CHECK(record_encode(&back, &second) == AUTH_OK);
        FUZZ_CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
    } else {
        FUZZ_CHECK(status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN);
        FUZZ_CHECK(fuzz_is_zero(&record.who, sizeof record.who));
        FUZZ_CHECK(fuzz_is_zero(&record.verifiers, sizeof record.verifiers));
    }
    buf_release(&first);
    buf_release(&second);
    return 0;
}
