/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between libsasl2's server plugin interface and the protocol engines: one exchange at a time,
 * size limit, failed-state check, looking up credentials, status to SASL_*, one log line for a
 * failure, everything wiped at dispose. A plugin is a table of struct glue_mech and one call.
 *
 * Threads: libsasl2 runs one exchange in one thread; different exchanges may run at the same time.
 * Plugin initialisation runs once, before any of them.
 */
#ifndef SASL_LMDB_SASL_GLUE_H
#define SASL_LMDB_SASL_GLUE_H

#include <stdbool.h>
#include <stddef.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/crypto.h"
#include "engine/mech.h"

/* Exported by a plugin whatever the default visibility. */
#define GLUE_EXPORT __attribute__((visibility("default")))

/*
 * Defines sasl_server_plug_init for a plugin whose mechanisms are in the array `mechs_`: the one
 * function libsasl2 looks for, the same in every plugin.
 */
#define GLUE_SERVER_PLUGIN(mechs_)                                                                 \
    sasl_server_plug_init_t sasl_server_plug_init;                                                 \
    static sasl_server_plug_t plugs[sizeof(mechs_) / sizeof((mechs_)[0])];                         \
    GLUE_EXPORT int sasl_server_plug_init(const sasl_utils_t *utils, int max_version,              \
                                          int *out_version, sasl_server_plug_t **pluglist,         \
                                          int *plugcount)                                          \
    {                                                                                              \
        return glue_server_init(utils, max_version, out_version, mechs_,                           \
                                sizeof(mechs_) / sizeof((mechs_)[0]), plugs, pluglist, plugcount); \
    }                                                                                              \
    struct glue_mech /* so that the macro ends in a semicolon */

/* One mechanism as a plugin declares it. Static data. */
struct glue_mech {
    const char *name;
    unsigned security_flags; /* SASL_SEC_* and hash strength, as the stock plugin has them */
    unsigned features;       /* SASL_FEAT_*, likewise */
    enum crypto_hash needs;  /* not offered where OpenSSL refuses this hash */
    const struct mech_server_ops *ops;
    const void *variant; /* handed to ops->start() */
};

/*
 * The body of every sasl_server_plug_init. mechs: the plugin's table, n entries; plugs: static
 * room for as many, filled here. Reads options, loads all that would need a file later. Idempotent.
 * SASL_OK, SASL_BADVERS, SASL_BADPARAM, SASL_FAIL.
 */
int glue_server_init(const sasl_utils_t *utils, int max_version, int *out_version,
                     const struct glue_mech *mechs, size_t n, sasl_server_plug_t *plugs,
                     sasl_server_plug_t **ret_list, int *ret_count);

/* The value of an option, or fallback if it is not set. plugin is the name getopt is asked for. */
const char *glue_option(const sasl_utils_t *utils, const char *option, const char *fallback);

/*
 * An option that is a count of iterations, from 1 to most; anything else is logged, and then,
 * or where it is not set, fallback is returned.
 */
uint32_t glue_iterations(const sasl_utils_t *utils, const char *option, uint32_t most,
                         uint32_t fallback);

/* An option that is on with "yes", "on", "true", "1" or "t", as libsasl2's own switches are. */
bool glue_switch(const sasl_utils_t *utils, const char *option);

/*
 * Takes the next word of an option that is a list separated by blanks; false at the end of it. The
 * slice is moved behind the word.
 */
MUST_USE bool glue_take_word(struct slice *rest, struct slice *ret);

/* True if the word is in such a list. Case does not matter. */
bool glue_list_has(const char *list, const char *word);

/*
 * The realm of a name that has none (RFC 2831 2.1.1: the server's choice): user_realm, or the
 * server's name where that is not set or empty. May be NULL where the server gave neither.
 */
const char *glue_default_realm(const sasl_server_params_t *sparams);

/*
 * Loads what would otherwise be loaded at first use, when a server may be in a jail without files.
 * Every plugin initialisation begins with it. AUTH_CRYPTO, AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status glue_prepare(void);

/*
 * Writes the log line of a failure: `sasl-lmdb: mech=M reason=R user="U" ip=A`, with `: detail`
 * after it when there is one. user is escaped; detail must be safe to print. ip: the client's
 * address and port as libsasl2 gives them, or NULL.
 */
void glue_log_failure(const sasl_utils_t *utils, const char *mech, enum auth_status status,
                      struct slice user, const char *ip, const char *detail);

/*
 * False if this process runs another libsasl2 than the headers this was built with: the function
 * table has another layout in 2.2 than in 2.1. Its version member cannot tell, since libsasl2
 * leaves it uninitialised; so the library itself is asked, where it can be found. When this is
 * false nothing in the table may be called, not even to say so.
 */
bool glue_library_fits(void);

/* The only place where a status becomes a SASL_* code. */
int glue_sasl_code(enum auth_status status);

/* What a code of libsasl2's name lookup says of the account, or of our chances to find out. */
enum auth_status glue_lookup_status(int code);

#endif
