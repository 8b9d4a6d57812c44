/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which tickets a process has left last, so that an account that logs in again and again does not
 * fill the file: for each a keyed hash of the name, of the state of the account and of the key it
 * is sealed to. No password is in it, and without the key, which is random and this process's, no
 * name can be tried out on it.
 *
 * Bounded: the oldest note goes for a new one. The caller sees to it that one thread at a time uses
 * the notes; a child after a fork goes on with what its parent has left.
 */
#ifndef SASL_LMDB_TICKET_NOTES_H
#define SASL_LMDB_TICKET_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/ticket.h"

enum { TICKET_NOTES = 256, TICKET_NOTE = 8, TICKET_NOTES_KEY = 32 };

/* All zero: none yet. */
struct ticket_notes {
    bool have_key;
    uint8_t key[TICKET_NOTES_KEY];
    unsigned n;    /* notes there are */
    unsigned next; /* the one to be written */
    uint8_t note[TICKET_NOTES][TICKET_NOTE];
};

/* What stands for a ticket of that account in that state to that key. AUTH_CRYPTO, AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status ticket_notes_make(struct ticket_notes *notes,
                                            const struct ticket_target *target,
                                            const struct identity *who, uint8_t ret[TICKET_NOTE]);

/* Whether it has been left. */
bool ticket_notes_has(const struct ticket_notes *notes, const uint8_t note[TICKET_NOTE]);

/* It has. */
void ticket_notes_add(struct ticket_notes *notes, const uint8_t note[TICKET_NOTE]);

/* The tickets have been taken: whoever lacks something still leaves another one. */
void ticket_notes_forget(struct ticket_notes *notes);

#endif
