/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lmdb_upgrade: a successful login by password leaves a ticket (store/ticket.h) for an account that
 * lacks verifiers. Used by PLAIN and LOGIN; each of the two plugins has a descriptor of its own on
 * the ticket file, opened at initialisation, when the server may not be in its jail yet.
 *
 * Nothing here fails a login. What goes wrong is logged once.
 */
#ifndef SASL_LMDB_SASL_TICKET_H
#define SASL_LMDB_SASL_TICKET_H

#include "sasl_exchange.h"

/* At initialisation. True if tickets are wanted. */
bool ticket_configure(const sasl_utils_t *utils);

/*
 * After a password has been found right and before the properties are erased: leaves a ticket if
 * the store asked for one.
 */
void ticket_leave(struct exchange *x, struct slice password);

#endif
