/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/digest_md5.h"
#include "sasl_glue.h"

static const struct glue_mech mechs[] = {
    {
        .name = "DIGEST-MD5",
        .security_flags = SASL_SEC_NOPLAINTEXT | SASL_SEC_NOANONYMOUS | SASL_SEC_MUTUAL_AUTH,
        .features = SASL_FEAT_ALLOWS_PROXY,
        .needs = CRYPTO_MD5,
        .ops = &digest_md5_server,
    },
};

GLUE_SERVER_PLUGIN(mechs);
