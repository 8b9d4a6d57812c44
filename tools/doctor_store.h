/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a store holds, counted by a process of its own: it becomes the store's owner, as every verb
 * does, and may be lost to damaged pages. What it leaves in shared memory is not trusted.
 */
#ifndef SASL_LMDB_DOCTOR_STORE_H
#define SASL_LMDB_DOCTOR_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/status.h"
#include "doctor_files.h"
#include "engine/identity.h"
#include "tool.h"

enum {
    STORE_VIEW_REALMS = 256,
    STORE_VIEW_KINDS = 128, /* sets of enum verifier_kind */
};

struct realm_count {
    char realm[IDENTITY_MAX_REALM + 1];
    uint64_t accounts;
};

struct store_counts {
    enum auth_status status; /* of opening and reading; AUTH_OK: the rest is filled */
    struct detail detail;
    uint64_t accounts;
    uint64_t kinds[STORE_VIEW_KINDS]; /* accounts by the set of their verifiers */
    unsigned n_realms;
    bool more_realms; /* than there is room for */
    struct realm_count realms[STORE_VIEW_REALMS];
};

struct store_view {
    struct store_view *next;
    const char *path; /* as the servers name them */
    const char *key_path;
    const struct store_counts *counts;
};

/* Counts a store. NULL without memory, told. */
const struct store_counts *store_count(const struct tool *tool, const struct doctor_files *files,
                                       const char *path, const char *key_path);

/* Accounts that have none of these kinds. */
uint64_t store_counts_without(const struct store_counts *counts, unsigned kinds);

/* Accounts of a realm, in any case; 0 if there are none. */
uint64_t store_counts_realm(const struct store_counts *counts, const char *realm);

#endif
