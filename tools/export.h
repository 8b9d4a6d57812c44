/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an export format does with one account after the other. cmd_export.c reads the store and
 * owns the output; a format is a file of its own, export_NAME.c.
 */
#ifndef SASL_LMDB_EXPORT_H
#define SASL_LMDB_EXPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/detail.h"
#include "base/status.h"
#include "store/record.h"
#include "tool.h"

/* One run. */
struct export
{
    const struct tool *tool;
    FILE *out;
    const char *base; /* LDIF: the entry all accounts go under */
    unsigned kinds;   /* verifiers that may leave the store; 0 without --with-secrets */
    int64_t now;      /* seconds since 1970 */
};

struct export_format {
    const char *name;
    bool carries_state; /* flags and expiry: accounts that may not log in keep their verifiers */
    bool needs_base;    /* --base has to be given */
    unsigned kinds;     /* what it can carry; legacy ones count as asked for by --legacy */

    /* Before the first account; may be NULL. */
    void (*begin)(struct export *export);

    /*
     * Writes an account with those of the verifiers that `kinds` names. AUTH_OK, AUTH_NO_MEMORY, or
     * AUTH_BAD_NAME with a reason if the format cannot write this name: nothing was written then.
     */
    enum auth_status (*put)(struct export *export, const struct record *record, unsigned kinds,
                            struct detail *why);

    /* Behind the last one; may be NULL. */
    void (*end)(struct export *export);
};

extern const struct export_format export_jsonl;
extern const struct export_format export_dovecot;
extern const struct export_format export_ldif;
extern const struct export_format export_sql;

#endif
