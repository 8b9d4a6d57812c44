/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "doctor_settings.h"
#include "store/held_path.h"
#include "store/path_walk.h"

enum { CHUNK = 4096 };

int doctor_resolve(const struct doctor_files *files, const char *path, char ret[PATH_MAX])
{
    return path_walk(files->root, path, NULL, NULL, ret);
}

int doctor_locate(const struct doctor_files *files, const char *path, char ret[PATH_MAX])
{
    int error = doctor_resolve(files, path, ret);
    return error != 0 || path_put_in_front(ret, files->root) ? error : ENAMETOOLONG;
}

int doctor_stat(const struct doctor_files *files, const char *path, struct stat *ret)
{
    char host[PATH_MAX];
    int error = doctor_locate(files, path, host);
    if (error != 0) {
        return error;
    }
    return lstat(host, ret) == 0 ? 0 : errno;
}

bool doctor_is_held(const struct doctor_files *files, const char *path)
{
    char host[PATH_MAX];
    if (files->root[0] == '\0') {
        return path_is_held(path);
    }
    return doctor_locate(files, path, host) == 0 && path_is_held(host);
}

bool doctor_is_root_s(const struct stat *st, const struct stat *root)
{
    return st->st_uid == 0 || st->st_uid == root->st_uid;
}

mode_t doctor_open_bits(const struct stat *st, const struct stat *root)
{
    const bool own_group = st->st_gid == 0 || st->st_gid == root->st_gid;

    return st->st_mode & (own_group ? S_IWOTH : S_IWOTH | S_IWGRP);
}

bool doctor_exists(const struct doctor_files *files, const char *path)
{
    struct stat st;
    return doctor_stat(files, path, &st) == 0;
}

bool doctor_is_directory(const struct doctor_files *files, const char *path)
{
    struct stat st;
    return doctor_stat(files, path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int read_all(int fd, struct buf *ret)
{
    for (;;) {
        uint8_t chunk[CHUNK];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0) {
            buf_put(ret, chunk, (size_t)n);
        }
        crypto_wipe(chunk, sizeof chunk);
        if (buf_status(ret) != AUTH_OK) {
            return buf_status(ret) == AUTH_TOO_LONG ? EFBIG : ENOMEM;
        }
        if (n == 0) {
            return 0;
        }
    }
}

int doctor_read(const struct doctor_files *files, const char *path, struct buf *ret)
{
    char host[PATH_MAX];
    struct stat st;
    int error = doctor_locate(files, path, host);
    if (error != 0) {
        return error;
    }
    /* Opening a device can do something: look first, and again at what was opened. */
    if (lstat(host, &st) != 0) {
        return errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return S_ISDIR(st.st_mode) ? EISDIR : ENXIO;
    }
    int fd = open(host, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    if (fstat(fd, &st) != 0) {
        error = errno;
    } else {
        error = S_ISREG(st.st_mode) ? read_all(fd, ret) : ENXIO;
    }
    close(fd);
    return error;
}

const char *doctor_link(const struct doctor_files *files, const char *path, struct arena *arena)
{
    char target[PATH_MAX];
    /* The directory by its own links, the last name as it is. */
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return "";
    }
    char *directory = arena_copy(arena, slice_of(path, (size_t)(slash - path) + 1));
    char parent[PATH_MAX];
    if (doctor_locate(files, directory, parent) != 0) {
        return "";
    }
    ssize_t n = readlink(arena_format(arena, "%s%s", parent, slash), target, sizeof target);
    return n < 0 ? "" : arena_copy(arena, slice_of(target, (size_t)n));
}

const char *doctor_host_name(const struct doctor_files *files, struct arena *arena)
{
    char own[HOST_NAME_MAX + 1];
    struct buf text;
    const char *name = "";
    if (files->root[0] == '\0') {
        return gethostname(own, sizeof own) == 0 ? arena_copy(arena, slice_str(own)) : "";
    }
    buf_init(&text, DOCTOR_CONF_MAX);
    if (doctor_read(files, "/etc/hostname", &text) == 0) {
        name = arena_copy(arena, settings_trim(buf_slice(&text)));
    }
    buf_release(&text);
    return name;
}

DIR *doctor_open_directory(const struct doctor_files *files, const char *path)
{
    char host[PATH_MAX];
    return doctor_locate(files, path, host) == 0 ? opendir(host) : NULL;
}

const char **doctor_names(const struct doctor_files *files, const char *path, struct arena *arena)
{
    static const char *none[1];
    DIR *entries = doctor_open_directory(files, path);
    if (entries == NULL) {
        return none;
    }
    const char **names = arena_new(arena, (DOCTOR_NAMES_MAX + 1) * sizeof *names);
    size_t n = 0;
    struct dirent *entry = names == NULL ? NULL : readdir(entries);
    while (entry != NULL && n < DOCTOR_NAMES_MAX) {
        names[n++] = arena_copy(arena, slice_str(entry->d_name));
        entry = readdir(entries);
    }
    closedir(entries);
    return names == NULL ? none : names;
}

const char *doctor_why(int error)
{
    switch (error) {
    case EFBIG:
        return "it is too large for a configuration file";
    case ENXIO:
        return "it is not a regular file";
    case ELOOP:
        return "its symbolic links lead round in a circle";
    default:
        return strerror(error);
    }
}
