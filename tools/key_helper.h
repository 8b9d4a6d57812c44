/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of the key file, for a verb that becomes the store's owner: the directory of the key file
 * is usually root's. Where the verb is about to give up root, a process that stays root waits for
 * its requests; otherwise they are carried out at once.
 *
 * That process touches the key file only. Since whoever can write the store's lock file may have
 * taken the verb over, it takes one request of each kind, touches the keys of no store but the one
 * it was started for, whose id it has found out before the verb maps that file, and removes no key
 * that is the newest.
 */
#ifndef SASL_LMDB_KEY_HELPER_H
#define SASL_LMDB_KEY_HELPER_H

#include <sys/types.h>

#include "store/keyring.h"
#include "tool.h"

struct key_helper {
    const struct tool *tool;
    pid_t pid; /* -1: none */
    int fd;
};

/* Before tool_open_store(). False, told, if no process could be started. */
MUST_USE bool key_helper_start(struct key_helper *helper, const struct tool *tool);

/* As keyring_add(); the file keeps its mode and group. */
MUST_USE enum auth_status key_helper_add(struct key_helper *helper,
                                         const uint8_t store_id[STORE_ID_SIZE], uint32_t *ret_id,
                                         struct detail *detail);

/* Removes all keys of the store older than id. */
MUST_USE enum auth_status key_helper_remove_older(struct key_helper *helper,
                                                  const uint8_t store_id[STORE_ID_SIZE],
                                                  uint32_t id, struct detail *detail);

void key_helper_stop(struct key_helper *helper);

#endif
