/* SPDX-License-Identifier: BSD-2-Clause */
#include "sasl_exchange.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/nonce.h"
#include "engine/identity.h"
#include "sasl_password.h"

enum {
    LONGEST_NAME = 1023, /* bytes; libsasl2's own buffer for a canonical name holds 1024 */
    SMALLEST_DECOY_KEY = 16,
    LARGEST_DECOY_KEY = 4096,
};

static enum auth_status read_decoy_key(const char *path, struct props_key *ret)
{
    static const char label[] = "sasl-lmdb decoys of other stores, v1";
    uint8_t raw[LARGEST_DECOY_KEY];
    struct stat st;
    /* Not blocking: a FIFO in its place must not hold up the server. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0) {
        return AUTH_KEY_MISSING;
    }
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, raw, sizeof raw) : -1;
    (void)close(fd);
    enum auth_status status = AUTH_KEY_DAMAGED;
    if (n >= 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        status = AUTH_KEY_EXPOSED;
    } else if (n >= SMALLEST_DECOY_KEY) {
        status = crypto_hkdf(slice_of(raw, (size_t)n), slice_of(NULL, 0), slice_str(label),
                             ret->bytes, sizeof ret->bytes);
    }
    crypto_wipe(raw, sizeof raw);
    return status;
}

/* The stores that the configuration names are ours and no other. */
static bool names_us_alone(const char *stores)
{
    struct slice rest = slice_str(stores);
    struct slice word;

    while (glue_take_word(&rest, &word)) {
        if (!slice_equal_nocase(word, slice_str("lmdb"))) {
            return false;
        }
    }
    return stores != NULL && glue_list_has(stores, "lmdb");
}

enum auth_status glue_read_settings(const sasl_utils_t *utils, struct glue_settings *ret)
{
    static bool drawn;
    const char *path = glue_option(utils, "decoy_keyfile", NULL);
    const char *stores = glue_option(utils, "auxprop_plugin", NULL);
    enum auth_status status = AUTH_OK;

    ret->own_store = stores != NULL ? glue_list_has(stores, "lmdb")
                                    : glue_option(utils, "lmdb_path", NULL) != NULL;
    ret->store_alone = names_us_alone(stores) && crypto_have(CRYPTO_MD5);
    ret->require_tls = glue_switch(utils, "lmdb_require_tls");
    ret->channel_binding =
        strcasecmp(glue_option(utils, "lmdb_channel_binding", "any"), "none") != 0;
    ret->decoy_key.has_verifiers = glue_option(utils, "decoy_iterations", NULL) != NULL;
    ret->decoy_key.iterations = glue_iterations(utils, "decoy_iterations", VERIFIER_MAX_ITERATIONS,
                                                VERIFIER_DEFAULT_ITERATIONS);
    if (path != NULL) {
        status = read_decoy_key(path, &ret->decoy_key);
        if (status == AUTH_OK) {
            drawn = false;
            return AUTH_OK;
        }
        /* Worse salts for names that do not exist are no reason to leave a server without AUTH. */
        utils->log(NULL, SASL_LOG_ERR,
                   "sasl-lmdb: decoy_keyfile %s: %s; decoys last as long as this process", path,
                   auth_status_text(status));
    }
    if (drawn) {
        /* Initialised again in the same process: salts already shown must not change. */
        return AUTH_OK;
    }
    status = crypto_random(ret->decoy_key.bytes, sizeof ret->decoy_key.bytes);
    drawn = status == AUTH_OK;
    return status;
}

/* True if nothing is left after libsasl2 has stripped white space, which it answers like a fault.
 */
static bool is_blank(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] != ' ' && (name.p[i] < '\t' || name.p[i] > '\r')) {
            return false;
        }
    }
    return true;
}

/*
 * Brings user@realm into the one spelling our store knows: realm in lower case, no "@" without a
 * realm. Whatever the server keys on the name (quotas, sender maps, deny lists) sees one name for
 * one account. Other stores and saslauthd have their own ideas of realms; they get what the client
 * sent.
 */
static void settle_realm(struct buf *name)
{
    size_t at;

    if (!slice_find(buf_slice(name), '@', &at)) {
        return;
    }
    if (at + 1 == name->n) {
        buf_truncate(name, at);
    }
    for (size_t i = at + 1; i < name->n; i++) {
        if (name->p[i] >= 'A' && name->p[i] <= 'Z') {
            name->p[i] = (uint8_t)(name->p[i] + ('a' - 'A'));
        }
    }
}

/*
 * Names are prepared before canon_user: the server then logs, maps and authorises what was
 * verified, whatever spelling the client chose (RFC 4013; RFC 4616 2, RFC 5802 5.1).
 */
static enum auth_status prepare_names(struct exchange *x, const struct mech_identity *who,
                                      bool settle)
{
    buf_clear(&x->authcid);
    buf_clear(&x->authzid);
    enum auth_status status = identity_prepare_name(who->authcid, IDENTITY_QUERY, &x->authcid);
    if (status == AUTH_OK && is_blank(buf_slice(&x->authcid))) {
        status = AUTH_BAD_NAME;
    }
    if (status != AUTH_OK) {
        /* For the log line: as it came; it is escaped there. */
        buf_clear(&x->authcid);
        buf_put(&x->authcid, who->authcid.p,
                who->authcid.n < LONGEST_NAME ? who->authcid.n : LONGEST_NAME);
        return status;
    }
    if (settle) {
        settle_realm(&x->authcid);
    }
    if (who->authzid.n == 0) {
        return AUTH_OK;
    }
    status = identity_prepare_name(who->authzid, IDENTITY_QUERY, &x->authzid);
    if (status == AUTH_OK && settle) {
        settle_realm(&x->authzid);
    }
    if (status == AUTH_OK && is_blank(buf_slice(&x->authzid))) {
        status = AUTH_BAD_NAME;
    }
    if (status == AUTH_OK && slice_equal(buf_slice(&x->authzid), buf_slice(&x->authcid))) {
        buf_clear(&x->authzid);
    }
    return status;
}

enum auth_status exchange_identify(struct exchange *x, const struct mech_identity *who,
                                   const char *const *props, unsigned cu_flags, bool settle,
                                   enum auth_status *ret_verdict)
{
    enum auth_status status = prepare_names(x, who, settle && glue_settings()->own_store);

    if (status != AUTH_OK) {
        return status;
    }
    props_erase_all(x->sparams);
    status = props_request(x->sparams, props);
    if (status != AUTH_OK) {
        return status;
    }
    /* A name left by an earlier attempt on this connection must not pass for this one's. */
    x->oparams->authid = NULL;
    x->oparams->alen = 0;
    unsigned flags = SASL_CU_AUTHID | cu_flags;
    if (x->authzid.n == 0) {
        flags |= SASL_CU_AUTHZID;
    }
    if (props[0] != NULL) {
        x->sparams->flags |= PROPS_FOR_US;
    }
    int code = x->sparams->canon_user(x->sparams->utils->conn, buf_text(&x->authcid),
                                      (unsigned)x->authcid.n, flags, x->oparams);
    x->sparams->flags &= ~(unsigned)PROPS_FOR_US;
    status = glue_lookup_status(code);
    if (auth_status_is_outage(status)) {
        return status;
    }
    *ret_verdict = status;
    return AUTH_OK;
}

static enum auth_status host_random(void *ctx, uint8_t *ret, size_t n)
{
    (void)ctx;
    return nonce_draw(ret, n);
}

/*
 * user@realm of the account, so that every spelling of it gets the same salt; the prepared name
 * where the server's canonicalisation refused it.
 */
static void put_account_name(const struct exchange *x, struct buf *ret)
{
    struct identity who;
    struct slice name = x->oparams->authid != NULL ? slice_of(x->oparams->authid, x->oparams->alen)
                                                   : buf_slice(&x->authcid);

    if (identity_split(name, glue_default_realm(x->sparams), &who) == AUTH_OK) {
        identity_put(ret, &who);
    } else {
        buf_put_slice(ret, name);
    }
}

static enum auth_status host_find_secret(void *ctx, const struct mech_identity *who,
                                         const struct mech_want *want, struct mech_secret *ret)
{
    struct exchange *x = ctx;
    const char *const *props = props_for(want);

    memset(ret, 0, sizeof *ret);
    enum auth_status status = exchange_identify(x, who, props, 0, true, &ret->verdict);
    if (status == AUTH_OK) {
        struct buf name;
        buf_init(&name, 2 * (size_t)LONGEST_NAME);
        put_account_name(x, &name);
        status = buf_status(&name);
        if (status == AUTH_OK) {
            status =
                props_secret(x->sparams, want, buf_slice(&name), &glue_settings()->decoy_key, ret);
        }
        buf_release(&name);
    }
    props_erase_all(x->sparams);
    return status;
}

static enum auth_status host_check_password(void *ctx, const struct mech_identity *who,
                                            struct slice password)
{
    return password_check(ctx, who, password);
}

static void put_lower(struct buf *b, const char *s)
{
    const struct slice text = slice_str(s);
    uint8_t *at = buf_extend(b, text.n);

    for (size_t i = 0; at != NULL && i < text.n; i++) {
        const uint8_t c = text.p[i];
        at[i] = (uint8_t)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
}

/*
 * The application's channel binding. A binding it calls critical may not be done without, whatever
 * name the client chose; which one that was, libsasl2 does not tell.
 */
static void describe_binding(struct exchange *x)
{
    const sasl_channel_binding_t *binding = x->sparams->cbinding;

    if (binding == NULL || binding->name == NULL || !glue_settings()->channel_binding) {
        return;
    }
    x->binding = (struct mech_binding){
        .name = binding->name,
        .data = slice_of(binding->data, binding->len),
    };
    x->host.binding = &x->binding;
    x->host.plus = binding->critical != 0;
}

/* What the engine may know of its surroundings. The strings live as long as the exchange. */
static enum auth_status describe_host(struct exchange *x)
{
    const sasl_server_params_t *sparams = x->sparams;

    put_lower(&x->service, sparams->service);
    put_lower(&x->realm, glue_default_realm(sparams));
    x->host = (struct mech_host){
        .ctx = x,
        .service = buf_text(&x->service),
        .server_fqdn = sparams->serverFQDN != NULL ? sparams->serverFQDN : "",
        .realm = buf_text(&x->realm),
        .layers = layer_limits(glue_settings()->layers, &sparams->props, sparams->external_ssf),
        .random = host_random,
        .find_secret = host_find_secret,
        .check_password = host_check_password,
    };
    describe_binding(x);
    enum auth_status status = buf_status(&x->service);
    return status == AUTH_OK ? buf_status(&x->realm) : status;
}

int exchange_new(void *glob_context, sasl_server_params_t *sparams, const char *challenge,
                 unsigned challen, void **conn_context)
{
    const struct glue_mech *mech = glob_context;

    (void)challenge;
    (void)challen;
    if (mech == NULL || sparams == NULL || conn_context == NULL) {
        return SASL_BADPARAM;
    }
    struct exchange *x = calloc(1, sizeof *x);
    void *engine = calloc(1, mech->ops->state_size);
    if (x == NULL || engine == NULL) {
        free(x);
        free(engine);
        return SASL_NOMEM;
    }
    x->mech = mech;
    x->sparams = sparams;
    x->engine = engine;
    buf_init(&x->out, MECH_MAX_OUTPUT);
    buf_init(&x->authcid, LONGEST_NAME);
    buf_init(&x->authzid, LONGEST_NAME);
    buf_init(&x->service, LONGEST_NAME);
    buf_init(&x->realm, LONGEST_NAME);
    enum auth_status status = describe_host(x);
    mech->ops->start(engine, mech->variant, &x->host);
    if (status != AUTH_OK) {
        exchange_dispose(x, sparams->utils);
        return glue_sasl_code(status);
    }
    *conn_context = x;
    return SASL_OK;
}

void exchange_dispose(void *conn_context, const sasl_utils_t *utils)
{
    struct exchange *x = conn_context;

    (void)utils;
    if (x == NULL) {
        return;
    }
    x->mech->ops->release(x->engine);
    crypto_wipe(x->engine, x->mech->ops->state_size);
    free(x->engine);
    buf_release(&x->out);
    buf_release(&x->authcid);
    buf_release(&x->authzid);
    buf_release(&x->service);
    buf_release(&x->realm);
    crypto_wipe(x, sizeof *x);
    free(x);
}

/* The authorization identity, once the authentication identity has proved itself. */
static enum auth_status authorize(struct exchange *x)
{
    if (x->authzid.n == 0) {
        return AUTH_OK;
    }
    int code = x->sparams->canon_user(x->sparams->utils->conn, buf_text(&x->authzid),
                                      (unsigned)x->authzid.n, SASL_CU_AUTHZID, x->oparams);
    enum auth_status status = glue_lookup_status(code);
    /* Whether this user may act for that one is libsasl2's proxy policy, asked after us. */
    return status == AUTH_OK || auth_status_is_outage(status) ? status : AUTH_NOT_ALLOWED;
}

/*
 * What became of the channel binding. That the client thought the server had none (flag "y") has
 * been dealt with; where the option has switched it off, libsasl2 must not refuse such a client.
 */
static void fill_binding(const struct exchange *x, sasl_out_params_t *oparams)
{
    const struct mech_server *engine = x->engine;

    oparams->cbindingdisp = engine->bound ? SASL_CB_DISP_USED : SASL_CB_DISP_NONE;
    oparams->cbindingname = engine->bound ? x->binding.name : NULL;
}

/* What libsasl2 is told with success. */
static void fill_oparams(struct exchange *x)
{
    const struct mech_server_ops *ops = x->mech->ops;
    sasl_out_params_t *oparams = x->oparams;

    layer_fill_oparams(&x->layer, ops->layer == NULL ? NULL : ops->layer(x->engine), oparams);
    oparams->doneflag = 1;
    fill_binding(x, oparams);
    oparams->param_version = 0;
}

static int fail(struct exchange *x, enum auth_status status)
{
    const sasl_utils_t *utils = x->sparams->utils;
    const struct mech_server *engine = x->engine;
    const char *detail = auth_status_is_verdict(status) ? NULL : engine->detail;

    if (detail == NULL && !auth_status_is_verdict(status)) {
        detail = auth_status_text(status);
    }
    x->state = EXCHANGE_FAILED;
    x->oparams->doneflag = 0;
    glue_log_failure(utils, x->mech->name, status, buf_slice(&x->authcid), x->sparams->ipremoteport,
                     detail);
    utils->seterror(utils->conn, SASL_NOLOG, "%s",
                    auth_status_is_outage(status) ? "credentials are not available"
                                                  : "authentication failed");
    buf_clear(&x->out);
    return glue_sasl_code(status);
}

int exchange_step(void *conn_context, sasl_server_params_t *sparams, const char *clientin,
                  unsigned clientinlen, const char **serverout, unsigned *serveroutlen,
                  sasl_out_params_t *oparams)
{
    struct exchange *x = conn_context;
    struct mech_server *engine = x == NULL ? NULL : x->engine;
    enum auth_status status = AUTH_INTERNAL;

    *serverout = NULL;
    *serveroutlen = 0;
    if (x == NULL) {
        /* libsasl2 has disposed of a failed exchange and is asked to go on all the same. */
        return SASL_BADPROT;
    }
    x->sparams = sparams;
    x->oparams = oparams;
    buf_clear(&x->out);
    if (x->state != EXCHANGE_RUNNING) {
        status = mech_malformed(engine, "step after the end of the exchange");
    } else if (clientinlen > MECH_MAX_INPUT) {
        status = AUTH_TOO_LONG;
    } else {
        status = x->mech->ops->step(x->engine, slice_of(clientin, clientinlen), &x->out);
    }
    if ((status == AUTH_OK || status == AUTH_CONTINUE) && buf_status(&x->out) != AUTH_OK) {
        status = buf_status(&x->out);
    }
    if (status == AUTH_OK) {
        status = authorize(x);
    }
    if (status != AUTH_OK && status != AUTH_CONTINUE) {
        return fail(x, status);
    }
    if (status == AUTH_OK) {
        x->state = EXCHANGE_DONE;
        fill_oparams(x);
    }
    /* With success, no data must be NULL: anything else would cost the client a round trip. */
    if (status == AUTH_CONTINUE || x->out.n > 0) {
        *serverout = buf_text(&x->out);
        *serveroutlen = (unsigned)x->out.n;
    }
    return glue_sasl_code(status);
}
