/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One account, and its encoding inside the seal: a list of type, length, value. Types below 0x80
 * must be understood by whoever reads them; types from 0x80 on may be skipped. So verifiers of
 * later versions fit without a second format, and an old reader refuses what it cannot honour.
 */
#ifndef SASL_LMDB_RECORD_H
#define SASL_LMDB_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/identity.h"
#include "engine/verifier.h"

enum record_flag { RECORD_DISABLED = 1 };

enum { RECORD_MAX_BODY = 3500 }; /* bytes encoded; with header, tag and key under one page */

struct record {
    struct identity who;
    uint8_t flags;   /* of enum record_flag */
    int64_t created; /* seconds since 1970-01-01 UTC */
    int64_t changed; /* the last change of the password */
    int64_t expires; /* 0: never; from this second on the account is expired */
    struct verifier_set verifiers;
};

/* AUTH_OK, AUTH_DISABLED or AUTH_EXPIRED at the time now (seconds since 1970). */
enum auth_status record_verdict(const struct record *record, int64_t now);

/*
 * Appends the sealed part (names and verifiers) to ret. Flags and times travel in the clear
 * header, see seal.h. AUTH_TOO_LONG past RECORD_MAX_BODY, AUTH_NO_MEMORY.
 */
MUST_USE enum auth_status record_encode(const struct record *record, struct buf *ret);

/*
 * The most bytes that record_encode() makes of what verifier_make() makes under this policy: with
 * the longest names, and a password that is hashed in every encoding. Past RECORD_MAX_BODY not
 * every account can be stored.
 */
size_t record_longest(const struct verifier_policy *policy);

/*
 * Decodes that part into ret->who and ret->verifiers; other members are left alone. Bounded and
 * strict: exact lengths, iterations 1..VERIFIER_MAX_ITERATIONS, no duplicate, no trailing byte,
 * names as identity_split() would accept them. AUTH_STORE_DAMAGED otherwise; *ret is wiped then.
 */
MUST_USE enum auth_status record_decode(struct slice body, struct record *ret);

#endif
