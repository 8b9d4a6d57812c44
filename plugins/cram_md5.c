/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/cram_md5.h"
#include "engine/cram_md5_client.h"
#include "sasl_client.h"
#include "sasl_glue.h"

static const struct glue_mech mechs[] = {
    {
        .name = "CRAM-MD5",
        .security_flags = SASL_SEC_NOPLAINTEXT | SASL_SEC_NOANONYMOUS,
        .features = SASL_FEAT_SERVER_FIRST,
        .needs = CRYPTO_MD5,
        .ops = &cram_md5_server,
    },
};

GLUE_SERVER_PLUGIN(mechs);

static const struct glue_client_mech client_mechs[] = {
    {
        .name = "CRAM-MD5",
        .security_flags = SASL_SEC_NOPLAINTEXT | SASL_SEC_NOANONYMOUS,
        .features = SASL_FEAT_SERVER_FIRST,
        .needs = CRYPTO_MD5,
        .ops = &cram_md5_client,
    },
};

GLUE_CLIENT_PLUGIN(client_mechs);
