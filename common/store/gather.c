/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/gather.h"

#include <stdlib.h>
#include <string.h>

#include "store/kv.h"

enum { BLOCK_BYTES = 1024 * 1024, FIRST_ITEMS = 1024 };
_Static_assert((int)KV_MAX_VALUE <= (int)BLOCK_BYTES, "a value fits into a block");

struct gather_block {
    struct gather_block *next;
    size_t used;
    uint8_t bytes[BLOCK_BYTES];
};

static bool reserve_item(struct gather *gather)
{
    if (gather->n < gather->cap) {
        return true;
    }
    size_t cap = gather->cap == 0 ? FIRST_ITEMS : 2 * gather->cap;
    struct gathered *items = realloc(gather->items, cap * sizeof *items);
    if (items == NULL) {
        return false;
    }
    gather->bytes += (cap - gather->cap) * sizeof *items;
    gather->items = items;
    gather->cap = cap;
    return true;
}

/* Room for n bytes, behind those of the item before; a new block when the first is full. */
static uint8_t *reserve_bytes(struct gather *gather, size_t n)
{
    struct gather_block *block = gather->blocks;

    if (block == NULL || n > BLOCK_BYTES - block->used) {
        block = malloc(sizeof *block);
        if (block == NULL) {
            return NULL;
        }
        block->next = gather->blocks;
        block->used = 0;
        gather->blocks = block;
        gather->bytes += sizeof *block;
    }
    uint8_t *at = block->bytes + block->used;
    block->used += n;
    return at;
}

enum auth_status gather_add(struct gather *gather, const struct store_sealed *sealed,
                            const struct store_class *class)
{
    const size_t n = sealed->value.n;

    if (n > KV_MAX_VALUE) {
        return AUTH_TOO_LONG;
    }
    uint8_t *value = reserve_item(gather) ? reserve_bytes(gather, n) : NULL;
    if (value == NULL) {
        return AUTH_NO_MEMORY;
    }
    memcpy(value, sealed->value.p, n);
    struct gathered *item = &gather->items[gather->n++];
    memcpy(item->place, sealed->place, sizeof item->place);
    item->n = (uint16_t)n;
    item->value = value;
    item->class = *class;
    return AUTH_OK;
}

void gather_cut(struct gather *gather, size_t n)
{
    gather->n = n;
}

/* By place; those of one place in the order they came, which is that of their numbers. */
static int compare(const void *a, const void *b)
{
    const struct gathered *x = a;
    const struct gathered *y = b;
    int order = memcmp(x->place, y->place, sizeof x->place);

    if (order == 0) {
        order = x->class.count < y->class.count ? -1 : x->class.count > y->class.count;
    }
    return order;
}

const struct gathered *gather_in_order(struct gather *gather)
{
    struct gathered *items = gather->items;
    size_t kept = 0;

    if (gather->n == 0) {
        return NULL;
    }
    for (size_t i = 0; i < gather->n; i++) {
        items[i].class.count = i; /* until they are in order */
    }
    qsort(items, gather->n, sizeof *items, compare);
    for (size_t i = 0; i < gather->n; i++) {
        bool last = i + 1 == gather->n ||
                    memcmp(items[i].place, items[i + 1].place, sizeof items[i].place) != 0;

        if (last) {
            items[kept] = items[i];
            items[kept++].class.count = 1;
        }
    }
    gather->n = kept;
    return items;
}

void gather_clear(struct gather *gather)
{
    while (gather->blocks != NULL) {
        struct gather_block *block = gather->blocks;

        gather->blocks = block->next;
        gather->bytes -= sizeof *block;
        free(block);
    }
    gather->n = 0;
}

void gather_release(struct gather *gather)
{
    gather_clear(gather);
    free(gather->items);
    *gather = (struct gather){.items = NULL};
}
