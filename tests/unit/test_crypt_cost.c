/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <crypt.h>

#include "engine/crypt_cost.h"
#include "engine/verifier.h"

#define SALT "abcdefghijklmnopqrstuu"
#define TAIL_31 "BdtCq5VHp1ZWh/QwIMafig7GoIpK9C."
#define TAIL_43 "0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA"
#define TAIL_86 TAIL_43 TAIL_43

static const struct {
    const char *hash;
    bool fits;
} cases[] = {
    {"abNANd1rDfiNc", true},
    {"*", true},
    {"", false},
    {"$2b$04$" SALT, true},
    {"$2b$15$" SALT, true},
    {"$2b$16$" SALT, false},
    {"$2y$31$" SALT, false},
    {"$2a$1:$" SALT, false},
    {"$2b$5$" SALT, false},
    {"$2b$", false},
    {"$5$salt$", true},
    {"$6$salt$", true},
    {"$6$rounds=1000000$salt$", true},
    {"$6$rounds=1000001$salt$", false},
    {"$5$rounds=999999999$salt$", false},
    {"$5$rounds=99999999999999999999$salt$", false},
    {"$5$rounds=-1$salt$", false},
    {"$5$rounds=5000", false},
    {"$1$salt$", true},
    {"$3$$0123456789abcdef", true},
    {"$sha1$20000$salt$", true},
    {"$sha1$1000001$salt$", false},
    {"$sha1$ 20000$salt$", false},
    {"$md5$salt$", true},
    {"$md5,rounds=904$salt$", true},
    {"$md5,rounds=4294963199$salt$", false},
    {"$md5,x$salt$", false},
    {"_J9..salt", true},
    {"_zzz0salt", true},
    {"_zzz1salt", false},
    {"_zzzzsalt", false},
    {"_zz", false},
    {"$y$j9T$salt$", true},
    {"$y$jDT$salt$", true},  /* 256 MiB */
    {"$y$jET$salt$", false}, /* 512 */
    {"$y$jDU$salt$", false}, /* r 33 instead of 32 */
    {"$y$jkT$salt$", false}, /* N of more than one digit */
    {"$gy$jDT$salt$", true},
    {"$gy$jET$salt$", false},
    {"$y$jCT..$salt$", true}, /* p 2 */
    {"$y$jDT..$salt$", false},
    {"$y$jCT/.$salt$", true}, /* t 1 */
    {"$y$jDT/.$salt$", false},
    {"$y$jBT0..$salt$", true}, /* both */
    {"$y$jCT0..$salt$", false},
    {"$y$j9T1.$salt$", false}, /* g, which multiplies N */
    {"$y$j9T", false},
    {"$7$CU..../....salt$", true},
    {"$7$EU..../....salt$", true}, /* 256 MiB */
    {"$7$FU..../....salt$", false},
    {"$7$EU....0....salt$", false},
    {"$7$Czzzzz/....salt$", false},
    {"$7$C...../....salt$", false}, /* r 0 */
    {"$7$zU..../....salt$", false},
    {"$9$salt$", false},
};

static void what_a_hash_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (crypt_cost_fits(slice_str(cases[i].hash)) != cases[i].fits) {
            fail_msg("%s", cases[i].hash);
        }
    }
}

/* Every prefix of a hash, in a block of its own for the sanitizer. */
static void a_hash_cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t n = 0; n < strlen(cases[i].hash); n++) {
            char *cut = test_malloc(n + 1);
            memcpy(cut, cases[i].hash, n);
            (void)crypt_cost_fits(slice_of(cut, n));
            test_free(cut);
        }
    }
}

/* What the system itself makes, with the cost it takes unless told. */
static void defaults_fit(void **state)
{
    static const char *const prefixes[] = {"$y$", "$gy$",   "$7$",  "$2b$", "$6$", "$5$",
                                           "$1$", "$sha1$", "$md5", "_",    ""};
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (crypt_gensalt_rn(prefixes[i], 0, "0123456789abcdef", 16, setting, sizeof setting) !=
                NULL &&
            !crypt_cost_fits(slice_str(setting))) {
            fail_msg("%s", setting);
        }
    }
}

/* Also a record that did not come in through the tool costs no server more. */
static void a_costly_hash_is_not_compared(void **state)
{
    static const char *const costly[] = {
        "$2b$16$" SALT TAIL_31, "$6$rounds=1000001$saltsalt$" TAIL_86,
        "$5$rounds=1000001$saltsalt$" TAIL_43, "$y$jET$F5Jx5fExrKuPp53xLKQ..1$" TAIL_43};

    (void)state;
    for (size_t i = 0; i < sizeof costly / sizeof costly[0]; i++) {
        assert_int_equal(verifier_check_crypt(costly[i], slice_str("secret")), AUTH_NO_VERIFIER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_hash_says),
        cmocka_unit_test(a_hash_cut_short),
        cmocka_unit_test(defaults_fit),
        cmocka_unit_test(a_costly_hash_is_not_compared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
