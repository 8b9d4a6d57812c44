/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mistake on purpose: nothing is computed for an account that will be refused anyway. Linked into
 * a second set of plugins (by --wrap), so that the measurement shows what it can see.
 */
#include "base/crypto.h"
#include "engine/digest_md5_hash.h"
#include "engine/mech.h"
#include "sasl_props.h"

extern __typeof__(props_check_password) __real_props_check_password, __wrap_props_check_password;
extern __typeof__(mech_find_secret) __real_mech_find_secret, __wrap_mech_find_secret;
extern __typeof__(crypto_hmac) __real_crypto_hmac, __wrap_crypto_hmac;
extern __typeof__(crypto_hmac_md5_resume) __real_crypto_hmac_md5_resume,
    __wrap_crypto_hmac_md5_resume;
extern __typeof__(digest_md5_proof) __real_digest_md5_proof, __wrap_digest_md5_proof;

/* One exchange at a time is measured, by one thread. */
static bool doomed;

enum auth_status __wrap_props_check_password(sasl_server_params_t *sparams,
                                             enum auth_status verdict, struct slice password,
                                             bool *ret_ours)
{
    if (verdict != AUTH_OK) {
        *ret_ours = true;
        return verdict;
    }
    return __real_props_check_password(sparams, verdict, password, ret_ours);
}

enum auth_status __wrap_mech_find_secret(const struct mech_host *host,
                                         const struct mech_identity *who,
                                         const struct mech_want *want, struct mech_secret *ret)
{
    enum auth_status status = __real_mech_find_secret(host, who, want, ret);

    doomed = status == AUTH_OK && ret->verdict != AUTH_OK;
    return status;
}

enum auth_status __wrap_crypto_hmac(enum crypto_hash hash, struct slice key,
                                    const struct slice *parts, size_t n_parts, uint8_t *ret)
{
    return doomed ? AUTH_OK : __real_crypto_hmac(hash, key, parts, n_parts, ret);
}

enum auth_status __wrap_crypto_hmac_md5_resume(const uint8_t state[CRYPTO_HMAC_MD5_STATE],
                                               struct slice message, uint8_t ret[16])
{
    return doomed ? AUTH_OK : __real_crypto_hmac_md5_resume(state, message, ret);
}

enum auth_status __wrap_digest_md5_proof(const uint8_t session_key[DIGEST_MD5_SIZE],
                                         const struct digest_md5_response *fields,
                                         const struct digest_md5_a2 *a2,
                                         uint8_t ret[DIGEST_MD5_SIZE])
{
    return doomed ? AUTH_OK : __real_digest_md5_proof(session_key, fields, a2, ret);
}
