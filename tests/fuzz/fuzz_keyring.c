/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key file, from a file in memory. It loads whole or not at all, twice to the same keys, and
 * what is said about a damaged one repeats nothing of it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "store/keyring.h"

enum { MAX_INPUT = 8192, LEAST_SECRET = 16 };

/* No stretch of the file as long as a guess would need stands in the sentence. */
static void check_sentence(struct slice file, const char *sentence)
{
    for (size_t i = 0; i + LEAST_SECRET <= file.n; i++) {
        FUZZ_CHECK(!fuzz_contains(slice_str(sentence), slice_of(file.p + i, LEAST_SECRET)));
    }
}

/* The first line's store id and key id, if it has them. */
static bool first_key(struct slice file, uint8_t store_id[STORE_ID_SIZE], uint32_t *ret_id)
{
    struct slice hex;

    return slice_take_decimal(&file, UINT32_MAX, ret_id) && slice_take_literal(&file, " ") &&
           slice_take(&file, 2 * STORE_ID_SIZE, &hex) && verifier_decode_md5(hex, store_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t store_id[STORE_ID_SIZE];
    struct keyring *rings[2] = {NULL, NULL};
    struct detail detail = {{0}};
    enum auth_status status[2];
    char path[64];
    uint32_t id;

    int fd = memfd_create("key", 0);
    if (size > MAX_INPUT || fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
        (size > 0 && write(fd, data, size) != (ssize_t)size)) {
        close(fd);
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (int i = 0; i < 2; i++) {
        status[i] = keyring_load(path, (gid_t)-1, &rings[i], &detail);
    }
    FUZZ_CHECK(status[0] == status[1]);
    if (status[0] != AUTH_OK) {
        FUZZ_CHECK(status[0] == AUTH_KEY_DAMAGED && rings[0] == NULL);
        check_sentence(slice_of(data, size), detail.text);
    } else if (first_key(slice_of(data, size), store_id, &id)) {
        const struct key *key = keyring_find(rings[0], store_id, id);
        const struct key *twin = keyring_find(rings[1], store_id, id);
        FUZZ_CHECK(key != NULL && twin != NULL && key->id == id);
        FUZZ_CHECK(memcmp(key, twin, sizeof *key) == 0);
        FUZZ_CHECK(memcmp(key->seal, key->name, sizeof key->name) != 0);
    }
    keyring_free(rings[0]);
    keyring_free(rings[1]);
    close(fd);
    return 0;
}
