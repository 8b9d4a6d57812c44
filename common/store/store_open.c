/* SPDX-License-Identifier: BSD-2-Clause */
/* Stores of this process: one for each pair of data file and key file. */
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "store/store_internal.h"

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct store *stores;

/* Whoever held a mutex does not exist in the child; what he was changing is found out again. */
static void after_fork_in_child(void)
{
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;

    list_mutex = unlocked;
    for (struct store *store = stores; store != NULL; store = store->next) {
        store->mutex = unlocked;
        if (store->in_use) {
            store->n_cached = 0;
            store->n_passed_over = 0;
            store->in_use = false;
        }
    }
}

static void prepare_once(void)
{
    (void)pthread_atfork(NULL, NULL, after_fork_in_child);
}

static void store_free(struct store *store)
{
    if (store == NULL) {
        return;
    }
    while (store->keys != NULL) {
        struct store_keys *keys = store->keys;

        store->keys = keys->next;
        keyring_free(keys->ring);
        free(keys);
    }
    if (store->dummy != NULL) {
        crypto_wipe(store->dummy, sizeof *store->dummy);
        free(store->dummy);
    }
    kv_close(store->kv);
    free(store->key_path);
    pthread_mutex_destroy(&store->mutex);
    crypto_wipe(store, sizeof *store);
    free(store);
}

static struct store *find_store(const struct kv_env *kv, const char *key_path)
{
    for (struct store *store = stores; store != NULL; store = store->next) {
        if (store->kv == kv && strcmp(store->key_path, key_path) == 0) {
            return store;
        }
    }
    return NULL;
}

/* Takes kv over, also when it fails. */
static enum auth_status open_new(struct kv_env *kv, const char *key_path, struct store **ret,
                                 struct detail *detail)
{
    struct store *store = calloc(1, sizeof *store);

    if (store == NULL || pthread_mutex_init(&store->mutex, NULL) != 0) {
        free(store);
        kv_close(kv);
        return AUTH_NO_MEMORY;
    }
    store->kv = kv;
    store->users = 1;
    store->key_path = strdup(key_path);
    store->keys = calloc(1, sizeof *store->keys);
    enum auth_status status =
        store->key_path == NULL || store->keys == NULL ? AUTH_NO_MEMORY : crypto_prepare();
    if (status == AUTH_OK) {
        status = keyring_load(key_path, kv_group(kv), &store->keys->ring, detail);
    }
    if (status == AUTH_OK) {
        store->next = stores;
        stores = store;
        *ret = store;
    } else {
        store_free(store);
    }
    return status;
}

enum auth_status store_open(const struct store_options *options, struct store **ret,
                            struct detail *detail)
{
    const struct kv_options kv_options = {options->writable, options->nolock};
    struct kv_env *kv = NULL;

    (void)pthread_once(&once, prepare_once);
    pthread_mutex_lock(&list_mutex);
    enum auth_status status = kv_open(options->path, &kv_options, &kv, detail);
    struct store *store = status == AUTH_OK ? find_store(kv, options->key_path) : NULL;
    if (store != NULL) {
        /* It has a use of the environment already. */
        kv_close(kv);
        store->users++;
        *ret = store;
    } else if (status == AUTH_OK) {
        status = open_new(kv, options->key_path, ret, detail);
    }
    pthread_mutex_unlock(&list_mutex);
    return status;
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    pthread_mutex_lock(&list_mutex);
    if (--store->users == 0) {
        struct store **link = &stores;

        while (*link != store) {
            link = &(*link)->next;
        }
        *link = store->next;
        store_free(store);
    }
    pthread_mutex_unlock(&list_mutex);
}
