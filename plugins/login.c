/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/login.h"
#include "engine/login_client.h"
#include "sasl_client.h"
#include "sasl_glue.h"

static const struct glue_mech mechs[] = {
    {
        .name = "LOGIN",
        .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
        .needs = CRYPTO_SHA1,
        .ops = &login_server,
    },
};

GLUE_SERVER_PLUGIN(mechs);

static const struct glue_client_mech client_mechs[] = {
    {
        .name = "LOGIN",
        .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
        .features = SASL_FEAT_SERVER_FIRST,
        .needs = CRYPTO_SHA1,
        .ops = &login_client,
    },
};

GLUE_CLIENT_PLUGIN(client_mechs);
