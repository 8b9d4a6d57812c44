/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks for secrets in all memory this process can write: heap, stacks (also below where they
 * stand now), anonymous mappings, data of libraries. What is looked for is kept in another form,
 * so that the search does not find itself.
 */
#ifndef TEST_SCAN_H
#define TEST_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCAN_MASK = 0xa5, SCAN_MAX = 140, SCAN_NEEDLES = 96 };

/* Until when a secret may be in memory. */
enum scan_rule {
    SCAN_IN_STEP,     /* until a step is over */
    SCAN_TYPED,       /* a password: in the client until dispose, since it may be asked for again */
    SCAN_IN_EXCHANGE, /* until dispose */
    SCAN_KEY_PAGE,    /* while a store is open, in pages that are kept out of core dumps */
};

/* Where a search takes place. */
enum scan_place { SCAN_SERVER_BUSY, SCAN_CLIENT_BUSY, SCAN_AFTER };

struct needle {
    char name[40];
    enum scan_rule rule;
    uint32_t n;
    uint8_t masked[SCAN_MAX];
};

struct needles {
    uint32_t n;
    struct needle all[SCAN_NEEDLES];
};

/* Adds a secret; the caller wipes its own copy. Too many, or too long: the program ends. */
void scan_add(struct needles *needles, const char *name, enum scan_rule rule, const void *secret,
              size_t n);

/* Puts masked bytes back into their own form. */
void scan_unmask(const uint8_t *masked, size_t n, void *ret);

/*
 * Searches. Prints what is where it may not be, with `when`, and returns how many such places there
 * are.
 */
unsigned scan_memory(const struct needles *needles, enum scan_place place, const char *when);

#endif
