/* SPDX-License-Identifier: BSD-2-Clause */
#include "sasl_layer.h"

#include <strings.h>
#include <sys/uio.h>

#include "base/crypto.h"
#include "sasl_glue.h"

enum { MAX_PARTS = 16 }; /* more are copied together first */

enum layer_choice layer_read_option(const sasl_utils_t *utils)
{
    const char *value = glue_option(utils, "lmdb_digest_layers", "int");

    if (strcasecmp(value, "none") == 0) {
        return LAYER_NONE;
    }
    if (strcasecmp(value, "conf") == 0) {
        if (crypto_prepare_rc4()) {
            return LAYER_CONF;
        }
        utils->log(NULL, SASL_LOG_WARN,
                   "sasl-lmdb: lmdb_digest_layers: conf: OpenSSL has no RC4 (legacy provider); "
                   "auth-conf is not offered");
    } else if (strcasecmp(value, "int") != 0) {
        utils->log(NULL, SASL_LOG_WARN,
                   "sasl-lmdb: lmdb_digest_layers is none of: none, int, conf; taken as int");
    }
    return LAYER_INT;
}

sasl_ssf_t layer_max_ssf(enum layer_choice choice)
{
    static const sasl_ssf_t ssf[] = {
        [LAYER_NONE] = 0, [LAYER_INT] = DIGEST_SSF_INTEGRITY, [LAYER_CONF] = DIGEST_SSF_RC4};

    return ssf[choice];
}

struct mech_layer_limits layer_limits(enum layer_choice choice,
                                      const sasl_security_properties_t *props,
                                      sasl_ssf_t external_ssf)
{
    const sasl_ssf_t ours = layer_max_ssf(choice);
    struct mech_layer_limits limits = {.rc4 = choice == LAYER_CONF};

    /* libsasl2 lets no application ask for min_ssf and have no buffer. */
    if (props->maxbufsize == 0) {
        return limits;
    }
    if (props->min_ssf > external_ssf) {
        limits.min_ssf = props->min_ssf - external_ssf;
    }
    if (props->max_ssf > external_ssf) {
        limits.max_ssf = props->max_ssf - external_ssf;
    }
    if (limits.max_ssf > ours) {
        limits.max_ssf = ours;
    }
    limits.max_buffer = props->maxbufsize;
    return limits;
}

/* What libsasl2 hands to the application, valid until the next call in the same direction. */
static int hand_out(enum auth_status status, struct buf *out, const char **output,
                    unsigned *outputlen)
{
    if (status != AUTH_OK) {
        buf_clear(out);
    }
    *output = buf_text(out);
    *outputlen = (unsigned)out->n;
    return glue_sasl_code(status);
}

static int encode(void *context, const struct iovec *invec, unsigned numiov, const char **output,
                  unsigned *outputlen)
{
    const struct layer_slot *slot = context;
    struct slice parts[MAX_PARTS];
    struct buf together;
    unsigned n = 0;

    if (slot == NULL || slot->layer == NULL || invec == NULL || output == NULL ||
        outputlen == NULL) {
        return SASL_BADPARAM;
    }
    struct buf *out = digest_layer_out(slot->layer, true);
    buf_truncate(out, 0);
    buf_init(&together, out->max);
    if (numiov <= MAX_PARTS) {
        for (; n < numiov; n++) {
            parts[n] = slice_of(invec[n].iov_base, invec[n].iov_len);
        }
    } else {
        for (unsigned i = 0; i < numiov; i++) {
            buf_put(&together, invec[i].iov_base, invec[i].iov_len);
        }
        parts[n++] = buf_slice(&together);
    }
    enum auth_status status = buf_status(&together);
    if (status == AUTH_OK) {
        status = digest_layer_encode(slot->layer, parts, n, out);
    }
    buf_release(&together);
    return hand_out(status, out, output, outputlen);
}

static int decode(void *context, const char *input, unsigned inputlen, const char **output,
                  unsigned *outputlen)
{
    const struct layer_slot *slot = context;

    if (slot == NULL || slot->layer == NULL || output == NULL || outputlen == NULL) {
        return SASL_BADPARAM;
    }
    struct buf *out = digest_layer_out(slot->layer, false);
    buf_truncate(out, 0);
    return hand_out(digest_layer_decode(slot->layer, slice_of(input, inputlen), out), out, output,
                    outputlen);
}

void layer_fill_oparams(struct layer_slot *slot, struct digest_layer *layer,
                        sasl_out_params_t *oparams)
{
    slot->layer = layer;
    oparams->mech_ssf = layer == NULL ? 0 : digest_layer_ssf(layer);
    oparams->maxoutbuf = layer == NULL ? 0 : digest_layer_max_message(layer);
    oparams->encode_context = layer == NULL ? NULL : slot;
    oparams->encode = layer == NULL ? NULL : encode;
    oparams->decode_context = layer == NULL ? NULL : slot;
    oparams->decode = layer == NULL ? NULL : decode;
}
