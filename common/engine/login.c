/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * S: "Username:"  C: name  S: "Password:"  C: password
 *
 * Clients send the name as initial response or wait for the prompt; both are in wide use, and some
 * compare the prompts byte for byte.
 */
#include "engine/login.h"

enum login_state { LOGIN_START, LOGIN_WANT_NAME, LOGIN_WANT_PASSWORD, LOGIN_DONE, LOGIN_FAILED };

struct login {
    struct mech_server mech;
    enum login_state state;
    struct buf name;
};

static enum auth_status ask(struct buf *out, const char *prompt)
{
    buf_put_str(out, prompt);
    return buf_status(out) == AUTH_OK ? AUTH_CONTINUE : buf_status(out);
}

static enum auth_status on_name(struct login *s, struct slice in, struct buf *out)
{
    enum auth_status status = mech_check_name(&s->mech, in);

    if (status != AUTH_OK) {
        return status;
    }
    buf_put_slice(&s->name, in);
    if (buf_status(&s->name) != AUTH_OK) {
        return buf_status(&s->name);
    }
    return ask(out, "Password:");
}

static enum auth_status on_password(struct login *s, struct slice in)
{
    const struct mech_identity who = {.authcid = buf_slice(&s->name)};

    if (in.n == 0) {
        return mech_malformed(&s->mech, "empty password");
    }
    if (in.n > IDENTITY_MAX_PASSWORD) {
        return mech_refuse(&s->mech, AUTH_TOO_LONG, "password too long");
    }
    if (slice_find(in, 0, NULL)) {
        return mech_malformed(&s->mech, "NUL in the password");
    }
    return mech_check_password(s->mech.host, &who, in);
}

static enum auth_status step(void *state, struct slice in, struct buf *out)
{
    struct login *s = state;
    enum auth_status status = AUTH_INTERNAL;
    enum login_state next = LOGIN_DONE;

    switch (s->state) {
    case LOGIN_START:
        next = in.n == 0 ? LOGIN_WANT_NAME : LOGIN_WANT_PASSWORD;
        status = in.n == 0 ? ask(out, "Username:") : on_name(s, in, out);
        break;
    case LOGIN_WANT_NAME:
        next = LOGIN_WANT_PASSWORD;
        status = on_name(s, in, out);
        break;
    case LOGIN_WANT_PASSWORD:
        status = on_password(s, in);
        break;
    case LOGIN_DONE:
    case LOGIN_FAILED:
        status = mech_after_end(&s->mech);
        break;
    }
    s->state = status == AUTH_OK || status == AUTH_CONTINUE ? next : LOGIN_FAILED;
    return status;
}

static void start(void *state, const void *variant, const struct mech_host *host)
{
    struct login *s = state;

    (void)variant;
    s->mech.host = host;
    s->state = LOGIN_START;
    buf_init(&s->name, MECH_MAX_NAME);
}

static void release(void *state)
{
    struct login *s = state;

    buf_release(&s->name);
    crypto_wipe(s, sizeof *s);
}

const struct mech_server_ops login_server = {
    .state_size = sizeof(struct login),
    .start = start,
    .step = step,
    .release = release,
};
