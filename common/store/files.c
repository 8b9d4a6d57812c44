/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crypto.h"

enum { PATH_CEILING = 4096 + 64, RANDOM_NAME = 8 };

char *file_suffixed(const char *path, const char *suffix)
{
    char *joined = NULL;

    return asprintf(&joined, "%s%s", path, suffix) < 0 ? NULL : joined;
}

char *file_directory(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return strdup(".");
    }
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int file_access(const char *path, int access)
{
    return faccessat(AT_FDCWD, path, access, AT_EACCESS) == 0 ? 0 : errno;
}

/* The first directory on the way to path that may not be searched; false if all may. */
static bool find_barrier(const char *path, char *ret, size_t cap)
{
    size_t n = strlen(path);

    if (n >= cap) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (path[i] != '/') {
            continue;
        }
        size_t n_directory = i == 0 ? 1 : i; /* "/" itself */
        memcpy(ret, path, n_directory);
        ret[n_directory] = '\0';
        if (file_access(ret, X_OK) == EACCES) {
            return true;
        }
    }
    return false;
}

static enum auth_status explain_denied(const char *what, const char *path, struct detail *detail)
{
    char barrier[PATH_CEILING];
    struct stat st;

    if (find_barrier(path, barrier, sizeof barrier)) {
        return detail_set(detail, AUTH_STORE_DENIED,
                          "%s %s: user %u may not search the directory %s", what, path,
                          (unsigned)geteuid(), barrier);
    }
    if (stat(path, &st) != 0) {
        return detail_set(detail, AUTH_STORE_DENIED,
                          "%s %s: user %u may not make files in its directory", what, path,
                          (unsigned)geteuid());
    }
    return detail_set(
        detail, AUTH_STORE_DENIED,
        "%s %s: access denied to user %u, group %u (it has mode %04o, owner %u, group %u)", what,
        path, (unsigned)geteuid(), (unsigned)getegid(), (unsigned)(st.st_mode & 07777),
        (unsigned)st.st_uid, (unsigned)st.st_gid);
}

/* errno is error already. */
static enum auth_status explain(const char *what, const char *path, int error,
                                struct detail *detail)
{
    enum auth_status status = AUTH_UNAVAILABLE;

    switch (error) {
    case EACCES:
    case EPERM:
        return explain_denied(what, path, detail);
    case EROFS:
        return detail_set(detail, AUTH_STORE_DENIED,
                          "%s %s: the file system is mounted read-only (for a service under "
                          "systemd, ReadWritePaths= opens it)",
                          what, path);
    case ENOENT:
    case ENOTDIR:
        status = AUTH_STORE_MISSING;
        break;
    case EEXIST:
        status = AUTH_STORE_EXISTS;
        break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        status = AUTH_STORE_FULL;
        break;
    case ENOMEM:
        status = AUTH_NO_MEMORY;
        break;
    default:
        break;
    }
    return detail_set(detail, status, "%s %s: %m", what, path);
}

enum auth_status file_explain(const char *what, const char *path, int error, struct detail *detail)
{
    errno = error;
    enum auth_status status = explain(what, path, error, detail);
    errno = error;
    return status;
}

/* Owner before mode, since a change of owner may clear mode bits. */
static bool set_mode(int fd, const struct file_mode *mode)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return false;
    }
    bool change = (mode->uid != FILES_ANY_USER && mode->uid != st.st_uid) ||
                  (mode->gid != FILES_ANY_GROUP && mode->gid != st.st_gid);
    return (!change || fchown(fd, mode->uid, mode->gid) == 0) &&
           (mode->mode == FILES_ANY_MODE || fchmod(fd, mode->mode) == 0);
}

static enum auth_status explain_mode(const char *path, const struct file_mode *mode, int error,
                                     struct detail *detail)
{
    if (error == EPERM && mode->gid != FILES_ANY_GROUP) {
        return detail_set(detail, AUTH_STORE_DENIED,
                          "cannot give %s to group %u: user %u is not a member of it", path,
                          (unsigned)mode->gid, (unsigned)geteuid());
    }
    return file_explain("cannot set owner and mode of", path, error, detail);
}

enum auth_status file_create(const char *path, const struct file_mode *mode, int *ret_fd,
                             struct detail *detail)
{
    /* Nobody else may open it before owner and mode are right; the umask may take this away too. */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);

    if (fd < 0) {
        return file_explain("cannot create", path, errno, detail);
    }
    if (!set_mode(fd, mode)) {
        int error = errno;

        close(fd);
        unlink(path);
        return explain_mode(path, mode, error, detail);
    }
    *ret_fd = fd;
    return AUTH_OK;
}

static int write_all(int fd, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0 && !slice_take(&bytes, (size_t)n, NULL)) {
            return EIO;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

enum auth_status file_name_beside(const char *path, struct buf *ret)
{
    uint8_t random[RANDOM_NAME];
    enum auth_status status = crypto_random(random, sizeof random);

    buf_init(ret, PATH_CEILING);
    buf_put_str(ret, path);
    buf_put_byte(ret, '.');
    buf_put_hex(ret, random, sizeof random);
    return status == AUTH_OK ? buf_status(ret) : status;
}

enum auth_status file_replace(const char *path, const struct file_mode *mode, struct slice bytes,
                              struct detail *detail)
{
    struct file_limit_guard guard;
    struct buf name;
    int fd = -1;

    enum auth_status status = file_name_beside(path, &name);
    if (status == AUTH_OK) {
        status = file_create(buf_text(&name), mode, &fd, detail);
    }
    if (status == AUTH_OK) {
        file_limit_hold(&guard);
        int error = write_all(fd, bytes);
        file_limit_release(&guard);
        close(fd);
        if (error == 0 && rename(buf_text(&name), path) != 0) {
            error = errno;
        }
        if (error != 0) {
            unlink(buf_text(&name));
            status = file_explain("cannot write", path, error, detail);
        }
    }
    if (status == AUTH_OK) {
        status = file_sync_directory(path, detail);
    }
    buf_release(&name);
    return status;
}

/* Whether name is base, a dot, and as many hex digits as file_name_beside() puts there. */
static bool is_leftover(const char *name, const char *base)
{
    size_t n = strlen(base);

    return strncmp(name, base, n) == 0 && name[n] == '.' &&
           strspn(name + n + 1, "0123456789abcdef") == 2 * (size_t)RANDOM_NAME &&
           name[n + 1 + 2 * (size_t)RANDOM_NAME] == '\0';
}

void file_remove_leftovers(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    char *directory = file_directory(path);
    DIR *entries = directory == NULL ? NULL : opendir(directory);
    struct stat own;
    struct stat st;

    if (entries != NULL && lstat(path, &own) == 0) {
        for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
            if (is_leftover(entry->d_name, base) &&
                fstatat(dirfd(entries), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(st.st_mode) && (st.st_uid == own.st_uid || st.st_uid == geteuid())) {
                (void)unlinkat(dirfd(entries), entry->d_name, 0);
            }
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
    free(directory);
}

enum auth_status file_rename_new(const char *from, const char *to, struct detail *detail)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return AUTH_OK;
    }
    /* Not every file system knows RENAME_NOREPLACE; link() refuses an existing name everywhere. */
    if ((errno == EINVAL || errno == ENOSYS) && link(from, to) == 0) {
        return unlink(from) == 0 ? AUTH_OK : file_explain("cannot remove", from, errno, detail);
    }
    return file_explain("cannot create", to, errno, detail);
}

enum auth_status file_give(const char *path, const struct file_mode *mode, struct detail *detail)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0) {
        enum auth_status status = file_explain("file", path, errno, detail);

        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    enum auth_status status = AUTH_OK;
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid()) {
        status = detail_set(detail, AUTH_STORE_DENIED,
                            "%s is not the file that was made there a moment ago", path);
    } else if (!set_mode(fd, mode)) {
        status = explain_mode(path, mode, errno, detail);
    }
    close(fd);
    return status;
}

enum auth_status file_sync_directory(const char *path, struct detail *detail)
{
    char *directory = file_directory(path);

    if (directory == NULL) {
        return AUTH_NO_MEMORY;
    }
    int error = 0;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        error = errno;
    } else {
        /* Some file systems cannot sync a directory; their names are durable without it or not. */
        if (fsync(fd) != 0 && errno != EINVAL) {
            error = errno;
        }
        close(fd);
    }
    enum auth_status status =
        error == 0 ? AUTH_OK : file_explain("cannot sync", directory, error, detail);
    free(directory);
    return status;
}

void file_limit_hold(struct file_limit_guard *guard)
{
    sigset_t pending;
    sigset_t limit;

    sigemptyset(&pending);
    (void)sigpending(&pending);
    guard->was_pending = sigismember(&pending, SIGXFSZ) == 1;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    (void)pthread_sigmask(SIG_BLOCK, &limit, &guard->before);
}

void file_limit_release(const struct file_limit_guard *guard)
{
    static const struct timespec at_once = {0, 0};
    sigset_t limit;

    if (!guard->was_pending) {
        sigemptyset(&limit);
        sigaddset(&limit, SIGXFSZ);
        while (sigtimedwait(&limit, NULL, &at_once) < 0 && errno == EINTR) {
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}
