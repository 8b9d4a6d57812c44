/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client mechanism has to know from its user, by libsasl2's rules: the answer to a prompt
 * if there was one, else the application's callback, else a prompt. Prompts are collected and go to
 * the application all at once; it calls the same step again with the answers filled in.
 *
 * The functions return codes of libsasl2, since those of the application's callbacks are passed on.
 * One prompter serves one exchange, in one thread.
 */
#ifndef SASL_LMDB_SASL_PROMPTS_H
#define SASL_LMDB_SASL_PROMPTS_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/buf.h"

enum { PROMPTS_MAX = 4 }; /* authorization name, authentication name, password, realm */

struct prompter {
    const sasl_utils_t *utils;
    sasl_interact_t **need; /* the application's list of this step; may be NULL */
    sasl_interact_t wanted[PROMPTS_MAX];
    unsigned n_wanted;
    sasl_interact_t *handed_out; /* the list the application has; ours to free */
    struct buf challenge;        /* text of a prompt that is made up at run time */
};

void prompter_init(struct prompter *p);

/* Frees the list that was handed out, too. */
void prompter_release(struct prompter *p);

/* Begins a step: need is what libsasl2 was given for prompt_need. */
void prompter_begin(struct prompter *p, const sasl_utils_t *utils, sasl_interact_t **need);

/*
 * Appends the answer to ret: SASL_CB_USER (which need not have one) or SASL_CB_AUTHNAME. SASL_OK;
 * SASL_INTERACT after noting that it must be asked for; or why there is no answer.
 */
int prompter_get_name(struct prompter *p, unsigned long id, struct buf *ret);

/* The same for SASL_CB_PASS. */
int prompter_get_password(struct prompter *p, struct buf *ret);

/*
 * The same for SASL_CB_GETREALM. offered: NULL-terminated, may be empty. Where the application has
 * no such callback, the first of them, or else fallback.
 */
int prompter_get_realm(struct prompter *p, const char **offered, const char *fallback,
                       struct buf *ret);

/*
 * Ends the collecting: frees the answered list, and hands out a new one if anything is to be asked
 * for. SASL_OK if nothing is, else SASL_INTERACT, SASL_BADPARAM (the application takes no prompts)
 * or SASL_NOMEM.
 */
int prompter_end(struct prompter *p);

#endif
