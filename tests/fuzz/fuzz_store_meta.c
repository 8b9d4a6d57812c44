/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The description of a store: the input as its clear part and seal, and as what was sealed. What
 * opens is within its limits, and written again it opens to the same; what does not leaves nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "store/seal.h"
#include "store/store_meta.h"

static const struct key key = {.id = 1, .seal = {1}, .name = {2}, .check = {3}};

static void check_limits(const struct store_meta *meta)
{
    FUZZ_CHECK(meta->format == META_FORMAT);
    FUZZ_CHECK(meta->n_classes <= META_MAX_CLASSES);
    FUZZ_CHECK(meta->policy.iterations > 0 && meta->policy.iterations <= VERIFIER_MAX_ITERATIONS);
    FUZZ_CHECK(meta->policy.n_extra_realms <= VERIFIER_MAX_EXTRA_REALMS);
    for (unsigned i = 0; i < meta->policy.n_extra_realms; i++) {
        const char *realm = meta->policy.extra_realm[i];
        FUZZ_CHECK(memchr(realm, 0, sizeof meta->policy.extra_realm[i]) != NULL);
    }
    for (unsigned i = 0; i < meta->n_classes; i++) {
        FUZZ_CHECK(meta->classes[i].count > 0);
        for (size_t j = 0; j < VERIFIER_SCRAM_HASHES; j++) {
            FUZZ_CHECK(meta->classes[i].scram[j].iterations <= VERIFIER_MAX_ITERATIONS);
            FUZZ_CHECK(meta->classes[i].scram[j].salt_len <= VERIFIER_MAX_SALT);
        }
    }
}

static void open_value(struct slice value)
{
    static struct store_meta meta;
    static struct store_meta back;
    uint8_t *block = fuzz_block(value);
    struct buf again;

    memset(&meta, 0x55, sizeof meta);
    enum auth_status status = meta_open(&key, slice_of(block, value.n), &meta);
    free(block);
    if (status != AUTH_OK) {
        FUZZ_CHECK(status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN);
        FUZZ_CHECK(fuzz_is_zero(&meta, sizeof meta));
        return;
    }
    check_limits(&meta);
    if (meta.seals < META_MAX_SEALS) {
        buf_init(&again, META_MAX_VALUE);
        FUZZ_CHECK(meta_put(&key, &meta, &again) == AUTH_OK);
        FUZZ_CHECK(meta_open(&key, buf_slice(&again), &back) == AUTH_OK);
        FUZZ_CHECK(memcmp(&meta.policy, &back.policy, sizeof meta.policy) == 0);
        FUZZ_CHECK(memcmp(meta.decoy_secret, back.decoy_secret, META_DECOY_SECRET) == 0);
        FUZZ_CHECK(meta.n_classes == back.n_classes && meta.seals == back.seals);
        buf_release(&again);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char magic[] = "sasl-lmdb store\n";
    static const uint8_t nobody[STORE_ID_SIZE] = {0};
    const struct seal_header header = {.flags = 0};
    struct buf value;

    open_value(slice_of(data, size));
    buf_init(&value, 2 * META_MAX_VALUE);
    buf_put_str(&value, magic);
    buf_put_u32(&value, META_FORMAT);
    buf_put(&value, nobody, sizeof nobody);
    buf_put_u32(&value, 1); /* table */
    buf_put_u32(&value, key.id);
    buf_put(&value, key.check, sizeof key.check);
    const size_t clear = value.n;
    uint8_t *place = fuzz_block(buf_slice(&value));
    if (seal_put(SEAL_META, &key, slice_of(place, clear), &header, slice_of(data, size), &value) ==
        AUTH_OK) {
        open_value(buf_slice(&value));
    }
    free(place);
    buf_release(&value);
    return 0;
}
