/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * message = [authzid] UTF8NUL authcid UTF8NUL passwd (RFC 4616 2)
 *
 * Whatever the server may have said before is passed over: it can say nothing that matters. Names
 * are prepared, and so is a password in UTF-8; one in another encoding is sent as it is, since it
 * can only be meant for a server that is older than UTF-8.
 */
#include "engine/plain_client.h"

#include "engine/identity.h"

enum plain_state { PLAIN_START, PLAIN_DONE, PLAIN_FAILED };

struct plain {
    struct mech_client mech;
    enum plain_state state;
};

static enum auth_status put_password(struct mech_client *mech, struct buf *out)
{
    const struct slice password = mech->account->password;

    return identity_is_utf8(password) ? mech_client_put_password(mech, password, out)
                                      : mech_client_put_raw_password(mech, password, out);
}

static enum auth_status put_message(struct mech_client *mech, struct buf *out)
{
    const struct mech_account *account = mech->account;
    enum auth_status status = AUTH_OK;

    if (account->authzid.n > 0) {
        status = mech_client_put_name(mech, account->authzid, out);
    }
    if (status == AUTH_OK) {
        buf_put_byte(out, 0);
        status = mech_client_put_name(mech, account->authcid, out);
    }
    if (status == AUTH_OK) {
        buf_put_byte(out, 0);
        status = put_password(mech, out);
    }
    return status == AUTH_OK ? buf_status(out) : status;
}

static enum auth_status step(void *state, struct slice in, struct buf *out)
{
    struct plain *s = state;

    (void)in;
    enum auth_status status =
        s->state == PLAIN_START ? put_message(&s->mech, out) : mech_client_after_end(&s->mech);
    s->state = status == AUTH_OK ? PLAIN_DONE : PLAIN_FAILED;
    return status;
}

static void start(void *state, const void *variant, const struct mech_client_host *host,
                  const struct mech_account *account)
{
    struct plain *s = state;

    (void)variant;
    s->mech.host = host;
    s->mech.account = account;
    s->state = PLAIN_START;
}

static void release(void *state)
{
    crypto_wipe(state, sizeof(struct plain));
}

const struct mech_client_ops plain_client = {
    .state_size = sizeof(struct plain),
    .start = start,
    .step = step,
    .release = release,
};
