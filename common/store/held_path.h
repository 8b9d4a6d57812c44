/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Paths in commands that somebody, who may be root, is to run as they are printed. A name that a
 * shell reads as something else is one danger. Another is a directory that other people can write
 * to: what is a file while it is looked at may be a link when the command is run, and chmod(1)
 * follows it, as chown(1) does where it is not told otherwise.
 */
#ifndef SASL_LMDB_HELD_PATH_H
#define SASL_LMDB_HELD_PATH_H

#include <stdbool.h>
#include <sys/types.h>

enum { PATH_REMEDY_SIZE = 160 /* bytes of what path_remedy() gives, with the NUL */ };

/*
 * Says that commands are printed for this user, who can put what he likes in his own directories.
 * Until then they are taken to be for root. Once, before any other thread is there; of servers,
 * whose log root reads, none calls it.
 */
void path_trust(uid_t uid);

/*
 * Whether nobody but root and the user trusted can put something else in the place of path: by the
 * owners and modes of every directory and link on the way, the sticky bit counted. What can not be
 * looked at is not held; of path itself nothing but the owner counts, and that in a sticky
 * directory only. By lstat(2) and readlink(2), any thread.
 */
bool path_is_held(const char *path);

/*
 * ": COMMAND PATH" to end a detail with, in ret; "" for a path that is not held, one that a shell
 * would have to be given in quotes or a program would take for an option, and one so long that a
 * detail with it twice might be cut, since a command that is cut is another one.
 */
const char *path_remedy(const char *command, const char *path, char ret[PATH_REMEDY_SIZE]);

#endif
