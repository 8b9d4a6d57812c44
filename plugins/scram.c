/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/scram_client.h"
#include "engine/scram_server.h"
#include "sasl_client.h"
#include "sasl_glue.h"

/* The strength bits in each row order the mechanisms in the list of a server. */
enum {
    SCRAM_FLAGS =
        SASL_SEC_NOPLAINTEXT | SASL_SEC_NOACTIVE | SASL_SEC_NOANONYMOUS | SASL_SEC_MUTUAL_AUTH,
    SCRAM_FEATURES = SASL_FEAT_ALLOWS_PROXY | SASL_FEAT_SUPPORTS_HTTP | SASL_FEAT_CHANNEL_BINDING,
};

static const struct glue_mech mechs[] = {
    {
        .name = "SCRAM-SHA-512",
        .security_flags = SASL_SET_HASH_STRENGTH_BITS(512) | SCRAM_FLAGS,
        .features = SCRAM_FEATURES,
        .needs = CRYPTO_SHA512,
        .ops = &scram_server,
        .variant = &scram_sha_512,
    },
    {
        .name = "SCRAM-SHA-256",
        .security_flags = SASL_SET_HASH_STRENGTH_BITS(256) | SCRAM_FLAGS,
        .features = SCRAM_FEATURES,
        .needs = CRYPTO_SHA256,
        .ops = &scram_server,
        .variant = &scram_sha_256,
    },
    {
        .name = "SCRAM-SHA-1",
        .security_flags = SASL_SET_HASH_STRENGTH_BITS(160) | SCRAM_FLAGS,
        .features = SCRAM_FEATURES,
        .needs = CRYPTO_SHA1,
        .ops = &scram_server,
        .variant = &scram_sha_1,
    },
};

GLUE_SERVER_PLUGIN(mechs);

static const struct glue_client_mech client_mechs[] = {
    {
        .name = "SCRAM-SHA-512",
        .security_flags = SASL_SET_HASH_STRENGTH_BITS(512) | SCRAM_FLAGS,
        .features = SCRAM_FEATURES,
        .needs = CRYPTO_SHA512,
        .ops = &scram_client,
        .variant = &scram_sha_512,
    },
    {
        .name = "SCRAM-SHA-256",
        .security_flags = SASL_SET_HASH_STRENGTH_BITS(256) | SCRAM_FLAGS,
        .features = SCRAM_FEATURES,
        .needs = CRYPTO_SHA256,
        .ops = &scram_client,
        .variant = &scram_sha_256,
    },
    {
        .name = "SCRAM-SHA-1",
        .security_flags = SASL_SET_HASH_STRENGTH_BITS(160) | SCRAM_FLAGS,
        .features = SCRAM_FEATURES,
        .needs = CRYPTO_SHA1,
        .ops = &scram_client,
        .variant = &scram_sha_1,
    },
};

GLUE_CLIENT_PLUGIN(client_mechs);
