/* SPDX-License-Identifier: BSD-2-Clause */
/* The vector files as a whole: how many cases each mechanism has, and logins of known programs. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exchange.h"
#include "stanza.h"

enum { LEAST_VALID = 30, LEAST_INVALID = 100 };

struct count {
    const char *mechanism; /* the name, or how the names begin */
    unsigned valid;
    unsigned invalid;
};

/* A case of a dialogue has a mechanism; one of a function (SASLprep, verifiers) is not counted. */
static void count_case(const struct stanza_file *file, const struct stanza *s, struct count *counts,
                       size_t n)
{
    char *mechanism = stanza_text(file, s, "mechanism");

    if (stanza_find(file, s, "function") == NULL && mechanism != NULL) {
        struct count *found = NULL;
        for (size_t i = 0; i < n; i++) {
            if (strncmp(mechanism, counts[i].mechanism, strlen(counts[i].mechanism)) == 0) {
                found = &counts[i];
            }
        }
        if (found == NULL) {
            fail_msg("%s:%u: a mechanism nobody counts: %s", file->name, s->line, mechanism);
        } else if (stanza_is_valid(s)) {
            found->valid++;
        } else {
            found->invalid++;
        }
    }
    free(mechanism);
}

static void enough_cases(void **state)
{
    struct count counts[] = {
        {.mechanism = "PLAIN"},      {.mechanism = "LOGIN"},  {.mechanism = "CRAM-MD5"},
        {.mechanism = "DIGEST-MD5"}, {.mechanism = "SCRAM-"},
    };
    const size_t n = sizeof counts / sizeof counts[0];
    unsigned files = 0;
    DIR *dir = opendir(VECTORS);

    (void)state;
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".txt") != 0) {
            continue;
        }
        struct stanza_file *file = stanza_read(VECTORS, entry->d_name);
        assert_non_null(file);
        for (size_t i = 0; i < file->n; i++) {
            count_case(file, &file->cases[i], counts, n);
        }
        stanza_free(file);
        files++;
    }
    closedir(dir);
    assert_true(files >= n);
    for (size_t i = 0; i < n; i++) {
        printf("%s: %u valid, %u invalid\n", counts[i].mechanism, counts[i].valid,
               counts[i].invalid);
        assert_true(counts[i].valid >= LEAST_VALID);
        assert_true(counts[i].invalid >= LEAST_INVALID);
    }
}

static void clients(void **state)
{
    (void)state;
    exchange_run_vectors("clients.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough_cases),
        cmocka_unit_test(clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
