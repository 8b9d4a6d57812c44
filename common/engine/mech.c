/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/mech.h"

#include "engine/identity.h"

enum { NONCE_BYTES = 18 }; /* 144 bits; a multiple of 3 leaves base64 without padding */

enum auth_status mech_refuse(struct mech_server *mech, enum auth_status status, const char *detail)
{
    mech->detail = detail;
    return status;
}

enum auth_status mech_malformed(struct mech_server *mech, const char *detail)
{
    return mech_refuse(mech, AUTH_MALFORMED, detail);
}

enum auth_status mech_after_end(struct mech_server *mech)
{
    return mech_malformed(mech, "step after the end of the exchange");
}

enum auth_status mech_check_name(struct mech_server *mech, struct slice name)
{
    if (name.n == 0) {
        return mech_malformed(mech, "empty name");
    }
    if (name.n > MECH_MAX_NAME) {
        return mech_refuse(mech, AUTH_TOO_LONG, "name too long");
    }
    if (slice_find(name, 0, NULL)) {
        return mech_malformed(mech, "NUL in a name");
    }
    if (!identity_is_utf8(name)) {
        return mech_refuse(mech, AUTH_BAD_NAME, "name is not UTF-8");
    }
    return AUTH_OK;
}

enum auth_status mech_make_nonce(void *ctx,
                                 enum auth_status (*draw)(void *ctx, uint8_t *ret, size_t n),
                                 enum auth_status (*nonce)(void *ctx, struct buf *ret),
                                 struct buf *ret)
{
    uint8_t bytes[NONCE_BYTES];

    if (nonce != NULL) {
        return nonce(ctx, ret);
    }
    enum auth_status status = draw(ctx, bytes, sizeof bytes);
    if (status == AUTH_OK) {
        crypto_base64_put(ret, slice_of(bytes, sizeof bytes));
        status = buf_status(ret);
    }
    return status;
}

enum auth_status mech_put_nonce(const struct mech_host *host, struct buf *ret)
{
    return mech_make_nonce(host->ctx, host->random, host->nonce, ret);
}

enum auth_status mech_find_secret(const struct mech_host *host, const struct mech_identity *who,
                                  const struct mech_want *want, struct mech_secret *ret)
{
    *ret = (struct mech_secret){.verdict = AUTH_INTERNAL};
    enum auth_status status = host->find_secret(host->ctx, who, want, ret);
    if (status == AUTH_CONTINUE) {
        return AUTH_INTERNAL;
    }
    if (status == AUTH_OK && ret->verdict != AUTH_OK && !auth_status_is_verdict(ret->verdict)) {
        return AUTH_INTERNAL;
    }
    return status;
}

enum auth_status mech_check_password(const struct mech_host *host, const struct mech_identity *who,
                                     struct slice password)
{
    enum auth_status status = host->check_password(host->ctx, who, password);

    return status == AUTH_CONTINUE ? AUTH_INTERNAL : status;
}

enum auth_status mech_verdict(const struct mech_secret *secret, bool match)
{
    if (secret->verdict != AUTH_OK) {
        return secret->verdict; /* mech_find_secret() has seen that it refuses */
    }
    return match ? AUTH_OK : AUTH_WRONG_PASSWORD;
}

bool mech_can_bind(const struct mech_binding *binding)
{
    return binding != NULL && binding->data.n > 0;
}
