/* SPDX-License-Identifier: BSD-2-Clause */
/* DIGEST-MD5, server half (RFC 2831), initial authentication only; layers as digest_layer.h. */
#ifndef SASL_LMDB_DIGEST_MD5_H
#define SASL_LMDB_DIGEST_MD5_H

#include "engine/mech.h"

extern const struct mech_server_ops digest_md5_server;

#endif
