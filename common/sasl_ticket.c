/* SPDX-License-Identifier: BSD-2-Clause */
#include "sasl_ticket.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/identity.h"
#include "store/store.h"
#include "store/ticket_file.h"
#include "store/ticket_notes.h"

/* Survives dlclose and a second initialisation, as the plugin does. */
static struct {
    pthread_mutex_t lock;
    char *store_path;
    struct ticket_file file;
    bool complained;
    struct ticket_notes notes;
    bool failed_at_first; /* at initialisation, and why: in a jail later reasons mislead */
    enum auth_status first_failure;
    struct detail first_detail;
} outbox = {.lock = PTHREAD_MUTEX_INITIALIZER, .file = {.fd = -1}};

/* A thread of the parent may have held it, and is not here to let go. */
static void after_fork_in_child(void)
{
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;

    outbox.lock = unlocked;
}

static void prepare_once(void)
{
    (void)pthread_atfork(NULL, NULL, after_fork_in_child);
}

/*
 * With the lock held. Without a connection libsasl2 logs past the server's own log: that does not
 * count as said.
 */
static void complain_once(const sasl_utils_t *utils, enum auth_status status,
                          const struct detail *detail)
{
    if (!outbox.complained) {
        outbox.complained = utils->conn != NULL;
        utils->log(utils->conn, SASL_LOG_WARN,
                   "sasl-lmdb: lmdb_upgrade: no ticket is left: %s (\"sasl-lmdb set --upgrade\" "
                   "makes what it needs)",
                   detail_text(detail, status));
    }
}

/* With the lock held. */
static enum auth_status open_locked(struct detail *detail)
{
    return outbox.file.fd >= 0 ? AUTH_OK
                               : ticket_file_open_append(outbox.store_path, &outbox.file, detail);
}

/* With the lock held. False without memory. */
static bool set_path(const char *path)
{
    if (outbox.store_path != NULL && strcmp(outbox.store_path, path) == 0) {
        return true;
    }
    char *copy = strdup(path);
    if (copy == NULL) {
        return false;
    }
    ticket_file_close(&outbox.file);
    free(outbox.store_path);
    outbox.store_path = copy;
    return true;
}

bool ticket_configure(const sasl_utils_t *utils)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct detail detail = {{0}};

    if (!glue_switch(utils, "lmdb_upgrade")) {
        return false;
    }
    (void)pthread_once(&once, prepare_once);
    enum auth_status status = crypto_prepare_x25519();
    pthread_mutex_lock(&outbox.lock);
    if (status == AUTH_OK && !set_path(glue_option(utils, "lmdb_path", STORE_DEFAULT_PATH))) {
        status = AUTH_NO_MEMORY;
    }
    bool on = status == AUTH_OK;
    if (on) {
        status = open_locked(&detail);
        outbox.failed_at_first = status != AUTH_OK;
        outbox.first_failure = status;
        outbox.first_detail = detail;
    }
    if (status != AUTH_OK) {
        complain_once(utils, status, &detail);
    }
    pthread_mutex_unlock(&outbox.lock);
    return on;
}

/* What the store's lookup said: id and key, in base64. False if it wants no ticket. */
static bool find_target(struct exchange *x, struct ticket_target *ret)
{
    uint8_t bytes[TICKET_STORE_ID + CRYPTO_X25519 + TICKET_VERSION];
    struct slice text;
    size_t n = 0;

    if (!props_ticket_target(x->sparams, &text) ||
        crypto_base64_take(text, bytes, sizeof bytes, &n) != AUTH_OK || n != sizeof bytes) {
        return false;
    }
    memcpy(ret->store_id, bytes, TICKET_STORE_ID);
    memcpy(ret->public_key, bytes + TICKET_STORE_ID, CRYPTO_X25519);
    memcpy(ret->version, bytes + TICKET_STORE_ID + CRYPTO_X25519, TICKET_VERSION);
    return true;
}

/* With the lock held. */
static enum auth_status append(const uint8_t bytes[TICKET_SIZE], struct detail *detail)
{
    enum auth_status status = open_locked(detail);

    if (status == AUTH_OK) {
        status = ticket_file_append(&outbox.file, bytes);
        if (status == AUTH_STORE_FULL) {
            status = detail_set(detail, status, "the ticket file is full, or its disk is");
        }
    } else if (outbox.failed_at_first) {
        status = outbox.first_failure;
        *detail = outbox.first_detail;
    }
    return status;
}

/* With the lock held: sealing takes no longer than a login's HMACs. */
static enum auth_status leave(const struct ticket_target *target, const struct identity *who,
                              struct slice password, struct detail *detail)
{
    uint8_t note[TICKET_NOTE];
    uint8_t bytes[TICKET_SIZE];
    enum auth_status status = ticket_notes_make(&outbox.notes, target, who, note);

    if (ticket_file_was_emptied(&outbox.file)) {
        ticket_notes_forget(&outbox.notes);
    }
    if (status != AUTH_OK || ticket_notes_has(&outbox.notes, note)) {
        return status;
    }
    status = ticket_seal(target, who, password, bytes);
    if (status == AUTH_OK) {
        status = append(bytes, detail);
    }
    if (status == AUTH_OK) {
        ticket_notes_add(&outbox.notes, note);
    }
    return status;
}

void ticket_leave(struct exchange *x, struct slice password)
{
    struct ticket_target target;
    struct identity who;
    struct detail detail = {{0}};

    if (!glue_settings()->upgrade || !find_target(x, &target)) {
        return;
    }
    enum auth_status status = identity_split(slice_of(x->oparams->authid, x->oparams->alen),
                                             glue_default_realm(x->sparams), &who);
    pthread_mutex_lock(&outbox.lock);
    if (status == AUTH_OK) {
        status = leave(&target, &who, password, &detail);
    }
    /* While the file is emptied, none is left; the next login leaves one. */
    if (status != AUTH_OK && status != AUTH_STORE_BUSY) {
        complain_once(x->sparams->utils, status, &detail);
    }
    pthread_mutex_unlock(&outbox.lock);
}
