/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/plain.h"
#include "engine/plain_client.h"
#include "sasl_client.h"
#include "sasl_glue.h"

static const struct glue_mech mechs[] = {
    {
        .name = "PLAIN",
        .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
        .features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
        .needs = CRYPTO_SHA1,
        .ops = &plain_server,
    },
};

GLUE_SERVER_PLUGIN(mechs);

static const struct glue_client_mech client_mechs[] = {
    {
        .name = "PLAIN",
        .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
        .features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
        .needs = CRYPTO_SHA1,
        .ops = &plain_client,
    },
};

GLUE_CLIENT_PLUGIN(client_mechs);
