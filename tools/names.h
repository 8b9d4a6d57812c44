/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names as people write them on a command line: USER or USER@REALM, with -u REALM, or without any
 * realm, which means this host's name as saslpasswd2 has it.
 */
#ifndef SASL_LMDB_NAMES_H
#define SASL_LMDB_NAMES_H

#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/identity.h"
#include "tool.h"

/*
 * Prepares and splits a name. default_realm may be NULL or "": a name without a realm is then
 * refused. AUTH_BAD_NAME or AUTH_TOO_LONG with a detail that says which rule was broken.
 */
MUST_USE enum auth_status names_parse(struct slice name, const char *default_realm,
                                      enum identity_use use, struct identity *ret,
                                      struct detail *detail);

/* Prepares a realm by itself: lower case, the rules of names_parse(). ret holds it with its NUL. */
MUST_USE enum auth_status names_realm(const char *realm, char ret[IDENTITY_MAX_REALM + 1],
                                      struct detail *detail);

/*
 * Whether a realm could be a host's or a domain's name: labels with dots between them, none of them
 * empty, none that begins or ends with a hyphen. "_" and what is not ASCII pass. Anything else is
 * allowed as well, but more likely a typing error.
 */
bool names_is_host_name(const char *realm);

/*
 * The same for an argument of the command line, with the host's name as last resort, and with a
 * message when it fails. realm is the value of -u, or NULL.
 */
MUST_USE enum auth_status names_argument(const struct tool *tool, const char *name,
                                         const char *realm, enum identity_use use,
                                         struct identity *ret);

/*
 * Says why a verb cannot do with an account what it should. Where it is not there, and its realm is
 * this host's name because nobody said another, the namesakes in other realms are named; that reads
 * the whole store. Returns status.
 */
enum auth_status names_report_account(const struct tool *tool, struct store *store,
                                      enum auth_status status, const struct detail *detail,
                                      const struct identity *who);

/*
 * The arguments of a verb for one account: -u REALM, and USER or USER@REALM. hint: what the usage
 * error says. False, with the exit status in *ret_code, when the verb is not to go on.
 */
MUST_USE bool names_read_account(struct tool *tool, int argc, char **argv, const char *hint,
                                 struct identity *ret_who, int *ret_code);

#endif
