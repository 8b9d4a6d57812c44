/* SPDX-License-Identifier: BSD-2-Clause */
#include "scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REGIONS = 512 };

struct region {
    const uint8_t *start;
    const uint8_t *end;
    bool writable;
    bool dumped;
    char label[64];
};

/* Not on the stack, which is what is searched. */
static struct region regions[REGIONS];

_Noreturn static void give_up(const char *what)
{
    perror(what);
    exit(2);
}

void scan_unmask(const uint8_t *masked, size_t n, void *ret)
{
    uint8_t *bytes = ret;

    for (size_t i = 0; i < n; i++) {
        bytes[i] = masked[i] ^ SCAN_MASK;
    }
}

void scan_add(struct needles *needles, const char *name, enum scan_rule rule, const void *secret,
              size_t n)
{
    if (needles->n == SCAN_NEEDLES || n > SCAN_MAX || n < 8) {
        give_up(name);
    }
    struct needle *needle = &needles->all[needles->n++];
    snprintf(needle->name, sizeof needle->name, "%s", name);
    needle->rule = rule;
    needle->n = (uint32_t)n;
    scan_unmask(secret, n, needle->masked);
}

/* "start-end perms offset dev inode   path", or a line "VmFlags: rd wr … dd" of the one before. */
static size_t read_regions(void)
{
    static char line[4096];
    FILE *maps = fopen("/proc/self/smaps", "re");
    size_t n = 0;

    if (maps == NULL) {
        give_up("/proc/self/smaps");
    }
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long start;
        unsigned long end;
        char permissions[8];
        int at = 0;
        if (n > 0 && strncmp(line, "VmFlags:", 8) == 0) {
            regions[n - 1].dumped = strstr(line, " dd") == NULL;
        } else if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %n", &start, &end, permissions, &at) ==
                       3 &&
                   at > 0) {
            if (n == REGIONS) {
                give_up("too many mappings");
            }
            line[strcspn(line, "\n")] = '\0';
            struct region *r = &regions[n++];
            /* The kernel's own words for where this process's memory is. */
            union {
                unsigned long number;
                const uint8_t *p;
            } from = {start}, to = {end};
            r->start = from.p;
            r->end = to.p;
            r->writable = permissions[0] == 'r' && permissions[1] == 'w';
            r->dumped = true;
            snprintf(r->label, sizeof r->label, "%s", line[at] != '\0' ? line + at : "anonymous");
        }
    }
    (void)fclose(maps);
    return n;
}

static bool is_at(const uint8_t *p, const struct needle *needle)
{
    for (size_t i = 0; i < needle->n; i++) {
        if ((p[i] ^ needle->masked[i]) != SCAN_MASK) {
            return false;
        }
    }
    return true;
}

static unsigned scan_region(const struct region *r, const struct needle *needle, const char *when)
{
    const uint8_t *p = r->start;
    const uint8_t *last = r->end - needle->n;
    unsigned found = 0;

    while (p <= last &&
           (p = memchr(p, needle->masked[0] ^ SCAN_MASK, (size_t)(last - p) + 1)) != NULL) {
        if (is_at(p, needle)) {
            if (found == 0) {
                printf("  %s: %s in %s+0x%zx\n", when, needle->name, r->label,
                       (size_t)(p - r->start));
            }
            found++;
        }
        p++;
    }
    return found;
}

static bool is_allowed(enum scan_rule rule, enum scan_place place, const struct region *r)
{
    switch (rule) {
    case SCAN_TYPED:
        return place == SCAN_CLIENT_BUSY;
    case SCAN_IN_EXCHANGE:
        return place != SCAN_AFTER;
    case SCAN_KEY_PAGE:
        return !r->dumped;
    case SCAN_IN_STEP:
        break;
    }
    return false;
}

unsigned scan_memory(const struct needles *needles, enum scan_place place, const char *when)
{
    const size_t n = read_regions();
    unsigned found = 0;

    for (size_t i = 0; i < n; i++) {
        const struct region *r = &regions[i];
        if (!r->writable) {
            continue;
        }
        for (uint32_t k = 0; k < needles->n; k++) {
            const struct needle *needle = &needles->all[k];
            if (!is_allowed(needle->rule, place, r)) {
                found += scan_region(r, needle, when);
            }
        }
    }
    fflush(stdout);
    return found;
}
