/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the doctor prints for a shell, each of its commands with each of many hostile words, read by
 * a real sh whose programs do nothing but print their arguments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor_command.h"
#include "doctor_findings.h"

enum { OUTPUT_MAX = 64 * 1024, SCRIPT_MAX = 64 * 1024, PATH_SIZE = 64 };

struct place {
    struct arena arena;
    char directory[PATH_SIZE];
};

static const char *in(struct place *place, const char *name)
{
    return arena_format(&place->arena, "%s/%s", place->directory, name);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

/* The program of each command, and what may stand before it. */
static const char *const programs[] = {
    "adduser", "apt-get",    "ausearch", "chgrp",     "chmod",     "chown",
    "grep",    "install",    "ln",       "ls",        "mv",        "postconf",
    "postmap", "restorecon", "rm",       "sasl-lmdb", "saslauthd", "saslpasswd-lmdb",
    "sed",     "shred",      "sudo",     "systemctl", "true",      "usermod",
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    (void)snprintf(place->directory, sizeof place->directory, "/tmp/sasl-lmdb-unit-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        write_file(in(place, programs[i]), "#!/bin/sh\nprintf '<%s>\\n' \"$@\"\n");
    }
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        (void)unlink(in(place, programs[i]));
    }
    (void)unlink(in(place, "script"));
    int left = rmdir(place->directory);
    arena_release(&place->arena);
    free(place);
    return left; /* anything else there was made by a command */
}

/* The exit status of sh with this script, and what it printed. */
static int run(struct place *place, const char *options, const char *script, char *ret)
{
    write_file(in(place, "script"), script);
    const char *command =
        arena_format(&place->arena, "cd %s && PATH=%s exec /bin/sh %s script 2>&1",
                     place->directory, place->directory, options);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t n = fread(ret, 1, OUTPUT_MAX - 1, pipe);
    ret[n] = '\0';
    return pclose(pipe);
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)) != NULL; text += strlen(word)) {
        n++;
    }
    return n;
}

/* Words that are put in quoted. */
static size_t places_for_words(const char *mend)
{
    size_t n = 0;
    for (; *mend != '\0'; mend++) {
        if (*mend == '%' && mend[1] == '%') {
            mend++;
        } else if (*mend == '%' && mend[1] >= '1' && mend[1] <= '9') {
            n++;
        }
    }
    return n;
}

/* The row's command with this word everywhere. What %r1 stands for is a command of ours. */
static const char *command_of(struct place *place, const struct doctor_row *row, const char *word)
{
    const char *words[DOCTOR_WORDS_MAX];
    for (size_t i = 0; i < DOCTOR_WORDS_MAX; i++) {
        char raw[] = {'%', 'r', (char)('1' + i), '\0'};
        words[i] = strstr(row->mend, raw) != NULL ? "true" : word;
    }
    return doctor_fill(&place->arena, row->mend, words, true);
}

/* Where a command writes is printed, too, instead of written; and what is a comment in it. */
static const char *harmless(struct place *place, const char *command)
{
    char *copy = arena_copy(&place->arena, slice_str(command));
    for (char *at = copy; *at != '\0'; at++) {
        if (strncmp(at, " >", 2) == 0 || strncmp(at, " #", 2) == 0) {
            at[1] = '_';
            at[2] = at[2] == '>' ? '_' : at[2];
        }
    }
    return copy;
}

static void words_stay_whole(void **state)
{
    static const char *const hostile[] = {
        "two words",   "a'b",       "$(touch x)",     "`touch x`",   "a\"b$HOME",    "*",
        "a;touch x",   "a&touch x", "a|touch x",      "back\\slash", "back\\nslash", "%s%d",
        "!x",          "~",         "a'$(touch x)'b", "'",           "(x)",          "{a,b}",
        "caf\xc3\xa9", "",
    };
    enum { HOSTILE = sizeof hostile / sizeof hostile[0] };
    struct place *place = *state;
    static char script[SCRIPT_MAX];
    static char output[OUTPUT_MAX];
    for (int id = 0; id < DOCTOR_IDS; id++) {
        const struct doctor_row *row = doctor_row((enum doctor_id)id);
        size_t wanted = places_for_words(row->mend);
        const char *words[HOSTILE];
        size_t n = 0;
        for (size_t i = 0; i < HOSTILE; i++) {
            /* Words that nothing else in the commands can be taken for. */
            words[i] = arena_format(&place->arena, "[%zu:%s]", i, hostile[i]);
            const char *command = command_of(place, row, words[i]);
            assert_true(doctor_command_is_usable(command));
            n += (size_t)snprintf(script + n, sizeof script - n, "%s\n", harmless(place, command));
            assert_true(n < sizeof script);
        }
        if (wanted > 0 && run(place, "-n", script, output) != 0) {
            fail_msg("%s: %s", row->id, output);
        }
        if (wanted > 0 && run(place, "-e", script, output) != 0) {
            fail_msg("%s: %s", row->id, output);
        }
        for (size_t i = 0; wanted > 0 && i < HOSTILE; i++) {
            if (count(output, words[i]) != wanted) {
                fail_msg("%s: %s is not an argument in: %s", row->id, words[i], output);
            }
        }
    }
}

static void what_cannot_be_quoted_is_no_command(void **state)
{
    static const char *const hostile[] = {"a\nb",  "a\rb",     "\x1b[2J", "\x7f",
                                          "a\xff", "\xc2\x9b", "a\tb",    "\xe2\x80\xae"};
    struct place *place = *state;
    for (int id = 0; id < DOCTOR_IDS; id++) {
        const struct doctor_row *row = doctor_row((enum doctor_id)id);
        for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
            bool usable = doctor_command_is_usable(command_of(place, row, hostile[i]));
            assert_int_equal(usable, places_for_words(row->mend) == 0);
        }
        /* What a command is made of makes it so as well. */
        assert_true(doctor_command_is_usable(row->mend));
    }
    const char *inner = doctor_command(&place->arena, "rm %1", "a\nb", NULL);
    assert_false(doctor_command_is_usable(inner));
    assert_false(
        doctor_command_is_usable(doctor_command(&place->arena, "%r1 && ls %2", inner, "x", NULL)));
}

static void a_dash_in_front_is_an_option(void **state)
{
    struct place *place = *state;
    static const char *const texts[] = {"chgrp %1 x", "%1", "sed -i '%1' x"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(doctor_command_is_usable(doctor_command(&place->arena, texts[i], "-R", NULL)));
        assert_true(doctor_command_is_usable(doctor_command(&place->arena, texts[i], "a-R", NULL)));
    }
    assert_string_equal(doctor_command(&place->arena, "postconf -e x=%1", "-R", NULL),
                        "postconf -e x=-R");
}

static void what_is_too_long_is_not_cut(void **state)
{
    struct place *place = *state;
    enum { LONG = 20000 };
    char *word = arena_new(&place->arena, LONG + 1);
    assert_non_null(word);
    memset(word, 'x', LONG);
    assert_false(doctor_command_is_usable(doctor_command(&place->arena, "rm %1", word, NULL)));
    assert_false(doctor_command_is_usable(doctor_escaped(&place->arena, word, "/")));
    assert_string_equal(doctor_escaped(&place->arena, "a/b\\&", "\\/&"), "a\\/b\\\\\\&");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(words_stay_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_quoted_is_no_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dash_in_front_is_an_option, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_long_is_not_cut, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
