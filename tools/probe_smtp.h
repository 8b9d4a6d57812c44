/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SMTP as a client speaks it (RFC 5321, RFC 3207, RFC 4954): a command, a reply. Everything that is
 * read has a limit. What goes into the report is masked where it may be secret: all that the client
 * sends inside an AUTH exchange, every reply of the server that shows a secret (probe_mask.h), and
 * the proofs of the server (SCRAM's "v=", DIGEST-MD5's "rspauth="), for they are made from the
 * password.
 *
 * AUTH_UNAVAILABLE when the connection fails, AUTH_MALFORMED when the other end does not speak
 * SMTP, both with a detail.
 */
#ifndef SASL_LMDB_PROBE_SMTP_H
#define SASL_LMDB_PROBE_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "probe_link.h"
#include "probe_mask.h"
#include "probe_report.h"

enum {
    PROBE_LINE_MAX = 12288, /* RFC 4954 4: the longest line of an AUTH exchange */
    PROBE_REPLY_LINES = 200,
    PROBE_MECHANISMS = 32,
    PROBE_MECHANISM_SIZE = 21, /* RFC 4422 3.1: at most 20 characters */
    SMTP_READY = 220,
    SMTP_AUTHENTICATED = 235,
    SMTP_DONE = 250,
    SMTP_CHALLENGE = 334,
    SMTP_BUSY = 450,
    SMTP_PERMANENT = 500, /* this and more: refused for good */
};

/* What a server offers in its answer to EHLO. */
struct probe_offer {
    bool starttls;
    char mechanisms[PROBE_MECHANISMS][PROBE_MECHANISM_SIZE];
    size_t n_mechanisms;
    bool only_old_form; /* "AUTH=PLAIN", and no "AUTH PLAIN" */
};

struct probe_smtp {
    struct probe_link link;
    struct probe_report *report;
    unsigned timeout;        /* seconds for each reply */
    bool quiet;              /* keep the dialogue out of the report */
    struct probe_mask *mask; /* the caller's, for all connections; a later one may repeat, too */
    bool mask_proofs;        /* the server has heard enough to make one */
    uint8_t buffer[PROBE_LINE_MAX]; /* read and not yet used: [start, end) */
    size_t start;
    size_t end;
    int code;         /* of the last reply */
    struct buf text;  /* its lines behind the code, each with a newline */
    struct buf lines; /* its lines whole, each with a newline */
    struct buf shown; /* the last of them, masked */
};

/* Connects. probe_smtp_close() releases everything, also after a failure. */
MUST_USE enum auth_status probe_smtp_open(struct probe_smtp *smtp, const char *host,
                                          const char *port, struct detail *detail);
void probe_smtp_close(struct probe_smtp *smtp);

/* Reads a reply. */
MUST_USE enum auth_status probe_smtp_reply(struct probe_smtp *smtp, struct detail *detail);
/* Sends a line and reads the reply. */
MUST_USE enum auth_status probe_smtp_command(struct probe_smtp *smtp, const char *line,
                                             struct detail *detail);
/*
 * The same inside an AUTH exchange: prefix ("AUTH PLAIN", or "") and the message in base64, "=" for
 * an empty one behind a prefix (RFC 4954 4). A message with p NULL is none.
 */
MUST_USE enum auth_status probe_smtp_auth(struct probe_smtp *smtp, const char *prefix,
                                          struct slice message, struct detail *detail);
/* The challenge of a 334 reply, decoded. AUTH_MALFORMED. */
MUST_USE enum auth_status probe_smtp_challenge(const struct probe_smtp *smtp, struct buf *ret,
                                               struct detail *detail);
/* EHLO. */
MUST_USE enum auth_status probe_smtp_hello(struct probe_smtp *smtp, struct probe_offer *ret,
                                           struct detail *detail);
/* True if the server has sent something beyond its last reply. */
bool probe_smtp_has_more(const struct probe_smtp *smtp);
/* The last line of the last reply, for the report. */
const char *probe_smtp_shown(const struct probe_smtp *smtp);

#endif
