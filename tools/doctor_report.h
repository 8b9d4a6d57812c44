/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a doctor has found, kept until the end: the worst first, nothing twice. Words from
 * configuration files are escaped when they are printed, and a command that would have to be
 * escaped is left out. No secret comes here: checks hand on the values of settings that hold none.
 */
#ifndef SASL_LMDB_DOCTOR_REPORT_H
#define SASL_LMDB_DOCTOR_REPORT_H

#include <stdarg.h>
#include <stdbool.h>

#include "doctor_arena.h"
#include "doctor_findings.h"
#include "tool.h"

struct finding {
    struct finding *next;
    enum doctor_id id;
    const char *text;
    const char *mend;
};

struct looked_at {
    struct looked_at *next;
    const char *what;
};

struct doctor_report {
    struct arena *arena;
    const char *root;    /* commands are for a shell in what is below it; "" or NULL: the machine */
    const char *restart; /* the command that makes servers read what has been mended; NULL or "" */
    struct finding *findings;
    struct looked_at *looked_at;
    unsigned counts[DOCTOR_NOTE + 1]; /* by severity */
};

/* Adds a finding; words for %1, %2, ... up to a NULL. One that is there already is not added. */
void doctor_report_add(struct doctor_report *report, enum doctor_id id, va_list words);

/* Something that was looked at: "Postfix in /etc/postfix". */
void doctor_report_looked_at(struct doctor_report *report, const char *what);

/* Prints everything. AUTH_OK if it could be printed. */
MUST_USE enum auth_status doctor_report_print(const struct doctor_report *report,
                                              const struct tool *tool);

/* The rows there are, one a line: id, severity. */
void doctor_report_list(void);

#endif
