/* SPDX-License-Identifier: BSD-2-Clause */
#include "json_memory.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/crypto.h"

/* How much there is to wipe stands in front of each block. */
union block {
    size_t size;
    max_align_t align;
};

static void *allocate(size_t size)
{
    if (size > SIZE_MAX - sizeof(union block)) {
        return NULL;
    }
    union block *block = malloc(sizeof *block + size);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    return block + 1;
}

static void wipe_and_free(void *p)
{
    if (p == NULL) {
        return;
    }
    union block *block = (union block *)p - 1;
    crypto_wipe(p, block->size);
    free(block);
}

void json_memory_wiped(void)
{
    json_set_alloc_funcs(allocate, wipe_and_free);
}
