/* SPDX-License-Identifier: BSD-2-Clause */
/* One server exchange, as libsasl2's function table drives it; used by sasl_glue.c only. */
#ifndef SASL_LMDB_SASL_EXCHANGE_H
#define SASL_LMDB_SASL_EXCHANGE_H

#include "sasl_glue.h"
#include "sasl_layer.h"
#include "sasl_props.h"

/* Read once at plugin initialisation. */
struct glue_settings {
    bool require_tls;
    bool own_store;             /* lookups go to our store, as far as the configuration says */
    bool store_alone;           /* no other store is asked, and MD5 is there: libsasl2's
                                   sasl_checkpass() finds nothing that we do not */
    enum layer_choice layers;   /* of plugins whose mechanism has layers */
    bool upgrade;               /* PLAIN, LOGIN: leave tickets (sasl_ticket.h) */
    bool channel_binding;       /* off: as if the application had supplied none */
    struct props_key decoy_key; /* for stores that serve no decoys themselves */
};

const struct glue_settings *glue_settings(void);

/*
 * lmdb_require_tls, lmdb_channel_binding, decoy_iterations, decoy_keyfile. A decoy
 * key is read from the file (16 to 4096 bytes, a regular file closed to group and others), or drawn
 * at random once for the process.
 * AUTH_KEY_MISSING, AUTH_KEY_EXPOSED, AUTH_KEY_DAMAGED, AUTH_CRYPTO.
 */
MUST_USE enum auth_status glue_read_settings(const sasl_utils_t *utils, struct glue_settings *ret);

enum exchange_state { EXCHANGE_RUNNING, EXCHANGE_DONE, EXCHANGE_FAILED };

struct exchange {
    struct layer_slot layer; /* first: see there */
    const struct glue_mech *mech;
    sasl_server_params_t *sparams;
    sasl_out_params_t *oparams; /* of the step under way */
    struct mech_host host;
    struct mech_binding binding; /* what host.binding points to, if to anything */
    enum exchange_state state;
    struct buf out;     /* what the last step handed to libsasl2 */
    struct buf authcid; /* prepared; for the log */
    struct buf authzid; /* prepared; empty when it is the authcid */
    struct buf service; /* lower case */
    struct buf realm;   /* offered by DIGEST-MD5, lower case */
    void *engine;       /* state of mech->ops */
};

/* Functions of sasl_server_plug_t. */
int exchange_new(void *glob_context, sasl_server_params_t *sparams, const char *challenge,
                 unsigned challen, void **conn_context);
int exchange_step(void *conn_context, sasl_server_params_t *sparams, const char *clientin,
                  unsigned clientinlen, const char **serverout, unsigned *serveroutlen,
                  sasl_out_params_t *oparams);
void exchange_dispose(void *conn_context, const sasl_utils_t *utils);

/*
 * Prepares the names of who into x->authcid and x->authzid, asks libsasl2 to canonicalise the
 * authentication identity and to look up the named properties for it. AUTH_OK when the lookup
 * gave an answer; *ret_verdict is then what it says of the account. AUTH_BAD_NAME, AUTH_TOO_LONG
 * or an outage otherwise. cu_flags: further SASL_CU_* flags. settle: where lookups go to our store,
 * the names get the spelling of realms that it has; not for names that somebody else verifies.
 */
MUST_USE enum auth_status exchange_identify(struct exchange *x, const struct mech_identity *who,
                                            const char *const *props, unsigned cu_flags,
                                            bool settle, enum auth_status *ret_verdict);

#endif
