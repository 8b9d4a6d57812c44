/* SPDX-License-Identifier: BSD-2-Clause */
#include "tickets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "privilege.h"
#include "store/files.h"
#include "store/keyring.h"
#include "store/ticket_file.h"

/*
 * What a run may cost. For a verb that is about other things: some 16 passwords, each a slow hash.
 * For any: so many beginnings of tickets that do not open, then the rest of the file is garbage.
 */
enum {
    COST_TICKET = 1,
    COST_PASSWORD = 100,
    SOME_COST = 16 * COST_PASSWORD,
    MOST_FAKES = 4 * (TICKET_FILE_MAX / TICKET_SIZE),
    MOST_ROUNDS = 8, /* of what came while the others were taken */
};

/* The private key is no store's in particular: what it opens says for which store it is. */
static const uint8_t any_store[STORE_ID_SIZE];

static char *key_path(const struct tool *tool)
{
    return file_suffixed(tool->key_path, TICKET_FILE_SUFFIX);
}

static enum auth_status make_key(const char *path, uid_t uid, bool *ret_made, struct detail *detail)
{
    uint32_t id = 0;

    *ret_made = false;

    if (access(path, F_OK) == 0) {
        return AUTH_OK;
    }
    enum auth_status status =
        keyring_add(path, any_store, S_IRUSR | S_IWUSR, FILES_ANY_GROUP, &id, detail);
    *ret_made = status == AUTH_OK;
    if (status == AUTH_OK && uid != FILES_ANY_USER) {
        const struct file_mode owner = {FILES_ANY_MODE, uid, FILES_ANY_GROUP};

        status = file_give(path, &owner, detail);
        if (status != AUTH_OK) {
            (void)unlink(path);
        }
    }
    return status;
}

enum auth_status tickets_prepare(const struct tool *tool, struct tickets_made *ret)
{
    struct detail detail = {.text = ""};
    uid_t uid = privilege_owner(tool->store_path);
    char *path = key_path(tool);

    *ret = (struct tickets_made){.key = false};
    if (path == NULL) {
        return tool_report(tool, AUTH_NO_MEMORY, NULL, "%s", tool->store_path);
    }
    enum auth_status status = make_key(path, uid, &ret->key, &detail);
    if (status == AUTH_OK) {
        status = ticket_file_make(tool->store_path, uid, &ret->file, &detail);
    }
    free(path);
    return status == AUTH_OK ? status : tool_report_store(tool, status, &detail);
}

/* The pair of the newest private key. The file itself serves as lock: no server can open it. */
static enum auth_status read_key(const struct tool *tool, struct ticket_opener *ret,
                                 struct detail *detail)
{
    static const char label[] = "sasl-lmdb ticket key, v1";
    struct keyring *ring = NULL;
    char *path = key_path(tool);

    if (path == NULL) {
        return AUTH_NO_MEMORY;
    }
    enum auth_status status = keyring_load(path, FILES_ANY_GROUP, &ring, detail);
    const struct key *key =
        ring == NULL ? NULL : keyring_find(ring, any_store, keyring_latest(ring, any_store));
    if (status == AUTH_OK && key == NULL) {
        status = detail_set(detail, AUTH_KEY_DAMAGED, "ticket key %s: there is none in it", path);
    }
    if (status == AUTH_OK) {
        status = crypto_hkdf(slice_of(key->seal, sizeof key->seal), slice_of(NULL, 0),
                             slice_str(label), ret->private_key, sizeof ret->private_key);
    }
    if (status == AUTH_OK) {
        status = crypto_x25519_public(ret->private_key, ret->target.public_key);
    }
    keyring_free(ring);
    free(path);
    return status;
}

enum auth_status tickets_announce(const struct tool *tool, struct store *store)
{
    struct detail detail = {.text = ""};
    struct ticket_opener opener = {.target.store_id = {0}};
    struct store_info info;
    enum auth_status status = read_key(tool, &opener, &detail);

    if (status == AUTH_OK) {
        status = store_describe(store, &info, &detail);
    }
    const uint8_t *key = opener.target.public_key;
    if (status == AUTH_OK &&
        !(info.have_ticket_key && crypto_equal(info.ticket_key, key, CRYPTO_X25519))) {
        status = store_set_ticket_key(store, key, &detail);
    }
    crypto_wipe(&opener, sizeof opener);
    return status == AUTH_OK ? status : tool_report_store(tool, status, &detail);
}

/* One run over the file. */
struct taking {
    struct store *store;
    struct ticket_file file;
    struct ticket_opener opener;
    struct verifier_policy policy;
    const struct ticket_watch *watch;
    struct ticket_counts *counts;
    uint64_t budget; /* see COST_TICKET */
    unsigned fakes_left;
    struct detail detail;
};

/* What is to be added to an account, and what its password was checked against. */
struct addition {
    const struct verifier_set *checked;
    const struct verifier_set *made;
    unsigned kinds;
    bool changed_meanwhile;
};

static bool same_scram(const struct scram_verifier *a, const struct scram_verifier *b)
{
    return a->iterations == b->iterations && a->salt_len == b->salt_len &&
           crypto_equal(a->salt, b->salt, sizeof a->salt) &&
           crypto_equal(a->stored_key, b->stored_key, sizeof a->stored_key);
}

/* Whether a password that is right for the one is right for the other. */
static bool same_password(const struct verifier_set *a, const struct verifier_set *b)
{
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if (!same_scram(&a->scram[i], &b->scram[i])) {
            return false;
        }
    }
    return crypto_equal(a->crypt, b->crypt, sizeof a->crypt);
}

/* Flags, expiry and the time of the last change of the password stay what they are. */
static enum store_edit add(void *ctx, bool exists, struct record *record)
{
    struct addition *addition = ctx;

    addition->changed_meanwhile = !exists || !same_password(&record->verifiers, addition->checked);
    if (addition->changed_meanwhile) {
        return STORE_KEEP;
    }
    verifier_add(&record->verifiers, addition->made, addition->kinds);
    return STORE_WRITE;
}

static enum auth_status check_password(struct taking *taking, const struct verifier_set *set,
                                       struct slice password)
{
    const struct scram_verifier *scram = verifier_for_password(set);

    taking->budget -= taking->budget < COST_PASSWORD ? taking->budget : COST_PASSWORD;
    if (scram != NULL) {
        return verifier_check_scram(scram, password);
    }
    return verifier_crypt_covers(set, password) ? verifier_check_crypt(set->crypt, password)
                                                : AUTH_WRONG_PASSWORD;
}

/* AUTH_OK: upgraded. AUTH_NO_VERIFIER: nothing is missing. A refusal, or an outage. */
static enum auth_status upgrade(struct taking *taking, const struct ticket *ticket,
                                struct record *record, struct verifier_set *made)
{
    const struct slice password = slice_of(ticket->password, ticket->n_password);
    struct verifier_policy policy = taking->policy;
    struct addition addition = {.checked = &record->verifiers, .made = made};
    enum auth_status status = store_get(taking->store, &ticket->who, record, &taking->detail);

    if (status != AUTH_OK) {
        return status;
    }
    addition.kinds = verifier_missing(&record->verifiers, policy.kinds);
    if (addition.kinds == 0) {
        return AUTH_NO_VERIFIER;
    }
    status = check_password(taking, &record->verifiers, password);
    if (status == AUTH_OK) {
        policy.kinds = addition.kinds;
        status = verifier_make(&ticket->who, password, &policy, made);
    }
    if (status == AUTH_OK) {
        status =
            store_change(taking->store, &ticket->who, add, &addition, NULL, NULL, &taking->detail);
    }
    return status == AUTH_OK && addition.changed_meanwhile ? AUTH_WRONG_PASSWORD : status;
}

/*
 * Counts what came of a ticket. An outage that is not about this one account is handed on. A record
 * that cannot be read is about one account, and nothing to wait for: as long as it is so nobody
 * logs in, and once it is mended a login leaves another ticket.
 */
static enum auth_status count(struct taking *taking, const struct identity *who,
                              enum auth_status status)
{
    struct ticket_counts *counts = taking->counts;

    if (status == AUTH_OK) {
        counts->upgraded++;
        return AUTH_OK;
    }
    if (status == AUTH_NO_VERIFIER) {
        counts->needless++;
        return AUTH_OK;
    }
    if (!auth_status_is_outage(status)) {
        counts->refused++;
    } else if (status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN) {
        counts->damaged++;
    } else {
        return status;
    }
    if (taking->watch != NULL) {
        taking->watch->refused(taking->watch->ctx, who, status);
    }
    return AUTH_OK;
}

static enum auth_status take_ticket(struct taking *taking, const struct ticket *ticket, size_t at)
{
    struct record record;
    struct verifier_set made;
    enum auth_status status = count(taking, &ticket->who, upgrade(taking, ticket, &record, &made));

    crypto_wipe(&record, sizeof record);
    crypto_wipe(&made, sizeof made);
    if (status == AUTH_OK) {
        status = ticket_file_wipe(&taking->file, at, TICKET_SIZE, &taking->detail);
    }
    return status;
}

/* Whoever watches says so, and the allowances. */
static bool may_go_on(struct taking *taking, double share)
{
    const struct ticket_watch *watch = taking->watch;

    return taking->budget > 0 && taking->fakes_left > 0 &&
           (watch == NULL || watch->go_on(watch->ctx, taking->counts, share));
}

/*
 * Everything from `from` on. What begins like a ticket and does not open may be a torn one with a
 * whole one right behind its beginning: the search goes on there.
 */
static enum auth_status take_from(struct taking *taking, struct slice file, size_t from,
                                  bool *ret_all)
{
    struct slice rest = slice_of(file.p + from, file.n - from);
    struct ticket ticket;
    enum auth_status status = AUTH_OK;
    bool go_on = true;

    while (status == AUTH_OK && go_on && ticket_find(&rest)) {
        size_t at = (size_t)(rest.p - file.p);
        size_t step = TICKET_SIZE;

        status = ticket_open(&taking->opener, rest.p, &ticket);
        if (status == AUTH_OK) {
            status = take_ticket(taking, &ticket, at);
            taking->counts->looked_at++;
        } else if (status == AUTH_STORE_FOREIGN || status == AUTH_STORE_DAMAGED) {
            taking->counts->unreadable++;
            taking->fakes_left--;
            status = AUTH_OK;
            step = TICKET_MAGIC;
        }
        crypto_wipe(&ticket, sizeof ticket);
        taking->budget -= taking->budget < COST_TICKET ? 0 : COST_TICKET;
        rest = slice_of(rest.p + step, rest.n - step);
        go_on = may_go_on(taking, (double)at / (double)file.n);
    }
    *ret_all = go_on || taking->fakes_left == 0;
    taking->counts->bytes_left = *ret_all ? 0 : rest.n;
    return status;
}

/* Rounds, for servers go on leaving tickets meanwhile. */
static enum auth_status take_all(struct taking *taking)
{
    struct ticket_counts *counts = taking->counts;
    enum auth_status status = AUTH_OK;
    size_t done = 0;
    bool all = true;

    for (int round = 0; status == AUTH_OK && all && !counts->emptied && round < MOST_ROUNDS;
         round++) {
        uint8_t *bytes = NULL;
        size_t n = 0;

        status = ticket_file_read(&taking->file, &bytes, &n, &taking->detail);
        if (status == AUTH_OK && n > done) {
            status = take_from(taking, slice_of(bytes, n), done, &all);
        }
        free(bytes);
        done = n;
        if (status == AUTH_OK && all) {
            status = ticket_file_empty(&taking->file, done, &counts->emptied, &taking->detail);
        }
    }
    return status;
}

/* -1 with *ret_status AUTH_STORE_BUSY if somebody else is at it and wait is false. */
static int lock_key(const struct tool *tool, bool wait, enum auth_status *ret_status)
{
    char *path = key_path(tool);
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    *ret_status = fd < 0 ? AUTH_KEY_MISSING : AUTH_OK;
    free(path);
    if (fd >= 0 && flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
        *ret_status = AUTH_STORE_BUSY;
        close(fd);
        fd = -1;
    }
    return fd;
}

static enum auth_status take(const struct tool *tool, struct taking *taking, bool wait)
{
    struct store_info info;
    enum auth_status status = AUTH_OK;

    memset(taking->counts, 0, sizeof *taking->counts);
    int lock = lock_key(tool, wait, &status);
    if (status == AUTH_OK) {
        status = read_key(tool, &taking->opener, &taking->detail);
    }
    if (status == AUTH_OK) {
        status = store_describe(taking->store, &info, &taking->detail);
    }
    if (status == AUTH_OK &&
        !(info.have_ticket_key && crypto_equal(info.ticket_key, taking->opener.target.public_key,
                                               sizeof info.ticket_key))) {
        status = detail_set(&taking->detail, AUTH_KEY_WRONG,
                            "tickets of this store are sealed to another key");
    }
    if (status == AUTH_OK) {
        taking->policy = info.policy;
        memcpy(taking->opener.target.store_id, info.store_id, TICKET_STORE_ID);
        status = take_all(taking);
    }
    crypto_wipe(&taking->opener, sizeof taking->opener);
    if (lock >= 0) {
        close(lock);
    }
    return status;
}

enum auth_status tickets_take(const struct tool *tool, struct store *store,
                              const struct ticket_watch *watch, struct ticket_counts *ret)
{
    struct taking taking = {
        .store = store,
        .watch = watch,
        .counts = ret,
        .budget = UINT64_MAX,
        .fakes_left = MOST_FAKES,
    };
    enum auth_status status = ticket_file_open_take(tool->store_path, &taking.file, &taking.detail);

    if (status == AUTH_OK) {
        status = take(tool, &taking, true);
        ticket_file_close(&taking.file);
    }
    return status == AUTH_OK ? status : tool_report_store(tool, status, &taking.detail);
}

void tickets_take_some(const struct tool *tool, struct store *store)
{
    struct ticket_counts counts;
    struct taking taking = {
        .store = store,
        .counts = &counts,
        .budget = SOME_COST,
        .fakes_left = MOST_FAKES,
    };

    if (ticket_file_open_take(tool->store_path, &taking.file, NULL) != AUTH_OK) {
        return;
    }
    /* An empty file needs no key; most of the time it is empty. */
    if (lseek(taking.file.fd, 0, SEEK_END) > 0) {
        enum auth_status status = take(tool, &taking, false);
        (void)status;
    }
    ticket_file_close(&taking.file);
}
