/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Initialisation may run as root before a jail closes (Postfix), once for each of several services
 * with a dlclose after each (Exim), or before forks (slapd, sendmail). So: it opens the files and
 * begins no transaction, what it keeps is counted and survives dlclose, and whatever fails is
 * tried again at the first lookup. So is what had no reason to be opened: slapd, which answers for
 * auxprop_plugin itself, names us only when it has read its own configuration, after that.
 */
#include "lmdb_plugin.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sasl_glue.h"

enum { COMPLAIN_AGAIN = 60 /* seconds */ };

static struct {
    pthread_mutex_t lock;
    unsigned users;  /* initialisations not yet freed */
    bool configured; /* named when it was initialised */
    bool writable;
    bool nolock;
    char *path;
    char *key_path;
    struct store *store;
    enum auth_status complained; /* the outage logged last */
    time_t complained_at;

    /* Why the store could not be opened at initialisation, and who found out. */
    enum auth_status first_failure;
    struct detail first_detail;
    uid_t first_user;
} plugin = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A thread of the parent may have held it, and is not here to let go. */
static void after_fork_in_child(void)
{
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;

    plugin.lock = unlocked;
}

static void prepare_once(void)
{
    (void)pthread_atfork(NULL, NULL, after_fork_in_child);
}

/* Without auxprop_plugin libsasl2 asks every plugin it has loaded, also where nobody wants us. */
static bool names_us(const sasl_utils_t *utils)
{
    return glue_list_has(glue_option(utils, "auxprop_plugin", NULL), "lmdb");
}

bool plugin_is_wanted(const sasl_server_params_t *sparams)
{
    return plugin.configured || (sparams != NULL && names_us(sparams->utils));
}

bool plugin_is_writable(void)
{
    return plugin.writable;
}

void plugin_complain(const sasl_utils_t *utils, enum auth_status status,
                     const struct detail *detail)
{
    time_t now = time(NULL);

    pthread_mutex_lock(&plugin.lock);
    bool due = plugin.complained != status || now - plugin.complained_at >= COMPLAIN_AGAIN;
    /* Without a connection libsasl2 logs past the server's own log: that does not count as said. */
    if (due && utils->conn != NULL) {
        plugin.complained = status;
        plugin.complained_at = now;
    }
    pthread_mutex_unlock(&plugin.lock);
    if (due) {
        utils->log(utils->conn, SASL_LOG_ERR, "sasl-lmdb: %s", detail_text(detail, status));
    }
}

/* Opens the store if it is not open. The lock is held. */
static enum auth_status open_locked(struct detail *detail)
{
    if (plugin.store != NULL) {
        return AUTH_OK;
    }
    const struct store_options options = {
        .path = plugin.path,
        .key_path = plugin.key_path,
        .writable = plugin.writable,
        .nolock = plugin.nolock,
    };
    return store_open(&options, &plugin.store, detail);
}

/*
 * Inside a jail, or as a user with fewer rights, a second try fails for reasons that mislead: what
 * root could not open is not to be opened to that user. The first reason is the true one.
 */
static void prefer_first_failure(enum auth_status *status, struct detail *detail)
{
    if (plugin.first_failure != AUTH_OK && geteuid() != plugin.first_user) {
        *status = plugin.first_failure;
        *detail = plugin.first_detail;
    }
}

enum auth_status plugin_store(const sasl_utils_t *utils, struct store **ret)
{
    struct detail detail = {{0}};

    pthread_mutex_lock(&plugin.lock);
    enum auth_status status = open_locked(&detail);
    if (status != AUTH_OK) {
        prefer_first_failure(&status, &detail);
    }
    *ret = plugin.store;
    pthread_mutex_unlock(&plugin.lock);
    if (status != AUTH_OK) {
        plugin_complain(utils, status, &detail);
    }
    return status;
}

enum auth_status plugin_identity(const sasl_server_params_t *sparams, struct slice name,
                                 struct identity *ret)
{
    return identity_split(name, glue_default_realm(sparams), ret);
}

/* The store of an earlier initialisation is kept if it is the one this configuration names. */
static enum auth_status configure(const sasl_utils_t *utils)
{
    const char *path = glue_option(utils, "lmdb_path", NULL);
    const char *key_path = glue_option(utils, "lmdb_keyfile", STORE_DEFAULT_KEY_PATH);
    bool writable = glue_switch(utils, "lmdb_writable");
    bool nolock = glue_switch(utils, "lmdb_nolock");

    plugin.configured = path != NULL || names_us(utils);
    if (path == NULL) {
        path = STORE_DEFAULT_PATH;
    }
    if (plugin.path != NULL && strcmp(plugin.path, path) == 0 &&
        strcmp(plugin.key_path, key_path) == 0 && plugin.writable == writable &&
        plugin.nolock == nolock) {
        return AUTH_OK;
    }
    char *new_path = strdup(path);
    char *new_key_path = strdup(key_path);
    if (new_path == NULL || new_key_path == NULL) {
        free(new_path);
        free(new_key_path);
        return AUTH_NO_MEMORY;
    }
    store_close(plugin.store);
    plugin.store = NULL;
    free(plugin.path);
    free(plugin.key_path);
    plugin.path = new_path;
    plugin.key_path = new_key_path;
    plugin.writable = writable;
    plugin.nolock = nolock;
    return AUTH_OK;
}

static void plugin_free(void *glob_context, const sasl_utils_t *utils)
{
    (void)glob_context;
    (void)utils;
    pthread_mutex_lock(&plugin.lock);
    if (plugin.users > 0 && --plugin.users == 0) {
        store_close(plugin.store);
        plugin.store = NULL;
    }
    pthread_mutex_unlock(&plugin.lock);
}

static char plugin_name[] = "lmdb";

static sasl_auxprop_plug_t auxprop = {
    .auxprop_free = plugin_free,
    .auxprop_lookup = plugin_lookup,
    .name = plugin_name,
    .auxprop_store = plugin_write,
};

GLUE_EXPORT sasl_auxprop_init_t sasl_auxprop_plug_init;

GLUE_EXPORT int sasl_auxprop_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
                                       sasl_auxprop_plug_t **plug, const char *plugname)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct detail detail = {{0}};

    (void)plugname;
    if (utils == NULL || out_version == NULL || plug == NULL) {
        return SASL_BADPARAM;
    }
    if (max_version < SASL_AUXPROP_PLUG_VERSION || !glue_library_fits()) {
        return SASL_BADVERS;
    }
    /* In a jail there is no file system: what would be loaded on first use is loaded now. */
    enum auth_status status = glue_prepare();
    (void)pthread_once(&once, prepare_once);
    pthread_mutex_lock(&plugin.lock);
    if (status == AUTH_OK) {
        status = configure(utils);
    }
    bool ready = status == AUTH_OK;
    if (ready) {
        plugin.users++;
        if (plugin.configured) {
            status = open_locked(&detail);
        }
        plugin.first_failure = status;
        plugin.first_detail = detail;
        plugin.first_user = geteuid();
    }
    pthread_mutex_unlock(&plugin.lock);
    if (status != AUTH_OK) {
        plugin_complain(utils, status, &detail);
    }
    if (!ready) {
        return SASL_FAIL;
    }
    *out_version = SASL_AUXPROP_PLUG_VERSION;
    *plug = &auxprop;
    return SASL_OK;
}
