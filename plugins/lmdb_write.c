/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Setting passwords through libsasl2 (saslpasswd2, auto_transition, a server's own password
 * change), where the configuration allows it. A clear password arrives, verifiers are stored.
 *
 * A property with a values list that is empty was set to NULL, which deletes; one without a list
 * was only asked for and is passed over. saslpasswd2 follows every change with NULL for the three
 * cmusaslsecret properties, to clean up after versions long gone: that is not meant for us.
 */
#include "lmdb_plugin.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "sasl_glue.h"
#include "sasl_props.h"

/* What the properties ask for, all together. */
struct request {
    bool delete_user;
    struct slice password; /* p NULL: not set */
    bool set_scram;
    bool drop_scram;
    struct verifier_set verifiers;
};

/* RFC 5803 values, several or newline-separated. */
static enum auth_status take_auth_password(const char **values, struct request *ret)
{
    for (; *values != NULL; values++) {
        struct slice rest = slice_str(*values);
        while (rest.n > 0) {
            struct scram_verifier verifier;
            struct slice line;
            uint8_t newline;
            slice_take_run(&rest, '\n', &line);
            enum auth_status status = verifier_take_rfc5803(line, &verifier);
            if (status != AUTH_OK || verifier.iterations < VERIFIER_MIN_ITERATIONS) {
                return AUTH_MALFORMED;
            }
            ret->verifiers.scram[verifier_scram_slot(verifier.hash)] = verifier;
            ret->set_scram = true;
            crypto_wipe(&verifier, sizeof verifier);
            if (!slice_take_byte(&rest, &newline)) {
                break;
            }
        }
    }
    return AUTH_OK;
}

static enum auth_status take_password(const struct propval *prop, struct request *ret)
{
    /* The length from valsize: what is stored must be what was typed, a NUL included. */
    if (prop->values[1] != NULL) {
        return AUTH_BAD_PASSWORD;
    }
    ret->password = slice_of(prop->values[0], prop->valsize);
    return AUTH_OK;
}

static enum auth_status read_request(const struct propval *props, struct request *ret)
{
    enum auth_status status = AUTH_OK;

    for (; status == AUTH_OK && props->name != NULL; props++) {
        bool set = props->values != NULL;
        bool has_value = set && props->values[0] != NULL;
        if (!set) {
            continue;
        }
        if (strcasecmp(props->name, PROP_PASSWORD) == 0) {
            if (has_value) {
                status = take_password(props, ret);
            } else {
                ret->delete_user = true;
            }
        } else if (strcmp(props->name, SASL_AUX_ALL) == 0 && !has_value) {
            ret->delete_user = true;
        } else if (strcasecmp(props->name, PROP_AUTH_PASSWORD) == 0) {
            if (has_value) {
                status = take_auth_password(props->values, ret);
            } else {
                ret->drop_scram = true;
            }
        } else if (has_value && props->name[0] != '*') {
            /* A property this store has no place for. */
            status = AUTH_STORE_READONLY;
        }
    }
    return status;
}

static enum store_edit edit(void *ctx, bool exists, struct record *record)
{
    const struct request *request = ctx;

    if (request->delete_user) {
        return exists ? STORE_DELETE : STORE_KEEP;
    }
    if (request->password.p != NULL) {
        record->verifiers = request->verifiers;
    } else if (request->set_scram) {
        for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
            if (request->verifiers.scram[i].iterations > 0) {
                record->verifiers.scram[i] = request->verifiers.scram[i];
            }
        }
    } else if (request->drop_scram && exists) {
        verifier_drop(&record->verifiers, VERIFIER_SCRAM);
    } else {
        return STORE_KEEP;
    }
    record->changed = (int64_t)time(NULL);
    return STORE_WRITE;
}

static enum auth_status carry_out(const sasl_utils_t *utils, const struct identity *who,
                                  struct request *request)
{
    struct detail detail = {{0}};
    struct store *store = NULL;

    enum auth_status status = plugin_store(utils, &store);
    if (status != AUTH_OK) {
        return status;
    }
    if (request->password.p != NULL && !request->delete_user) {
        struct store_info info;
        status = store_describe(store, &info, &detail);
        if (status == AUTH_OK && verifier_refused(&info.policy) != 0) {
            utils->log(
                utils->conn, SASL_LOG_WARN,
                "sasl-lmdb: OpenSSL refuses MD5 (FIPS mode?): a new password is kept without "
                "the verifiers of CRAM-MD5, DIGEST-MD5 and sasl_checkpass");
        }
        if (status == AUTH_OK) {
            status = verifier_make(who, request->password, &info.policy, &request->verifiers);
        }
    }
    if (status == AUTH_OK) {
        status = store_change(store, who, edit, request, NULL, NULL, &detail);
    }
    if (auth_status_is_outage(status)) {
        plugin_complain(utils, status, &detail);
    }
    return status;
}

static int write_code(enum auth_status status)
{
    switch (status) {
    case AUTH_STORE_READONLY:
        return SASL_CONSTRAINT_VIOLAT;
    case AUTH_BAD_NAME:
    case AUTH_BAD_PASSWORD:
    case AUTH_TOO_LONG:
    case AUTH_MALFORMED:
        return SASL_BADPARAM;
    default:
        return glue_sasl_code(status);
    }
}

int plugin_write(void *glob_context, sasl_server_params_t *sparams, struct propctx *ctx,
                 const char *user, unsigned ulen)
{
    struct request request = {0};
    struct identity who;
    struct buf prepared;

    (void)glob_context;
    if (!plugin_is_wanted(sparams)) {
        /* Any other answer would make the stock saslpasswd2 fail for everybody's store. */
        return SASL_CONSTRAINT_VIOLAT;
    }
    if (ctx == NULL) {
        /*
         * "May properties be stored?" A no would make libsasl2 pass us over and saslpasswd2 report
         * success for a password that went nowhere; the refusal below makes it fail.
         */
        return SASL_OK;
    }
    if (sparams == NULL || user == NULL) {
        return SASL_BADPARAM;
    }
    if (!plugin_is_writable()) {
        sparams->utils->log(sparams->utils->conn, SASL_LOG_ERR,
                            "sasl-lmdb: this service may not change the store: set "
                            "\"lmdb_writable: yes\" in its SASL configuration");
        return SASL_CONSTRAINT_VIOLAT;
    }
    const struct propval *props = sparams->utils->prop_get(ctx);
    if (props == NULL) {
        return SASL_BADPARAM;
    }
    buf_init(&prepared, IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM);
    enum auth_status status =
        identity_prepare_name(slice_of(user, ulen), IDENTITY_STORED, &prepared);
    if (status == AUTH_OK) {
        status = plugin_identity(sparams, buf_slice(&prepared), &who);
    }
    if (status == AUTH_OK) {
        status = read_request(props, &request);
    }
    bool anything = request.delete_user || request.password.p != NULL || request.set_scram ||
                    request.drop_scram;
    if (status == AUTH_OK && anything) {
        status = carry_out(sparams->utils, &who, &request);
    }
    buf_release(&prepared);
    crypto_wipe(&request, sizeof request);
    return write_code(status);
}
