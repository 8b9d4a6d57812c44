/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running processes, from /proc: only those whose names a check asks for, and of each only what a
 * check wants to know.
 */
#ifndef SASL_LMDB_DOCTOR_PROCESSES_H
#define SASL_LMDB_DOCTOR_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "doctor_files.h"
#include "doctor_people.h"

struct process {
    struct process *next;
    unsigned pid;
    const char *name;
    struct slice arguments;   /* NUL-separated */
    bool have_groups;         /* of the process, not of the account */
    struct person who;        /* who.name is not set */
    bool have_environment;    /* could be read */
    struct slice environment; /* NUL-separated; holds what it may */
    struct slice maps;
    struct slice mounts; /* /proc/PID/mountinfo */
    int64_t started;     /* in milliseconds since 1970, rather too late; 0: not known */
};

/*
 * Processes whose name (/proc/PID/comm) is one of these, in no order; NULL ends the names. Anybody
 * can start a program under any name and with any environment, so only those count that are root's
 * or the service's own and run a program that root alone can change; who may not see which that is
 * is given none.
 */
struct process *processes_find(const struct doctor_files *files, struct arena *arena,
                               const char *const *names, const struct person *service);

/* The value of a variable in its environment; NULL if there is none. */
const char *process_variable(const struct process *process, struct arena *arena, const char *name);

/* Whether it has this argument. */
bool process_has_argument(const struct process *process, const char *argument);

/* What stands behind an option ("-m DIR" or "-mDIR"); NULL if there is no such option. */
const char *process_option(const struct process *process, struct arena *arena, const char *option);

/*
 * Whether a mount table says that path (links followed) is on a file system mounted read-only.
 */
bool mounts_read_only(struct slice mounts, const char *path);

#endif
