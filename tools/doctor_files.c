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

enum {
    LINKS_MAX = 40, /* as Linux follows */
    CHUNK = 4096,
};

/* A walk along a path: done is resolved, todo is not. */
struct walk {
    const struct doctor_files *files;
    char *done; /* PATH_MAX bytes of the caller's: "" or "/a/b" */
    char todo[PATH_MAX];
    int links;
};

static bool join(char ret[PATH_MAX], const char *a, const char *b)
{
    int n = snprintf(ret, PATH_MAX, "%s%s", a, b);
    return n >= 0 && n < PATH_MAX;
}

/* In place. False, and nothing done, if both do not fit. */
static bool put_in_front(char text[PATH_MAX], const char *front)
{
    size_t n = strlen(front);
    size_t rest = strlen(text) + 1;
    if (n + rest > PATH_MAX) {
        return false;
    }
    memmove(text + n, text, rest);
    memcpy(text, front, n);
    return true;
}

static void step_up(struct walk *walk)
{
    char *slash = strrchr(walk->done, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
}

/* What is left to walk is nothing or has a slash in front. */
static int follow(struct walk *walk, const char *target)
{
    if (++walk->links > LINKS_MAX) {
        return ELOOP;
    }
    if (*target == '/') {
        walk->done[0] = '\0';
    }
    return put_in_front(walk->todo, target) ? 0 : ENAMETOOLONG;
}

/* One component whose name is neither empty nor a dot or two. */
static int step_into(struct walk *walk, const char *name, bool last)
{
    char host[PATH_MAX];
    char target[PATH_MAX];
    struct stat st;
    size_t before = strlen(walk->done);
    int n = snprintf(walk->done + before, PATH_MAX - before, "/%s", name);
    if (n < 0 || (size_t)n >= PATH_MAX - before || !join(host, walk->files->root, walk->done)) {
        return ENAMETOOLONG;
    }
    if (lstat(host, &st) != 0) {
        return errno;
    }
    if (S_ISLNK(st.st_mode)) {
        ssize_t length = readlink(host, target, sizeof target - 1);
        if (length < 0) {
            return errno;
        }
        target[length] = '\0';
        walk->done[before] = '\0';
        return follow(walk, target);
    }
    return last || S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

int doctor_resolve(const struct doctor_files *files, const char *path, char ret[PATH_MAX])
{
    struct walk walk = {.files = files, .done = ret};
    ret[0] = '\0';
    if (*path != '/') {
        return ENOENT;
    }
    if (!join(walk.todo, path, "")) {
        return ENAMETOOLONG;
    }
    while (walk.todo[0] != '\0') {
        char name[NAME_MAX + 1];
        size_t skip = strspn(walk.todo, "/");
        size_t n = strcspn(walk.todo + skip, "/");
        bool last = walk.todo[skip + n] == '\0';
        if (n > NAME_MAX) {
            return ENAMETOOLONG;
        }
        memcpy(name, walk.todo + skip, n);
        name[n] = '\0';
        memmove(walk.todo, walk.todo + skip + n, strlen(walk.todo + skip + n) + 1);
        int error = 0;
        if (strcmp(name, "..") == 0) {
            step_up(&walk);
        } else if (n > 0 && strcmp(name, ".") != 0) {
            error = step_into(&walk, name, last);
        }
        if (error != 0) {
            return error;
        }
    }
    if (ret[0] == '\0') {
        memcpy(ret, "/", sizeof "/");
    }
    return 0;
}

int doctor_locate(const struct doctor_files *files, const char *path, char ret[PATH_MAX])
{
    int error = doctor_resolve(files, path, ret);
    return error != 0 || put_in_front(ret, files->root) ? error : ENAMETOOLONG;
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
    char host[PATH_MAX];
    char target[PATH_MAX];
    /* The directory by its own links, the last name as it is. */
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return "";
    }
    char *directory = arena_copy(arena, slice_of(path, (size_t)(slash - path) + 1));
    char parent[PATH_MAX];
    if (doctor_locate(files, directory, parent) != 0 || !join(host, parent, slash)) {
        return "";
    }
    ssize_t n = readlink(host, target, sizeof target);
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
