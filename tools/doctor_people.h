/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users, their groups, and what those may do with a file: worked out from modes, because nobody
 * here becomes the user in question. A file or directory with an access control list counts as
 * allowed: its mode does not tell.
 */
#ifndef SASL_LMDB_DOCTOR_PEOPLE_H
#define SASL_LMDB_DOCTOR_PEOPLE_H

#include <stdbool.h>
#include <sys/types.h>

#include "doctor_arena.h"
#include "doctor_files.h"

enum { PERSON_GROUPS_MAX = 256 };

struct person {
    const char *name;
    bool known; /* the account exists */
    uid_t uid;
    size_t n_groups;
    gid_t groups[PERSON_GROUPS_MAX];
};

/*
 * The account of that name with all its groups: from /etc/passwd and /etc/group below the root, on
 * the machine itself from wherever it has its accounts.
 */
struct person person_find(const struct doctor_files *files, struct arena *arena, const char *name);

bool person_has_group(const struct person *person, gid_t gid);

/* The name of a user or a group, or the number. */
const char *user_name(const struct doctor_files *files, struct arena *arena, uid_t uid);
const char *group_name(const struct doctor_files *files, struct arena *arena, gid_t gid);

/* Bits of what is wanted of a file: as in a mode, 4 to read, 2 to write, 1 to search. */
enum { WANT_SEARCH = 1, WANT_WRITE = 2, WANT_READ = 4 };

/*
 * Whether the person may do that to path and search every directory on the way. If not,
 * *ret_barrier is the directory or file that stands in the way. A path that cannot be looked at
 * counts as allowed.
 */
bool person_may(const struct doctor_files *files, struct arena *arena, const struct person *person,
                const char *path, unsigned wanted, const char **ret_barrier);

#endif
