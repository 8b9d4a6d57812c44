/* SPDX-License-Identifier: BSD-2-Clause */
#include "privilege.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/files.h"
#include "store/held_path.h"
#include "terminal_filter.h"

static bool started_as_root;

bool privilege_started_as_root(void)
{
    return started_as_root;
}

void privilege_confine(void)
{
    started_as_root = geteuid() == 0;
    path_trust(geteuid());
    umask(S_IRWXG | S_IRWXO);
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
    /* The leak checker has to look into this process. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

enum { NO_GROUP = 0 }; /* root's is not a group to keep: the owner's own is taken */

#define NOBODY_ELSE ((uid_t)-1)

static bool is_store_of_somebody(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid != 0;
}

/*
 * The first owner other than root among the files a process maps; false if there is none, with
 * *ret_error telling whether the data file could be looked at. The data file's group comes along
 * where the file itself is that owner's, since to such a file nobody can give a group that he is
 * not in. Through a link of somebody else's nothing is followed: he would choose whose user and
 * group we take on.
 */
static bool find_owner(const char *path, uid_t *ret_uid, gid_t *ret_gid, int *ret_error)
{
    struct stat st;
    char lock_path[PATH_MAX];

    *ret_gid = NO_GROUP;
    *ret_error = 0;
    if (lstat(path, &st) != 0 || (S_ISLNK(st.st_mode) && st.st_uid == 0 && stat(path, &st) != 0)) {
        *ret_error = errno;
        return false;
    }
    if (st.st_uid != 0) {
        *ret_uid = st.st_uid;
        *ret_gid = is_store_of_somebody(&st) ? st.st_gid : NO_GROUP;
        return true;
    }
    int length = snprintf(lock_path, sizeof lock_path, "%s-lock", path);
    if (length < 0 || (size_t)length >= sizeof lock_path || lstat(lock_path, &st) != 0) {
        return false;
    }
    *ret_uid = st.st_uid;
    return st.st_uid != 0;
}

static uid_t owner_of_directory(const char *path)
{
    char *directory = file_directory(path);
    struct stat st;
    uid_t uid =
        directory != NULL && stat(directory, &st) == 0 && st.st_uid != 0 ? st.st_uid : NOBODY_ELSE;

    free(directory);
    return uid;
}

uid_t privilege_directory_owner(const char *store_path)
{
    if (geteuid() != 0) {
        return NOBODY_ELSE;
    }
    uid_t uid = owner_of_directory(store_path);
    char *resolved = uid == NOBODY_ELSE ? realpath(store_path, NULL) : NULL;
    if (resolved != NULL) {
        uid = owner_of_directory(resolved);
    }
    free(resolved);
    return uid;
}

bool privilege_directory_is_root_s(const char *store_path)
{
    char *directory = file_directory(store_path);
    struct stat st;
    bool is = directory != NULL && stat(directory, &st) == 0 && st.st_uid == 0 &&
              (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;

    free(directory);
    return is;
}

uid_t privilege_owner(const char *store_path)
{
    uid_t uid = 0;
    gid_t gid = 0;
    int error = 0;
    return geteuid() == 0 && find_owner(store_path, &uid, &gid, &error) ? uid : NOBODY_ELSE;
}

/*
 * For good: also root's way back is tried, and the one by way of root's terminal is closed. The
 * kernel forgets with a change of user that this process was to end with its parent.
 */
static enum auth_status become_both(uid_t uid, gid_t gid, struct detail *detail)
{
    int end_with_parent = 0;

    terminal_filter_install();
    (void)prctl(PR_GET_PDEATHSIG, &end_with_parent, 0, 0, 0);
    if (setgroups(1, &gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0 ||
        setuid(0) == 0) {
        return detail_set(detail, AUTH_STORE_DENIED, "cannot become uid %u, gid %u: %s",
                          (unsigned)uid, (unsigned)gid, strerror(errno));
    }
    (void)prctl(PR_SET_PDEATHSIG, end_with_parent, 0, 0, 0);
    return AUTH_OK;
}

enum auth_status privilege_become(uid_t uid, gid_t gid, struct detail *detail)
{
    if (gid == NO_GROUP) {
        const struct passwd *owner = getpwuid(uid);
        if (owner == NULL) {
            return detail_set(detail, AUTH_STORE_DENIED,
                              "the store or its directory belongs to uid %u, which has no account "
                              "to become; give it to a user with chown",
                              (unsigned)uid);
        }
        gid = owner->pw_gid;
    }
    return become_both(uid, gid, detail);
}

enum auth_status privilege_become_nobody(struct detail *detail)
{
    const struct passwd *nobody = NULL;
    if (geteuid() != 0) {
        return AUTH_OK;
    }
    nobody = getpwnam("nobody");
    if (nobody == NULL || nobody->pw_uid == 0) {
        return detail_set(
            detail, AUTH_STORE_DENIED,
            "there is no user \"nobody\" to become: run this as another user than root");
    }
    return become_both(nobody->pw_uid, nobody->pw_gid, detail);
}

enum auth_status privilege_become_owner(const char *store_path, struct detail *detail)
{
    uid_t uid = 0;
    gid_t gid = 0;
    int error = 0;
    if (geteuid() != 0) {
        return AUTH_OK;
    }
    if (!find_owner(store_path, &uid, &gid, &error)) {
        uid = privilege_directory_owner(store_path);
        if (uid == NOBODY_ELSE) {
            /* What is not there now may be there, and anybody's, when it is opened. */
            return error == 0 ? AUTH_OK : file_explain("store", store_path, error, detail);
        }
    }
    return privilege_become(uid, gid, detail);
}
