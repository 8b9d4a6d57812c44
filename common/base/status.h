/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one status type of the project. Every fallible function outside plugins/ returns it, and
 * exactly one function (sasl_glue.c) translates it to SASL_* and to what the peer may see.
 *
 * Three groups matter to callers: verdicts about a user (the peer is shown one and the same
 * refusal for all of them), faults of the peer's message, and faults of our side (the peer may
 * try again later). Library code returns a status and never logs; plugins and tools log once.
 */
#ifndef SASL_LMDB_STATUS_H
#define SASL_LMDB_STATUS_H

#include <stdbool.h>

#define MUST_USE __attribute__((warn_unused_result))

enum auth_status {
    AUTH_OK = 0,
    AUTH_CONTINUE,   /* a challenge has been written, the next message is expected */
    AUTH_NEED_INPUT, /* a client half must ask a person before it can go on */

    /* Verdicts about a user. Kept apart for the log, one refusal to the peer. */
    AUTH_UNKNOWN_USER,
    AUTH_WRONG_PASSWORD,
    AUTH_DISABLED,
    AUTH_EXPIRED,
    AUTH_NO_VERIFIER, /* the account has none for this mechanism */
    AUTH_NOT_ALLOWED, /* authenticated, but refused by policy (TLS wanted, authorization) */

    /* The message, name or password we were given is at fault. */
    AUTH_MALFORMED,
    AUTH_TOO_LONG,
    AUTH_BAD_NAME,     /* not UTF-8, refused by SASLprep, empty, or more than one '@' */
    AUTH_BAD_PASSWORD, /* a password that cannot be stored: empty, NUL, not UTF-8, SASLprep */
    AUTH_BAD_BINDING,  /* channel binding missing, unexpected or different */
    AUTH_BAD_SERVER, /* client half: the server cannot prove itself, or asks for what it may not */

    /* Our side is at fault. */
    AUTH_NO_MEMORY,
    AUTH_CRYPTO,         /* OpenSSL refused, or lacks the algorithm (FIPS) */
    AUTH_UNAVAILABLE,    /* no store is configured, or it cannot be reached now */
    AUTH_STORE_MISSING,  /* no such file */
    AUTH_STORE_DENIED,   /* permissions, read-only file system */
    AUTH_STORE_FOREIGN,  /* not a store of ours, or a newer format */
    AUTH_STORE_DAMAGED,  /* truncated, or a record whose seal does not open */
    AUTH_STORE_BUSY,     /* reader table full, locked by somebody else */
    AUTH_STORE_FULL,     /* no space left, file-size limit, map cannot grow */
    AUTH_STORE_EXISTS,   /* init over an existing store */
    AUTH_STORE_READONLY, /* opened for reading, or writing is not configured */
    AUTH_KEY_MISSING,
    AUTH_KEY_EXPOSED, /* readable by others */
    AUTH_KEY_WRONG,   /* for another store, or a key id the file does not have */
    AUTH_KEY_DAMAGED, /* does not parse */
    AUTH_INTERNAL,    /* a defect of ours; the value every result variable starts with */
};

/* True for the verdicts about a user (AUTH_UNKNOWN_USER .. AUTH_NOT_ALLOWED). */
bool auth_status_is_verdict(enum auth_status status);

/* True for the faults of our side, i.e. those after which the peer may try again. */
bool auth_status_is_outage(enum auth_status status);

/*
 * The word for the log's reason= field: "unknown", "password", "disabled", "expired",
 * "no-verifier", "policy", "protocol" or "store". Static string, never NULL.
 */
const char *auth_status_reason(enum auth_status status);

/* A plain-English clause for people ("no such user"). Static string, never NULL. */
const char *auth_status_text(enum auth_status status);

#endif
