/* SPDX-License-Identifier: BSD-2-Clause */
#include "sasl_glue.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/identity.h"
#include "sasl_exchange.h"
#include "sasl_password.h"
#include "sasl_props.h"
#include "sasl_ticket.h"

int glue_sasl_code(enum auth_status status)
{
    switch (status) {
    case AUTH_OK:
        return SASL_OK;
    case AUTH_CONTINUE:
        return SASL_CONTINUE;
    case AUTH_NEED_INPUT:
        return SASL_INTERACT;
    case AUTH_BAD_SERVER:
        return SASL_BADSERV;
    case AUTH_MALFORMED:
    case AUTH_TOO_LONG:
        return SASL_BADPROT;
    case AUTH_BAD_BINDING:
        return SASL_BADBINDING;
    case AUTH_NO_MEMORY:
        return SASL_NOMEM;
    case AUTH_CRYPTO:
    case AUTH_INTERNAL:
        return SASL_FAIL;
    default:
        /*
         * One code for every verdict: servers print the difference between SASL_NOUSER,
         * SASL_DISABLED and SASL_BADAUTH. A name that cannot exist is no different.
         */
        return auth_status_is_outage(status) ? SASL_UNAVAIL : SASL_BADAUTH;
    }
}

enum auth_status glue_lookup_status(int code)
{
    switch (code) {
    case SASL_OK:
        return AUTH_OK;
    case SASL_NOUSER:
        return AUTH_UNKNOWN_USER;
    case SASL_DISABLED:
        return AUTH_DISABLED;
    case SASL_EXPIRED:
        return AUTH_EXPIRED;
    case SASL_NOVERIFY:
        return AUTH_NO_VERIFIER;
    case SASL_NOMEM:
        return AUTH_NO_MEMORY;
    case SASL_BUFOVER:
    case SASL_BADPROT:
    case SASL_BADAUTH:
    case SASL_NOAUTHZ:
        /* The server's own canonicalisation does not accept the name: nobody has it. */
        return AUTH_UNKNOWN_USER;
    default:
        return AUTH_UNAVAILABLE;
    }
}

const char *glue_option(const sasl_utils_t *utils, const char *option, const char *fallback)
{
    const char *value = NULL;

    if (utils->getopt(utils->getopt_context, "lmdb", option, &value, NULL) != SASL_OK ||
        value == NULL || value[0] == '\0') {
        return fallback;
    }
    return value;
}

uint32_t glue_iterations(const sasl_utils_t *utils, const char *option, uint32_t most,
                         uint32_t fallback)
{
    struct slice text = slice_str(glue_option(utils, option, NULL));
    uint32_t value;

    if (text.n == 0) {
        return fallback;
    }
    if (!slice_take_decimal(&text, most, &value) || text.n != 0 || value == 0) {
        utils->log(utils->conn, SASL_LOG_WARN, "sasl-lmdb: %s is no number of iterations; ignored",
                   option);
        return fallback;
    }
    return value;
}

bool glue_switch(const sasl_utils_t *utils, const char *option)
{
    static const char *const on[] = {"yes", "on", "true", "t", "1"};
    const char *value = glue_option(utils, option, "no");

    for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
        if (strcasecmp(value, on[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool glue_take_word(struct slice *rest, struct slice *ret)
{
    while (rest->n > 0) {
        uint8_t c;
        *ret = slice_of(rest->p, 0);
        while (slice_take_byte(rest, &c) && c != ' ' && c != '\t') {
            ret->n++;
        }
        if (ret->n > 0) {
            return true;
        }
    }
    return false;
}

bool glue_list_has(const char *list, const char *word)
{
    struct slice rest = slice_str(list);
    struct slice found;

    while (glue_take_word(&rest, &found)) {
        if (slice_equal_nocase(found, slice_str(word))) {
            return true;
        }
    }
    return false;
}

const char *glue_default_realm(const sasl_server_params_t *sparams)
{
    bool have_realm = sparams->user_realm != NULL && sparams->user_realm[0] != '\0';

    return have_realm ? sparams->user_realm : sparams->serverFQDN;
}

enum auth_status glue_prepare(void)
{
    enum auth_status status = crypto_prepare();

    return status == AUTH_OK ? identity_prepare_library() : status;
}

/* "192.0.2.1;4711" without the port; what is no address becomes "-". */
static void put_address(struct buf *b, const char *ip)
{
    enum { LONGEST_ADDRESS = 64 };
    struct slice rest = slice_str(ip);
    struct slice address;

    slice_take_run(&rest, ';', &address);
    if (address.n == 0 || address.n > LONGEST_ADDRESS || !slice_is_printable(address) ||
        slice_find(address, ' ', NULL)) {
        buf_put_str(b, "-");
    } else {
        buf_put_slice(b, address);
    }
}

void glue_log_failure(const sasl_utils_t *utils, const char *mech, enum auth_status status,
                      struct slice user, const char *ip, const char *detail)
{
    enum { LONGEST_LINE = 1024 };
    struct buf line;

    buf_init(&line, LONGEST_LINE);
    buf_put_str(&line, "sasl-lmdb: mech=");
    buf_put_str(&line, mech);
    buf_put_str(&line, " reason=");
    buf_put_str(&line, auth_status_reason(status));
    buf_put_str(&line, " user=\"");
    identity_put_for_log(&line, user);
    buf_put_str(&line, "\" ip=");
    put_address(&line, ip);
    if (detail != NULL) {
        buf_put_str(&line, ": ");
        buf_put_str(&line, detail);
    }
    utils->log(utils->conn, auth_status_is_outage(status) ? SASL_LOG_ERR : SASL_LOG_FAIL, "%s",
               buf_status(&line) == AUTH_OK ? buf_text(&line) : "sasl-lmdb: out of memory");
    buf_release(&line);
}

/*
 * The development version that becomes 2.2 has the new function table but still calls itself
 * 2.1.28. It exports its functions under another version node, and MD5 no longer.
 */
static bool table_fits(void)
{
#if SASL_UTILS_VERSION >= 5
    return dlsym(RTLD_DEFAULT, "_sasl_MD5Init") == NULL;
#elif defined(__GLIBC__)
    return dlvsym(RTLD_DEFAULT, "sasl_version_info", "SASL2_4.0") == NULL;
#else
    return true;
#endif
}

bool glue_library_fits(void)
{
    /* Not linked: the soname differs between versions, and the host has loaded one already. */
    union {
        void *object;
        void (*function)(const char **, const char **, int *, int *, int *, int *);
    } found = {dlsym(RTLD_DEFAULT, "sasl_version_info")};
    int major = 0;
    int minor = 0;

    if (found.object == NULL) {
        return true;
    }
    found.function(NULL, NULL, &major, &minor, NULL, NULL);
    return major == SASL_VERSION_MAJOR && minor == SASL_VERSION_MINOR && table_fits();
}

/* What plugin initialisation read from the configuration, for all exchanges of this plugin. */
static struct glue_settings settings;

const struct glue_settings *glue_settings(void)
{
    return &settings;
}

static int mech_avail(void *glob_context, sasl_server_params_t *sparams, void **conn_context)
{
    (void)glob_context;
    (void)conn_context;
    /* NOTDONE and not NOMECH: after STARTTLS the same connection may have it. */
    return settings.require_tls && sparams->external_ssf == 0 ? SASL_NOTDONE : SASL_OK;
}

static void fill_plug(const struct glue_mech *mech, sasl_server_plug_t *plug)
{
    union {
        const void *in;
        void *out;
    } glob = {mech};

    *plug = (sasl_server_plug_t){
        .mech_name = mech->name,
        .max_ssf = mech->ops->layer == NULL ? 0 : layer_max_ssf(settings.layers),
        .security_flags = mech->security_flags,
        .features = settings.channel_binding
                        ? mech->features
                        : mech->features & ~(unsigned)SASL_FEAT_CHANNEL_BINDING,
        .glob_context = glob.out,
        .mech_new = exchange_new,
        .mech_step = exchange_step,
        .mech_dispose = exchange_dispose,
        .mech_avail = mech_avail,
    };
}

int glue_server_init(const sasl_utils_t *utils, int max_version, int *out_version,
                     const struct glue_mech *mechs, size_t n, sasl_server_plug_t *plugs,
                     sasl_server_plug_t **ret_list, int *ret_count)
{
    if (utils == NULL || out_version == NULL || ret_list == NULL || ret_count == NULL) {
        return SASL_BADPARAM;
    }
    if (max_version < SASL_SERVER_PLUG_VERSION || !glue_library_fits()) {
        return SASL_BADVERS;
    }
    enum auth_status status = glue_prepare();
    if (status == AUTH_OK) {
        status = glue_read_settings(utils, &settings);
    }
    if (status == AUTH_OK) {
        settings.upgrade = settings.own_store &&
                           (mechs[0].security_flags & SASL_SEC_PASS_CREDENTIALS) != 0 &&
                           ticket_configure(utils);
    }
    if (status != AUTH_OK) {
        utils->log(NULL, SASL_LOG_ERR, "sasl-lmdb: %s is not available: %s", mechs[0].name,
                   auth_status_text(status));
        return SASL_FAIL;
    }
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        if (mechs[i].ops->layer != NULL) {
            settings.layers = layer_read_option(utils);
        }
        if (crypto_have(mechs[i].needs)) {
            fill_plug(&mechs[i], &plugs[count++]);
        } else {
            utils->log(NULL, SASL_LOG_WARN,
                       "sasl-lmdb: %s is not offered: OpenSSL refuses its hash (FIPS mode?)",
                       mechs[i].name);
        }
    }
    *out_version = SASL_SERVER_PLUG_VERSION;
    *ret_list = plugs;
    *ret_count = count;
    return SASL_OK;
}
