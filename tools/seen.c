/* SPDX-License-Identifier: BSD-2-Clause */
#include "seen.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* user NUL realm NUL behind the line number. */
struct seen_name {
    uint64_t line;
    char name[];
};

static int compare(const void *a, const void *b)
{
    const struct seen_name *left = a;
    const struct seen_name *right = b;
    int users = strcmp(left->name, right->name);
    if (users != 0) {
        return users;
    }
    size_t realm_at = strlen(left->name) + 1;
    return strcmp(left->name + realm_at, right->name + realm_at);
}

enum auth_status seen_add(struct seen *seen, const struct identity *who, uint64_t line,
                          uint64_t *ret_before)
{
    size_t user_size = strlen(who->user) + 1;
    size_t realm_size = strlen(who->realm) + 1;
    struct seen_name *entry = malloc(sizeof *entry + user_size + realm_size);
    if (entry == NULL) {
        return AUTH_NO_MEMORY;
    }
    entry->line = line;
    memcpy(entry->name, who->user, user_size);
    memcpy(entry->name + user_size, who->realm, realm_size);
    struct seen_name **found = tsearch(entry, &seen->root, compare);
    if (found == NULL) {
        free(entry);
        return AUTH_NO_MEMORY;
    }
    *ret_before = 0;
    if (*found != entry) {
        *ret_before = (*found)->line;
        (*found)->line = line;
        free(entry);
    }
    return AUTH_OK;
}

void seen_release(struct seen *seen)
{
    tdestroy(seen->root, free);
    seen->root = NULL;
}
