/* SPDX-License-Identifier: BSD-2-Clause */
/* PLAIN, client half (RFC 4616): everything in one message. */
#ifndef SASL_LMDB_PLAIN_CLIENT_H
#define SASL_LMDB_PLAIN_CLIENT_H

#include "engine/mech_client.h"

extern const struct mech_client_ops plain_client;

#endif
