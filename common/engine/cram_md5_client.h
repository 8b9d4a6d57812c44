/* SPDX-License-Identifier: BSD-2-Clause */
/* CRAM-MD5, client half (RFC 2195). */
#ifndef SASL_LMDB_CRAM_MD5_CLIENT_H
#define SASL_LMDB_CRAM_MD5_CLIENT_H

#include "engine/mech_client.h"

extern const struct mech_client_ops cram_md5_client;

#endif
