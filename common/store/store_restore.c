/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store_backup.h"
#include "store/store_dump.h"
#include "store/store_job.h"

enum { RESTORE_BATCH = 1000, LENGTH = 2, END_REST = 8 };

/* Longest piece: a record with its length and key. */
enum { MAX_PIECE = LENGTH + ACCOUNT_KEY + KV_MAX_VALUE };

struct restore {
    struct store *store;
    int fd;
    const struct store_watch *watch;
    struct detail *detail;
    const struct key *key; /* of the backup */
    struct dump_chain chain;
    struct store_build *build;
    struct record *records; /* RESTORE_BATCH of them */
    size_t n;
    size_t at; /* in chunk */
    size_t filled;
    uint8_t chunk[DUMP_CHUNK];
};

static enum auth_status damaged(const struct restore *restore, const char *what)
{
    return detail_set(restore->detail, AUTH_MALFORMED, "the backup is damaged: %s", what);
}

/* Exactly n bytes. */
static enum auth_status take(struct restore *restore, uint8_t *ret, size_t n)
{
    while (n > 0) {
        if (restore->at == restore->filled) {
            ssize_t got = read(restore->fd, restore->chunk, sizeof restore->chunk);

            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got < 0) {
                return file_explain("cannot read", "the backup", errno, restore->detail);
            }
            if (got == 0) {
                return damaged(restore, "it ends too early");
            }
            restore->at = 0;
            restore->filled = (size_t)got;
        }
        size_t have = restore->filled - restore->at;
        size_t some = have < n ? have : n;
        memcpy(ret, restore->chunk + restore->at, some);
        restore->at += some;
        ret += some;
        n -= some;
    }
    return AUTH_OK;
}

static enum auth_status find_backup_key(struct restore *restore, const struct store_meta *meta)
{
    enum auth_status status = store_find_key(restore->store, meta, &restore->key, NULL);

    if (status == AUTH_KEY_WRONG) {
        char id[2 * STORE_ID_SIZE + 1];
        struct buf text;

        buf_init(&text, sizeof id);
        buf_put_hex(&text, meta->store_id, sizeof meta->store_id);
        status = detail_set(restore->detail, AUTH_KEY_WRONG,
                            "the backup was made under key %u of the store with id %s, and %s does "
                            "not have that key: add its line from the key file of that time",
                            (unsigned)meta->key_id, buf_text(&text), restore->store->key_path);
        buf_release(&text);
    }
    return status;
}

/* The head: magic, format, the description. */
static enum auth_status take_head(struct restore *restore, struct store_heritage *ret)
{
    enum { FIXED = sizeof DUMP_MAGIC - 1 + 4 + LENGTH };
    uint8_t head[FIXED + META_MAX_VALUE];
    struct store_meta meta = {.format = 0};
    uint32_t format = 0;
    uint16_t n = 0;
    enum auth_status status = take(restore, head, FIXED);
    struct slice rest = slice_of(head, FIXED);

    if (status != AUTH_OK || !slice_take_literal(&rest, DUMP_MAGIC) ||
        !slice_take_u32(&rest, &format) || !slice_take_u16(&rest, &n)) {
        return status == AUTH_OK || status == AUTH_MALFORMED
                   ? detail_set(restore->detail, AUTH_MALFORMED, "this is no backup of sasl-lmdb")
                   : status;
    }
    if (format != DUMP_FORMAT) {
        return detail_set(restore->detail, AUTH_MALFORMED,
                          "the backup has format %u, this program knows format %d",
                          (unsigned)format, DUMP_FORMAT);
    }
    if (n > META_MAX_VALUE) {
        return damaged(restore, "a length is too large");
    }
    status = take(restore, head + FIXED, n);
    struct slice value = slice_of(head + FIXED, n);
    if (status == AUTH_OK && meta_peek(value, &meta) != AUTH_OK) {
        status = damaged(restore, "the description of the store");
    }
    if (status == AUTH_OK) {
        status = find_backup_key(restore, &meta);
    }
    if (status == AUTH_OK && meta_open(restore->key, value, &meta) != AUTH_OK) {
        status = damaged(restore, "the description of the store");
    }
    if (status == AUTH_OK) {
        ret->policy = meta.policy;
        memcpy(ret->decoy_secret, meta.decoy_secret, sizeof ret->decoy_secret);
        status = dump_chain_start(&restore->chain, restore->key, slice_of(head, (size_t)FIXED + n));
    }
    crypto_wipe(&meta, sizeof meta);
    return status;
}

static enum auth_status flush(struct restore *restore)
{
    enum auth_status status =
        store_build_add(restore->build, restore->records, NULL, restore->n, restore->detail);

    restore->n = 0;
    if (status == AUTH_OK && restore->watch != NULL) {
        restore->watch->progress(restore->watch->ctx, store_build_accounts(restore->build), 0);
    }
    return status;
}

/* One piece of a backup: an account, or with *ret_end the end. */
static enum auth_status take_piece(struct restore *restore, bool *ret_end)
{
    uint8_t piece[MAX_PIECE];
    uint8_t place[ACCOUNT_KEY];
    struct record *record = &restore->records[restore->n];
    uint16_t n = 0;
    enum auth_status status = take(restore, piece, LENGTH);
    struct slice rest = slice_of(piece, LENGTH);

    if (status != AUTH_OK || !slice_take_u16(&rest, &n)) {
        return status;
    }
    *ret_end = n == 0;
    if (n > KV_MAX_VALUE) {
        return damaged(restore, "a length is too large");
    }
    size_t more = n == 0 ? END_REST : ACCOUNT_KEY + (size_t)n;
    status = take(restore, piece + LENGTH, more);
    if (status == AUTH_OK) {
        status = dump_chain_add(&restore->chain, slice_of(piece, LENGTH + more));
    }
    if (status != AUTH_OK) {
        return status;
    }
    if (n == 0) {
        uint64_t accounts = 0;

        rest = slice_of(piece + LENGTH, END_REST);
        return slice_take_u64(&rest, &accounts) &&
                       accounts == store_build_accounts(restore->build) + restore->n
                   ? AUTH_OK
                   : damaged(restore, "accounts are missing");
    }
    struct slice where = slice_of(piece + LENGTH, ACCOUNT_KEY);
    status = account_open(restore->key, where, slice_of(piece + LENGTH + ACCOUNT_KEY, n), record);
    if (status == AUTH_OK) {
        status = account_key(restore->key, &record->who, place);
    }
    if (status == AUTH_STORE_DAMAGED ||
        (status == AUTH_OK && memcmp(place, where.p, sizeof place) != 0)) {
        return damaged(restore, "a record does not open");
    }
    restore->n++;
    return status;
}

static enum auth_status take_all(struct restore *restore)
{
    uint8_t mac[DUMP_MAC];
    uint8_t beyond;
    bool end = false;
    enum auth_status status = AUTH_OK;

    while (status == AUTH_OK && !end) {
        if (restore->n == RESTORE_BATCH) {
            status = flush(restore);
        }
        if (status == AUTH_OK) {
            status = take_piece(restore, &end);
        }
    }
    if (status == AUTH_OK) {
        status = take(restore, mac, sizeof mac);
    }
    if (status == AUTH_OK && !crypto_equal(mac, restore->chain.mac, sizeof mac)) {
        status = damaged(restore, "its authentication code is wrong");
    }
    if (status == AUTH_OK && take(restore, &beyond, 1) == AUTH_OK) {
        status = damaged(restore, "something follows its end");
    }
    return status == AUTH_OK ? flush(restore) : status;
}

static enum auth_status load(struct restore *restore, uint64_t *ret_accounts)
{
    struct store_heritage heritage;
    enum auth_status status = take_head(restore, &heritage);

    if (status == AUTH_OK) {
        status = store_build_begin(restore->store, &restore->build, restore->detail);
    }
    if (status == AUTH_OK) {
        restore->build->heritage = heritage;
        restore->build->have_heritage = true;
        status = take_all(restore);
        if (status == AUTH_OK) {
            status = store_build_settle(restore->build, restore->detail);
        }
        if (status == AUTH_OK) {
            *ret_accounts = store_build_accounts(restore->build);
            status = store_build_finish(restore->build, restore->detail);
        } else {
            store_build_abandon(restore->build);
        }
    }
    crypto_wipe(&heritage, sizeof heritage);
    return status;
}

enum auth_status store_restore(struct store *store, int fd, const struct store_watch *watch,
                               uint64_t *ret_accounts, struct detail *detail)
{
    struct restore *restore = calloc(1, sizeof *restore);
    enum auth_status status = AUTH_NO_MEMORY;

    if (restore == NULL) {
        return status;
    }
    restore->store = store;
    restore->fd = fd;
    restore->watch = watch;
    restore->detail = detail;
    restore->records = calloc(RESTORE_BATCH, sizeof *restore->records);
    if (restore->records != NULL) {
        status = load(restore, ret_accounts);
        crypto_wipe(restore->records, RESTORE_BATCH * sizeof *restore->records);
        free(restore->records);
    }
    crypto_wipe(restore, sizeof *restore);
    free(restore);
    return status;
}
