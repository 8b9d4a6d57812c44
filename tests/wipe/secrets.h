/* SPDX-License-Identifier: BSD-2-Clause */
/* A store with one account, and every secret that has to do with it, in masked form. */
#ifndef TEST_SECRETS_H
#define TEST_SECRETS_H

#include "host.h"
#include "scan.h"

#define SECRETS_USER "alice"

enum {
    SECRETS_PASSWORD = 40, /* bytes */
    SECRETS_FRONT = 20,    /* not looked for: malloc writes over the front of a freed block */
};

/* Two passwords, masked. */
extern const uint8_t secrets_right[SECRETS_PASSWORD];
extern const uint8_t secrets_wrong[SECRETS_PASSWORD];

struct secrets {
    struct store_dir store;
    struct needles needles;
};

/* Everything is computed in another process, so that nothing of it is left in this one. */
void secrets_make(struct secrets *ret);

#endif
