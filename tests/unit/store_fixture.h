/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the store share: a directory of their own with a store in it, records filled
 * by hand, and a way to look into the file and change it behind the store's back.
 */
#ifndef SASL_LMDB_TEST_STORE_FIXTURE_H
#define SASL_LMDB_TEST_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "store/store.h"

enum { FIXTURE_PATH = 128, RAW_MAX = 4096, NAMES = 512 /* bytes of fixture_list() */ };

struct fixture {
    char dir[FIXTURE_PATH];
    char path[FIXTURE_PATH + 16];
    char lock[FIXTURE_PATH + 24];
    char key[FIXTURE_PATH + 16];
    struct store_create_options create; /* what fixture_create() uses; paths are set */
    struct detail detail;
};

/* cmocka's setup and teardown: *state is a struct fixture; no store yet. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Makes the store; the test fails if that fails. */
void fixture_create(struct fixture *f);

/* Opens the store; the test fails if that fails. */
struct store *fixture_open(struct fixture *f, bool writable);

/* The same, whatever comes of it. */
enum auth_status fixture_try_open(struct fixture *f, bool writable, struct store **ret);

struct identity fixture_who(const char *user, const char *realm);

/* An account with all SCRAM hashes, CRAM, checkpass and four digests, made of the byte `seed`. */
struct record fixture_record(const char *user, const char *realm, uint8_t seed);

/* Writes one such account through store_write_batch(); the test fails if that fails. */
void fixture_add(struct store *store, const char *user, const char *realm, uint8_t seed);

/* The verdict of a lookup, or the outage. */
enum auth_status fixture_verdict(struct store *store, const char *user, const char *realm);

/* A lookup with decoys for every SCRAM hash, and its decoys; the test fails if that fails. */
void fixture_lookup(struct fixture *f, struct store *store, const char *user, const char *realm,
                    struct store_answer *ret);
void fixture_decoys(struct fixture *f, struct store *store, const char *user,
                    struct decoy_set *ret);

bool is_zero(const void *p, size_t n);

/* Fails the test, showing the detail, unless status is wanted. */
#define assert_status(f, status, wanted)                                                           \
    assert_status_at((f), (status), (wanted), __FILE__, __LINE__)
void assert_status_at(struct fixture *f, enum auth_status status, enum auth_status wanted,
                      const char *file, int line);

/* One row of the file, read or written by LMDB itself; the store must not be open. */
struct raw_row {
    uint8_t key[64];
    size_t n_key;
    uint8_t value[RAW_MAX];
    size_t n_value;
};

/* The index-th row of a table. False if there are not so many. */
bool raw_read(const struct fixture *f, const char *table, unsigned index, struct raw_row *ret);
void raw_write(const struct fixture *f, const char *table, const struct raw_row *row);
void raw_delete(const struct fixture *f, const char *table, const struct raw_row *row);

/* Empties a table, or with drop removes it. */
void raw_clear(const struct fixture *f, const char *table, bool drop);

/* The names, each with a line break, of the entries of the fixture's directory, sorted. */
void fixture_list(const struct fixture *f, char *ret, size_t cap);

/* That those names and no others are there. */
void assert_files(const struct fixture *f, const char *names);

/* That a file has exactly these permission bits. */
void assert_mode(const char *path, mode_t mode);

/* A whole file in a malloc'ed block. */
uint8_t *read_file(const char *path, size_t *ret_n);
/* The key of the first line of a key file, KEY_BASE64 characters; the test fails without one. */
enum { KEY_BASE64 = 44 };
const uint8_t *first_key(const uint8_t *file, size_t n);

void write_file(const char *path, const void *p, size_t n, mode_t mode);

/* Runs body in a child and returns its exit status; 255 if it did not exit. */
int in_child(void (*body)(void *ctx), void *ctx);

#endif
