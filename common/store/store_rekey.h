/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing the key of a store: all accounts are sealed again under another one, into a generation
 * that becomes active in one transaction. Decoys stay what they are.
 *
 * Servers go on meanwhile and afterwards. A process that can read the key file reads it again when
 * it meets the new key. One that cannot (a jail) and knows only the old key goes on with the
 * generation before, which writers keep in step until store_rekey_retire(). Both keys have to be in
 * the key file until then.
 */
#ifndef SASL_LMDB_STORE_REKEY_H
#define SASL_LMDB_STORE_REKEY_H

#include "store/store_backup.h"

/* What the key file and the store say of the store's keys. */
struct store_key_state {
    uint8_t store_id[16];
    uint32_t active;   /* the key the accounts are sealed under */
    uint32_t since;    /* when that was made, as in struct key */
    uint32_t latest;   /* the newest one in the key file; above active: made, not in use yet */
    uint32_t oldest;   /* the oldest one there; below active: not retired yet */
    uint32_t previous; /* the key of the generation before, if that is kept and its key; else 0 */
};

MUST_USE enum auth_status store_key_state(struct store *store, struct store_key_state *ret,
                                          struct detail *detail);

/*
 * AUTH_OK if the key may be changed. AUTH_NOT_ALLOWED while the generation before is kept for
 * servers that know only its key: it would be given up for the one that is active now, without
 * anybody having said that those servers have been restarted.
 */
MUST_USE enum auth_status store_rekey_check(const struct store_key_state *state,
                                            struct detail *detail);

/*
 * Seals all accounts under key key_id of the key file and makes that active. Memory: 48 bytes an
 * account. watch may be NULL. AUTH_STORE_BUSY if a generation is being built already,
 * AUTH_KEY_WRONG if the key file has no such key, store_rekey_check(); on any error nothing has
 * changed.
 */
MUST_USE enum auth_status store_rekey(struct store *store, uint32_t key_id,
                                      const struct store_watch *watch, struct detail *detail);

/* Drops the generation before, for servers that know only the old key. None is fine. */
MUST_USE enum auth_status store_rekey_retire(struct store *store, struct detail *detail);

#endif
