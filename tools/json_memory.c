/* SPDX-License-Identifier: BSD-2-Clause */
#include "json_memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/crypto.h"

/* How much there is to wipe stands in front of each block. */
union block {
    size_t size;
    max_align_t align;
};

/* What a line of an export takes is some 20 KiB; what does not fit is allocated one by one. */
enum { ARENA_SIZE = 128 * 1024 };

struct arena {
    bool open;
    bool overflowed; /* something since json_memory_begin() lies elsewhere */
    size_t used;
    max_align_t memory[ARENA_SIZE / sizeof(max_align_t)];
};

static _Thread_local struct arena *arena;
static pthread_key_t arena_key; /* frees a thread's arena at its end */

static bool in_arena(const void *p)
{
    const uint8_t *at = p;
    const uint8_t *first = arena == NULL ? NULL : (const uint8_t *)arena->memory;

    return first != NULL && at >= first && at < first + sizeof arena->memory;
}

static void *take_from_arena(size_t size)
{
    const size_t unit = sizeof(max_align_t);

    if (size > sizeof arena->memory - arena->used - unit) {
        arena->overflowed = true;
        return NULL;
    }
    void *p = (uint8_t *)arena->memory + arena->used;
    arena->used += (size + unit - 1) / unit * unit;
    return p;
}

static void *allocate(size_t size)
{
    if (size > SIZE_MAX - sizeof(union block)) {
        return NULL;
    }
    void *p = arena != NULL && arena->open ? take_from_arena(size) : NULL;
    if (p != NULL) {
        return p;
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
    if (p == NULL || in_arena(p)) {
        return;
    }
    union block *block = (union block *)p - 1;
    crypto_wipe(p, block->size);
    free(block);
}

static void arena_free(void *p)
{
    crypto_wipe(p, sizeof(struct arena));
    free(p);
}

void json_memory_wiped(void)
{
    json_set_alloc_funcs(allocate, wipe_and_free);
    if (pthread_key_create(&arena_key, arena_free) != 0) {
        abort();
    }
}

void json_memory_begin(void)
{
    if (arena == NULL) {
        struct arena *made = malloc(sizeof *made);

        if (made == NULL || pthread_setspecific(arena_key, made) != 0) {
            free(made);
            return;
        }
        arena = made;
    }
    arena->open = true;
    arena->overflowed = false;
    arena->used = 0;
}

void json_memory_end(json_t *value)
{
    /* What lies in the block needs no walk: it goes with it. */
    if (arena == NULL || !arena->open || arena->overflowed) {
        json_decref(value);
    }
    if (arena != NULL && arena->open) {
        crypto_wipe(arena->memory, arena->used);
        arena->open = false;
    }
}
