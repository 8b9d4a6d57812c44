/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store_backup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store/store_dump.h"

enum auth_status dump_chain_start(struct dump_chain *chain, const struct key *key,
                                  struct slice head)
{
    enum auth_status status = crypto_hkdf(slice_of(key->seal, sizeof key->seal),
                                          slice_of(key->store_id, sizeof key->store_id),
                                          slice_str("sasl-lmdb 1 backup"), chain->key, DUMP_MAC);

    return status == AUTH_OK
               ? crypto_hmac(CRYPTO_SHA256, slice_of(chain->key, DUMP_MAC), &head, 1, chain->mac)
               : status;
}

enum auth_status dump_chain_add(struct dump_chain *chain, struct slice piece)
{
    uint8_t before[DUMP_MAC];

    memcpy(before, chain->mac, sizeof before);
    const struct slice parts[] = {slice_of(before, sizeof before), piece};
    return crypto_hmac(CRYPTO_SHA256, slice_of(chain->key, DUMP_MAC), parts, 2, chain->mac);
}

struct backup {
    struct store *store;
    int fd;
    const struct store_watch *watch;
    struct detail *detail;
    struct store_meta meta;
    const struct key *key;
    struct dump_chain chain;
    struct buf out; /* what is not written yet */
    uint64_t n;
};

static enum auth_status flush(struct backup *backup)
{
    struct file_limit_guard guard;
    struct slice rest = buf_slice(&backup->out);
    enum auth_status status = buf_status(&backup->out);

    file_limit_hold(&guard);
    while (status == AUTH_OK && rest.n > 0) {
        ssize_t written = write(backup->fd, rest.p, rest.n);

        if (written < 0 && errno != EINTR) {
            int error = errno;
            status = file_explain("cannot write", "the backup", error, backup->detail);
        } else if (written > 0 && !slice_take(&rest, (size_t)written, NULL)) {
            status = AUTH_INTERNAL;
        }
    }
    file_limit_release(&guard);
    buf_clear(&backup->out);
    return status;
}

static enum auth_status put_head(struct backup *backup, struct kv_txn *txn)
{
    uint8_t value[KV_MAX_VALUE];
    size_t n = 0;
    enum auth_status status = store_meta_read(backup->store, txn, &backup->meta, &backup->key);

    if (status == AUTH_OK) {
        status = store_row_read(txn, META_ROW, value, &n);
    }
    if (status == AUTH_OK) {
        buf_put_str(&backup->out, DUMP_MAGIC);
        buf_put_u32(&backup->out, DUMP_FORMAT);
        buf_put_u16(&backup->out, (uint16_t)n);
        buf_put(&backup->out, value, n);
        status = buf_status(&backup->out);
    }
    return status == AUTH_OK
               ? dump_chain_start(&backup->chain, backup->key, buf_slice(&backup->out))
               : status;
}

static enum auth_status put_account(void *ctx, struct slice key, struct slice value)
{
    struct backup *backup = ctx;
    struct record record;
    size_t start = backup->out.n;
    enum auth_status status =
        key.n == ACCOUNT_KEY ? account_open(backup->key, key, value, &record) : AUTH_STORE_DAMAGED;

    crypto_wipe(&record, sizeof record);
    if (status == AUTH_STORE_DAMAGED) {
        return detail_set(backup->detail, status,
                          "store %s holds a damaged record: \"sasl-lmdb check\" tells which",
                          kv_path(backup->store->kv));
    }
    if (status != AUTH_OK) {
        return status;
    }
    buf_put_u16(&backup->out, (uint16_t)value.n);
    buf_put_slice(&backup->out, key);
    buf_put_slice(&backup->out, value);
    status = buf_status(&backup->out);
    if (status == AUTH_OK) {
        struct slice all = buf_slice(&backup->out);

        status = dump_chain_add(&backup->chain, slice_of(all.p + start, all.n - start));
    }
    backup->n++;
    if (backup->watch != NULL && backup->n % DUMP_WATCH_STEP == 0) {
        backup->watch->progress(backup->watch->ctx, backup->n, meta_accounts(&backup->meta));
    }
    if (status == AUTH_OK && backup->out.n >= DUMP_CHUNK) {
        status = flush(backup);
    }
    return status;
}

static enum auth_status put_end(struct backup *backup)
{
    size_t start = backup->out.n;

    buf_put_u16(&backup->out, 0);
    buf_put_u64(&backup->out, backup->n);
    enum auth_status status = buf_status(&backup->out);
    if (status == AUTH_OK) {
        struct slice all = buf_slice(&backup->out);

        status = dump_chain_add(&backup->chain, slice_of(all.p + start, all.n - start));
        buf_put(&backup->out, backup->chain.mac, DUMP_MAC);
    }
    if (status == AUTH_OK) {
        status = flush(backup);
    }
    if (status == AUTH_OK && fsync(backup->fd) != 0 && errno != EINVAL && errno != EROFS) {
        status = file_explain("cannot sync", "the backup", errno, backup->detail);
    }
    return status;
}

static enum auth_status backup_run(struct kv_txn *txn, void *ctx)
{
    struct backup *backup = ctx;
    char name[KV_MAX_NAME + 1];
    unsigned table = 0;

    /* Nothing has been written yet: what makes a transaction start over comes before the walk. */
    buf_clear(&backup->out);
    backup->n = 0;
    enum auth_status status = put_head(backup, txn);
    if (status == AUTH_OK) {
        store_table_name(backup->meta.table, name);
        status = kv_table(txn, name, AUTH_STORE_DAMAGED, &table);
    }
    if (status == AUTH_OK) {
        status = kv_scan(txn, table, slice_of(NULL, 0), put_account, backup);
    }
    if (status == AUTH_OK && backup->n != meta_accounts(&backup->meta)) {
        status =
            detail_set(backup->detail, AUTH_STORE_DAMAGED,
                       "store %s should hold %llu accounts and holds %llu: see \"sasl-lmdb "
                       "check\"",
                       kv_path(backup->store->kv), (unsigned long long)meta_accounts(&backup->meta),
                       (unsigned long long)backup->n);
    }
    return status;
}

enum auth_status store_backup(struct store *store, int fd, const struct store_watch *watch,
                              uint64_t *ret_accounts, struct detail *detail)
{
    struct backup backup = {.store = store, .fd = fd, .watch = watch, .detail = detail};

    buf_init(&backup.out, 2 * (size_t)DUMP_CHUNK);
    enum auth_status status = kv_read(store->kv, backup_run, &backup, detail);
    if (status == AUTH_OK) {
        status = put_end(&backup);
    }
    if (status == AUTH_OK) {
        *ret_accounts = backup.n;
    }
    buf_release(&backup.out);
    crypto_wipe(&backup, sizeof backup);
    return status;
}
