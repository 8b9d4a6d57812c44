/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/key_turn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/files.h"
#include "store/held_path.h"

enum {
    TRIES = 100,
    PAUSE = 50 * 1000 * 1000, /* nanoseconds */
};

/* Root makes it for whoever owns the directory, who could not open one of root's later on. */
static enum auth_status future_owner(const char *lock_path, uid_t *ret, struct detail *detail)
{
    char *directory = file_directory(lock_path);
    enum auth_status status = AUTH_OK;
    struct stat st;

    if (directory == NULL) {
        return AUTH_NO_MEMORY;
    }
    if (stat(directory, &st) == 0) {
        *ret = geteuid() == 0 ? st.st_uid : FILES_ANY_USER;
    } else {
        status = file_explain("directory of the key file", directory, errno, detail);
    }
    free(directory);
    return status;
}

/* The file, made if need be. *ret_fd is -1 if it has gone between two looks. */
static enum auth_status open_lock(const char *lock_path, int *ret_fd, struct detail *detail)
{
    struct file_mode mode = {S_IRUSR | S_IWUSR, FILES_ANY_USER, FILES_ANY_GROUP};
    struct stat st;

    *ret_fd = -1;
    enum auth_status status = future_owner(lock_path, &mode.uid, detail);
    if (status == AUTH_OK) {
        status = file_create(lock_path, &mode, ret_fd, detail);
    }
    if (status != AUTH_STORE_EXISTS) {
        return status;
    }
    *ret_fd = open(lock_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*ret_fd < 0) {
        return errno == ENOENT ? AUTH_OK : file_explain("lock file", lock_path, errno, detail);
    }
    status = AUTH_OK;
    if (fstat(*ret_fd, &st) != 0) {
        status = file_explain("lock file", lock_path, errno, detail);
    } else if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        char remedy[PATH_REMEDY_SIZE];
        status = detail_set(detail, AUTH_STORE_DENIED, "lock file %s has mode %04o%s", lock_path,
                            (unsigned)(st.st_mode & 07777), path_remedy("rm", lock_path, remedy));
    }
    if (status != AUTH_OK) {
        close(*ret_fd);
    }
    return status;
}

/*
 * One try. *ret_taken false: somebody else has it, or he has taken the file away between our open
 * and our lock, which is a lock on nothing then.
 */
static enum auth_status try_once(struct key_turn *turn, bool *ret_taken, struct detail *detail)
{
    struct stat st;
    enum auth_status status = open_lock(turn->lock_path, &turn->fd, detail);

    *ret_taken = false;
    if (status != AUTH_OK || turn->fd < 0) {
        return status;
    }
    if (flock(turn->fd, LOCK_EX | LOCK_NB) == 0) {
        *ret_taken = fstat(turn->fd, &st) == 0 && st.st_nlink > 0;
    } else if (errno != EINTR && errno != EWOULDBLOCK) {
        status = file_explain("cannot lock", turn->lock_path, errno, detail);
    }
    if (!*ret_taken) {
        close(turn->fd);
    }
    return status;
}

enum auth_status key_turn_take(const char *key_path, struct key_turn *ret, struct detail *detail)
{
    enum auth_status status = AUTH_OK;
    bool taken = false;

    ret->fd = -1;
    ret->lock_path = file_suffixed(key_path, "-lock");
    if (ret->lock_path == NULL) {
        return AUTH_NO_MEMORY;
    }
    for (unsigned tries = 0; status == AUTH_OK && !taken; tries++) {
        status = try_once(ret, &taken, detail);
        if (status == AUTH_OK && !taken && tries == TRIES) {
            status = detail_set(detail, AUTH_STORE_BUSY, "another process holds a lock on %s",
                                ret->lock_path);
        } else if (status == AUTH_OK && !taken) {
            const struct timespec pause = {.tv_nsec = PAUSE};
            (void)nanosleep(&pause, NULL);
        }
    }
    if (status != AUTH_OK) {
        free(ret->lock_path);
        ret->lock_path = NULL;
    }
    return status;
}

void key_turn_end(struct key_turn *turn)
{
    /* Before the lock goes: the next one would take what is unlinked for its own. */
    (void)unlink(turn->lock_path);
    close(turn->fd);
    free(turn->lock_path);
    *turn = (struct key_turn){NULL, -1};
}
