/* SPDX-License-Identifier: BSD-2-Clause */
#include "sasl_password.h"

#include "engine/identity.h"
#include "sasl_ticket.h"

/* Where auxprop stands among the ways the host is told to check passwords. */
struct methods {
    bool auxprop;          /* it is one of them */
    bool something_before; /* another way comes first */
    bool something_after;
};

/*
 * pwcheck_method: words separated by white space, tried in turn until one succeeds; absent means
 * auxprop. The application's own checkpass callback comes before all of them.
 */
static struct methods read_methods(const sasl_utils_t *utils)
{
    struct methods methods = {0};
    struct slice rest = slice_str(glue_option(utils, "pwcheck_method", "auxprop"));
    struct slice word;
    sasl_callback_ft callback = NULL;
    void *context = NULL;

    while (glue_take_word(&rest, &word)) {
        if (slice_equal_nocase(word, slice_str("auxprop"))) {
            methods.auxprop = true;
        } else if (methods.auxprop) {
            methods.something_after = true;
        } else {
            methods.something_before = true;
        }
    }
    if (utils->getcallback(utils->conn, SASL_CB_SERVER_USERDB_CHECKPASS, &callback, &context) ==
            SASL_OK &&
        callback != NULL) {
        methods.something_before = true;
    }
    return methods;
}

/* Our verifiers' turn. *ret_final: the answer stands, no other way is to be tried. */
static enum auth_status check_ours(struct exchange *x, const struct mech_identity *who,
                                   struct slice password, bool *ret_final)
{
    const struct glue_settings *settings = glue_settings();
    enum auth_status verdict = AUTH_INTERNAL;
    bool ours = false;
    enum auth_status status = exchange_identify(
        x, who, props_for_password(settings->store_alone, settings->upgrade), 0, true, &verdict);

    *ret_final = true;
    if (status == AUTH_OK) {
        status = props_check_password(x->sparams, verdict, password, &ours);
        if (!ours && status != AUTH_OK && status != AUTH_WRONG_PASSWORD &&
            !auth_status_is_outage(status)) {
            props_spend(&settings->decoy_key, password);
        }
        /* No verifier of ours: a clear password in another store, which libsasl2 can use. */
        *ret_final =
            status == AUTH_OK || (ours && (status != AUTH_NO_VERIFIER || settings->store_alone));
    }
    if (status == AUTH_OK) {
        ticket_leave(x, password);
    }
    props_erase_all(x->sparams);
    return status;
}

static enum auth_status checkpass(struct exchange *x, struct slice password)
{
    const sasl_utils_t *utils = x->sparams->utils;
    struct buf copy;

    /* libsasl2 wants a NUL after it. */
    buf_init(&copy, IDENTITY_MAX_PASSWORD);
    buf_put_slice(&copy, password);
    enum auth_status status = buf_status(&copy);
    if (status == AUTH_OK) {
        int code = utils->checkpass(utils->conn, x->oparams->authid, x->oparams->alen,
                                    buf_text(&copy), (unsigned)copy.n);
        status = code == SASL_BADAUTH ? AUTH_WRONG_PASSWORD : glue_lookup_status(code);
    }
    buf_release(&copy);
    return status;
}

enum auth_status password_check(struct exchange *x, const struct mech_identity *who,
                                struct slice password)
{
    static const char *const no_props[] = {NULL};
    struct methods methods = read_methods(x->sparams->utils);
    enum auth_status verdict = AUTH_INTERNAL;
    bool final = false;
    enum auth_status first = AUTH_UNKNOWN_USER;
    enum auth_status status;

    if (methods.auxprop && !methods.something_before) {
        status = first = check_ours(x, who, password, &final);
        if (status == AUTH_OK || status == AUTH_BAD_NAME || status == AUTH_TOO_LONG ||
            (final && !methods.something_after)) {
            return status;
        }
    }
    /*
     * Whoever verifies the password also decides whether the name exists. Where that is our store
     * again, by a verifier that only libsasl2 can use, there is one name for one account.
     */
    const bool ours_alone =
        methods.auxprop && !methods.something_before && !methods.something_after;
    status = exchange_identify(x, who, no_props, SASL_CU_EXTERNALLY_VERIFIED, ours_alone, &verdict);
    if (status == AUTH_OK) {
        status = verdict == AUTH_OK ? checkpass(x, password) : verdict;
        if (status == AUTH_UNKNOWN_USER) {
            status = first; /* libsasl2 says so of an account that has verifiers and no password */
        }
        if (auth_status_is_outage(status)) {
            struct mech_server *engine = x->engine;
            engine->detail = "what pwcheck_method names does not answer";
        }
    }
    /* What earlier attempts asked for has been filled by these lookups too. */
    props_erase_all(x->sparams);
    if (status != AUTH_OK && methods.auxprop && methods.something_before) {
        enum auth_status second = check_ours(x, who, password, &final);
        return final ? second : status;
    }
    return status;
}
