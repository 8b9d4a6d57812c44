/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "export.h"

/* A store's hash that is none would otherwise write fields of its own, or a line. */
static void hashes_with_fields_in_them(void **state)
{
    static const struct {
        const char *hash;
        enum auth_status status;
    } cases[] = {{"abNANd1rDfiNc", AUTH_OK},
                 {"x:0:0::/root:", AUTH_BAD_NAME},
                 {"x\nroot", AUTH_BAD_NAME},
                 {"x\x7f", AUTH_BAD_NAME}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record record = {.who = {.user = "alice", .realm = "example.org"}};
        struct detail why = {.text = ""};
        char *text = NULL;
        size_t n = 0;
        struct export export = {.out = open_memstream(&text, &n)};

        memcpy(record.verifiers.crypt, cases[i].hash, strlen(cases[i].hash) + 1);
        assert_int_equal(export_dovecot.put(&export, &record, VERIFIER_CRYPT, &why),
                         cases[i].status);
        fclose(export.out);
        assert_int_equal(n > 0, cases[i].status == AUTH_OK);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hashes_with_fields_in_them)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
