/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives a client engine without any framework, fed from the stanzas of a vector file: `S` is what
 * a server says, `C` what the client has to answer. The mirror image of exchange.h.
 */
#ifndef SASL_LMDB_TEST_CLIENT_EXCHANGE_H
#define SASL_LMDB_TEST_CLIENT_EXCHANGE_H

#include <stdbool.h>

#include "engine/mech_client.h"

/* Runs every case of a vector file; fails the test after the last one if any went wrong. */
void client_run_vectors(const struct mech_client_ops *ops, const char *name);

/*
 * Takes a valid case apart: each message of the server cut at every length, every byte changed, NUL
 * and 0xff put in at every place, 64 KiB of one byte in its place. Where the mechanism has the
 * server prove itself, none may end well; otherwise it is enough that nothing breaks.
 */
void client_run_damage(const struct mech_client_ops *ops, const char *name, unsigned id,
                       bool server_proves);

/* Makes each allocation of the engine fail once, alone and with all that follow it. */
void client_run_allocations(const struct mech_client_ops *ops, const char *name, unsigned id);

#endif
