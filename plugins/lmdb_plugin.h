/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The auxprop plugin "lmdb": the only place in a server that opens the store. One of it in a
 * process, whatever the number of services, initialisations and connections.
 */
#ifndef SASL_LMDB_LMDB_PLUGIN_H
#define SASL_LMDB_LMDB_PLUGIN_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "engine/identity.h"
#include "store/store.h"

/*
 * The open store, opened now if it was not at initialisation, for who wants it. Or the outage,
 * which is logged when it is new, and once a minute while it lasts.
 */
MUST_USE enum auth_status plugin_store(const sasl_utils_t *utils, struct store **ret);

/* Logs an outage met while using the store, by the same rule. */
void plugin_complain(const sasl_utils_t *utils, enum auth_status status,
                     const struct detail *detail);

/*
 * The configuration names this plugin or a store, or has come to name the plugin since it was
 * initialised. If not, the plugin is inert: it opens nothing and answers nobody. sparams: of the
 * connection that asks, NULL where libsasl2 has none.
 */
bool plugin_is_wanted(const sasl_server_params_t *sparams);

/* lmdb_writable: yes. */
bool plugin_is_writable(void);

/* user and realm of a canonical name as libsasl2 hands it over. AUTH_BAD_NAME, AUTH_TOO_LONG. */
MUST_USE enum auth_status plugin_identity(const sasl_server_params_t *sparams, struct slice name,
                                          struct identity *ret);

/* Functions of sasl_auxprop_plug_t. */
int plugin_lookup(void *glob_context, sasl_server_params_t *sparams, unsigned flags,
                  const char *user, unsigned ulen);
int plugin_write(void *glob_context, sasl_server_params_t *sparams, struct propctx *ctx,
                 const char *user, unsigned ulen);

#endif
