/* SPDX-License-Identifier: BSD-2-Clause */
/* PLAIN, server half (RFC 4616): [authzid] NUL authcid NUL passwd in one message. */
#ifndef SASL_LMDB_PLAIN_H
#define SASL_LMDB_PLAIN_H

#include "engine/mech.h"

extern const struct mech_server_ops plain_server;

#endif
