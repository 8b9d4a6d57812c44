/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a store holds, counted by a process of its own: it becomes the store's owner, as every verb
 * does, and may be lost to damaged pages. What it leaves in shared memory is not trusted. Below
 * a root it becomes nobody instead, and reads copies without the lock file. It comes from a process
 * that was there before the doctor read any file, so there is nothing of these in it.
 */
#ifndef SASL_LMDB_DOCTOR_STORE_H
#define SASL_LMDB_DOCTOR_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/detail.h"
#include "base/status.h"
#include "doctor_files.h"
#include "engine/identity.h"
#include "tool.h"

enum {
    STORE_VIEW_REALMS = 256,
    STORE_VIEW_KINDS = 128,             /* sets of enum verifier_kind */
    STORE_COPY_MAX = 256 * 1024 * 1024, /* bytes of a store below a root */
};

struct realm_count {
    char realm[IDENTITY_MAX_REALM + 1];
    char user[IDENTITY_MAX_USER + 1]; /* of one of the accounts */
    uint64_t accounts;
};

struct realm_table {
    unsigned n;
    struct realm_count row[STORE_VIEW_REALMS];
};

struct store_counts {
    /* Of opening and reading; AUTH_OK: the rest is filled. AUTH_TOO_LONG: too large to copy. */
    enum auth_status status;
    struct detail detail;
    bool opened; /* what failed came after that and reading its head, and did not end the process */
    uint32_t key;          /* that the accounts are sealed under */
    uint32_t key_since;    /* when it was made, in seconds since 1970; 0: nobody knows */
    uint32_t previous_key; /* under which they are kept for who knows no later one; 0: none */
    uint64_t accounts;
    uint64_t kinds[STORE_VIEW_KINDS]; /* accounts by the set of their verifiers */
    bool more_realms;                 /* of one kind or the other than there is room for */
    struct realm_table realms;        /* of the accounts */
    struct realm_table digest_realms; /* that accounts have a DIGEST-MD5 verifier for */
};

struct store_view {
    struct store_view *next;
    const char *path; /* as the servers name them */
    const char *key_path;
    const struct store_counts *counts;
};

/* The process that opens stores, as the doctor knows it. */
struct store_counter {
    const struct tool *tool;
    struct store_counts *shared; /* by all of the processes */
    pid_t pid;
    int fd; /* where errands go and come */
    int other;
};

/* Starts it, before anything is read. False, told, if that failed. */
MUST_USE bool store_counter_start(struct store_counter *counter, const struct tool *tool);

/* Ends it. Also after a start that failed. */
void store_counter_stop(struct store_counter *counter);

/* Counts a store, into the arena. NULL without memory, or, told, if the process is lost. */
const struct store_counts *store_count(struct store_counter *counter, struct arena *arena,
                                       const struct doctor_files *files, const char *path,
                                       const char *key_path);

/* Accounts that have none of these kinds. */
uint64_t store_counts_without(const struct store_counts *counts, unsigned kinds);

/* Accounts that a table has for a realm, in any case; 0 if there are none. */
uint64_t realm_table_get(const struct realm_table *table, const char *realm);

#endif
