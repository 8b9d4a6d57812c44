/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a probe saw and found, for people as it happens or for scripts as one JSON object at the
 * end. Bytes of the server are escaped. Secrets never come here: probe_smtp.c masks them.
 */
#ifndef SASL_LMDB_PROBE_REPORT_H
#define SASL_LMDB_PROBE_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/slice.h"
#include "base/status.h"
#include "tool.h"

struct probe_report {
    const struct tool *tool;
    bool quiet;     /* no dialogue */
    unsigned found; /* problems */
    bool lost;      /* something could not be kept for want of memory */
    json_t *root;   /* the members below belong to it */
    json_t *dialogue;
    json_t *offers;
    json_t *logins;
    json_t *relay;
    json_t *problems;
    json_t *notes;
};

/* AUTH_NO_MEMORY. */
MUST_USE enum auth_status probe_report_init(struct probe_report *report, const struct tool *tool,
                                            const char *host, const char *port);
void probe_report_release(struct probe_report *report);

/* What comes now: "connecting", "login: PLAIN". */
void probe_report_step(struct probe_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line of the dialogue, without its end. side is 'C' or 'S'. */
void probe_report_line(struct probe_report *report, char side, struct slice line);
/* What EHLO offered: mechanisms separated by spaces; tls is "" in the clear. */
void probe_report_offer(struct probe_report *report, const char *tls, const char *mechanisms,
                        bool starttls);
/*
 * A login: right or not, the server's last reply (or why there was none), and what that means where
 * it is not right.
 */
void probe_report_login(struct probe_report *report, const char *mechanism, const char *way,
                        bool good, const char *reply, const char *reason);
/*
 * A problem for each reason that logins were refused for, with the names of these logins. The
 * password is not blamed where the server took it with another mechanism.
 */
void probe_report_refusals(struct probe_report *report);
/* Why the probe could not end; it is said on standard error, too. */
void probe_report_failed(struct probe_report *report, const char *why);
/* A relay test: refused or not. */
void probe_report_relay(struct probe_report *report, const char *when, bool refused,
                        const char *reply);
/* Something wrong; id is one word for scripts. */
void probe_report_problem(struct probe_report *report, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Something to know that is not wrong; the same is said once. */
void probe_report_note(struct probe_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The verdict; complete is false if the probe could not end. AUTH_OK if that could be printed. */
MUST_USE enum auth_status probe_report_end(struct probe_report *report, bool complete);

#endif
