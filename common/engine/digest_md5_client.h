/* SPDX-License-Identifier: BSD-2-Clause */
/* DIGEST-MD5, client half (RFC 2831), initial authentication only; layers as digest_layer.h. */
#ifndef SASL_LMDB_DIGEST_MD5_CLIENT_H
#define SASL_LMDB_DIGEST_MD5_CLIENT_H

#include "engine/mech_client.h"

extern const struct mech_client_ops digest_md5_client;

#endif
