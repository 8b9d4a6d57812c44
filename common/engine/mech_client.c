/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/mech_client.h"

#include "engine/identity.h"

enum auth_status mech_client_refuse(struct mech_client *mech, enum auth_status status,
                                    const char *detail)
{
    mech->detail = detail;
    return status;
}

enum auth_status mech_client_malformed(struct mech_client *mech, const char *detail)
{
    return mech_client_refuse(mech, AUTH_MALFORMED, detail);
}

enum auth_status mech_client_after_end(struct mech_client *mech)
{
    return mech_client_malformed(mech, "step after the end of the exchange");
}

/* Our own user typed these, so each failure gets a sentence for him. */
static enum auth_status explain(struct mech_client *mech, enum auth_status status)
{
    switch (status) {
    case AUTH_BAD_NAME:
        mech->detail = "the user name is empty, not UTF-8, or has characters SASLprep forbids";
        break;
    case AUTH_BAD_PASSWORD:
        mech->detail = "the password is empty, not UTF-8, or has characters SASLprep forbids";
        break;
    case AUTH_TOO_LONG:
        mech->detail = "the user name or the password is too long";
        break;
    default:
        break;
    }
    return status;
}

/* The bounds of every name and password, prepared or not. */
static enum auth_status check(struct slice text, size_t max, enum auth_status bad)
{
    if (text.n == 0 || slice_find(text, 0, NULL)) {
        return bad;
    }
    return text.n > max ? AUTH_TOO_LONG : AUTH_OK;
}

/* A buffer of its own, so that the ceiling of the message is not that of the name. */
static enum auth_status put_prepared(struct slice raw, size_t max,
                                     enum auth_status (*prepare)(struct slice, enum identity_use,
                                                                 struct buf *),
                                     struct buf *ret)
{
    struct buf prepared;

    buf_init(&prepared, max);
    enum auth_status status = prepare(raw, IDENTITY_QUERY, &prepared);
    if (status == AUTH_OK) {
        buf_put_slice(ret, buf_slice(&prepared));
        status = buf_status(ret);
    }
    buf_release(&prepared);
    return status;
}

enum auth_status mech_client_put_name(struct mech_client *mech, struct slice name, struct buf *ret)
{
    enum auth_status status = check(name, MECH_MAX_NAME, AUTH_BAD_NAME);

    if (status == AUTH_OK) {
        status = put_prepared(name, MECH_MAX_NAME, identity_prepare_name, ret);
    }
    return explain(mech, status);
}

enum auth_status mech_client_put_password(struct mech_client *mech, struct slice password,
                                          struct buf *ret)
{
    enum auth_status status = check(password, IDENTITY_MAX_PASSWORD, AUTH_BAD_PASSWORD);

    if (status == AUTH_OK) {
        status = put_prepared(password, IDENTITY_MAX_PASSWORD, identity_prepare_password, ret);
    }
    return explain(mech, status);
}

static enum auth_status put_raw(struct mech_client *mech, struct slice text, size_t max,
                                enum auth_status bad, struct buf *ret)
{
    enum auth_status status = check(text, max, bad);

    if (status == AUTH_OK) {
        buf_put_slice(ret, text);
        status = buf_status(ret);
    }
    return explain(mech, status);
}

enum auth_status mech_client_put_raw_name(struct mech_client *mech, struct slice name,
                                          struct buf *ret)
{
    return put_raw(mech, name, MECH_MAX_NAME, AUTH_BAD_NAME, ret);
}

enum auth_status mech_client_put_raw_password(struct mech_client *mech, struct slice password,
                                              struct buf *ret)
{
    return put_raw(mech, password, IDENTITY_MAX_PASSWORD, AUTH_BAD_PASSWORD, ret);
}

enum auth_status mech_client_put_nonce(const struct mech_client_host *host, struct buf *ret)
{
    return mech_make_nonce(host->ctx, host->random, host->nonce, ret);
}
