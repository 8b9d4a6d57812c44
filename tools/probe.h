/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the verb probe does at a server, step by step. Each step opens its own connections.
 *
 * AUTH_OK: go on; what was found is in the report. AUTH_BAD_SERVER: found, and no sense in going
 * on. Everything else has been said already and ends the probe.
 */
#ifndef SASL_LMDB_PROBE_H
#define SASL_LMDB_PROBE_H

#include <stdbool.h>

#include "probe_report.h"
#include "probe_sasl.h"
#include "probe_smtp.h"
#include "tool.h"

enum probe_tls_mode {
    PROBE_TLS_AUTO, /* from the first byte on port 465, else STARTTLS where it is offered */
    PROBE_TLS_NONE,
    PROBE_TLS_STARTTLS,
    PROBE_TLS_IMPLICIT,
};

struct probe {
    const struct tool *tool;
    struct probe_report report;
    const char *host;
    const char *port;
    const char *user; /* NULL: nobody logs in */
    struct slice password;
    struct probe_mask mask;
    enum probe_tls_mode mode;
    struct probe_tls_options tls;
    unsigned timeout; /* seconds */
    const char *from; /* foreign addresses */
    const char *to;
    bool first_done;   /* the first connection has been reported */
    bool secure;       /* under TLS */
    bool limited;      /* the server takes no more AUTH commands from here for now */
    bool trusted;      /* the server is this machine and relays for it without a login */
    const char *stage; /* what the connection is used for now, for whoever reads that it failed */
};

/*
 * A connection up to the last EHLO. The caller calls probe_smtp_close() whatever comes back. What
 * the first connection shows goes into the report; of the others only what follows.
 */
MUST_USE enum auth_status probe_session(struct probe *probe, struct probe_smtp *smtp,
                                        struct probe_offer *ret);

/* Says that the connection failed, and at which stage; returns status. */
enum auth_status probe_network_error(struct probe *probe, enum auth_status status,
                                     const struct detail *detail);

/* What the code of a refused login means, in words. */
const char *probe_refusal(int code);

/*
 * Whether somebody may log in on the last connection: under TLS, or with --tls none. The other
 * mechanisms show no password, but whoever sits between chooses the challenge, and can guess at the
 * password from the answer for as long as he likes.
 */
bool probe_may_log_in(const struct probe *probe);

/*
 * True if the server takes no more AUTH commands from this client for now, so that the last reply
 * tells nothing of the login that ended with status. Says so once.
 */
bool probe_limited(struct probe *probe, const struct probe_smtp *smtp, enum auth_status status);

/* Logs in with each mechanism offered, each way. */
MUST_USE enum auth_status probe_logins(struct probe *probe, const struct probe_offer *offer);

/*
 * One AUTH exchange on an open connection, with the initial response or without where there is a
 * choice. AUTH_OK if the server said 235 and proved what it has to; AUTH_WRONG_PASSWORD if it
 * refused; AUTH_NOT_ALLOWED if no plugin can do the mechanism; AUTH_BAD_SERVER with a detail if
 * the exchange went wrong.
 */
MUST_USE enum auth_status probe_authenticate(struct probe_smtp *smtp,
                                             const struct probe_account *account,
                                             const char *mechanism, bool initial,
                                             struct detail *detail);

/* Tries to send to foreign addresses with no login and after one that failed. */
MUST_USE enum auth_status probe_relaying(struct probe *probe, const struct probe_offer *offer);

#endif
