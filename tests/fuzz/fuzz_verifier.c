/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text forms of verifiers: RFC 5803, and our own of DIGEST-MD5 with two strings of a client in
 * front (separated as messages are). What reads is within its limits and reads back the same.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { MAX_TEXT = 1024 };

static void scram(struct slice text)
{
    struct scram_verifier verifier;
    struct scram_verifier back;
    struct buf printed;
    struct buf again;

    if (verifier_take_rfc5803(text, &verifier) != AUTH_OK) {
        return;
    }
    FUZZ_CHECK(verifier.iterations >= 1 && verifier.iterations <= VERIFIER_MAX_ITERATIONS);
    FUZZ_CHECK(verifier.salt_len >= 1 && verifier.salt_len <= VERIFIER_MAX_SALT);
    buf_init(&printed, MAX_TEXT);
    buf_init(&again, MAX_TEXT);
    verifier_put_rfc5803(&printed, &verifier);
    FUZZ_CHECK(buf_status(&printed) == AUTH_OK);
    FUZZ_CHECK(verifier_take_rfc5803(buf_slice(&printed), &back) == AUTH_OK);
    FUZZ_CHECK(back.hash == verifier.hash && back.iterations == verifier.iterations);
    FUZZ_CHECK(slice_equal(slice_of(back.salt, back.salt_len),
                           slice_of(verifier.salt, verifier.salt_len)));
    verifier_put_rfc5803(&again, &back);
    FUZZ_CHECK(slice_equal(buf_slice(&printed), buf_slice(&again)));
    buf_release(&printed);
    buf_release(&again);
}

static void digest(const struct fuzz_input *input)
{
    uint8_t ha1[VERIFIER_DIGEST_ENCODINGS][16];
    uint8_t digits[16];
    bool match = false;

    if (input->n < 3) {
        return;
    }
    uint8_t *block = fuzz_block(input->message[2]);
    const struct slice text = slice_of(block, input->message[2].n);
    enum auth_status status =
        verifier_match_digests(text, input->message[0], input->message[1], ha1, &match);
    FUZZ_CHECK(status == AUTH_OK || status == AUTH_MALFORMED);
    if (status == AUTH_OK && match) {
        for (unsigned i = 0; i < VERIFIER_DIGEST_ENCODINGS; i++) {
            const size_t at = 32 * (size_t)i;
            FUZZ_CHECK(text.n > at + 32);
            FUZZ_CHECK(verifier_decode_md5(slice_of(text.p + at, 32), digits));
            FUZZ_CHECK(memcmp(digits, ha1[i], sizeof digits) == 0);
        }
    }
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *block = fuzz_block(slice_of(data, size));
    struct fuzz_input input;

    scram(slice_of(block, size));
    free(block);
    if (fuzz_split(data, size, &input)) {
        digest(&input);
    }
    return 0;
}
