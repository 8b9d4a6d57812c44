/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/digest_md5.h"
#include "engine/digest_md5_client.h"
#include "sasl_client.h"
#include "sasl_glue.h"

enum { DIGEST_FLAGS = SASL_SEC_NOPLAINTEXT | SASL_SEC_NOANONYMOUS | SASL_SEC_MUTUAL_AUTH };

static const struct glue_mech mechs[] = {
    {
        .name = "DIGEST-MD5",
        .security_flags = DIGEST_FLAGS,
        .features = SASL_FEAT_ALLOWS_PROXY,
        .needs = CRYPTO_MD5,
        .ops = &digest_md5_server,
    },
};

GLUE_SERVER_PLUGIN(mechs);

static const struct glue_client_mech client_mechs[] = {
    {
        .name = "DIGEST-MD5",
        .security_flags = DIGEST_FLAGS,
        .features = SASL_FEAT_NEEDSERVERFQDN | SASL_FEAT_ALLOWS_PROXY,
        .needs = CRYPTO_MD5,
        .ops = &digest_md5_client,
    },
};

GLUE_CLIENT_PLUGIN(client_mechs);
