/* SPDX-License-Identifier: BSD-2-Clause */
#include "sasl_client.h"

#include <stdlib.h>
#include <string.h>

#include "engine/identity.h"
#include "sasl_layer.h"
#include "sasl_prompts.h"

enum {
    LONGEST_NAME = 1023, /* bytes; libsasl2's own buffer for a canonical name holds 1024 */
};

enum client_state { CLIENT_RUNNING, CLIENT_DONE, CLIENT_FAILED };

/* What the application has been asked for and has answered. */
enum client_have { HAVE_AUTHZID = 1, HAVE_AUTHCID = 2, HAVE_PASSWORD = 4 };

struct client {
    struct layer_slot layer; /* first */
    const struct glue_client_mech *mech;
    sasl_client_params_t *cparams;
    sasl_out_params_t *oparams; /* of the step under way */
    struct mech_client_host host;
    struct mech_binding binding;
    struct mech_account account;
    struct prompter prompter;
    enum client_state state;
    unsigned have;      /* enum client_have */
    bool ready;         /* account is filled */
    bool have_realm;    /* realm is the one to use */
    int callback_code;  /* why the application's callback gave no realm, or SASL_OK */
    struct buf out;     /* what the last step handed to libsasl2 */
    struct buf service; /* lower case */
    struct buf fqdn;    /* lower case */
    struct buf authcid; /* as answered, then as libsasl2 made it canonical */
    struct buf authzid;
    struct buf password;
    struct buf realm;
    void *engine; /* state of mech->ops */
};

/* What plugin initialisation read from the configuration, for all exchanges of this plugin. */
static enum layer_choice layers;

static enum auth_status host_random(void *ctx, uint8_t *ret, size_t n)
{
    (void)ctx;
    return crypto_random(ret, n);
}

/* The offered realms as the application's callback wants them: strings, NULL at the end. */
static const char **realm_strings(const struct slice *offered, size_t n, struct buf *text)
{
    const char **list = calloc(n + 1, sizeof *list);

    if (list == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        buf_put_slice(text, offered[i]);
        buf_put_byte(text, 0);
    }
    if (buf_status(text) != AUTH_OK) {
        free(list);
        return NULL;
    }
    const char *at = buf_text(text);
    for (size_t i = 0; i < n; i++) {
        list[i] = at;
        at += offered[i].n + 1;
    }
    return list;
}

static enum auth_status ask_realm(struct client *c, const struct slice *offered, size_t n)
{
    struct buf text;

    buf_init(&text, MECH_MAX_INPUT);
    const char **list = realm_strings(offered, n, &text);
    int code = SASL_NOMEM;
    if (list != NULL) {
        code = prompter_get_realm(&c->prompter, list, c->host.server_fqdn, &c->realm);
    }
    free(list);
    buf_release(&text);
    if (code == SASL_OK) {
        return AUTH_OK;
    }
    if (code == SASL_INTERACT) {
        return AUTH_NEED_INPUT;
    }
    c->callback_code = code;
    return code == SASL_NOMEM ? AUTH_NO_MEMORY : AUTH_UNAVAILABLE;
}

static enum auth_status host_choose_realm(void *ctx, const struct slice *offered, size_t n,
                                          struct slice *ret)
{
    struct client *c = ctx;
    enum auth_status status = AUTH_OK;

    if (!c->have_realm) {
        if (n == 1) {
            buf_put_slice(&c->realm, offered[0]);
            status = buf_status(&c->realm);
        } else {
            status = ask_realm(c, offered, n);
        }
        c->have_realm = status == AUTH_OK;
    }
    *ret = buf_slice(&c->realm);
    return status;
}

static void put_lower(struct buf *b, const char *s)
{
    for (; s != NULL && *s != '\0'; s++) {
        buf_put_byte(b, (uint8_t)(*s >= 'A' && *s <= 'Z' ? *s + ('a' - 'A') : *s));
    }
}

/*
 * libsasl2 has decided what is to become of the binding: USED where the -PLUS name was chosen (or
 * a binding is critical), WANT where there was a choice and no such name in it.
 */
static void describe_binding(struct client *c)
{
    const sasl_channel_binding_t *binding = c->cparams->cbinding;

    if (binding != NULL && binding->name != NULL) {
        c->binding = (struct mech_binding){
            .name = binding->name,
            .data = slice_of(binding->data, binding->len),
        };
        c->host.binding = &c->binding;
    }
    switch (c->cparams->cbindingdisp) {
    case SASL_CB_DISP_USED:
        c->host.binding_use = MECH_BINDING_USED;
        break;
    case SASL_CB_DISP_WANT:
        c->host.binding_use = MECH_BINDING_UNOFFERED;
        break;
    default:
        c->host.binding_use = MECH_BINDING_NONE;
        break;
    }
}

/* What the engine may know of its surroundings. The strings live as long as the exchange. */
static enum auth_status describe_host(struct client *c)
{
    const sasl_client_params_t *cparams = c->cparams;

    put_lower(&c->service, cparams->service);
    put_lower(&c->fqdn, cparams->serverFQDN);
    c->host = (struct mech_client_host){
        .ctx = c,
        .service = buf_text(&c->service),
        .server_fqdn = buf_text(&c->fqdn),
        .min_iterations = glue_iterations(cparams->utils, "scram_min_iterations", INT32_MAX,
                                          CLIENT_MIN_ITERATIONS),
        .max_iterations = glue_iterations(cparams->utils, "scram_max_iterations", INT32_MAX,
                                          CLIENT_MAX_ITERATIONS),
        .layers = layer_limits(layers, &cparams->props, cparams->external_ssf),
        .random = host_random,
        .choose_realm = host_choose_realm,
    };
    describe_binding(c);
    enum auth_status status = buf_status(&c->service);
    return status == AUTH_OK ? buf_status(&c->fqdn) : status;
}

static void client_dispose(void *conn_context, const sasl_utils_t *utils)
{
    struct client *c = conn_context;

    (void)utils;
    if (c == NULL) {
        return;
    }
    c->mech->ops->release(c->engine);
    crypto_wipe(c->engine, c->mech->ops->state_size);
    free(c->engine);
    prompter_release(&c->prompter);
    buf_release(&c->out);
    buf_release(&c->service);
    buf_release(&c->fqdn);
    buf_release(&c->authcid);
    buf_release(&c->authzid);
    buf_release(&c->password);
    buf_release(&c->realm);
    crypto_wipe(c, sizeof *c);
    free(c);
}

static int client_new(void *glob_context, sasl_client_params_t *cparams, void **conn_context)
{
    const struct glue_client_mech *mech = glob_context;

    if (mech == NULL || cparams == NULL || conn_context == NULL) {
        return SASL_BADPARAM;
    }
    struct client *c = calloc(1, sizeof *c);
    void *engine = calloc(1, mech->ops->state_size);
    if (c == NULL || engine == NULL) {
        free(c);
        free(engine);
        return SASL_NOMEM;
    }
    c->mech = mech;
    c->cparams = cparams;
    c->engine = engine;
    prompter_init(&c->prompter);
    buf_init(&c->out, MECH_MAX_OUTPUT);
    buf_init(&c->service, LONGEST_NAME);
    buf_init(&c->fqdn, LONGEST_NAME);
    buf_init(&c->authcid, LONGEST_NAME);
    buf_init(&c->authzid, LONGEST_NAME);
    buf_init(&c->password, IDENTITY_MAX_PASSWORD);
    buf_init(&c->realm, MECH_MAX_INPUT);
    enum auth_status status = describe_host(c);
    mech->ops->start(engine, mech->variant, &c->host, &c->account);
    if (status != AUTH_OK) {
        client_dispose(c, cparams->utils);
        return glue_sasl_code(status);
    }
    *conn_context = c;
    return SASL_OK;
}

/* An answer, or a note that it is to be asked for, which is no failure yet. */
static int note(struct client *c, unsigned what, int code)
{
    if (code == SASL_OK) {
        c->have |= what;
    }
    return code == SASL_INTERACT ? SASL_OK : code;
}

static int ask_account(struct client *c)
{
    struct prompter *p = &c->prompter;
    int code = SASL_OK;

    if ((c->mech->features & SASL_FEAT_ALLOWS_PROXY) != 0 && (c->have & HAVE_AUTHZID) == 0) {
        code = note(c, HAVE_AUTHZID, prompter_get_name(p, SASL_CB_USER, &c->authzid));
    }
    if (code == SASL_OK && (c->have & HAVE_AUTHCID) == 0) {
        code = note(c, HAVE_AUTHCID, prompter_get_name(p, SASL_CB_AUTHNAME, &c->authcid));
    }
    if (code == SASL_OK && (c->have & HAVE_PASSWORD) == 0) {
        code = note(c, HAVE_PASSWORD, prompter_get_password(p, &c->password));
    }
    return code == SASL_OK ? prompter_end(p) : code;
}

/* libsasl2 keeps both identities in canonical form; that form is what goes to the server. */
static int canonicalise(struct client *c)
{
    sasl_client_params_t *cparams = c->cparams;
    sasl_out_params_t *oparams = c->oparams;
    const bool proxy = c->authzid.n > 0;
    int code =
        cparams->canon_user(cparams->utils->conn, buf_text(&c->authcid), (unsigned)c->authcid.n,
                            proxy ? SASL_CU_AUTHID : SASL_CU_AUTHID | SASL_CU_AUTHZID, oparams);

    if (code == SASL_OK && proxy) {
        code = cparams->canon_user(cparams->utils->conn, buf_text(&c->authzid),
                                   (unsigned)c->authzid.n, SASL_CU_AUTHZID, oparams);
    }
    if (code != SASL_OK) {
        return code;
    }
    buf_clear(&c->authcid);
    buf_put(&c->authcid, oparams->authid, oparams->alen);
    if (proxy) {
        buf_clear(&c->authzid);
        buf_put(&c->authzid, oparams->user, oparams->ulen);
    }
    enum auth_status status = buf_status(&c->authcid);
    status = status == AUTH_OK ? buf_status(&c->authzid) : status;
    return glue_sasl_code(status);
}

/* Who logs in. SASL_OK once that is known; SASL_INTERACT if a person has to say. */
static int fill_account(struct client *c)
{
    const sasl_client_params_t *cparams = c->cparams;

    if (c->ready) {
        return SASL_OK;
    }
    if (c->mech->ops->layer == NULL && cparams->props.min_ssf > cparams->external_ssf) {
        cparams->utils->seterror(cparams->utils->conn, 0, "%s has no security layer",
                                 c->mech->name);
        return SASL_TOOWEAK;
    }
    int code = ask_account(c);
    if (code == SASL_OK && c->authcid.n == 0) {
        cparams->utils->seterror(cparams->utils->conn, 0, "no user name was given");
        code = SASL_BADPARAM;
    }
    if (code == SASL_OK) {
        code = canonicalise(c);
    }
    if (code == SASL_OK) {
        c->account = (struct mech_account){
            .authcid = buf_slice(&c->authcid),
            .authzid = buf_slice(&c->authzid),
            .password = buf_slice(&c->password),
        };
        c->ready = true;
    }
    return code;
}

static int fail(struct client *c, enum auth_status status)
{
    const sasl_utils_t *utils = c->cparams->utils;
    const struct mech_client *engine = c->engine;
    const char *detail = engine->detail != NULL ? engine->detail : auth_status_text(status);

    c->state = CLIENT_FAILED;
    c->oparams->doneflag = 0;
    buf_clear(&c->out);
    utils->seterror(utils->conn, 0, "sasl-lmdb: %s: %s", c->mech->name, detail);
    return c->callback_code != SASL_OK ? c->callback_code : glue_sasl_code(status);
}

static void fill_oparams(struct client *c)
{
    const struct mech_client_ops *ops = c->mech->ops;
    sasl_out_params_t *oparams = c->oparams;

    layer_fill_oparams(&c->layer, ops->layer == NULL ? NULL : ops->layer(c->engine), oparams);
    oparams->doneflag = 1;
    oparams->param_version = 0;
}

/* The engine's step, with the realm asked for if it comes to that. */
static int step_engine(struct client *c, struct slice in, const char **clientout,
                       unsigned *clientoutlen)
{
    enum auth_status status = AUTH_TOO_LONG;

    buf_clear(&c->out);
    prompter_begin(&c->prompter, c->cparams->utils, c->prompter.need);
    if (in.n <= MECH_MAX_INPUT) {
        status = c->mech->ops->step(c->engine, in, &c->out);
    }
    if ((status == AUTH_OK || status == AUTH_CONTINUE) && buf_status(&c->out) != AUTH_OK) {
        status = buf_status(&c->out);
    }
    int code = prompter_end(&c->prompter);
    if (status == AUTH_NEED_INPUT && code == SASL_INTERACT) {
        return code;
    }
    if (status == AUTH_NEED_INPUT) {
        c->callback_code = code == SASL_OK ? SASL_FAIL : code;
    }
    if (status != AUTH_OK && status != AUTH_CONTINUE) {
        return fail(c, status);
    }
    if (status == AUTH_OK) {
        c->state = CLIENT_DONE;
        fill_oparams(c);
    }
    /*
     * Nothing to say must be NULL with success, and where the server has not spoken yet: an empty
     * initial response is another thing than none (RFC 4422 4, RFC 4954 4).
     */
    if (c->out.p != NULL || (status == AUTH_CONTINUE && in.p != NULL)) {
        *clientout = buf_text(&c->out);
        *clientoutlen = (unsigned)c->out.n;
    }
    return glue_sasl_code(status);
}

static int client_step(void *conn_context, sasl_client_params_t *cparams, const char *serverin,
                       unsigned serverinlen, sasl_interact_t **prompt_need, const char **clientout,
                       unsigned *clientoutlen, sasl_out_params_t *oparams)
{
    struct client *c = conn_context;

    if (c == NULL || clientout == NULL || clientoutlen == NULL) {
        return SASL_BADPARAM;
    }
    *clientout = NULL;
    *clientoutlen = 0;
    c->cparams = cparams;
    c->oparams = oparams;
    if (c->state != CLIENT_RUNNING) {
        return fail(c, mech_client_after_end(c->engine));
    }
    prompter_begin(&c->prompter, cparams->utils, prompt_need);
    int code = fill_account(c);
    if (code != SASL_OK) {
        if (code != SASL_INTERACT) {
            c->state = CLIENT_FAILED;
        }
        return code;
    }
    return step_engine(c, slice_of(serverin, serverinlen), clientout, clientoutlen);
}

static void fill_plug(const struct glue_client_mech *mech, sasl_client_plug_t *plug)
{
    union {
        const void *in;
        void *out;
    } glob = {mech};

    *plug = (sasl_client_plug_t){
        .mech_name = mech->name,
        .max_ssf = mech->ops->layer == NULL ? 0 : layer_max_ssf(layers),
        .security_flags = mech->security_flags,
        .features = mech->features,
        .glob_context = glob.out,
        .mech_new = client_new,
        .mech_step = client_step,
        .mech_dispose = client_dispose,
    };
}

int glue_client_init(const sasl_utils_t *utils, int max_version, int *out_version,
                     const struct glue_client_mech *mechs, size_t n, sasl_client_plug_t *plugs,
                     sasl_client_plug_t **ret_list, int *ret_count)
{
    if (utils == NULL || out_version == NULL || ret_list == NULL || ret_count == NULL) {
        return SASL_BADPARAM;
    }
    if (max_version < SASL_CLIENT_PLUG_VERSION || !glue_library_fits()) {
        return SASL_BADVERS;
    }
    enum auth_status status = glue_prepare();
    if (status != AUTH_OK) {
        utils->log(NULL, SASL_LOG_ERR, "sasl-lmdb: client %s is not available: %s", mechs[0].name,
                   auth_status_text(status));
        return SASL_FAIL;
    }
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!crypto_have(mechs[i].needs)) {
            utils->log(NULL, SASL_LOG_WARN,
                       "sasl-lmdb: client %s is not available: OpenSSL refuses its hash (FIPS "
                       "mode?)",
                       mechs[i].name);
            continue;
        }
        if (mechs[i].ops->layer != NULL) {
            layers = layer_read_option(utils);
        }
        fill_plug(&mechs[i], &plugs[count++]);
    }
    *out_version = SASL_CLIENT_PLUG_VERSION;
    *ret_list = plugs;
    *ret_count = count;
    return SASL_OK;
}
