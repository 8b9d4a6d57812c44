/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How PLAIN and LOGIN verify a password: by our verifiers where the host's pwcheck_method gives
 * auxprop its turn, and by libsasl2's own checkpass (saslauthd, authdaemond, the application's
 * callback, stores with clear passwords) for everything else. Installing these plugins over the
 * stock ones ends nobody's logins.
 */
#ifndef SASL_LMDB_SASL_PASSWORD_H
#define SASL_LMDB_SASL_PASSWORD_H

#include "engine/mech.h"
#include "sasl_exchange.h"

/* mech_host.check_password. AUTH_OK, a verdict, AUTH_BAD_NAME, AUTH_TOO_LONG or an outage. */
MUST_USE enum auth_status password_check(struct exchange *x, const struct mech_identity *who,
                                         struct slice password);

#endif
