/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Security layers as libsasl2 wants them: limits from the application's properties, and encode and
 * decode functions that hand out memory of ours. The same for servers and clients.
 */
#ifndef SASL_LMDB_SASL_LAYER_H
#define SASL_LMDB_SASL_LAYER_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "engine/digest_layer.h"
#include "engine/mech.h"

/* The option lmdb_digest_layers: none, int (the default), conf. */
enum layer_choice { LAYER_NONE, LAYER_INT, LAYER_CONF };

/*
 * Reads it; loads RC4 for conf, while there are files to load it from, and takes int if it cannot
 * be had. Logs that, and a value that is none of the three, which counts as the default.
 */
enum layer_choice layer_read_option(const sasl_utils_t *utils);

/* The max_ssf of a plugin's table: 0, 1 or 128. */
sasl_ssf_t layer_max_ssf(enum layer_choice choice);

/*
 * What an engine may negotiate. libsasl2 counts the strength of a layer below (TLS) towards
 * min_ssf and max_ssf: what is left is for us. An application with no buffer gets no layer.
 */
struct mech_layer_limits layer_limits(enum layer_choice choice,
                                      const sasl_security_properties_t *props,
                                      sasl_ssf_t external_ssf);

/*
 * The first member of whatever a plugin gives libsasl2 as its conn_context: encode and decode are
 * called with that, whatever encode_context says.
 */
struct layer_slot {
    struct digest_layer *layer; /* NULL: none */
};

/*
 * Puts the layer into the slot and fills mech_ssf, maxoutbuf and the functions; layer NULL means
 * none. The layer must live as long as the slot.
 */
void layer_fill_oparams(struct layer_slot *slot, struct digest_layer *layer,
                        sasl_out_params_t *oparams);

#endif
