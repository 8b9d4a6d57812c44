/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/held_path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shell_word.h"
#include "store/path_walk.h"

static uid_t trusted = 0;

void path_trust(uid_t uid)
{
    trusted = uid;
}

static bool is_trusted(uid_t uid)
{
    return uid == 0 || uid == trusted;
}

/* An access control list that lets somebody write shows in the group's bits. */
static bool others_write(const struct stat *st)
{
    return (st->st_mode & S_IWOTH) != 0 || ((st->st_mode & S_IWGRP) != 0 && st->st_gid != 0);
}

static bool holds(const struct stat *directory, const struct stat *entry)
{
    bool sticky = (directory->st_mode & S_ISVTX) != 0;
    return is_trusted(directory->st_uid) &&
           (!others_write(directory) || (sticky && is_trusted(entry->st_uid)));
}

/* Ends the walk at an entry whose directory lets others put something else in its place. */
static int look_at(void *ctx, const char *path, const struct stat *entry)
{
    char above[PATH_MAX];
    struct stat directory;
    size_t n = (size_t)(strrchr(path, '/') - path);

    (void)ctx;
    memcpy(above, path, n);
    above[n] = '\0';
    return lstat(n == 0 ? "/" : above, &directory) == 0 && holds(&directory, entry) ? 0 : EACCES;
}

bool path_is_held(const char *path)
{
    char whole[PATH_MAX];
    char here[PATH_MAX] = "";

    return (*path == '/' || getcwd(here, sizeof here) != NULL) &&
           (size_t)snprintf(whole, sizeof whole, "%s/%s", here, path) < sizeof whole &&
           path_walk("", whole, look_at, NULL, here) == 0;
}

const char *path_remedy(const char *command, const char *path, char ret[PATH_REMEDY_SIZE])
{
    int n = snprintf(ret, PATH_REMEDY_SIZE, ": %s %s", command, path);

    return n >= 0 && n < PATH_REMEDY_SIZE && *path != '-' && shell_word_is_plain(path) &&
                   path_is_held(path)
               ? ret
               : "";
}
