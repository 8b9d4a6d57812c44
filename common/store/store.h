/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The credential store: accounts by user and realm in one file, sealed under a key kept apart.
 * Knows nothing of libsasl2; used by the auxprop plugin (reading) and by the tools (writing).
 *
 * One process opens one file once, whatever the number of callers: store_open() of a file that is
 * open already (same device and inode) returns the same store and counts its users.
 *
 * Threads: every function may be called from several threads at once, except that store_close()
 * ends the caller's right to the handle. Forks: a child may go on using a store opened before the
 * fork; the first call in the child reopens it. A child that cannot reach the file any more (it
 * changed its root or user) gets AUTH_STORE_DENIED or AUTH_STORE_MISSING.
 *
 * A reader never waits for a writer. Writers wait for each other.
 */
#ifndef SASL_LMDB_STORE_H
#define SASL_LMDB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/detail.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/verifier.h"
#include "store/decoy.h"
#include "store/record.h"
#include "store/ticket.h"

#define STORE_DEFAULT_PATH "/var/lib/sasl-lmdb/users.mdb"
#define STORE_DEFAULT_KEY_PATH "/etc/sasl-lmdb/key"

struct store;

struct store_options {
    const char *path;     /* data file; its lock file is the same name with "-lock" */
    const char *key_path; /* key file */
    bool writable;
    bool nolock; /* read without the lock file: only for a store nobody writes */
};

struct store_create_options {
    const char *path;
    const char *key_path;
    bool have_group; /* group: data 0640, lock 0660, key 0640; else all 0600 */
    gid_t group;
    bool have_owner; /* owner: whose store and lock file are to be; else the caller's */
    uid_t owner;
    struct verifier_policy policy;
};

/* What a store says of itself. */
struct store_info {
    uint8_t store_id[16];
    uint32_t format;
    uint32_t key_id;
    uint32_t generation; /* number of the active user table */
    uint64_t accounts;
    uint64_t seals; /* under the current key */
    uint64_t file_size;
    struct verifier_policy policy;
    bool have_ticket_key;
    uint8_t ticket_key[CRYPTO_X25519];
};

/* The answer to one login's lookup. */
struct store_answer {
    enum auth_status verdict;    /* AUTH_OK, AUTH_UNKNOWN_USER, AUTH_DISABLED, AUTH_EXPIRED */
    struct record record;        /* all zero if the verdict is AUTH_UNKNOWN_USER */
    struct decoy_set decoys;     /* those not asked for are all zero */
    unsigned decoy_kinds;        /* the SCRAM kinds of the account the decoys pretend to be */
    unsigned decoy_digests;      /* and how many spellings of DIGEST-MD5 it has */
    bool wants_ticket;           /* a successful login by password should leave one */
    struct ticket_target target; /* all zero if none is wanted */
};

/*
 * Makes a new store and, unless the key file exists, a new key file; an existing key file is
 * extended by a key for this store. Modes are set by fchmod, whatever the umask. AUTH_STORE_EXISTS
 * if any of data or lock file is there; on every error nothing new is left behind.
 */
MUST_USE enum auth_status store_create(const struct store_create_options *options,
                                       struct detail *detail);

/*
 * Opens a store: reads the key file, opens the data file. Begins no transaction (plugin
 * initialisation runs as root in some servers), so a foreign file or a wrong key may only be
 * noticed by the first call that reads. The key file must not be accessible to others: mode 0600,
 * or 0640 when its group is the data file's group.
 * Path strings are copied. Opening for writing a store that this process has open for reading
 * only is AUTH_STORE_READONLY. A writer makes a lock file that is missing, a reader does not. The
 * key file is read again when the store wants a key that is not known yet, so that a server need
 * not be restarted after a change of keys.
 */
MUST_USE enum auth_status store_open(const struct store_options *options, struct store **ret,
                                     struct detail *detail);

/* Gives the handle back; the last user's call closes the file and wipes the keys. NULL is fine. */
void store_close(struct store *store);

/*
 * Finds an account for a login. Unknown and known names cost the same work and both fill the
 * decoys that are wanted: SCRAM kinds of enum verifier_kind, 0 for none. Decoys of an account show
 * the salts and iterations of the verifiers it has, and are drawn for its name where it has none.
 * AUTH_OK means *ret is filled, whatever its verdict. Otherwise an outage, and *ret is wiped.
 * The caller wipes *ret after use. now: seconds since 1970, for expiry.
 */
MUST_USE enum auth_status store_lookup(struct store *store, const struct identity *who, int64_t now,
                                       unsigned decoys, struct store_answer *ret,
                                       struct detail *detail);

/* AUTH_OK and *ret filled, AUTH_UNKNOWN_USER, or an outage. For tools: no decoys, no verdict. */
MUST_USE enum auth_status store_get(struct store *store, const struct identity *who,
                                    struct record *ret, struct detail *detail);

/* What an edit function decides. */
enum store_edit { STORE_KEEP, STORE_WRITE, STORE_DELETE };

/*
 * Changes one account in one transaction. edit() sees the record as it is (exists) or an empty one
 * with the name filled in, changes it, and decides. It runs inside the write transaction: it must
 * be quick, must not call the store, and may be run again. What is written gets created set if it
 * is new (else created stays), and changed if that is 0; the name stays. A record that is damaged
 * is left as it is: AUTH_STORE_DAMAGED. AUTH_MALFORMED, AUTH_BAD_NAME, AUTH_TOO_LONG if what edit()
 * made cannot be stored. Durable when AUTH_OK is returned. *ret_existed and *ret_edit may be NULL.
 */
MUST_USE enum auth_status
store_change(struct store *store, const struct identity *who,
             enum store_edit (*edit)(void *ctx, bool exists, struct record *record), void *ctx,
             bool *ret_existed, enum store_edit *ret_edit, struct detail *detail);

/*
 * Deletes an account; absent is fine (*ret_existed tells). Also one whose record is damaged
 * (*ret_damaged), which takes a look at all others, since what the store counts of it is not known
 * any more.
 */
MUST_USE enum auth_status store_delete(struct store *store, const struct identity *who,
                                       bool *ret_existed, bool *ret_damaged, struct detail *detail);

/*
 * Writes many accounts in one transaction. One that exists gets the verifiers and the time of
 * change and keeps its created time; it is disabled if either record is, and of two times of expiry
 * the earlier one counts, so that a new password does not enable what somebody disabled. New ones
 * get created and changed set where these are 0. All or nothing.
 * *ret_new, which may be NULL, counts those that did not exist.
 */
MUST_USE enum auth_status store_write_batch(struct store *store, const struct record *records,
                                            size_t n, size_t *ret_new, struct detail *detail);

/* The same, but one that exists becomes the record as given, flags and times too. */
MUST_USE enum auth_status store_replace_batch(struct store *store, const struct record *records,
                                              size_t n, size_t *ret_new, struct detail *detail);

/*
 * Sets the public key that tickets are sealed to from now on; the private one is not the store's
 * to know. Durable when AUTH_OK is returned.
 */
MUST_USE enum auth_status
store_set_ticket_key(struct store *store, const uint8_t key[CRYPTO_X25519], struct detail *detail);

/* A record that a walk cannot read. */
struct store_unreadable {
    enum auth_status status; /* AUTH_STORE_DAMAGED; AUTH_STORE_FOREIGN: of a later version */
    bool have_who;           /* the name could be told with certainty */
    struct identity who;
    struct slice place; /* its key as it lies in the file; valid during the call */
};

/* Both are called within one read transaction and must not call the store. */
struct store_visitor {
    /* A status other than AUTH_OK ends the walk and is returned. */
    enum auth_status (*visit)(void *ctx, const struct record *record);
    void *ctx;
    /* Then the walk goes on; NULL: it ends with the record's status. */
    void (*unreadable)(void *ctx, const struct store_unreadable *what);
    void *unreadable_ctx;
};

/*
 * Shows a visitor each account of a realm (lower case), or all when realm is NULL, in no useful
 * order. Where pages of the file are damaged the walk ends with AUTH_STORE_DAMAGED.
 */
MUST_USE enum auth_status store_each(struct store *store, const char *realm,
                                     const struct store_visitor *visitor, struct detail *detail);

/* Fills *ret. */
MUST_USE enum auth_status store_describe(struct store *store, struct store_info *ret,
                                         struct detail *detail);

#endif
