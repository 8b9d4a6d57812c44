/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * message = [authzid] UTF8NUL authcid UTF8NUL passwd (RFC 4616 2)
 *
 * Names must be UTF-8. The password is handed on as it came: whoever verifies it prepares it, and
 * a site that checks against something older than UTF-8 keeps working.
 */
#include "engine/plain.h"

enum plain_state { PLAIN_START, PLAIN_WANT_MESSAGE, PLAIN_DONE, PLAIN_FAILED };

struct plain {
    struct mech_server mech;
    enum plain_state state;
};

enum { MAX_MESSAGE = MECH_MAX_NAME + 1 + MECH_MAX_NAME + 1 + IDENTITY_MAX_PASSWORD };

static enum auth_status parse(struct mech_server *mech, struct slice in, struct mech_identity *who,
                              struct slice *password)
{
    enum auth_status status;

    if (in.n > MAX_MESSAGE) {
        return mech_refuse(mech, AUTH_TOO_LONG, "message too long");
    }
    if (!slice_take_until(&in, 0, &who->authzid) || !slice_take_until(&in, 0, &who->authcid)) {
        return mech_malformed(mech, "fewer than two NULs");
    }
    if (slice_find(in, 0, NULL)) {
        return mech_malformed(mech, "more than two NULs");
    }
    if (in.n == 0) {
        return mech_malformed(mech, "empty password");
    }
    if (in.n > IDENTITY_MAX_PASSWORD) {
        return mech_refuse(mech, AUTH_TOO_LONG, "password too long");
    }
    if (who->authzid.n == 0) {
        who->authzid.p = NULL;
    } else if ((status = mech_check_name(mech, who->authzid)) != AUTH_OK) {
        return status;
    }
    *password = in;
    return mech_check_name(mech, who->authcid);
}

static enum auth_status on_message(struct plain *s, struct slice in)
{
    struct mech_identity who = {.authzid = {NULL, 0}};
    struct slice password = {NULL, 0};

    enum auth_status status = parse(&s->mech, in, &who, &password);
    if (status != AUTH_OK) {
        return status;
    }
    return mech_check_password(s->mech.host, &who, password);
}

static enum auth_status step(void *state, struct slice in, struct buf *out)
{
    struct plain *s = state;
    enum auth_status status = AUTH_INTERNAL;

    (void)out; /* the only challenge is an empty one */
    switch (s->state) {
    case PLAIN_START:
        status = in.p == NULL ? AUTH_CONTINUE : on_message(s, in);
        break;
    case PLAIN_WANT_MESSAGE:
        status = on_message(s, in);
        break;
    case PLAIN_DONE:
    case PLAIN_FAILED:
        status = mech_after_end(&s->mech);
        break;
    }
    if (status == AUTH_CONTINUE) {
        s->state = PLAIN_WANT_MESSAGE;
    } else {
        s->state = status == AUTH_OK ? PLAIN_DONE : PLAIN_FAILED;
    }
    return status;
}

static void start(void *state, const void *variant, const struct mech_host *host)
{
    struct plain *s = state;

    (void)variant;
    s->mech.host = host;
    s->state = PLAIN_START;
}

static void release(void *state)
{
    crypto_wipe(state, sizeof(struct plain));
}

const struct mech_server_ops plain_server = {
    .state_size = sizeof(struct plain),
    .start = start,
    .step = step,
    .release = release,
};
