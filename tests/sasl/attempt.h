/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole exchanges with a server of host.h, by the name of the mechanism, and what came of them.
 */
#ifndef TEST_ATTEMPT_H
#define TEST_ATTEMPT_H

#include "base/buf.h"
#include "client.h"
#include "host.h"

enum { ATTEMPT_MAX_MESSAGE = 8192, ATTEMPT_MECHS = 7 };

/* Every mechanism without -PLUS. */
extern const char *const attempt_mechs[ATTEMPT_MECHS];

/* What came of one exchange. */
struct outcome {
    int code;           /* of the last step */
    struct buf first;   /* the server's first message */
    struct buf final;   /* data with success */
    bool server_proved; /* rspauth or server signature right */
};

void outcome_init(struct outcome *o);
void outcome_release(struct outcome *o);

/* One exchange on this connection; c is as client_init() left it. */
void attempt_run(sasl_conn_t *conn, const char *mech, struct client *c, struct outcome *o);

/*
 * One exchange on a connection of its own, which is to end with the user name expect_name if that
 * is not NULL; returns libsasl2's code. After success the log must be empty.
 */
int attempt(const char *mech, const char *user_realm, const char *user, const char *password,
            const char *authzid, const char *expect_name);

/* The same with a client that is made up already. */
int attempt_client(const char *mech, const char *user_realm, struct client *c,
                   const char *expect_name);

/* Fails the test unless the log has our line with this reason and user. */
void attempt_expect_reason(const char *mech, const char *reason, const char *user);

#endif
