/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages of a store's file as `check` reads them. Input: changes to a sound file, each an offset
 * (32 bits, modulo the size), a length (8 bits) and the bytes. Promised: sound, or damaged; and in
 * what passes for sound every page is used or free.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "store/kv_internal.h"

enum { ROWS = 600, LONG_EVERY = 50, LONG_VALUE = 3000, SHORT_VALUE = 40, DROPPED = 200 };

static struct kv_env *env;
static uint8_t *sound; /* the file as LMDB wrote it */
static size_t size;
static int changed = -1; /* a file in memory */

static enum auth_status fill(struct kv_txn *txn, void *ctx)
{
    static const uint8_t value[LONG_VALUE] = {'v'};
    unsigned table = 0;
    uint8_t key[2];

    (void)ctx;
    enum auth_status status = kv_make_table(txn, "rows", &table);
    for (unsigned i = 0; status == AUTH_OK && i < ROWS; i++) {
        key[0] = (uint8_t)(i >> 8);
        key[1] = (uint8_t)i;
        status =
            kv_put(txn, table, slice_of(key, sizeof key),
                   slice_of(value, i % LONG_EVERY == 0 ? (size_t)LONG_VALUE : (size_t)SHORT_VALUE));
    }
    return status;
}

/* Leaves free pages behind. */
static enum auth_status thin(struct kv_txn *txn, void *ctx)
{
    unsigned table = 0;
    bool empty = false;

    (void)ctx;
    enum auth_status status = kv_table(txn, "rows", AUTH_INTERNAL, &table);
    return status == AUTH_OK ? kv_delete_first(txn, table, DROPPED, &empty) : status;
}

static void remove_folder(const char *folder)
{
    char path[512];
    DIR *dir = opendir(folder);

    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            (void)unlink(path);
        }
    }
    closedir(dir);
    (void)rmdir(folder);
}

static void change(struct slice in)
{
    struct slice bytes;
    uint32_t offset;
    uint8_t n;

    FUZZ_CHECK(pwrite(changed, sound, size, 0) == (ssize_t)size);
    while (slice_take_u32(&in, &offset) && slice_take_u8(&in, &n) && in.n > 0) {
        (void)!slice_take(&in, n < in.n ? n : in.n, &bytes);
        const size_t at = offset % size;
        const size_t room = size - at;
        (void)!pwrite(changed, bytes.p, bytes.n < room ? bytes.n : room, (off_t)at);
    }
}

static enum auth_status check(struct kv_txn *txn, void *ctx)
{
    const int data_fd = env->data_fd;
    enum auth_status *ret = ctx;
    struct kv_pages pages;

    env->data_fd = changed;
    *ret = kv_check_pages(txn, &pages);
    env->data_fd = data_fd;
    FUZZ_CHECK(*ret == AUTH_OK || *ret == AUTH_STORE_DAMAGED);
    if (*ret == AUTH_OK && pages.all != 0) {
        FUZZ_CHECK(pages.used + pages.unused == pages.all);
    }
    return AUTH_OK;
}

static enum auth_status changed_and_checked(struct slice in)
{
    enum auth_status status = AUTH_INTERNAL;
    struct detail detail = {.text = ""};

    change(in);
    FUZZ_CHECK(kv_read(env, check, &status, &detail) == AUTH_OK);
    return status;
}

/* Once. The names in the file system go at once, the environment stays open. */
static void prepare(void)
{
    char folder[] = "/tmp/fuzz-kv-XXXXXX";
    char path[sizeof folder + 8];

    if (env != NULL) {
        return;
    }
    FUZZ_CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/file", folder);
    FUZZ_CHECK(kv_create(path, &env, NULL) == AUTH_OK);
    FUZZ_CHECK(kv_write(env, KV_ALONE, fill, NULL, NULL) == AUTH_OK);
    FUZZ_CHECK(kv_write(env, KV_ALONE, thin, NULL, NULL) == AUTH_OK);
    const off_t end = lseek(env->data_fd, 0, SEEK_END);
    FUZZ_CHECK(end > 0);
    size = (size_t)end;
    sound = malloc(size);
    FUZZ_CHECK(sound != NULL && pread(env->data_fd, sound, size, 0) == (ssize_t)size);
    changed = memfd_create("pages", MFD_CLOEXEC);
    FUZZ_CHECK(changed >= 0);
    remove_folder(folder);
    FUZZ_CHECK(changed_and_checked(slice_of(NULL, 0)) == AUTH_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    prepare();
    (void)changed_and_checked(slice_of(data, n));
    return 0;
}
