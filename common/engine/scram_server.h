/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCRAM, server half (RFC 5802; RFC 7677 for SHA-256), without channel binding: the gs2 flags "n"
 * and "y" are accepted, "p" is refused. The variant passed to start() is the hash.
 */
#ifndef SASL_LMDB_SCRAM_SERVER_H
#define SASL_LMDB_SCRAM_SERVER_H

#include "engine/mech.h"

struct scram_variant {
    const char *name; /* "SCRAM-SHA-256" */
    enum crypto_hash hash;
};

extern const struct scram_variant scram_sha_1;
extern const struct scram_variant scram_sha_256;
extern const struct scram_variant scram_sha_512;

extern const struct mech_server_ops scram_server;

#endif
