/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's side of a SASL exchange, through libsasl2 and whichever client plugins it finds
 * (SASL_PATH, else its own directory). Nothing of SASL's headers shows here.
 */
#ifndef SASL_LMDB_PROBE_SASL_H
#define SASL_LMDB_PROBE_SASL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "probe_tls.h"

/* Once in the process; probe_sasl_unload() after a success. AUTH_UNAVAILABLE with a detail. */
MUST_USE enum auth_status probe_sasl_load(struct detail *detail);
void probe_sasl_unload(void);

struct probe_sasl;

/* Who logs in where. The strings stay the caller's and have to outlive the exchange. */
struct probe_account {
    const char *host;
    const char *user;
    struct slice password;
    unsigned tls_bits; /* key length of the TLS below, 0 in the clear */
    struct probe_binding binding;
};

/* AUTH_NO_MEMORY, AUTH_UNAVAILABLE. probe_sasl_free() wipes and frees. */
MUST_USE enum auth_status probe_sasl_new(const struct probe_account *account,
                                         struct probe_sasl **ret, struct detail *detail);
void probe_sasl_free(struct probe_sasl *sasl);

/* True for the names that end in -PLUS: with channel binding (RFC 5802 4). */
bool probe_sasl_binds(const char *mechanism);

/*
 * Starts a mechanism, with the account's channel binding if its name asks for it; *ret_initial
 * tells whether it has an initial response, which is then in ret. AUTH_NOT_ALLOWED if no plugin can
 * do it; AUTH_BAD_SERVER when it cannot go on (with a detail).
 */
MUST_USE enum auth_status probe_sasl_start(struct probe_sasl *sasl, const char *mechanism,
                                           struct buf *ret, bool *ret_initial,
                                           struct detail *detail);
/* Answers a challenge. AUTH_BAD_SERVER with a detail. */
MUST_USE enum auth_status probe_sasl_step(struct probe_sasl *sasl, struct slice challenge,
                                          struct buf *ret, struct detail *detail);
/* True once the mechanism is through, the server's proof included where it has one. */
bool probe_sasl_done(const struct probe_sasl *sasl);

#endif
