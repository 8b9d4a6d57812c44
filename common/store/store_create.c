/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A new store is made whole under a name of its own and gets its real name as the last thing, so
 * that being killed half-way leaves no store that is none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "store/store_internal.h"

enum { FIRST_TABLE = 1 };

/* What is being made, and what has been made so far and goes away again on an error. */
struct creation {
    const struct store_create_options *options;
    struct detail *detail;
    struct store_meta meta;
    struct keyring *ring;
    const struct key *key;
    uint32_t key_id;             /* 0: none added */
    bool had_key_file;           /* somebody else's: stays whatever happens */
    struct file_mode key_before; /* its mode and owner */
    char *lock_path;
    struct buf temporary; /* data file until it gets its name */
    char *temporary_lock;
    bool has_files;
};

static enum auth_status check_policy(const struct verifier_policy *policy, struct detail *detail)
{
    if (policy->kinds == 0 || (policy->kinds & ~(unsigned)VERIFIER_DEFAULT) != 0) {
        return detail_set(detail, AUTH_MALFORMED, "no verifiers, or unknown ones, were chosen");
    }
    if (policy->iterations < VERIFIER_MIN_ITERATIONS ||
        policy->iterations > VERIFIER_MAX_ITERATIONS) {
        return detail_set(detail, AUTH_MALFORMED, "%u iterations: from %d to %d are possible",
                          (unsigned)policy->iterations, VERIFIER_MIN_ITERATIONS,
                          VERIFIER_MAX_ITERATIONS);
    }
    if (policy->n_extra_realms > VERIFIER_MAX_EXTRA_REALMS) {
        return detail_set(detail, AUTH_MALFORMED, "more than %d further realms",
                          VERIFIER_MAX_EXTRA_REALMS);
    }
    for (unsigned i = 0; i < policy->n_extra_realms; i++) {
        if (policy->extra_realm[i][0] == '\0') {
            return detail_set(detail, AUTH_MALFORMED, "a further realm is empty");
        }
    }
    const size_t longest = record_longest(policy);
    if (longest > RECORD_MAX_BODY) {
        return detail_set(detail, AUTH_MALFORMED,
                          "the DIGEST-MD5 realms are %zu bytes too long together: accounts with "
                          "long names would not fit into a record",
                          longest - RECORD_MAX_BODY);
    }
    return AUTH_OK;
}

/* Also what is no file, or a link that leads nowhere, is in the way. */
static enum auth_status refuse_existing(const char *path, struct detail *detail)
{
    struct stat st;

    if (lstat(path, &st) == 0) {
        return detail_set(detail, AUTH_STORE_EXISTS, "%s exists already", path);
    }
    return errno == ENOENT ? AUTH_OK : file_explain("store", path, errno, detail);
}

static enum auth_status check_directory(const char *path, struct detail *detail)
{
    struct stat st;
    char *directory = file_directory(path);

    if (directory == NULL) {
        return AUTH_NO_MEMORY;
    }
    enum auth_status status = AUTH_OK;
    if (stat(directory, &st) != 0) {
        status = file_explain("directory", directory, errno, detail);
    } else if (!S_ISDIR(st.st_mode)) {
        status = file_explain("directory", directory, ENOTDIR, detail);
    } else {
        int error = file_access(directory, W_OK | X_OK);

        status = error == 0 ? AUTH_OK : file_explain("directory", directory, error, detail);
    }
    free(directory);
    return status;
}

static enum auth_status choose_names(struct creation *creation)
{
    const char *path = creation->options->path;
    enum auth_status status = file_name_beside(path, &creation->temporary);

    if (status != AUTH_OK) {
        return status;
    }
    creation->lock_path = file_suffixed(path, KV_LOCK_SUFFIX);
    creation->temporary_lock = file_suffixed(buf_text(&creation->temporary), KV_LOCK_SUFFIX);
    return creation->lock_path == NULL || creation->temporary_lock == NULL ? AUTH_NO_MEMORY
                                                                           : AUTH_OK;
}

static enum auth_status fill_meta(struct creation *creation)
{
    struct store_meta *meta = &creation->meta;
    enum auth_status status = crypto_random(meta->store_id, sizeof meta->store_id);

    if (status == AUTH_OK) {
        status = crypto_random(meta->decoy_secret, sizeof meta->decoy_secret);
    }
    meta->table = FIRST_TABLE;
    meta->policy = creation->options->policy;
    meta->have_group = creation->options->have_group;
    meta->group = creation->options->have_group ? creation->options->group : 0;
    return status;
}

/* A key file that could not be used is refused as it is, before anything is added to it. */
static enum auth_status look_at_key_file(struct creation *creation)
{
    const struct store_create_options *options = creation->options;
    struct keyring *ring = NULL;
    struct stat st;

    if (stat(options->key_path, &st) != 0) {
        return AUTH_OK; /* to be made, or adding the key tells why not */
    }
    creation->had_key_file = true;
    creation->key_before = (struct file_mode){st.st_mode & 07777, st.st_uid, st.st_gid};
    enum auth_status status =
        keyring_load(options->key_path, options->have_group ? options->group : FILES_ANY_GROUP,
                     &ring, creation->detail);
    if (status == AUTH_OK) {
        keyring_free(ring);
    }
    return status;
}

/*
 * A key file that is there serves other stores, so its mode and group stay; only a private one is
 * opened to the group asked for. Whether the result fits is what loading it tells.
 */
static enum auth_status add_key(struct creation *creation)
{
    const struct store_create_options *options = creation->options;
    mode_t mode = options->have_group ? 0640 : 0600;
    gid_t gid = options->have_group ? options->group : FILES_ANY_GROUP;
    enum auth_status status = look_at_key_file(creation);

    if (creation->had_key_file &&
        (!options->have_group || (creation->key_before.mode & S_IRWXG) != 0)) {
        mode = creation->key_before.mode & 0777;
        gid = FILES_ANY_GROUP;
    }
    if (status == AUTH_OK) {
        status = keyring_add(options->key_path, creation->meta.store_id, mode, gid,
                             &creation->key_id, creation->detail);
    }
    if (status == AUTH_OK) {
        status =
            keyring_load(options->key_path, options->have_group ? options->group : FILES_ANY_GROUP,
                         &creation->ring, creation->detail);
    }
    if (status == AUTH_OK) {
        creation->key = keyring_find(creation->ring, creation->meta.store_id, creation->key_id);
        status = creation->key == NULL ? AUTH_INTERNAL : AUTH_OK;
    }
    return status;
}

static enum auth_status fill_tables(struct kv_txn *txn, void *ctx)
{
    struct creation *creation = ctx;
    char name[KV_MAX_NAME + 1];
    unsigned table = 0;
    enum auth_status status = kv_make_table(txn, META_TABLE, &table);

    if (status == AUTH_OK) {
        store_table_name(creation->meta.table, name);
        status = kv_make_table(txn, name, &table);
    }
    creation->meta.seals = 0;
    if (status == AUTH_OK) {
        status = store_meta_write(txn, creation->key, &creation->meta);
    }
    return status;
}

static enum auth_status make_files(struct creation *creation)
{
    struct kv_env *kv = NULL;
    enum auth_status status = kv_create(buf_text(&creation->temporary), &kv, creation->detail);

    if (status == AUTH_OK) {
        creation->has_files = true;
        status = kv_write(kv, KV_ALONE, fill_tables, creation, creation->detail);
        kv_close(kv);
    }
    return status;
}

/* Owner, group and modes, now that nobody of this process has the lock file mapped. */
static enum auth_status give_files(const struct creation *creation)
{
    const struct store_create_options *options = creation->options;
    uid_t uid = options->have_owner ? options->owner : FILES_ANY_USER;
    gid_t gid = options->have_group ? options->group : FILES_ANY_GROUP;
    const struct file_mode data = {options->have_group ? 0640 : 0600, uid, gid};
    const struct file_mode lock = {options->have_group ? 0660 : 0600, uid, gid};
    enum auth_status status = file_give(buf_text(&creation->temporary), &data, creation->detail);

    return status == AUTH_OK ? file_give(creation->temporary_lock, &lock, creation->detail)
                             : status;
}

/*
 * The data file first: a store without a lock file gets one from the next writer, a lock file
 * without a store would only be in the way.
 */
static enum auth_status give_names(struct creation *creation)
{
    const struct store_create_options *options = creation->options;
    enum auth_status status =
        file_rename_new(buf_text(&creation->temporary), options->path, creation->detail);

    if (status != AUTH_OK) {
        return status;
    }
    status = file_rename_new(creation->temporary_lock, creation->lock_path, creation->detail);
    if (status == AUTH_STORE_EXISTS) {
        status = AUTH_OK; /* that next writer was already there */
    }
    if (status == AUTH_OK) {
        status = file_sync_directory(options->path, creation->detail);
    }
    if (status != AUTH_OK) {
        unlink(options->path);
        unlink(creation->lock_path);
    }
    return status;
}

static void creation_release(struct creation *creation, enum auth_status status)
{
    if (creation->has_files) {
        unlink(buf_text(&creation->temporary));
        unlink(creation->temporary_lock);
    }
    if (status != AUTH_OK && creation->key_id != 0 &&
        keyring_remove(creation->options->key_path, creation->meta.store_id, creation->key_id,
                       creation->had_key_file ? &creation->key_before : NULL, NULL) != AUTH_OK) {
        /* A line for a store that does not exist stays; it opens nothing. */
    }
    keyring_free(creation->ring);
    free(creation->lock_path);
    free(creation->temporary_lock);
    buf_release(&creation->temporary);
    crypto_wipe(&creation->meta, sizeof creation->meta);
}

enum auth_status store_create(const struct store_create_options *options, struct detail *detail)
{
    struct creation creation = {.options = options, .detail = detail};

    enum auth_status status = check_policy(&options->policy, detail);
    if (status == AUTH_OK) {
        status = check_directory(options->path, detail);
    }
    if (status == AUTH_OK) {
        status = choose_names(&creation);
    }
    if (status == AUTH_OK) {
        status = refuse_existing(options->path, detail);
    }
    if (status == AUTH_OK) {
        status = refuse_existing(creation.lock_path, detail);
    }
    if (status == AUTH_OK) {
        status = fill_meta(&creation);
    }
    if (status == AUTH_OK) {
        status = add_key(&creation);
    }
    if (status == AUTH_OK) {
        status = make_files(&creation);
    }
    if (status == AUTH_OK) {
        status = give_files(&creation);
    }
    if (status == AUTH_OK) {
        status = give_names(&creation);
    }
    creation_release(&creation, status);
    return status;
}
