/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/kv_files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define LMDB_MAGIC UINT32_C(0xBEEFC0DE)

enum {
    LMDB_FORMAT = 1,
    LMDB_META_PAGE = 8, /* page flag */
    MIN_PAGE = 512,
    MAX_PAGE = 65536,
    META_PAGES = 2, /* a file has at least these */
};

/*
 * The beginning of an LMDB 0.9 data file in the machine's own layout: a page's head, then the
 * first members of its meta data.
 */
struct lmdb_start {
    size_t page_number;
    uint16_t pad;
    uint16_t flags;
    uint32_t bounds;
    uint32_t magic;
    uint32_t format;
    void *fixed_address;
    size_t map_size;
    uint32_t page_size;
};

struct file_id file_id_of(const struct stat *st)
{
    return (struct file_id){st->st_dev, st->st_ino};
}

bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
    return a->dev == b->dev && a->ino == b->ino;
}

bool kv_files_is(int fd, const struct file_id *id, uint64_t *ret_size)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return false;
    }
    struct file_id now = file_id_of(&st);
    if (!file_id_equal(&now, id)) {
        return false;
    }
    *ret_size = (uint64_t)st.st_size;
    return true;
}

bool kv_files_has_name(const char *path, const struct file_id *id)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return false;
    }
    struct file_id now = file_id_of(&st);
    return file_id_equal(&now, id);
}

/*
 * LMDB trusts the page size it reads: zero would make it divide by that. A format of the future is
 * left for LMDB to judge.
 */
static bool starts_like_lmdb(const struct lmdb_start *start)
{
    if ((start->flags & LMDB_META_PAGE) == 0 || start->magic != LMDB_MAGIC) {
        return false;
    }
    return start->format != LMDB_FORMAT ||
           (start->page_size >= MIN_PAGE && start->page_size <= MAX_PAGE &&
            (start->page_size & (start->page_size - 1)) == 0);
}

static enum auth_status check_start(const char *path, uint64_t size, struct detail *detail)
{
    struct lmdb_start start = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0) {
        return file_explain("store", path, errno, detail);
    }
    ssize_t n = pread(fd, &start, sizeof start, 0);
    int error = errno;
    close(fd);
    if (n < 0) {
        return file_explain("store", path, error, detail);
    }
    if ((size_t)n != sizeof start || !starts_like_lmdb(&start)) {
        return detail_set(detail, AUTH_STORE_FOREIGN, "%s is not a store of sasl-lmdb", path);
    }
    if (start.format == LMDB_FORMAT && size < (uint64_t)META_PAGES * start.page_size) {
        return detail_set(detail, AUTH_STORE_DAMAGED, "store %s is truncated to %llu bytes", path,
                          (unsigned long long)size);
    }
    return AUTH_OK;
}

/* Makes a new file a lock file for LMDB to set up: zeros that have their place on the disk. */
static enum auth_status fill_lock(const char *lock_path, int fd, struct detail *detail)
{
    static const uint8_t zeros[KV_LOCK_SIZE];
    struct file_limit_guard guard;
    int error = 0;

    file_limit_hold(&guard);
    if (fallocate(fd, 0, 0, KV_LOCK_SIZE) != 0) {
        error = errno;
    }
    if (error == EOPNOTSUPP) {
        ssize_t n = pwrite(fd, zeros, sizeof zeros, 0);

        error = n == (ssize_t)sizeof zeros ? 0 : (n < 0 ? errno : ENOSPC);
    }
    file_limit_release(&guard);
    return error == 0 ? AUTH_OK : file_explain("lock file", lock_path, error, detail);
}

/*
 * Gives an existing lock file its place on the disk. An empty one is not in use. One that is in
 * use must keep its size, which those who use it have mapped; only its holes are filled. Like
 * everything here it runs before this process has the file open, so no lock of ours is dropped.
 */
static enum auth_status settle_lock(const char *lock_path, const struct stat *st,
                                    struct detail *detail)
{
    enum { BLOCK = 512 }; /* the unit of st_blocks */

    if (st->st_size != 0 && (int64_t)st->st_blocks * BLOCK >= (int64_t)st->st_size) {
        return AUTH_OK;
    }
    int fd = open(lock_path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return file_explain("lock file", lock_path, errno, detail);
    }
    enum auth_status status = AUTH_OK;
    if (st->st_size == 0) {
        status = fill_lock(lock_path, fd, detail);
    } else if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, st->st_size) != 0 && errno != EOPNOTSUPP) {
        status = file_explain("lock file", lock_path, errno, detail);
    }
    close(fd);
    return status;
}

/* With the rights a store of this data file would have got from the start. */
static enum auth_status make_lock(const char *lock_path, const struct stat *data,
                                  struct detail *detail)
{
    bool group = (data->st_mode & S_IRGRP) != 0;
    const struct file_mode mode = {
        group ? 0660 : 0600,
        geteuid() == 0 ? data->st_uid : FILES_ANY_USER,
        group ? data->st_gid : FILES_ANY_GROUP,
    };
    int fd = -1;
    enum auth_status status = file_create(lock_path, &mode, &fd, detail);

    if (status == AUTH_OK) {
        status = fill_lock(lock_path, fd, detail);
        close(fd);
        if (status != AUTH_OK) {
            unlink(lock_path);
        }
    }
    /* Another writer was faster. */
    return status == AUTH_STORE_EXISTS ? AUTH_OK : status;
}

static enum auth_status check_lock(const char *lock_path, const struct kv_options *options,
                                   const struct stat *data, struct detail *detail)
{
    struct stat st;

    if (stat(lock_path, &st) != 0) {
        if (errno != ENOENT) {
            return file_explain("lock file", lock_path, errno, detail);
        }
        if (options->writable) {
            return make_lock(lock_path, data, detail);
        }
        return detail_set(detail, AUTH_STORE_MISSING,
                          "lock file %s is missing; any sasl-lmdb command that changes the store "
                          "makes it",
                          lock_path);
    }
    if (!S_ISREG(st.st_mode)) {
        return detail_set(detail, AUTH_STORE_FOREIGN, "lock file %s: not a regular file",
                          lock_path);
    }
    /* LMDB computes with the size of a lock file that is in use, and would underflow. */
    if (st.st_size != 0 && st.st_size < sysconf(_SC_PAGESIZE)) {
        return detail_set(detail, AUTH_STORE_DAMAGED, "lock file %s is truncated to %lld bytes",
                          lock_path, (long long)st.st_size);
    }
    int error = file_access(lock_path, R_OK | W_OK);
    if (error == EACCES) {
        (void)file_explain("lock file (readers must be able to write it)", lock_path, error,
                           detail);
        return AUTH_STORE_DENIED;
    }
    return error == 0 ? settle_lock(lock_path, &st, detail)
                      : file_explain("lock file", lock_path, error, detail);
}

enum auth_status kv_files_check(const char *path, const char *lock_path,
                                const struct kv_options *options, struct file_id *ret_id,
                                struct detail *detail)
{
    struct stat st;
    enum auth_status status = AUTH_OK;

    if (stat(path, &st) != 0) {
        return file_explain("store", path, errno, detail);
    }
    if (!S_ISREG(st.st_mode) || st.st_size == 0) {
        return detail_set(detail, AUTH_STORE_FOREIGN, "%s is not a store of sasl-lmdb: %s", path,
                          S_ISREG(st.st_mode) ? "it is empty" : "not a regular file");
    }
    int error = file_access(path, options->writable ? R_OK | W_OK : R_OK);
    if (error != 0) {
        return file_explain("store", path, error, detail);
    }
    /* Before the lock file is made, so that a stranger's file gets none beside it. */
    status = check_start(path, (uint64_t)st.st_size, detail);
    if (status == AUTH_OK && !options->nolock) {
        status = check_lock(lock_path, options, &st, detail);
    }
    if (status == AUTH_OK) {
        *ret_id = file_id_of(&st);
    }
    return status;
}

enum auth_status kv_files_make_lock(const char *path, const char *lock_path, struct detail *detail)
{
    struct stat data;
    struct stat lock;

    if (stat(path, &data) != 0) {
        return file_explain("store", path, errno, detail);
    }
    if (!S_ISREG(data.st_mode) || lstat(lock_path, &lock) == 0 || errno != ENOENT) {
        return AUTH_OK; /* there, or for kv_files_check() to explain */
    }
    enum auth_status status = check_start(path, (uint64_t)data.st_size, detail);
    return status == AUTH_OK ? make_lock(lock_path, &data, detail) : status;
}

enum auth_status kv_files_watch_lock(const char *lock_path, int *ret_fd, struct file_id *ret_id,
                                     struct detail *detail)
{
    struct stat st;
    int fd = open(lock_path, O_PATH | O_CLOEXEC);

    if (fd < 0) {
        return file_explain("lock file", lock_path, errno, detail);
    }
    if (fstat(fd, &st) != 0) {
        int error = errno;

        close(fd);
        return file_explain("lock file", lock_path, error, detail);
    }
    *ret_fd = fd;
    *ret_id = file_id_of(&st);
    return AUTH_OK;
}

enum auth_status kv_files_create(const char *path, const char *lock_path,
                                 struct file_id *ret_data_id, struct detail *detail)
{
    static const struct file_mode mode = {S_IRUSR | S_IWUSR, FILES_ANY_USER, FILES_ANY_GROUP};
    struct stat st;
    int fd = -1;
    enum auth_status status = file_create(lock_path, &mode, &fd, detail);

    if (status != AUTH_OK) {
        return status;
    }
    status = fill_lock(lock_path, fd, detail);
    /* Before LMDB opens the lock file: there are no locks yet that closing could drop. */
    close(fd);
    if (status == AUTH_OK) {
        status = file_create(path, &mode, &fd, detail);
    }
    if (status != AUTH_OK) {
        unlink(lock_path);
        return status;
    }
    if (fstat(fd, &st) == 0) {
        *ret_data_id = file_id_of(&st);
    }
    close(fd);
    return AUTH_OK;
}
