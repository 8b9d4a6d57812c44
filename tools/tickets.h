/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tickets taken: what servers with "lmdb_upgrade: yes" left becomes verifiers (store/ticket.h).
 *
 * A ticket may come from anybody who can write the ticket file, so it counts for nothing but a
 * guess: the password in it is checked against the account as it is now, and an account that has
 * nothing to check it against, or needs nothing, is left alone. A ticket is overwritten when what
 * it led to is on the disk; whoever is killed before that finds it again.
 *
 * The private key lies beside the key file, under its name with "-tickets", for the store's owner
 * alone: a server can leave tickets and open none.
 */
#ifndef SASL_LMDB_TICKETS_H
#define SASL_LMDB_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "tool.h"

struct ticket_counts {
    uint64_t looked_at;
    uint64_t upgraded;
    uint64_t needless;   /* the account has all it should have */
    uint64_t refused;    /* no such account, another password now, or one that cannot be stored */
    uint64_t unreadable; /* of another store or key, torn, garbage */
    uint64_t damaged;    /* the record could not be read */
    uint64_t bytes_left; /* of the file that was not looked at */
    bool emptied;
};

struct ticket_watch {
    /* After each ticket; share: how much of the file has been looked at, 0 to 1. False stops. */
    bool (*go_on)(void *ctx, const struct ticket_counts *counts, double share);

    /* A ticket counted as refused or damaged. The name may be anybody's invention. */
    void (*refused)(void *ctx, const struct identity *who, enum auth_status why);
    void *ctx;
};

/* What was missing and has been made. */
struct tickets_made {
    bool key;
    bool file;
};

/*
 * Before tool_open_store(): makes the ticket file and the private key where they are missing, as
 * root for the store's owner.
 */
MUST_USE enum auth_status tickets_prepare(const struct tool *tool, struct tickets_made *ret);

/* With the store open for writing: the servers are told the public key of the private one. */
MUST_USE enum auth_status tickets_announce(const struct tool *tool, struct store *store);

/* Takes all there are. watch may be NULL. Whatever is wrong has been told. */
MUST_USE enum auth_status tickets_take(const struct tool *tool, struct store *store,
                                       const struct ticket_watch *watch, struct ticket_counts *ret);

/*
 * On the way of a verb that writes: takes some, so that nobody waits long. Says nothing; what is
 * wrong with the store the verb will find out, what is wrong with tickets "set --upgrade".
 */
void tickets_take_some(const struct tool *tool, struct store *store);

#endif
