/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * S: challenge  C: user SP hex(HMAC-MD5(password, challenge))
 *
 * The challenge should be a msg-id (RFC 2195 2), and servers exist whose is none: any bytes will
 * do. Name and password are hashed and sent as they were typed; RFC 2195 knows no preparation, and
 * the servers it is spoken with do none.
 */
#include "engine/cram_md5_client.h"

enum cram_state { CRAM_START, CRAM_DONE, CRAM_FAILED };

enum { MD5_SIZE = 16, MAX_CHALLENGE = 1024 };

struct cram {
    struct mech_client mech;
    enum cram_state state;
};

static enum auth_status put_response(struct mech_client *mech, struct slice challenge,
                                     struct buf *out)
{
    uint8_t mac[MD5_SIZE];
    struct buf password;

    if (challenge.n == 0) {
        return mech_client_malformed(mech, "no challenge");
    }
    if (challenge.n > MAX_CHALLENGE) {
        return mech_client_refuse(mech, AUTH_TOO_LONG, "challenge too long");
    }
    buf_init(&password, IDENTITY_MAX_PASSWORD);
    enum auth_status status = mech_client_put_raw_name(mech, mech->account->authcid, out);
    if (status == AUTH_OK) {
        status = mech_client_put_raw_password(mech, mech->account->password, &password);
    }
    if (status == AUTH_OK) {
        status = crypto_hmac(CRYPTO_MD5, buf_slice(&password), &challenge, 1, mac);
    }
    if (status == AUTH_OK) {
        buf_put_byte(out, ' ');
        buf_put_hex(out, mac, sizeof mac);
        status = buf_status(out);
    }
    buf_release(&password);
    return status;
}

static enum auth_status step(void *state, struct slice in, struct buf *out)
{
    struct cram *s = state;

    enum auth_status status =
        s->state == CRAM_START ? put_response(&s->mech, in, out) : mech_client_after_end(&s->mech);
    s->state = status == AUTH_OK ? CRAM_DONE : CRAM_FAILED;
    return status;
}

static void start(void *state, const void *variant, const struct mech_client_host *host,
                  const struct mech_account *account)
{
    struct cram *s = state;

    (void)variant;
    s->mech.host = host;
    s->mech.account = account;
    s->state = CRAM_START;
}

static void release(void *state)
{
    crypto_wipe(state, sizeof(struct cram));
}

const struct mech_client_ops cram_md5_client = {
    .state_size = sizeof(struct cram),
    .start = start,
    .step = step,
    .release = release,
};
