/* SPDX-License-Identifier: BSD-2-Clause */
#include "sasl_prompts.h"

#include <string.h>

enum { MAX_CHALLENGE = 8192 };

/* A callback as libsasl2 stores it, and as it is called. */
union callback {
    sasl_callback_ft stored;
    sasl_getsimple_t *simple;
    sasl_getsecret_t *secret;
    sasl_getrealm_t *realm;
};

void prompter_init(struct prompter *p)
{
    memset(p, 0, sizeof *p);
    buf_init(&p->challenge, MAX_CHALLENGE);
}

void prompter_release(struct prompter *p)
{
    if (p->handed_out != NULL) {
        p->utils->free(p->handed_out);
    }
    buf_release(&p->challenge);
    memset(p, 0, sizeof *p);
}

void prompter_begin(struct prompter *p, const sasl_utils_t *utils, sasl_interact_t **need)
{
    p->utils = utils;
    p->need = need;
    p->n_wanted = 0;
}

static const sasl_interact_t *find_answer(const struct prompter *p, unsigned long id)
{
    const sasl_interact_t *prompt = p->need == NULL ? NULL : *p->need;

    for (; prompt != NULL && prompt->id != SASL_CB_LIST_END; prompt++) {
        if (prompt->id == id) {
            return prompt;
        }
    }
    return NULL;
}

static int put_answer(struct buf *ret, const void *text, size_t n)
{
    buf_put(ret, text, n);
    switch (buf_status(ret)) {
    case AUTH_OK:
        return SASL_OK;
    case AUTH_NO_MEMORY:
        return SASL_NOMEM;
    default:
        return SASL_BADPARAM;
    }
}

static int want(struct prompter *p, unsigned long id, const char *challenge, const char *prompt,
                const char *fallback)
{
    if (p->n_wanted == PROMPTS_MAX) {
        return SASL_FAIL;
    }
    p->wanted[p->n_wanted++] = (sasl_interact_t){
        .id = id, .challenge = challenge, .prompt = prompt, .defresult = fallback};
    return SASL_INTERACT;
}

/* The callback for id: SASL_OK with *ret set, SASL_INTERACT, or SASL_FAIL if there is none. */
static int find_callback(const struct prompter *p, unsigned long id, union callback *ret,
                         void **ret_context)
{
    ret->stored = NULL;
    *ret_context = NULL;
    int code = p->utils->getcallback(p->utils->conn, id, &ret->stored, ret_context);
    return code == SASL_OK && ret->stored == NULL ? SASL_INTERACT : code;
}

int prompter_get_name(struct prompter *p, unsigned long id, struct buf *ret)
{
    const bool required = id != SASL_CB_USER;
    const sasl_interact_t *answer = find_answer(p, id);
    const char *text = NULL;
    union callback callback;
    void *context;

    if (answer != NULL) {
        text = answer->result;
    } else {
        int code = find_callback(p, id, &callback, &context);
        if (code == SASL_INTERACT) {
            return required ? want(p, id, "Authentication Name",
                                   "Please enter your authentication name", NULL)
                            : want(p, id, "Authorization Name",
                                   "Please enter your authorization name", NULL);
        }
        if (code == SASL_OK) {
            code = callback.simple(context, (int)id, &text, NULL);
        } else if (!required) {
            code = SASL_OK;
        }
        if (code != SASL_OK) {
            return code;
        }
    }
    if (text == NULL) {
        return required ? SASL_BADPARAM : SASL_OK;
    }
    return put_answer(ret, text, strlen(text));
}

int prompter_get_password(struct prompter *p, struct buf *ret)
{
    const sasl_interact_t *answer = find_answer(p, SASL_CB_PASS);
    sasl_secret_t *secret = NULL;
    union callback callback;
    void *context;

    if (answer != NULL) {
        return answer->result == NULL ? SASL_BADPARAM
                                      : put_answer(ret, answer->result, answer->len);
    }
    int code = find_callback(p, SASL_CB_PASS, &callback, &context);
    if (code == SASL_INTERACT) {
        return want(p, SASL_CB_PASS, "Password", "Please enter your password", NULL);
    }
    if (code == SASL_OK) {
        code = callback.secret(p->utils->conn, context, SASL_CB_PASS, &secret);
    }
    if (code != SASL_OK) {
        return code;
    }
    return secret == NULL ? SASL_BADPARAM : put_answer(ret, secret->data, secret->len);
}

/* What a person is shown: "{a} {b}". */
static const char *list_realms(struct prompter *p, const char **offered, const char *fallback)
{
    const char *separator = "";

    buf_clear(&p->challenge);
    for (const char **realm = offered; *realm != NULL; realm++) {
        buf_put_str(&p->challenge, separator);
        buf_put_byte(&p->challenge, '{');
        buf_put_str(&p->challenge, *realm);
        buf_put_byte(&p->challenge, '}');
        separator = " ";
    }
    if (*offered == NULL) {
        buf_put_byte(&p->challenge, '{');
        buf_put_str(&p->challenge, fallback);
        buf_put_byte(&p->challenge, '}');
    }
    /* A list too long for a person: he is asked all the same. */
    return buf_status(&p->challenge) == AUTH_OK ? buf_text(&p->challenge) : "{}";
}

int prompter_get_realm(struct prompter *p, const char **offered, const char *fallback,
                       struct buf *ret)
{
    const sasl_interact_t *answer = find_answer(p, SASL_CB_GETREALM);
    const char *chosen = *offered != NULL ? *offered : fallback;
    const char *text = NULL;
    union callback callback;
    void *context;

    if (answer != NULL) {
        text = answer->result;
    } else {
        int code = find_callback(p, SASL_CB_GETREALM, &callback, &context);
        if (code == SASL_INTERACT) {
            return want(p, SASL_CB_GETREALM, list_realms(p, offered, fallback),
                        "Please enter your realm", chosen);
        }
        if (code == SASL_OK) {
            code = callback.realm(context, SASL_CB_GETREALM, offered, &text);
            if (code != SASL_OK) {
                return code;
            }
        } else {
            text = chosen;
        }
    }
    return text == NULL ? SASL_BADPARAM : put_answer(ret, text, strlen(text));
}

/* The answers have been copied, so the list that brought them is done with. */
static void free_answers(struct prompter *p)
{
    sasl_interact_t *list = p->need == NULL ? NULL : *p->need;

    if (list == NULL) {
        return;
    }
    if (list == p->handed_out) {
        p->handed_out = NULL;
    }
    p->utils->free(list);
    *p->need = NULL;
}

int prompter_end(struct prompter *p)
{
    free_answers(p);
    if (p->n_wanted == 0) {
        return SASL_OK;
    }
    if (p->need == NULL) {
        return SASL_BADPARAM;
    }
    if (p->handed_out != NULL) {
        p->utils->free(p->handed_out);
    }
    const size_t size = (p->n_wanted + 1) * sizeof p->wanted[0];
    p->handed_out = p->utils->malloc(size);
    if (p->handed_out == NULL) {
        return SASL_NOMEM;
    }
    memcpy(p->handed_out, p->wanted, p->n_wanted * sizeof p->wanted[0]);
    p->handed_out[p->n_wanted] = (sasl_interact_t){.id = SASL_CB_LIST_END};
    *p->need = p->handed_out;
    return SASL_INTERACT;
}
