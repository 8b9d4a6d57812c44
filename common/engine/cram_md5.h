/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRAM-MD5, server half (RFC 2195): a challenge in the form of a msg-id, then
 * user SP hex(HMAC-MD5(password, challenge)).
 */
#ifndef SASL_LMDB_CRAM_MD5_H
#define SASL_LMDB_CRAM_MD5_H

#include "engine/mech.h"

extern const struct mech_server_ops cram_md5_server;

#endif
