/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose turn it is to change a key file: one program at a time, wherever it is started. Who has the
 * turn holds a lock (flock) on a file beside the key file that is there only meanwhile, its name
 * with "-lock", mode 0600. A lock on the key file or on its directory would do as well, if those
 * who may only read them could not hold one too and keep every change away.
 *
 * The file of one who was killed lies there until the next turn, which takes it over.
 */
#ifndef SASL_LMDB_KEY_TURN_H
#define SASL_LMDB_KEY_TURN_H

#include "base/detail.h"
#include "base/status.h"

struct key_turn {
    char *lock_path;
    int fd;
};

/*
 * Waits for the turn, some seconds at most, then AUTH_STORE_BUSY. AUTH_STORE_DENIED where no file
 * can be made there, or others may open the one that is; AUTH_STORE_MISSING without the directory,
 * AUTH_STORE_FULL, AUTH_UNAVAILABLE, AUTH_NO_MEMORY. Only AUTH_OK needs key_turn_end(). Any thread;
 * a child of a fork shares its parent's turn.
 */
MUST_USE enum auth_status key_turn_take(const char *key_path, struct key_turn *ret,
                                        struct detail *detail);

/* Ends the turn and takes the file away. */
void key_turn_end(struct key_turn *turn);

#endif
