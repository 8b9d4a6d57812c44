/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between libsasl2's client plugin interface and the client engines: asking the application for
 * name, password and realm, one exchange at a time, status to SASL_*, everything wiped at dispose.
 * A plugin is a table of struct glue_client_mech and one call.
 *
 * Threads: as for servers (sasl_glue.h).
 */
#ifndef SASL_LMDB_SASL_CLIENT_H
#define SASL_LMDB_SASL_CLIENT_H

#include <stddef.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/crypto.h"
#include "engine/mech_client.h"
#include "sasl_glue.h"

/* Defines sasl_client_plug_init for a plugin whose mechanisms are in the array `mechs_`. */
#define GLUE_CLIENT_PLUGIN(mechs_)                                                                 \
    sasl_client_plug_init_t sasl_client_plug_init;                                                 \
    static sasl_client_plug_t client_plugs[sizeof(mechs_) / sizeof((mechs_)[0])];                  \
    GLUE_EXPORT int sasl_client_plug_init(const sasl_utils_t *utils, int max_version,              \
                                          int *out_version, sasl_client_plug_t **pluglist,         \
                                          int *plugcount)                                          \
    {                                                                                              \
        return glue_client_init(utils, max_version, out_version, mechs_,                           \
                                sizeof(mechs_) / sizeof((mechs_)[0]), client_plugs, pluglist,      \
                                plugcount);                                                        \
    }                                                                                              \
    struct glue_client_mech /* so that the macro ends in a semicolon */

/*
 * One mechanism as a plugin declares it. Static data. One with SASL_FEAT_ALLOWS_PROXY asks for an
 * authorization identity too; one whose ops have a layer offers what lmdb_digest_layers says.
 */
struct glue_client_mech {
    const char *name;
    unsigned security_flags; /* SASL_SEC_* and hash strength, as the stock plugin has them */
    unsigned features;       /* SASL_FEAT_*, likewise */
    enum crypto_hash needs;  /* not offered where OpenSSL refuses this hash */
    const struct mech_client_ops *ops;
    const void *variant; /* handed to ops->start() */
};

/*
 * The body of every sasl_client_plug_init, as glue_server_init() is of the other.
 * SASL_OK, SASL_BADVERS, SASL_BADPARAM, SASL_FAIL.
 */
int glue_client_init(const sasl_utils_t *utils, int max_version, int *out_version,
                     const struct glue_client_mech *mechs, size_t n, sasl_client_plug_t *plugs,
                     sasl_client_plug_t **ret_list, int *ret_count);

#endif
