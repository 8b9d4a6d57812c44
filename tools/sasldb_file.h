/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The database files that hold a sasldb, as text that import_sasldb.c reads: what db_dump(1)
 * prints, or gdbm_dump(1). By the file's own magic number:
 *
 *   Berkeley DB   Cyrus SASL 2.1 on Debian: read by db_dump of the Debian package db-util, which
 *                 sasl2-bin depends on. No library of a certain version is needed here.
 *   GDBM          Cyrus SASL on Fedora and its kin: read by gdbm_dump.
 *   LMDB          Cyrus SASL 2.2: read by liblmdb, without its lock file, which nobody else may
 *                 have written; so nobody may change the file while it is copied.
 *
 * None of these parsers is made for files of people who are not trusted: they see a copy, in a
 * process of user nobody (isolated.h), never as root, with limits of time and memory. The programs
 * are taken from /usr/bin or /usr/local/bin, whatever PATH says.
 */
#ifndef SASL_LMDB_SASLDB_FILE_H
#define SASL_LMDB_SASLDB_FILE_H

#include "base/buf.h"
#include "base/detail.h"
#include "base/status.h"
#include "tool.h"

/*
 * Reads the database file that fd is open on into ret; fd's offset stays. AUTH_CONTINUE if it is
 * none of these and may be text already. AUTH_STORE_DAMAGED, AUTH_UNAVAILABLE, AUTH_NO_MEMORY,
 * AUTH_STORE_DENIED without a user nobody.
 */
MUST_USE enum auth_status sasldb_file_read(const struct tool *tool, int fd, struct buf *ret,
                                           struct detail *detail);

#endif
