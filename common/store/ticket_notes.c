/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/ticket_notes.h"

#include <string.h>

#include "base/crypto.h"

enum { HMAC_SIZE = 32 };

enum auth_status ticket_notes_make(struct ticket_notes *notes, const struct ticket_target *target,
                                   const struct identity *who, uint8_t ret[TICKET_NOTE])
{
    const struct slice parts[] = {slice_of(target->public_key, sizeof target->public_key),
                                  slice_of(target->version, sizeof target->version),
                                  slice_of(who->realm, strlen(who->realm) + 1),
                                  slice_str(who->user)};
    uint8_t hmac[HMAC_SIZE];
    enum auth_status status =
        notes->have_key ? AUTH_OK : crypto_random(notes->key, sizeof notes->key);

    notes->have_key = status == AUTH_OK;
    if (status == AUTH_OK) {
        status = crypto_hmac(CRYPTO_SHA256, slice_of(notes->key, sizeof notes->key), parts,
                             sizeof parts / sizeof parts[0], hmac);
    }
    if (status == AUTH_OK) {
        memcpy(ret, hmac, TICKET_NOTE);
    }
    return status;
}

bool ticket_notes_has(const struct ticket_notes *notes, const uint8_t note[TICKET_NOTE])
{
    for (unsigned i = 0; i < notes->n; i++) {
        if (memcmp(notes->note[i], note, TICKET_NOTE) == 0) {
            return true;
        }
    }
    return false;
}

void ticket_notes_add(struct ticket_notes *notes, const uint8_t note[TICKET_NOTE])
{
    memcpy(notes->note[notes->next], note, TICKET_NOTE);
    notes->next = (notes->next + 1) % TICKET_NOTES;
    notes->n += notes->n < TICKET_NOTES;
}

void ticket_notes_forget(struct ticket_notes *notes)
{
    notes->n = 0;
    notes->next = 0;
}
