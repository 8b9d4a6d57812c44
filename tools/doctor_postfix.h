/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.cf and master.cf of a Postfix, read without Postfix: continuation lines, the last of two
 * equal names, "-o" of each smtpd, $name in values. What Postfix works out by itself (host name,
 * networks) is asked of postconf where that is installed, else guessed.
 */
#ifndef SASL_LMDB_DOCTOR_POSTFIX_H
#define SASL_LMDB_DOCTOR_POSTFIX_H

#include <stdbool.h>

#include "doctor_arena.h"
#include "doctor_files.h"
#include "doctor_settings.h"

enum { POSTFIX_SERVICES_MAX = 256 };

/* An smtpd of master.cf. */
struct postfix_service {
    struct postfix_service *next;
    const char *name; /* "submission", "127.0.0.1:25" */
    bool chroot;
    bool passed; /* of type "pass": postscreen hands it its clients */
    struct settings overrides;
};

struct postfix {
    const struct doctor_files *files;
    struct arena *arena;
    const char *directory; /* with main.cf */
    struct settings main;
    struct settings computed; /* what postconf said */
    struct postfix_service *services;
    int main_error; /* errno values, 0: read */
    int master_error;
};

/* Reads both files; postconf, if not NULL, is the program to run. */
void postfix_read(struct postfix *ret, const char *postconf);

/*
 * The value of a parameter for a service (NULL: for none in particular), with $name put in; "" if
 * it has none.
 */
const char *postfix_get(const struct postfix *postfix, const struct postfix_service *service,
                        const char *name);

/* Whether main.cf or the service says something about the parameter. */
bool postfix_is_set(const struct postfix *postfix, const struct postfix_service *service,
                    const char *name);

bool postfix_is_on(const struct postfix *postfix, const struct postfix_service *service,
                   const char *name);

/* main.cf's syntax; what postconf prints too. */
void postfix_take_main(struct settings *ret, struct arena *arena, struct slice text);

/* Runs postconf for what Postfix computes. Silent if that fails. See doctor_postconf.c. */
void postfix_ask_postconf(struct postfix *postfix, const char *postconf);

#endif
