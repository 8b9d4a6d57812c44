/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash table with open addressing, at most half full. */
#include "seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

enum { FIRST_CAPACITY = 1024 };

/* user NUL realm NUL behind the line number. */
struct seen_name {
    uint64_t line;
    uint64_t hash;
    size_t size;
    char name[];
};

/* FNV-1a from a random start, so that no list of names can be made to collide. */
static uint64_t hash_of(const struct seen *seen, const char *p, size_t n)
{
    const uint64_t prime = 0x100000001b3U;
    uint64_t hash = seen->start;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ (uint8_t)p[i]) * prime;
    }
    return hash ^ (hash >> 32);
}

/* The name's slot: where it is, or the free one where it would be. */
static struct seen_name **find(struct seen_name **slots, size_t capacity,
                               const struct seen_name *entry)
{
    size_t i = (size_t)entry->hash & (capacity - 1);
    while (slots[i] != NULL && (slots[i]->hash != entry->hash || slots[i]->size != entry->size ||
                                memcmp(slots[i]->name, entry->name, entry->size) != 0)) {
        i = (i + 1) & (capacity - 1);
    }
    return &slots[i];
}

static bool grow(struct seen *seen)
{
    size_t capacity = seen->capacity == 0 ? FIRST_CAPACITY : seen->capacity * 2;
    struct seen_name **slots = calloc(capacity, sizeof(struct seen_name *));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < seen->capacity; i++) {
        if (seen->slots[i] != NULL) {
            *find(slots, capacity, seen->slots[i]) = seen->slots[i];
        }
    }
    free(seen->slots);
    seen->slots = slots;
    seen->capacity = capacity;
    return true;
}

enum auth_status seen_add(struct seen *seen, const struct identity *who, uint64_t line,
                          uint64_t *ret_before)
{
    const size_t user_size = strlen(who->user) + 1;
    const size_t realm_size = strlen(who->realm) + 1;
    if (seen->capacity == 0) {
        enum auth_status status = crypto_random((uint8_t *)&seen->start, sizeof seen->start);
        if (status != AUTH_OK) {
            return status;
        }
    }
    if (seen->n >= seen->capacity / 2 && !grow(seen)) {
        return AUTH_NO_MEMORY;
    }
    struct seen_name *entry = malloc(sizeof *entry + user_size + realm_size);
    if (entry == NULL) {
        return AUTH_NO_MEMORY;
    }
    entry->line = line;
    entry->size = user_size + realm_size;
    memcpy(entry->name, who->user, user_size);
    memcpy(entry->name + user_size, who->realm, realm_size);
    entry->hash = hash_of(seen, entry->name, entry->size);
    struct seen_name **found = find(seen->slots, seen->capacity, entry);
    if (*found == NULL) {
        *found = entry;
        seen->n++;
        *ret_before = 0;
    } else {
        *ret_before = (*found)->line;
        (*found)->line = line;
        free(entry);
    }
    return AUTH_OK;
}

void seen_release(struct seen *seen)
{
    for (size_t i = 0; i < seen->capacity; i++) {
        free(seen->slots[i]);
    }
    free(seen->slots);
    *seen = (struct seen){.n = 0};
}
