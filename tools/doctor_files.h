/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files as a doctor sees them: below a directory that stands for the whole machine, read only,
 * and none of them trusted to be what its name says. Paths are absolute and are those the servers
 * use ("/etc/imapd.conf"); links, absolute ones too, are followed inside the directory. Reading
 * never blocks, never goes past a size, and takes regular files only.
 *
 * Between looking and reading somebody may exchange a directory on the way; nothing that is read
 * here is shown but the values of settings, so he would learn nothing by it.
 */
#ifndef SASL_LMDB_DOCTOR_FILES_H
#define SASL_LMDB_DOCTOR_FILES_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "doctor_arena.h"

enum {
    DOCTOR_CONF_MAX = 1024 * 1024, /* bytes of a configuration file */
    DOCTOR_NAMES_MAX = 8192,       /* entries of a directory */
};

struct doctor_files {
    const char *root; /* "" for the machine itself, else a path without a slash at its end */
};

/*
 * Follows all links: *ret is the path without the root, then. 0 or an errno value: ENOENT, EACCES,
 * ELOOP, ENOTDIR, ENAMETOOLONG.
 */
int doctor_resolve(const struct doctor_files *files, const char *path, char ret[PATH_MAX]);

/* The same, with the root in front: what system calls take. */
int doctor_locate(const struct doctor_files *files, const char *path, char ret[PATH_MAX]);

/* stat(2). 0 or an errno value. */
int doctor_stat(const struct doctor_files *files, const char *path, struct stat *ret);

/* Whether nobody but root can put something else in its place: see store/held_path.h. */
bool doctor_is_held(const struct doctor_files *files, const char *path);

/*
 * Whose files are trusted: root's, and those of whoever owns the machine's, by what doctor_stat()
 * says of "/"; below a root that may be an ordinary user. And the bits that let others write: those
 * of everybody, and of a group that is not theirs.
 */
bool doctor_is_root_s(const struct stat *st, const struct stat *root);
mode_t doctor_open_bits(const struct stat *st, const struct stat *root);

bool doctor_exists(const struct doctor_files *files, const char *path);
bool doctor_is_directory(const struct doctor_files *files, const char *path);

/*
 * Appends a regular file of at most max bytes. 0 or an errno value: beside those above EISDIR,
 * EFBIG, and ENXIO for a FIFO, socket or device. ret is to hold max bytes and must be empty.
 */
int doctor_read(const struct doctor_files *files, const char *path, struct buf *ret);

/* Where a symbolic link points, as it is written there; "" if it is none or cannot be read. */
const char *doctor_link(const struct doctor_files *files, const char *path, struct arena *arena);

/* What the machine calls itself, in the arena: "" if that is not to be found out. */
const char *doctor_host_name(const struct doctor_files *files, struct arena *arena);

/* For readdir(3), to be closed with closedir(3); NULL if it cannot be opened. */
DIR *doctor_open_directory(const struct doctor_files *files, const char *path);

/* Names in a directory, in the order the system gives them; NULL at the end. */
const char **doctor_names(const struct doctor_files *files, const char *path, struct arena *arena);

/* An errno value of the above in words. */
const char *doctor_why(int error);

#endif
