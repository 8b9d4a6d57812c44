/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * imapd.conf and cyrus.conf as Cyrus IMAP 3 reads them: "@include: FILE", lines continued by a
 * backslash, no option twice, and options that one service has for itself ("pop3_allowplaintext"),
 * the service being what cyrus.conf calls it.
 */
#ifndef SASL_LMDB_DOCTOR_IMAPD_H
#define SASL_LMDB_DOCTOR_IMAPD_H

#include <stdbool.h>

#include "doctor_arena.h"
#include "doctor_files.h"
#include "doctor_settings.h"

/* Reads the file and what it includes. 0, or an errno value of the file itself. */
int imapd_read(const struct doctor_files *files, struct arena *arena, const char *path,
               struct settings *ret);

/*
 * Names of the services in a cyrus.conf that log people in by this imapd.conf, separated by spaces;
 * "" if it cannot be read.
 */
const char *imapd_services(const struct doctor_files *files, struct arena *arena,
                           const char *cyrus_conf, const char *imapd_conf);

/* Whether a service has an option of its own among those a doctor looks at. */
bool imapd_has_own(const struct settings *settings, const char *service);

/* The settings as a service sees them: its own options come first, by their plain names. */
struct settings imapd_seen_by(const struct settings *settings, struct arena *arena,
                              const char *service);

#endif
