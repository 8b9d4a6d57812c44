/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/ticket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/files.h"
#include "store/held_path.h"

static const char what[] = "ticket file";

/* Whether a file found under the name is one to trust; says why not. */
static enum auth_status check(const char *store_path, const char *path, const struct stat *st,
                              struct detail *detail)
{
    struct stat data;

    if (!S_ISREG(st->st_mode) || st->st_nlink != 1) {
        return detail_set(detail, AUTH_STORE_DENIED, "%s %s: not a regular file of one name", what,
                          path);
    }
    if ((st->st_mode & S_IRWXO) != 0) {
        char remedy[PATH_REMEDY_SIZE];
        return detail_set(detail, AUTH_STORE_DENIED, "%s %s has mode %04o%s", what, path,
                          (unsigned)(st->st_mode & 07777), path_remedy("chmod o=", path, remedy));
    }
    if (stat(store_path, &data) != 0) {
        return file_explain("store", store_path, errno, detail);
    }
    if (st->st_uid != data.st_uid && st->st_uid != 0) {
        return detail_set(detail, AUTH_STORE_DENIED,
                          "%s %s belongs to user %u, the store to user %u", what, path,
                          (unsigned)st->st_uid, (unsigned)data.st_uid);
    }
    return AUTH_OK;
}

static enum auth_status open_file(const char *store_path, int flags, struct ticket_file *ret,
                                  struct detail *detail)
{
    struct stat st;
    char *path = file_suffixed(store_path, TICKET_FILE_SUFFIX);

    ret->fd = -1;
    if (path == NULL) {
        return AUTH_NO_MEMORY;
    }
    enum auth_status status = AUTH_OK;
    /* Not blocking: a FIFO in its place must not hold up a server. */
    int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        status =
            errno == ELOOP || errno == ENXIO || errno == EISDIR
                ? detail_set(detail, AUTH_STORE_DENIED, "%s %s: not a regular file", what, path)
                : file_explain(what, path, errno, detail);
    } else if (fstat(fd, &st) != 0) {
        status = file_explain(what, path, errno, detail);
    } else {
        status = check(store_path, path, &st, detail);
    }
    if (status == AUTH_OK) {
        *ret = (struct ticket_file){.fd = fd, .dev = st.st_dev, .ino = st.st_ino};
    } else if (fd >= 0) {
        close(fd);
    }
    free(path);
    return status;
}

enum auth_status ticket_file_open_append(const char *store_path, struct ticket_file *ret,
                                         struct detail *detail)
{
    return open_file(store_path, O_WRONLY | O_APPEND, ret, detail);
}

enum auth_status ticket_file_open_take(const char *store_path, struct ticket_file *ret,
                                       struct detail *detail)
{
    return open_file(store_path, O_RDWR, ret, detail);
}

void ticket_file_close(struct ticket_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
}

/* One write, so that tickets of several processes do not mix. A short one is a torn ticket. */
static enum auth_status write_ticket(int fd, const uint8_t bytes[TICKET_SIZE])
{
    struct file_limit_guard guard;

    file_limit_hold(&guard);
    ssize_t n = write(fd, bytes, TICKET_SIZE);
    file_limit_release(&guard);
    return n == TICKET_SIZE ? AUTH_OK : AUTH_STORE_FULL;
}

/*
 * Locks that belong to a process (fcntl), not to an open file (flock): a child has inherited the
 * descriptor, in a jail it can get no other, and would let go what its parent holds. Each appender
 * locks a byte of its own far behind the end, whoever empties the file all of these: so appenders
 * do not wait for each other. Two of one process, PLAIN's and LOGIN's, are told apart by
 * descriptor.
 */
#define LOCKS_AT (INT64_C(1) << 50)
enum { DESCRIPTORS = 1 << 20 };

static bool lock(int fd, short type, off_t at, off_t n)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = n};

    return fcntl(fd, F_SETLK, &range) == 0;
}

static off_t own_byte(int fd)
{
    return LOCKS_AT + (off_t)getpid() * DESCRIPTORS + fd % DESCRIPTORS;
}

enum auth_status ticket_file_append(struct ticket_file *file, const uint8_t bytes[TICKET_SIZE])
{
    struct stat st;

    if (fstat(file->fd, &st) != 0 || st.st_dev != file->dev || st.st_ino != file->ino) {
        file->fd = -1;
        return AUTH_UNAVAILABLE;
    }
    if (st.st_nlink == 0) {
        return AUTH_UNAVAILABLE;
    }
    if (!lock(file->fd, F_WRLCK, own_byte(file->fd), 1)) {
        return AUTH_STORE_BUSY;
    }
    /* Looked at under the lock: it may have been emptied a moment ago. */
    enum auth_status status = AUTH_UNAVAILABLE;
    if (fstat(file->fd, &st) == 0) {
        status = st.st_size >= TICKET_FILE_MAX ? AUTH_STORE_FULL : write_ticket(file->fd, bytes);
    }
    (void)lock(file->fd, F_UNLCK, own_byte(file->fd), 1);
    if (status == AUTH_OK) {
        file->seen = st.st_size + TICKET_SIZE;
    }
    return status;
}

bool ticket_file_was_emptied(struct ticket_file *file)
{
    struct stat st;

    if (file->fd < 0 || fstat(file->fd, &st) != 0 || st.st_dev != file->dev ||
        st.st_ino != file->ino) {
        return false;
    }
    const bool shorter = st.st_size < file->seen;
    file->seen = st.st_size;
    return shorter;
}

enum auth_status ticket_file_make(const char *store_path, uid_t uid, bool *ret_made,
                                  struct detail *detail)
{
    struct stat data;
    int fd = -1;

    if (stat(store_path, &data) != 0) {
        return file_explain("store", store_path, errno, detail);
    }
    /* Behind a link may be a file of somebody else's, with a group that is none of uid's. */
    bool shared = (data.st_mode & S_IRGRP) != 0 && (uid == FILES_ANY_USER || uid == data.st_uid);
    const struct file_mode mode = {
        .mode = S_IRUSR | S_IWUSR | (shared ? S_IWGRP : 0),
        .uid = uid,
        .gid = shared ? data.st_gid : FILES_ANY_GROUP,
    };
    char *path = file_suffixed(store_path, TICKET_FILE_SUFFIX);
    if (path == NULL) {
        return AUTH_NO_MEMORY;
    }
    enum auth_status status = file_create(path, &mode, &fd, detail);
    if (ret_made != NULL) {
        *ret_made = status == AUTH_OK;
    }
    if (status == AUTH_OK) {
        close(fd);
    } else if (status == AUTH_STORE_EXISTS) {
        status = AUTH_OK;
    }
    free(path);
    return status;
}

enum auth_status ticket_file_read(const struct ticket_file *file, uint8_t **ret, size_t *ret_n,
                                  struct detail *detail)
{
    struct stat st;
    size_t n = 0;
    ssize_t got = 1;

    if (fstat(file->fd, &st) != 0) {
        return detail_set(detail, AUTH_UNAVAILABLE, "%s: %m", what);
    }
    size_t size = st.st_size > TICKET_FILE_MAX ? TICKET_FILE_MAX + TICKET_SIZE : (size_t)st.st_size;
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return AUTH_NO_MEMORY;
    }
    while (n < size && got != 0) {
        got = pread(file->fd, bytes + n, size - n, (off_t)n);
        if (got > 0) {
            n += (size_t)got;
        } else if (got < 0 && errno != EINTR) {
            free(bytes);
            return detail_set(detail, AUTH_UNAVAILABLE, "%s: %m", what);
        }
    }
    *ret = bytes;
    *ret_n = n;
    return AUTH_OK;
}

enum auth_status ticket_file_wipe(const struct ticket_file *file, size_t at, size_t n,
                                  struct detail *detail)
{
    static const uint8_t zeros[TICKET_SIZE];

    while (n > 0) {
        ssize_t done = pwrite(file->fd, zeros, n < sizeof zeros ? n : sizeof zeros, (off_t)at);

        if (done > 0) {
            at += (size_t)done;
            n -= (size_t)done;
        } else if (done == 0 || errno != EINTR) {
            return detail_set(detail, AUTH_UNAVAILABLE, "%s: cannot overwrite a ticket: %m", what);
        }
    }
    return AUTH_OK;
}

enum auth_status ticket_file_empty(const struct ticket_file *file, size_t n, bool *ret_empty,
                                   struct detail *detail)
{
    struct stat st;
    enum auth_status status = AUTH_OK;

    *ret_empty = false;
    if (!lock(file->fd, F_WRLCK, LOCKS_AT, 0)) {
        return AUTH_OK;
    }
    if (fstat(file->fd, &st) != 0) {
        status = AUTH_UNAVAILABLE;
    } else if (st.st_size <= (off_t)n || n >= TICKET_FILE_MAX) {
        /* At the ceiling nobody has appended: what lies beyond it is no ticket of a server's. */
        *ret_empty = ftruncate(file->fd, 0) == 0 && fsync(file->fd) == 0;
        status = *ret_empty ? AUTH_OK : AUTH_UNAVAILABLE;
    }
    if (status != AUTH_OK) {
        detail_set(detail, status, "%s: cannot be emptied: %m", what);
    }
    (void)lock(file->fd, F_UNLCK, LOCKS_AT, 0);
    return status;
}
