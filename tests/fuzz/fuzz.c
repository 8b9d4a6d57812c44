/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "engine/scram_msg.h"

enum { RANDOM_BYTES = 16, PACKET = 65536 };

_Noreturn void fuzz_broken(const char *promise, const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, promise);
    abort();
}

static struct buf unguessable;

void fuzz_renew(void)
{
    uint8_t bytes[RANDOM_BYTES];

    FUZZ_CHECK(crypto_random(bytes, sizeof bytes) == AUTH_OK);
    buf_release(&unguessable);
    buf_init(&unguessable, sizeof bytes * 2);
    buf_put_hex(&unguessable, bytes, sizeof bytes);
    FUZZ_CHECK(buf_status(&unguessable) == AUTH_OK);
}

struct slice fuzz_password(enum fuzz_secret secret)
{
    return secret == FUZZ_KNOWN ? slice_str(FUZZ_PASSWORD) : buf_slice(&unguessable);
}

/* Everything before the separator, which is consumed; or everything that is left. */
static struct slice take_message(struct slice *rest)
{
    struct slice found = *rest;

    for (size_t i = 0; i + 1 < rest->n; i++) {
        if (memcmp(rest->p + i, FUZZ_SEPARATOR, 2) == 0) {
            found = slice_of(rest->p, i);
            *rest = slice_of(rest->p + i + 2, rest->n - i - 2);
            return found;
        }
    }
    *rest = slice_of(NULL, 0);
    return found;
}

bool fuzz_split(const uint8_t *data, size_t size, struct fuzz_input *ret)
{
    struct slice rest = slice_of(data, size);

    *ret = (struct fuzz_input){.n = 0};
    if (!slice_take_u8(&rest, &ret->flags) || !slice_take_u8(&rest, &ret->choice)) {
        return false;
    }
    if ((ret->flags & FUZZ_ABSENT) != 0) {
        ret->message[ret->n++] = slice_of(NULL, 0);
    }
    while (ret->n < FUZZ_MAX_STEPS && rest.p != NULL) {
        ret->message[ret->n++] = take_message(&rest);
    }
    return true;
}

uint8_t *fuzz_block(struct slice s)
{
    uint8_t *block = s.p != NULL ? malloc(s.n) : NULL;

    FUZZ_CHECK(s.p == NULL || s.n == 0 || block != NULL);
    if (s.n > 0) {
        memcpy(block, s.p, s.n);
    }
    return block;
}

const void *fuzz_variant(const struct fuzz_input *input)
{
    static const struct scram_variant *const variants[] = {&scram_sha_256, &scram_sha_1,
                                                           &scram_sha_512, &scram_sha_256};

    return variants[input->choice & FUZZ_HASH];
}

struct mech_layer_limits fuzz_layers(const struct fuzz_input *input)
{
    static int have_rc4 = -1;
    struct mech_layer_limits limits = {.min_ssf = (input->flags & FUZZ_MIN_SSF) != 0 ? 1 : 0};

    if (have_rc4 < 0) {
        have_rc4 = crypto_prepare_rc4();
    }
    if ((input->flags & FUZZ_LAYERS) != 0) {
        limits.max_ssf = 1;
        limits.max_buffer = PACKET;
    }
    if ((input->flags & FUZZ_RC4) != 0) {
        limits.max_ssf = 128;
        limits.max_buffer = PACKET;
        limits.rc4 = have_rc4 == 1;
    }
    return limits;
}

const struct mech_binding *fuzz_binding(const struct fuzz_input *input)
{
    static const uint8_t bytes[] = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5,
                                    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab};
    static const struct mech_binding binding = {"tls-unique", {bytes, sizeof bytes}};

    return (input->flags & FUZZ_BINDING) != 0 ? &binding : NULL;
}

bool fuzz_is_zero(const void *p, size_t n)
{
    const uint8_t *bytes = p;

    while (n > 0 && bytes[n - 1] == 0) {
        n--;
    }
    return n == 0;
}

bool fuzz_contains(struct slice s, struct slice what)
{
    return s.n > 0 && what.n > 0 && memmem(s.p, s.n, what.p, what.n) != NULL;
}
