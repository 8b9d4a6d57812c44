/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * S: anything  C: name  S: anything  C: password
 *
 * Servers word their prompts as they like, so only that there was one is looked at. The mechanism
 * has never been specified: name and password go as they were typed.
 */
#include "engine/login_client.h"

enum login_state { LOGIN_START, LOGIN_WANT_PASSWORD_PROMPT, LOGIN_DONE, LOGIN_FAILED };

enum { MAX_PROMPT = 1024 };

struct login {
    struct mech_client mech;
    enum login_state state;
};

static enum auth_status check_prompt(struct mech_client *mech, struct slice in)
{
    if (in.p == NULL) {
        return mech_client_malformed(mech, "the server asked for nothing");
    }
    if (in.n > MAX_PROMPT) {
        return mech_client_refuse(mech, AUTH_TOO_LONG, "prompt too long");
    }
    return AUTH_OK;
}

static enum auth_status step(void *state, struct slice in, struct buf *out)
{
    struct login *s = state;
    const struct mech_account *account = s->mech.account;
    enum auth_status status = check_prompt(&s->mech, in);
    enum login_state next = LOGIN_FAILED;

    switch (s->state) {
    case LOGIN_START:
        next = LOGIN_WANT_PASSWORD_PROMPT;
        if (status == AUTH_OK) {
            status = mech_client_put_raw_name(&s->mech, account->authcid, out);
        }
        if (status == AUTH_OK) {
            status = AUTH_CONTINUE;
        }
        break;
    case LOGIN_WANT_PASSWORD_PROMPT:
        next = LOGIN_DONE;
        if (status == AUTH_OK) {
            status = mech_client_put_raw_password(&s->mech, account->password, out);
        }
        break;
    case LOGIN_DONE:
    case LOGIN_FAILED:
        status = mech_client_after_end(&s->mech);
        break;
    }
    s->state = status == AUTH_OK || status == AUTH_CONTINUE ? next : LOGIN_FAILED;
    return status;
}

static void start(void *state, const void *variant, const struct mech_client_host *host,
                  const struct mech_account *account)
{
    struct login *s = state;

    (void)variant;
    s->mech.host = host;
    s->mech.account = account;
    s->state = LOGIN_START;
}

static void release(void *state)
{
    crypto_wipe(state, sizeof(struct login));
}

const struct mech_client_ops login_client = {
    .state_size = sizeof(struct login),
    .start = start,
    .step = step,
    .release = release,
};
