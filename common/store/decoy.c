/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/decoy.h"

#include <string.h>

#include "base/crypto.h"

enum {
    SPELLINGS_OF_A_REALM = 2, /* user, user@realm */
    OWN_AND_EMPTY_REALM = 2,
    POINT_BITS = 32,
    DRAWN = 32, /* bytes of an HMAC with SHA-256, and of a digest of it */
    EVERYBODY = VERIFIER_SCRAM_HASHES,
};

_Static_assert((int)VERIFIER_NEW_SALT <= (int)DRAWN, "a digest has room for a usual salt");

static unsigned kinds_of(const struct store_class *class)
{
    unsigned all = 0;

    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        all |= class->scram[i].iterations != 0 ? meta_scram_kind(i) : 0;
    }
    return all;
}

/* part / total in units of 2^-32, rounded down; part is at most total. */
static uint64_t share_of(uint64_t part, uint64_t total)
{
    while (total > UINT32_MAX) {
        total >>= 1;
        part >>= 1;
    }
    return (part << POINT_BITS) / total;
}

/* What an account made by the store's policy shows; for each hash, since any may be asked for. */
static struct store_class class_of_policy(const struct verifier_policy *policy)
{
    struct store_class class = {0};

    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        class.scram[i].iterations = policy->iterations;
        class.scram[i].salt_len = VERIFIER_NEW_SALT;
    }
    return class;
}

/* Accounts of a class that have one hash, or, with slot EVERYBODY, all of them. */
static uint64_t accounts_with(const struct store_class *class, size_t slot)
{
    return slot == EVERYBODY || class->scram[slot].iterations != 0 ? class->count : 0;
}

/* The shares among those. The policy's class, behind them, has what nobody has. */
static void share_out(const struct store_meta *meta, size_t slot, uint64_t *ret_below)
{
    uint64_t total = 0;
    uint64_t sum = 0;

    for (unsigned i = 0; i < meta->n_classes; i++) {
        total += accounts_with(&meta->classes[i], slot);
    }
    for (unsigned i = 0; i < meta->n_classes; i++) {
        sum += accounts_with(&meta->classes[i], slot);
        ret_below[i] = total == 0 ? 0 : share_of(sum, total);
    }
    ret_below[meta->n_classes] = UINT64_C(1) << POINT_BITS;
}

enum auth_status decoy_plan_make(const struct store_meta *meta, struct decoy_plan *ret)
{
    memset(ret, 0, sizeof *ret);
    memcpy(ret->secret, meta->decoy_secret, sizeof ret->secret);
    memcpy(ret->classes, meta->classes, meta->n_classes * sizeof meta->classes[0]);
    ret->classes[meta->n_classes] = class_of_policy(&meta->policy);
    for (size_t slot = 0; slot <= EVERYBODY; slot++) {
        share_out(meta, slot, ret->below[slot]);
    }
    ret->n = meta->n_classes + 1;
    ret->policy_kinds = meta->policy.kinds & VERIFIER_SCRAM;
    ret->n_digest = SPELLINGS_OF_A_REALM * (OWN_AND_EMPTY_REALM + meta->policy.n_extra_realms);
    return crypto_hkdf(slice_of(ret->secret, sizeof ret->secret), slice_of(NULL, 0),
                       slice_str("sasl-lmdb 1 decoy keys"), ret->keys, sizeof ret->keys);
}

/* The index of a class. */
static unsigned pick(const struct decoy_plan *plan, size_t slot, uint32_t point)
{
    unsigned i = 0;

    while (i + 1 < plan->n && point >= plan->below[slot][i]) {
        i++;
    }
    return i;
}

/*
 * From what was drawn for the name, by a one-way function: a salt is shown and must not tell the
 * name's points, which are the front of it.
 */
static enum auth_status make_salt(const struct decoy_plan *plan, size_t slot,
                                  const uint8_t drawn[DRAWN], struct scram_verifier *ret)
{
    const uint8_t which = (uint8_t)slot;
    const struct slice parts[] = {slice_of(drawn, DRAWN), slice_of(&which, 1)};
    uint8_t bytes[DRAWN + 1];
    enum auth_status status;

    if (ret->salt_len <= DRAWN) {
        status = crypto_digest(CRYPTO_SHA256, parts, 2, bytes);
        if (status == AUTH_OK) {
            memcpy(ret->salt, bytes, ret->salt_len);
        }
    } else {
        memcpy(bytes, drawn, DRAWN);
        bytes[DRAWN] = which;
        status = crypto_hkdf(slice_of(plan->secret, sizeof plan->secret), slice_of(NULL, 0),
                             slice_of(bytes, sizeof bytes), ret->salt, ret->salt_len);
    }
    crypto_wipe(bytes, sizeof bytes);
    return status;
}

/* A number that the name is drawn by, big-endian as in the whole format. */
static uint32_t point_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           (uint32_t)bytes[3];
}

static enum auth_status make_one(const struct decoy_plan *plan, size_t slot,
                                 const uint8_t drawn[DRAWN], const struct store_class *class,
                                 uint32_t elsewhere, struct scram_verifier *ret)
{
    const struct store_class *other = &plan->classes[pick(plan, slot, elsewhere)];

    if (class->scram[slot].iterations == 0) {
        class = other;
    }
    memset(ret, 0, sizeof *ret);
    ret->hash = verifier_scram_hash(slot);
    ret->iterations = class->scram[slot].iterations;
    ret->salt_len = class->scram[slot].salt_len;
    memcpy(ret->stored_key, plan->keys, sizeof ret->stored_key);
    memcpy(ret->server_key, plan->keys, sizeof ret->server_key);
    return make_salt(plan, slot, drawn, ret);
}

enum auth_status decoy_make(const struct decoy_plan *plan, const struct identity *who,
                            const struct store_class *own, unsigned wanted, struct decoy_set *ret,
                            unsigned *ret_kinds)
{
    const struct slice parts[] = {slice_of(who->user, strlen(who->user) + 1),
                                  slice_str(who->realm)};
    uint8_t drawn[DRAWN];
    enum auth_status status =
        crypto_hmac(CRYPTO_SHA256, slice_of(plan->secret, sizeof plan->secret), parts, 2, drawn);

    if (status != AUTH_OK) {
        return status;
    }
    /* The one says which account it stands for, the other what is shown where that has no hash. */
    const unsigned drawn_class = pick(plan, EVERYBODY, point_at(drawn));
    const uint32_t elsewhere = point_at(drawn + sizeof elsewhere);
    const struct store_class *class = own != NULL ? own : &plan->classes[drawn_class];
    for (size_t slot = 0; status == AUTH_OK && slot < VERIFIER_SCRAM_HASHES; slot++) {
        if ((wanted & meta_scram_kind(slot)) != 0) {
            status = make_one(plan, slot, drawn, class, elsewhere, &ret->scram[slot]);
        }
    }
    const bool nobody_has_it = own == NULL && drawn_class + 1 == plan->n;
    *ret_kinds = nobody_has_it ? plan->policy_kinds : kinds_of(class);
    crypto_wipe(drawn, sizeof drawn);
    return status;
}
