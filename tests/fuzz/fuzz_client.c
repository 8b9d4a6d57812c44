/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ITERATIONS = 64 }; /* what a server may ask for, so that an input stays cheap */

struct play {
    const char *nonce;
    enum fuzz_secret secret;
    unsigned promises;
    bool hesitates; /* choose_realm has to ask somebody first */
};

static enum auth_status put_nonce(void *ctx, struct buf *ret)
{
    const struct play *play = ctx;

    buf_put_str(ret, play->nonce);
    return buf_status(ret);
}

static enum auth_status some_random(void *ctx, uint8_t *ret, size_t n)
{
    (void)ctx;
    memset(ret, 'r', n);
    return AUTH_OK;
}

static enum auth_status choose_realm(void *ctx, const struct slice *offered, size_t n,
                                     struct slice *ret)
{
    const struct play *play = ctx;

    if (play->hesitates) {
        return AUTH_NEED_INPUT;
    }
    *ret = n > 0 ? offered[n - 1] : slice_str(FUZZ_REALM);
    return AUTH_OK;
}

static enum mech_binding_use binding_use(const struct fuzz_input *input)
{
    if ((input->flags & FUZZ_BINDING) == 0) {
        return MECH_BINDING_NONE;
    }
    return (input->flags & FUZZ_PLUS) != 0 ? MECH_BINDING_USED : MECH_BINDING_UNOFFERED;
}

static void check_step(const struct play *play, enum auth_status status, const struct buf *out)
{
    /* AUTH_UNAVAILABLE is what a server of SCRAM may say. */
    FUZZ_CHECK(!auth_status_is_outage(status) || status == AUTH_UNAVAILABLE);
    FUZZ_CHECK(out->n <= MECH_MAX_OUTPUT && (out->p == NULL || out->p[out->n] == 0));
    if (play->secret == FUZZ_UNGUESSABLE) {
        FUZZ_CHECK(status != AUTH_OK || (play->promises & FUZZ_SERVER_PROVES) == 0);
        FUZZ_CHECK((play->promises & FUZZ_HIDES_PASSWORD) == 0 ||
                   !fuzz_contains(buf_slice(out), fuzz_password(FUZZ_UNGUESSABLE)));
    }
}

static enum auth_status step(const struct mech_client_ops *ops, void *state, struct slice in,
                             const struct play *play, struct buf *out)
{
    uint8_t *block = fuzz_block(in);

    buf_release(out);
    enum auth_status status = ops->step(state, slice_of(block, in.n), out);
    free(block);
    check_step(play, status, out);
    return status;
}

static void run(const struct mech_client_ops *ops, const struct fuzz_input *input,
                struct play *play)
{
    const struct mech_account account = {
        .authcid = slice_str(FUZZ_USER),
        .authzid = slice_str((input->choice & FUZZ_AUTHZID) != 0 ? "bob,=" : ""),
        .password = fuzz_password(play->secret),
    };
    const struct mech_client_host host = {
        .ctx = play,
        .service = (input->choice & FUZZ_IMAP) != 0 ? "imap" : "smtp",
        .server_fqdn = FUZZ_FQDN,
        .min_iterations = 1,
        .max_iterations = MAX_ITERATIONS,
        .binding = fuzz_binding(input),
        .binding_use = binding_use(input),
        .layers = fuzz_layers(input),
        .random = some_random,
        .nonce = (input->flags & FUZZ_OWN_NONCE) == 0 ? put_nonce : NULL,
        .choose_realm = choose_realm,
    };
    void *state = calloc(1, ops->state_size);
    bool ended = false;
    struct buf out;

    FUZZ_CHECK(state != NULL);
    buf_init(&out, MECH_MAX_OUTPUT);
    ops->start(state, fuzz_variant(input), &host, &account);
    for (size_t i = 0; i < input->n; i++) {
        enum auth_status status = step(ops, state, input->message[i], play, &out);
        if (status == AUTH_NEED_INPUT) {
            FUZZ_CHECK(play->hesitates);
            play->hesitates = false;
            status = step(ops, state, input->message[i], play, &out);
            FUZZ_CHECK(status != AUTH_NEED_INPUT);
        }
        FUZZ_CHECK(!ended || (status == AUTH_MALFORMED && out.n == 0));
        ended = ended || status != AUTH_CONTINUE;
    }
    ops->release(state);
    FUZZ_CHECK(fuzz_is_zero(state, ops->state_size));
    free(state);
    buf_release(&out);
}

void fuzz_client(const struct mech_client_ops *ops, const char *nonce, unsigned promises,
                 const uint8_t *data, size_t size)
{
    struct fuzz_input input;

    if (!fuzz_split(data, size, &input)) {
        return;
    }
    fuzz_renew();
    for (int secret = FUZZ_KNOWN; secret < FUZZ_SECRETS; secret++) {
        struct play play = {.nonce = nonce,
                            .secret = (enum fuzz_secret)secret,
                            .promises = promises,
                            .hesitates = (input.flags & FUZZ_HESITATE) != 0};
        run(ops, &input, &play);
    }
}
