/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Backups: all accounts and the store's description in one file, sealed as they are in the store.
 * The key is not in it; who has only the backup has what who has only the store has.
 *
 *   magic 16 | format 4 | length 2 | the store's description (store_meta.h)
 *   length 2 | key of the record 24 | sealed record        for each account
 *   0 2 | number of accounts 8 | HMAC-SHA-256 32
 *
 * The HMAC chains all that comes before, under a key derived from the seal key: a backup that was
 * cut, mended, or put together from two is refused as a whole. Integers are big-endian.
 *
 * A backup can be restored into the store it was made from, also after a change of keys, and into
 * a new one: as long as the key it was made under is in the key file.
 */
#ifndef SASL_LMDB_STORE_BACKUP_H
#define SASL_LMDB_STORE_BACKUP_H

#include "store/store.h"

/* Who is told how far things are: called now and then, may be NULL. all 0: nobody knows. */
struct store_watch {
    void (*progress)(void *ctx, uint64_t done, uint64_t all);
    void *ctx;
};

/*
 * Writes a backup to fd, from where it is, within one read transaction, and syncs it. watch may
 * be NULL. AUTH_STORE_DAMAGED if a record is: what could not be restored is no backup.
 * AUTH_STORE_FULL. The caller removes what was written on an error.
 */
MUST_USE enum auth_status store_backup(struct store *store, int fd, const struct store_watch *watch,
                                       uint64_t *ret_accounts, struct detail *detail);

/*
 * Replaces all accounts, and the settings and decoys of the store, by those of a backup read from
 * fd; the store keeps its id, key and group. AUTH_MALFORMED if fd is no backup or a damaged one,
 * AUTH_KEY_WRONG if its key is not in the key file, AUTH_STORE_BUSY; on any error nothing has
 * changed.
 */
MUST_USE enum auth_status store_restore(struct store *store, int fd,
                                        const struct store_watch *watch, uint64_t *ret_accounts,
                                        struct detail *detail);

#endif
