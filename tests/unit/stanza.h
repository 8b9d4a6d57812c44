/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reader of the vector files (vectors/README.md has the format). A file is read whole and checked
 * whole: a line that is none, a case without tcId, comment or result, a tcId that does not grow, a
 * number of cases other than the `count` of the head, or a last line other than "# end" is an
 * error, so a truncated file never passes for a short one, wherever it was cut.
 *
 * Every value is a heap block of exactly its size, so that the address sanitizer sees one byte too
 * many. Errors are told on standard error, with file and line.
 */
#ifndef SASL_LMDB_TEST_STANZA_H
#define SASL_LMDB_TEST_STANZA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct stanza_field {
    char *key;
    struct slice value; /* p is NULL for "(none)" */
};

struct stanza {
    unsigned line; /* where it starts */
    size_t n;
    struct stanza_field *fields; /* in the order of the file; keys may repeat */
};

struct stanza_file {
    char *name;
    struct stanza head; /* the first stanza: count, and defaults of the cases */
    size_t n;
    struct stanza *cases;
};

/* Reads dir/name. NULL after an error. */
struct stanza_file *stanza_read(const char *dir, const char *name);

/* The same from text in memory; name is for messages. */
struct stanza_file *stanza_parse(const char *name, struct slice text);

void stanza_free(struct stanza_file *file);

/* The field of a case, else that of the head, else NULL. */
const struct stanza_field *stanza_find(const struct stanza_file *file, const struct stanza *s,
                                       const char *key);

/* Its value; an absent field has p NULL and n 0. */
struct slice stanza_value(const struct stanza_file *file, const struct stanza *s, const char *key);

/* Its value as a NUL-terminated string the caller frees; NULL for an absent field. */
char *stanza_text(const struct stanza_file *file, const struct stanza *s, const char *key);

/* Its value as a decimal number; fallback for an absent field. */
unsigned stanza_number(const struct stanza_file *file, const struct stanza *s, const char *key,
                       unsigned fallback);

/* True if the case says result = valid. */
bool stanza_is_valid(const struct stanza *s);

/* The case with this tcId, or NULL. */
const struct stanza *stanza_case(const struct stanza_file *file, unsigned id);

/* Prints file, line, tcId and comment of a case, and what is wrong with it. Returns false. */
bool stanza_complain(const struct stanza_file *file, const struct stanza *s, const char *what);

#endif
