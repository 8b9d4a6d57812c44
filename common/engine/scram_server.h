/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCRAM, server half (RFC 5802; RFC 7677 for SHA-256), with and without channel binding. The
 * variant passed to start() is a struct scram_variant. What becomes of the gs2 flag (RFC 5802 6):
 *
 *            host->binding is there               host->binding is NULL
 *   n        accepted, unless host->plus          accepted, unless host->plus
 *   y        refused: the list of mechanisms      accepted, unless host->plus
 *            that the client saw was not ours
 *   p=NAME   accepted if NAME is the binding's    refused
 *            and c= carries its data
 *
 * "p" is as good under the plain name as under that with -PLUS: clients that negotiate nothing use
 * it so, and libsasl2's client announces the plain name for both.
 */
#ifndef SASL_LMDB_SCRAM_SERVER_H
#define SASL_LMDB_SCRAM_SERVER_H

#include "engine/mech.h"
#include "engine/scram_msg.h"

extern const struct mech_server_ops scram_server;

#endif
