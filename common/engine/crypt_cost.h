/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it costs to compare a password with a crypt(3) hash. The hash says so itself, and may ask
 * for hours: who can bring one in could hang a server process with each login. Asked before a hash
 * is kept, and before crypt(3) is called.
 */
#ifndef SASL_LMDB_CRYPT_COST_H
#define SASL_LMDB_CRYPT_COST_H

#include <stdbool.h>

#include "base/slice.h"

/* Some seconds at most on the machines of 2026; sasl-lmdb(5) has these numbers too. */
enum {
    CRYPT_COST_BCRYPT = 15,      /* the logarithm that stands in the hash */
    CRYPT_COST_ROUNDS = 1000000, /* of SHA-256, SHA-512, SHA-1, Sun MD5 and extended DES */
    CRYPT_COST_MIB = 256,        /* yescrypt, scrypt: memory, times how often it is gone through */
};

/* False if it is over these limits, or if that cannot be told. Whether it is a hash is not asked.
 */
bool crypt_cost_fits(struct slice hash);

#endif
