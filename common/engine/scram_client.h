/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCRAM, client half (RFC 5802; RFC 7677 for SHA-256), with and without channel binding. The
 * variant passed to start() is a struct scram_variant.
 *
 * AUTH_OK comes only after the server's signature has been verified. AUTH_BAD_SERVER: it was not
 * the right one, or the server asks for fewer iterations than the host's min_iterations (a guess at
 * the password would cost whoever listens too little) or more than max_iterations.
 * AUTH_WRONG_PASSWORD, AUTH_BAD_BINDING, AUTH_UNAVAILABLE: the server says so ("e=").
 */
#ifndef SASL_LMDB_SCRAM_CLIENT_H
#define SASL_LMDB_SCRAM_CLIENT_H

#include "engine/mech_client.h"
#include "engine/scram_msg.h"

extern const struct mech_client_ops scram_client;

#endif
