/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/held_path.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shell_word.h"

enum {
    LINKS_MAX = 40, /* as Linux follows */
    LONGEST = 2048, /* bytes with the NUL; a longer path is not held: this runs in other programs */
};

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

/* A walk along a path: done is without links, todo is still to be walked. */
struct walk {
    char done[LONGEST]; /* "" or "/a/b" */
    char todo[LONGEST];
    int links;
};

static bool fits(int n)
{
    return n >= 0 && n < LONGEST;
}

static bool follow(struct walk *walk, const char *link)
{
    char target[LONGEST];
    char rest[LONGEST];
    ssize_t n = readlink(link, target, sizeof target - 1);

    if (n <= 0 || ++walk->links > LINKS_MAX) {
        return false;
    }
    target[n] = '\0';
    if (target[0] == '/') {
        walk->done[0] = '\0';
    }
    memcpy(rest, walk->todo, sizeof rest);
    return fits(snprintf(walk->todo, LONGEST, "%s/%s", target, rest));
}

/* One name below done that is neither empty nor a dot or two; false: not held. */
static bool step_into(struct walk *walk, const char *name)
{
    char path[LONGEST];
    struct stat directory;
    struct stat entry;

    if (!fits(snprintf(path, LONGEST, "%s/%s", walk->done, name)) ||
        lstat(walk->done[0] == '\0' ? "/" : walk->done, &directory) != 0 ||
        lstat(path, &entry) != 0 || !holds(&directory, &entry)) {
        return false;
    }
    if (S_ISLNK(entry.st_mode)) {
        return follow(walk, path);
    }
    memcpy(walk->done, path, sizeof path);
    return true;
}

static void step_up(struct walk *walk)
{
    char *slash = strrchr(walk->done, '/');

    if (slash != NULL) {
        *slash = '\0';
    }
}

static bool start(struct walk *walk, const char *path)
{
    char here[LONGEST] = "";

    walk->done[0] = '\0';
    walk->links = 0;
    return (*path == '/' || getcwd(here, sizeof here) != NULL) &&
           fits(snprintf(walk->todo, LONGEST, "%s/%s", here, path));
}

bool path_is_held(const char *path)
{
    struct walk walk;
    bool held = start(&walk, path);

    while (held && walk.todo[0] != '\0') {
        char name[NAME_MAX + 1];
        size_t skip = strspn(walk.todo, "/");
        size_t n = strcspn(walk.todo + skip, "/");
        if (n > NAME_MAX) {
            return false;
        }
        memcpy(name, walk.todo + skip, n);
        name[n] = '\0';
        memmove(walk.todo, walk.todo + skip + n, strlen(walk.todo + skip + n) + 1);
        if (strcmp(name, "..") == 0) {
            step_up(&walk);
        } else if (n > 0 && strcmp(name, ".") != 0) {
            held = step_into(&walk, name);
        }
    }
    return held;
}

const char *path_remedy(const char *command, const char *path, char ret[PATH_REMEDY_SIZE])
{
    int n = snprintf(ret, PATH_REMEDY_SIZE, ": %s %s", command, path);

    return n >= 0 && n < PATH_REMEDY_SIZE && *path != '-' && shell_word_is_plain(path) &&
                   path_is_held(path)
               ? ret
               : "";
}
