/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store_writing.h"

#include <string.h>

#include "base/crypto.h"
#include "store/seal.h"

enum {
    JOB_SIZE = 1 + 4 + JOB_TOKEN + 4 + KEY_CHECK_SIZE + 8,
    JOB_VALUE = JOB_SIZE + SEAL_OVERHEAD,
};

static bool take_job(struct slice text, struct store_job *ret)
{
    struct slice token;
    struct slice check;
    uint8_t kind;

    if (!slice_take_u8(&text, &kind) || (kind != JOB_LOAD && kind != JOB_REKEY) ||
        !slice_take_u32(&text, &ret->table) || !slice_take(&text, JOB_TOKEN, &token) ||
        !slice_take_u32(&text, &ret->key_id) || !slice_take(&text, KEY_CHECK_SIZE, &check) ||
        !slice_take_u64(&text, &ret->seals) || text.n != 0) {
        return false;
    }
    ret->kind = (enum job_kind)kind;
    memcpy(ret->token, token.p, JOB_TOKEN);
    memcpy(ret->check, check.p, KEY_CHECK_SIZE);
    return true;
}

enum auth_status store_job_read(struct kv_txn *txn, const struct key *active, struct store_job *ret,
                                bool *ret_found)
{
    uint8_t value[KV_MAX_VALUE];
    uint8_t text[JOB_SIZE];
    struct seal_header header;
    size_t n = 0;
    size_t n_text = 0;
    enum auth_status status = store_row_read(txn, JOB_ROW, value, &n);

    *ret_found = false;
    if (status == AUTH_OK && n > 0) {
        enum auth_status opened =
            seal_open(SEAL_JOB, active, slice_str(JOB_ROW), slice_of(value, n), &header, text,
                      sizeof text, &n_text);

        *ret_found = opened == AUTH_OK && take_job(slice_of(text, n_text), ret);
        status = opened == AUTH_NO_MEMORY || opened == AUTH_CRYPTO ? opened : AUTH_OK;
    }
    return status;
}

enum auth_status store_job_write(struct kv_txn *txn, const struct key *active,
                                 const struct store_job *job)
{
    const struct seal_header header = {.flags = 0};
    struct buf text;
    struct buf value;
    unsigned table = 0;

    buf_init(&text, JOB_SIZE);
    buf_init(&value, JOB_VALUE);
    buf_put_u8(&text, (uint8_t)job->kind);
    buf_put_u32(&text, job->table);
    buf_put(&text, job->token, sizeof job->token);
    buf_put_u32(&text, job->key_id);
    buf_put(&text, job->check, sizeof job->check);
    buf_put_u64(&text, job->seals);
    enum auth_status status = buf_status(&text);
    if (status == AUTH_OK) {
        status = seal_put(SEAL_JOB, active, slice_str(JOB_ROW), &header, buf_slice(&text), &value);
    }
    if (status == AUTH_OK) {
        status = kv_table(txn, META_TABLE, AUTH_STORE_FOREIGN, &table);
    }
    if (status == AUTH_OK) {
        status = kv_put(txn, table, slice_str(JOB_ROW), buf_slice(&value));
    }
    buf_release(&text);
    buf_release(&value);
    return status;
}

enum auth_status store_row_delete(struct kv_txn *txn, const char *row)
{
    unsigned table = 0;
    enum auth_status status = kv_table(txn, META_TABLE, AUTH_STORE_FOREIGN, &table);

    return status == AUTH_OK ? kv_delete(txn, table, slice_str(row)) : status;
}

static enum auth_status open_table(struct kv_txn *txn, uint32_t number, unsigned *ret)
{
    char name[KV_MAX_NAME + 1];

    store_table_name(number, name);
    return kv_table(txn, name, AUTH_STORE_DAMAGED, ret);
}

/* What a job that is under way asks of other writers. */
static enum auth_status mirror_build(struct writing *writing, const struct store_job *job)
{
    struct store_mirror *mirror = &writing->mirror;
    struct store_meta wanted = writing->meta;

    if (job->kind == JOB_LOAD) {
        return detail_set(kv_detail(writing->txn), AUTH_STORE_BUSY,
                          "all accounts of %s are being replaced (a restore or an import "
                          "--replace); try again when that is done",
                          kv_path(writing->store->kv));
    }
    wanted.key_id = job->key_id;
    memcpy(wanted.check, job->check, sizeof wanted.check);
    enum auth_status status =
        store_find_key(writing->store, &wanted, &mirror->key, kv_detail(writing->txn));
    if (status == AUTH_OK) {
        status = open_table(writing->txn, job->table, &mirror->table);
    }
    if (status == AUTH_OK) {
        mirror->kind = MIRROR_BUILD;
        mirror->job = *job;
    }
    crypto_wipe(&wanted, sizeof wanted);
    return status;
}

/* The generation under the old key; one whose key has been removed serves nobody. */
static enum auth_status mirror_previous(struct writing *writing)
{
    struct store_mirror *mirror = &writing->mirror;
    uint8_t value[KV_MAX_VALUE];
    size_t n = 0;
    enum auth_status status = store_row_read(writing->txn, META_PREVIOUS_ROW, value, &n);

    if (status != AUTH_OK || n == 0) {
        return status;
    }
    if (meta_peek(slice_of(value, n), &mirror->meta) != AUTH_OK ||
        store_find_key(writing->store, &mirror->meta, &mirror->key, NULL) != AUTH_OK ||
        meta_open(mirror->key, slice_of(value, n), &mirror->meta) != AUTH_OK) {
        return store_row_delete(writing->txn, META_PREVIOUS_ROW);
    }
    status = open_table(writing->txn, mirror->meta.table, &mirror->table);
    if (status == AUTH_OK) {
        mirror->kind = MIRROR_PREVIOUS;
    }
    return status;
}

static enum auth_status find_mirror(struct writing *writing)
{
    struct store_job job;
    bool found = false;

    writing->mirror.kind = MIRROR_NONE;
    enum auth_status status = store_job_read(writing->txn, writing->key, &job, &found);
    if (status == AUTH_OK && found) {
        if (kv_is_claimed(writing->txn)) {
            return mirror_build(writing, &job);
        }
        /* Whoever built it is dead. Should he only have lost his claim, he finds his job gone. */
        status = store_row_delete(writing->txn, JOB_ROW);
    }
    return status == AUTH_OK ? mirror_previous(writing) : status;
}

enum auth_status writing_begin(struct writing *writing, struct kv_txn *txn)
{
    writing->txn = txn;
    enum auth_status status = store_meta_read(writing->store, txn, &writing->meta, &writing->key);

    if (status == AUTH_OK) {
        status = open_table(txn, writing->meta.table, &writing->table);
    }
    return status == AUTH_OK ? find_mirror(writing) : status;
}

enum auth_status store_record_put(struct kv_txn *txn, unsigned table, const struct key *key,
                                  const uint8_t place[ACCOUNT_KEY], const struct record *record)
{
    struct slice where = slice_of(place, ACCOUNT_KEY);
    struct buf value;

    buf_init(&value, KV_MAX_VALUE);
    enum auth_status status = account_put(key, where, record, &value);
    if (status == AUTH_OK) {
        status = kv_put(txn, table, where, buf_slice(&value));
    }
    buf_release(&value);
    return status;
}

static enum auth_status mirror_put(struct writing *writing, const struct record *record)
{
    struct store_mirror *mirror = &writing->mirror;
    uint8_t other[ACCOUNT_KEY];

    if (mirror->kind == MIRROR_NONE) {
        return AUTH_OK;
    }
    mirror->job.seals++;
    mirror->meta.seals++;
    enum auth_status status = account_key(mirror->key, &record->who, other);
    return status == AUTH_OK
               ? store_record_put(writing->txn, mirror->table, mirror->key, other, record)
               : status;
}

enum auth_status writing_put(struct writing *writing, const uint8_t place[ACCOUNT_KEY],
                             const struct record *record)
{
    enum auth_status status =
        store_record_put(writing->txn, writing->table, writing->key, place, record);

    writing->meta.seals++;
    return status == AUTH_OK ? mirror_put(writing, record) : status;
}

enum auth_status writing_put_new(struct writing *writing, const uint8_t place[ACCOUNT_KEY],
                                 const struct record *record, struct slice sealed, bool *ret_exists)
{
    enum auth_status status =
        kv_put_new(writing->txn, writing->table, slice_of(place, ACCOUNT_KEY), sealed, ret_exists);

    writing->meta.seals++; /* made, if not kept */
    return status == AUTH_OK && !*ret_exists ? mirror_put(writing, record) : status;
}

enum auth_status writing_delete(struct writing *writing, const uint8_t place[ACCOUNT_KEY],
                                const struct identity *who)
{
    const struct store_mirror *mirror = &writing->mirror;
    uint8_t other[ACCOUNT_KEY];
    enum auth_status status = kv_delete(writing->txn, writing->table, slice_of(place, ACCOUNT_KEY));

    if (status != AUTH_OK || mirror->kind == MIRROR_NONE) {
        return status;
    }
    status = account_key(mirror->key, who, other);
    return status == AUTH_OK ? kv_delete(writing->txn, mirror->table, slice_of(other, sizeof other))
                             : status;
}

void writing_recount(struct writing *writing, const struct store_class *old,
                     const struct store_class *now)
{
    meta_recount(&writing->meta, old, now);
    if (writing->mirror.kind == MIRROR_PREVIOUS) {
        meta_recount(&writing->mirror.meta, old, now);
    }
}

enum auth_status writing_end(struct writing *writing)
{
    struct store_mirror *mirror = &writing->mirror;
    enum auth_status status = AUTH_OK;

    if (mirror->kind == MIRROR_BUILD) {
        writing->meta.seals++;
        status = store_job_write(writing->txn, writing->key, &mirror->job);
    } else if (mirror->kind == MIRROR_PREVIOUS) {
        status = store_meta_write_row(writing->txn, META_PREVIOUS_ROW, mirror->key, &mirror->meta);
    }
    return status == AUTH_OK ? store_meta_write(writing->txn, writing->key, &writing->meta)
                             : status;
}

enum auth_status store_explain_unstorable(const struct identity *who, enum auth_status status,
                                          struct detail *detail)
{
    if (status == AUTH_BAD_NAME || status == AUTH_MALFORMED || status == AUTH_TOO_LONG) {
        status = detail_set(detail, status, "the record of %s@%s cannot be stored: %s", who->user,
                            who->realm, auth_status_text(status));
    }
    return status;
}
