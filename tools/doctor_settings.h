/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists of "name: value" from configuration files, each read by the rules of the program whose
 * file it is. Everything is bounded; strings and entries live in the arena.
 */
#ifndef SASL_LMDB_DOCTOR_SETTINGS_H
#define SASL_LMDB_DOCTOR_SETTINGS_H

#include <stdbool.h>

#include "base/slice.h"
#include "doctor_arena.h"

enum { SETTINGS_MAX = 4096 }; /* entries of one list */

struct setting {
    struct setting *next;
    const char *name;
    const char *value;
    unsigned line;       /* where it begins, from 1 */
    unsigned end;        /* where it ends: another where its value goes on */
    const char *written; /* its name in the file, where it has a colon */
    const char *file;    /* which one, if known */

    /* One of the same name before it, where the program refuses a second one; else NULL. */
    const struct setting *before;
};

struct settings {
    struct setting *first;
    struct setting *last;
    unsigned n;
    unsigned bad_line;    /* the first line the program does not take; 0: there is none */
    const char *bad_file; /* where that is, if it is another than the one asked for */
    const char *bad;      /* what is wrong with it; NULL: its setting knows another before it */
};

void settings_add(struct settings *settings, struct arena *arena, struct slice name,
                  struct slice value, unsigned line);

/* The first of that name, as libsasl2 and Cyrus IMAP choose; NULL if there is none. */
const struct setting *settings_find(const struct settings *settings, const char *name);

/* Its value. */
const char *settings_first(const struct settings *settings, const char *name);

/* The last of that name, if it is another and says something else than the first; else NULL. */
const struct setting *settings_ignored(const struct settings *settings, const char *name);

/* The last of that name, as Postfix chooses; NULL if there is none. */
const char *settings_last(const struct settings *settings, const char *name);

/*
 * A SASL configuration file as libsasl2 2.1 reads it: names in any case, "#" comments, no value
 * over more than one line. It stops at the first line it does not take, and so does this.
 */
void settings_take_sasl(struct settings *ret, struct arena *arena, struct slice text);

/*
 * One line of it, or of imapd.conf, without space around; file is kept, not copied. False, and the
 * settings know the bad line, if the program would not take it.
 */
bool settings_take_colon(struct settings *ret, struct arena *arena, struct slice line,
                         const char *file, unsigned number);

/* "NAME=value" lines of a shell fragment in /etc/default, quotation marks taken off. */
void settings_take_shell(struct settings *ret, struct arena *arena, struct slice text);

/* yes, on, true, t, 1 in any case; NULL is off. */
bool setting_is_on(const char *value);

/* The next line without its newline. False at the end. */
bool settings_line(struct slice *text, struct slice *ret);

/* Space and tab around, taken off. */
struct slice settings_trim(struct slice text);

/*
 * The next word of a list, words being separated by any of the characters. False at the end.
 */
bool settings_word(struct slice *list, const char *separators, struct slice *ret);

/* Whether a list of words separated by spaces or commas has this one, in any case. */
bool settings_list_has(const char *list, const char *word);

#endif
