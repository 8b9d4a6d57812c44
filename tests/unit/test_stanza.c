/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of the vector files itself: what it takes, and above all what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "stanza.h"

#define HEAD "count = 2\nshared = yes\n\n"
#define FIRST "tcId = 1\ncomment = one\nresult = valid\nC = a\nC = b\n\n"
#define SECOND "tcId = 3\ncomment = two\nresult = invalid\nshared = no\n"
#define END "\n# end\n"

/* The text as a whole file. */
static struct stanza_file *parse(const char *text)
{
    struct buf whole;

    buf_init(&whole, 8192);
    buf_put_str(&whole, text);
    buf_put_str(&whole, END);
    assert_int_equal(buf_status(&whole), AUTH_OK);
    struct stanza_file *file = stanza_parse("text", buf_slice(&whole));
    buf_release(&whole);
    return file;
}

static void good_file(void **state)
{
    struct stanza_file *file = parse("# comment\n\n" HEAD "# comment\n\n\n" FIRST SECOND);

    (void)state;
    assert_non_null(file);
    assert_int_equal(file->n, 2);
    const struct stanza *one = stanza_case(file, 1);
    const struct stanza *two = stanza_case(file, 3);
    assert_non_null(one);
    assert_non_null(two);
    assert_null(stanza_case(file, 2));
    assert_true(stanza_is_valid(one));
    assert_false(stanza_is_valid(two));
    assert_true(slice_equal_str(stanza_value(file, one, "shared"), "yes"));
    assert_true(slice_equal_str(stanza_value(file, two, "shared"), "no"));
    assert_null(stanza_find(file, one, "absent"));
    assert_int_equal(stanza_number(file, two, "absent", 7), 7);
    assert_int_equal(stanza_number(file, two, "tcId", 7), 3);
    assert_int_equal(one->n, 5);
    assert_true(slice_equal_str(one->fields[3].value, "a"));
    assert_true(slice_equal_str(one->fields[4].value, "b"));
    stanza_free(file);
}

static void values(void **state)
{
    struct stanza_file *file = parse("count = 0\n"
                                     "text =  a b\t\n"
                                     "equals = a = b\n"
                                     "escapes = \\x00\\xff\\\\\\x20\n"
                                     "many = <\\{3*61}\\{0*62}>\n"
                                     "hex = hex:00ff10\n"
                                     "empty =\n"
                                     "none = (none)\n");

    (void)state;
    assert_non_null(file);
    const struct stanza *s = &file->head;
    assert_true(slice_equal_str(stanza_value(file, s, "text"), "a b"));
    assert_true(slice_equal_str(stanza_value(file, s, "equals"), "a = b"));
    assert_true(slice_equal(stanza_value(file, s, "escapes"), slice_of("\0\xff\\ ", 4)));
    assert_true(slice_equal_str(stanza_value(file, s, "many"), "<aaa>"));
    assert_true(slice_equal(stanza_value(file, s, "hex"), slice_of("\0\xff\x10", 3)));
    assert_true(stanza_value(file, s, "empty").p != NULL);
    assert_int_equal(stanza_value(file, s, "empty").n, 0);
    assert_null(stanza_value(file, s, "none").p);
    stanza_free(file);
}

static void bad_files(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "# nothing\n",
        FIRST SECOND,                                           /* no count */
        "count = 1\n\n" FIRST SECOND,                           /* too many */
        "count = 3\n\n" FIRST SECOND,                           /* too few */
        "count = two\n\n" FIRST SECOND,                         /* no number */
        "count = 2x\n\n" FIRST SECOND,                          /* no number */
        HEAD FIRST "tcId = 1\ncomment = two\nresult = valid\n", /* the same tcId */
        HEAD FIRST "comment = two\nresult = valid\n",           /* no tcId */
        HEAD FIRST "tcId = 2\nresult = valid\n",                /* no comment */
        HEAD FIRST "tcId = 2\ncomment =\nresult = valid\n",
        HEAD FIRST "tcId = 2\ncomment = two\n", /* no result */
        HEAD FIRST "tcId = 2\ncomment = two\nresult = maybe\n",
        HEAD FIRST SECOND "key\n",       /* no equals sign */
        HEAD FIRST SECOND "= value\n",   /* no key */
        HEAD FIRST SECOND "key = \\\n",  /* an escape of nothing */
        HEAD FIRST SECOND "key = \\n\n", /* an escape there is not */
        HEAD FIRST SECOND "key = \\x0\n",
        HEAD FIRST SECOND "key = \\xFF\n",
        HEAD FIRST SECOND "key = \\{3*6}\n",
        HEAD FIRST SECOND "key = \\{3}\n",
        HEAD FIRST SECOND "key = \\{9999999*61}\n",
        HEAD FIRST SECOND "key = hex:0\n",
        HEAD FIRST SECOND "key = hex:0g\n",
        HEAD FIRST SECOND "key = hex:00 11\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (parse(texts[i]) != NULL) {
            fail_msg("text %zu was taken", i);
        }
    }
}

/* Whatever the place where a file was cut off, it is noticed. */
static void truncated_files(void **state)
{
    static const char text[] = HEAD FIRST SECOND END;

    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        assert_null(stanza_parse("cut", slice_of(text, n)));
    }
    struct stanza_file *file = stanza_parse("whole", slice_of(text, sizeof text - 1));
    assert_non_null(file);
    stanza_free(file);
    assert_null(stanza_parse("longer", slice_str(HEAD FIRST SECOND END "\n")));
    assert_null(stanza_parse("not a line", slice_str(HEAD FIRST "tcId = 3 # end\n")));
}

static void absent_file(void **state)
{
    (void)state;
    assert_null(stanza_read(VECTORS, "no-such-file.txt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_file),   cmocka_unit_test(values),
        cmocka_unit_test(bad_files),   cmocka_unit_test(truncated_files),
        cmocka_unit_test(absent_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
