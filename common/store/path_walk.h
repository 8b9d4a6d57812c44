/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A path looked at name by name, links followed by hand: below a root that holds them in, or with
 * an eye on who could put something else there. By lstat(2) and readlink(2); no state, any thread.
 */
#ifndef SASL_LMDB_PATH_WALK_H
#define SASL_LMDB_PATH_WALK_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

/*
 * Shown each directory, link and file on the way: its path on this machine, the root in front, and
 * what lstat(2) says of it. 0 to go on, else an error number that ends the walk.
 */
typedef int path_step(void *ctx, const char *path, const struct stat *st);

/*
 * Resolves path, which begins with a slash, below root ("" for the machine's own) to *ret, which
 * begins with a slash, has no link in it and no root in front. step may be NULL. An error number:
 * ENOENT, ENOTDIR, ELOOP (more links than Linux follows), ENAMETOOLONG or what the system says.
 */
int path_walk(const char *root, const char *path, path_step *step, void *ctx, char ret[PATH_MAX]);

/* Puts text in front of a path, in place. False, and nothing done, if both do not fit. */
bool path_put_in_front(char path[PATH_MAX], const char *text);

#endif
