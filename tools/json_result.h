/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What --json makes of a verb's words. Standard output gets one JSON value: what list and show
 * print, or an object that begins with the members of every verb that does something:
 *
 *   verb   its name
 *   ok     true exactly if the exit status is 0
 *
 * Nothing is there where the verb could not do its work (exit status 2 or 3, or 1 for an account or
 * file that is not there), except that check and probe say how far they came, and list, export and
 * set what they did with the accounts that are not damaged. Each message on
 * standard error is then an object on a line, {"program", "verb", "message"}, with verb null in
 * front of one. Standard output that holds a backup or an export has no object besides.
 */
#ifndef SASL_LMDB_JSON_RESULT_H
#define SASL_LMDB_JSON_RESULT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "tool.h"

/* Prints a JSON value on a line of standard output and gives it up. NULL means no memory. */
MUST_USE enum auth_status json_result_print(const struct tool *tool, json_t *value);

/* The same for a verb's object: puts "verb" and "ok" in front of its members. */
MUST_USE enum auth_status json_result(const struct tool *tool, bool ok, json_t *members);

/* A tool's print_message: text is free of control characters and UTF-8. */
void json_result_message(const struct tool *tool, const char *text);

#endif
