/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/path_walk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 40 /* as Linux follows */ };

/* done is resolved, todo is not. */
struct walk {
    const char *root;
    path_step *step;
    void *ctx;
    char *done; /* PATH_MAX bytes of the caller's: "" or "/a/b" */
    char todo[PATH_MAX];
    int links;
};

static bool join(char ret[PATH_MAX], const char *a, const char *b)
{
    int n = snprintf(ret, PATH_MAX, "%s%s", a, b);
    return n >= 0 && n < PATH_MAX;
}

bool path_put_in_front(char path[PATH_MAX], const char *text)
{
    size_t n = strlen(text);
    size_t rest = strlen(path) + 1;
    if (n + rest > PATH_MAX) {
        return false;
    }
    memmove(path + n, path, rest);
    memcpy(path, text, n);
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
    return path_put_in_front(walk->todo, target) ? 0 : ENAMETOOLONG;
}

/* One component whose name is neither empty nor a dot or two. */
static int step_into(struct walk *walk, const char *name, bool last)
{
    char host[PATH_MAX];
    char target[PATH_MAX];
    struct stat st;
    size_t before = strlen(walk->done);
    int n = snprintf(walk->done + before, PATH_MAX - before, "/%s", name);
    if (n < 0 || (size_t)n >= PATH_MAX - before || !join(host, walk->root, walk->done)) {
        return ENAMETOOLONG;
    }
    if (lstat(host, &st) != 0) {
        return errno;
    }
    int error = walk->step == NULL ? 0 : walk->step(walk->ctx, host, &st);
    if (error != 0) {
        return error;
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

int path_walk(const char *root, const char *path, path_step *step, void *ctx, char ret[PATH_MAX])
{
    struct walk walk = {.root = root, .step = step, .ctx = ctx, .done = ret};
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
