/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the key file share: two stores' ids, two keys, a file written by hand. */
#ifndef SASL_LMDB_TEST_KEY_FILE_H
#define SASL_LMDB_TEST_KEY_FILE_H

#include "store/keyring.h"
#include "store_scene.h"

#define ID_A "000102030405060708090a0b0c0d0e0f"
#define ID_B "ffffffffffffffffffffffffffffffff"
#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "//////////////////////////////////////////8="

extern const uint8_t id_a[STORE_ID_SIZE];
extern const uint8_t id_b[STORE_ID_SIZE];

/* keyring_load() of the fixture's key file, for this group of the data file. */
enum auth_status load(struct fixture *f, gid_t group, struct keyring **ret);

/* Makes the fixture's key file anew. */
void write_key_file(struct fixture *f, const char *text, mode_t mode);

#endif
