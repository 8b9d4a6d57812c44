/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be known of a data file and its lock file before LMDB touches them, and whether
 * descriptors still are what they were. Nothing here opens a lock file in a way that closing it
 * would drop locks. No state, any thread.
 */
#ifndef SASL_LMDB_KV_FILES_H
#define SASL_LMDB_KV_FILES_H

#include <sys/stat.h>

#include "store/kv.h"

/*
 * Bytes of a new lock file, all of them allocated: LMDB writes it through a memory map, where a
 * full disk is not an error but a SIGBUS. Room for KV_MAX_READERS and some more.
 */
enum { KV_LOCK_SIZE = 65536 };

/* A file on a file system. */
struct file_id {
    dev_t dev;
    ino_t ino;
};

struct file_id file_id_of(const struct stat *st);
bool file_id_equal(const struct file_id *a, const struct file_id *b);

/*
 * Checks that the effective user can use both files as options say, and that the data file starts
 * like one of LMDB's. *ret_id: the data file. For a writer a missing lock file is made. The data
 * file must not be open in this process.
 */
MUST_USE enum auth_status kv_files_check(const char *path, const char *lock_path,
                                         const struct kv_options *options, struct file_id *ret_id,
                                         struct detail *detail);

/*
 * Makes the lock file of a data file that starts like one of LMDB's, if it is missing: for the
 * owner and, where it may read the data, the group of that. By root, or by the owner himself. Not
 * while this process has the lock file open.
 */
MUST_USE enum auth_status kv_files_make_lock(const char *path, const char *lock_path,
                                             struct detail *detail);

/*
 * A descriptor on the lock file that only fstat can use. Closing an O_PATH descriptor does not
 * drop the process's fcntl locks, closing any other would.
 */
MUST_USE enum auth_status kv_files_watch_lock(const char *lock_path, int *ret_fd,
                                              struct file_id *ret_id, struct detail *detail);

/* True if fd is open on that file; *ret_size is its size. */
bool kv_files_is(int fd, const struct file_id *id, uint64_t *ret_size);

/* True if that file is what the name leads to. */
bool kv_files_has_name(const char *path, const struct file_id *id);

/* Makes both files for LMDB to set up, private ones; neither is left on an error. */
MUST_USE enum auth_status kv_files_create(const char *path, const char *lock_path,
                                          struct file_id *ret_data_id, struct detail *detail);

#endif
