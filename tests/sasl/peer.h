/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client application around the real libsasl2, and the conversation it has with a server in the
 * same process. Messages may be changed on their way.
 */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/buf.h"

enum { PEER_CALLBACKS = 6 };

/* What the user of the client knows, and how he is asked. NULL: the callback gives nothing. */
struct peer {
    const char *authname;
    const char *user; /* authorization identity */
    const char *password;
    const char *realm;
    bool by_prompt;  /* no callbacks: everything by SASL_INTERACT */
    bool no_user_cb; /* the application has no callback for the authorization identity */

    /* What happened. */
    unsigned prompts; /* rounds of SASL_INTERACT */
    unsigned calls;   /* of callbacks */
    char seen_realms[128];

    sasl_conn_t *conn;
    sasl_callback_t callbacks[PEER_CALLBACKS];
    sasl_secret_t *secret;
};

/* sasl_client_init with the options of host.h; needs host_start() or peer_path() before. */
void peer_library_start(void);

/* One connection to HOST_FQDN with the service smtp. */
void peer_open(struct peer *p, unsigned flags);
void peer_close(struct peer *p);

/*
 * sasl_client_start / sasl_client_step, going round for as long as there are prompts. The server's
 * bytes are handed over in a heap block of their size and a NUL. *ret_sent: there is a message.
 */
int peer_start(struct peer *p, const char *mechs, const char **ret_mech, struct buf *out,
               bool *ret_sent);
int peer_step(struct peer *p, struct slice in, struct buf *out, bool *ret_sent);

/* Who talks: messages are numbered from 0 on either side. */
enum direction { FROM_CLIENT, FROM_SERVER };

/* Changes a message on its way; NULL for none. */
typedef void tamper_fn(void *ctx, enum direction from, unsigned number, struct buf *message);

struct talk {
    const char *mechs;        /* what the server is said to offer */
    const char *server_mech;  /* what the server is told was chosen; NULL: what the client says */
    bool no_initial_response; /* the protocol has none */
    tamper_fn *tamper;
    void *tamper_ctx;

    int client_code; /* SASL_OK, or the failure */
    int server_code;
    const char *chosen;
    unsigned messages[2]; /* by enum direction */
    size_t bytes[2];      /* of the longest message */
};

/* Runs an exchange to its end. A side that fails ends it. */
void talk_run(struct talk *t, sasl_conn_t *server, struct peer *p);

#endif
