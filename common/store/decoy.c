/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/decoy.h"

#include <string.h>

#include "base/crypto.h"

enum {
    SPELLINGS_OF_A_REALM = 2, /* user, user@realm */
    OWN_AND_EMPTY_REALM = 2,
    POINT_BITS = 32,
    DRAWN = 32, /* bytes of an HMAC with SHA-256, and of a digest of it */
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

/* The mix of one hash, or, with slot VERIFIER_SCRAM_HASHES, of all accounts. */
static void mix_make(const struct store_meta *meta, size_t slot, struct decoy_mix *ret)
{
    bool whole = slot == VERIFIER_SCRAM_HASHES;
    uint64_t total = 0;
    uint64_t sum = 0;

    for (unsigned i = 0; i < meta->n_classes; i++) {
        if (whole || meta->classes[i].scram[slot].iterations != 0) {
            total += meta->classes[i].count;
        }
    }
    ret->n = 0;
    for (unsigned i = 0; i < meta->n_classes; i++) {
        const struct store_class *class = &meta->classes[i];

        if (!whole && class->scram[slot].iterations == 0) {
            continue;
        }
        sum += class->count;
        ret->shares[ret->n] = (struct decoy_share){
            .below = share_of(sum, total),
            .iterations = whole ? 0 : class->scram[slot].iterations,
            .salt_len = whole ? 0 : class->scram[slot].salt_len,
            .kinds = (uint8_t)kinds_of(class),
        };
        ret->n++;
    }
    if (ret->n == 0) {
        ret->shares[0] = (struct decoy_share){
            .below = UINT64_C(1) << POINT_BITS,
            .iterations = meta->policy.iterations,
            .salt_len = VERIFIER_NEW_SALT,
            .kinds = (uint8_t)(meta->policy.kinds & VERIFIER_SCRAM),
        };
        ret->n = 1;
    }
}

enum auth_status decoy_plan_make(const struct store_meta *meta, struct decoy_plan *ret)
{
    memset(ret, 0, sizeof *ret);
    memcpy(ret->secret, meta->decoy_secret, sizeof ret->secret);
    for (size_t slot = 0; slot < VERIFIER_SCRAM_HASHES; slot++) {
        mix_make(meta, slot, &ret->scram[slot]);
    }
    mix_make(meta, VERIFIER_SCRAM_HASHES, &ret->whole);
    ret->n_digest = SPELLINGS_OF_A_REALM * (OWN_AND_EMPTY_REALM + meta->policy.n_extra_realms);
    return crypto_hkdf(slice_of(ret->secret, sizeof ret->secret), slice_of(NULL, 0),
                       slice_str("sasl-lmdb 1 decoy keys"), ret->keys, sizeof ret->keys);
}

static const struct decoy_share *pick(const struct decoy_mix *mix, uint32_t point)
{
    unsigned i = 0;

    while (i + 1 < mix->n && point >= mix->shares[i].below) {
        i++;
    }
    return &mix->shares[i];
}

/*
 * From what was drawn for the name, by a one-way function: a salt is shown and must not tell the
 * name's point, which is the front of it.
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

static enum auth_status make_one(const struct decoy_plan *plan, size_t slot,
                                 const uint8_t drawn[DRAWN], uint32_t point,
                                 struct scram_verifier *ret)
{
    const struct decoy_share *share = pick(&plan->scram[slot], point);

    memset(ret, 0, sizeof *ret);
    ret->hash = verifier_scram_hash(slot);
    ret->iterations = share->iterations;
    ret->salt_len = share->salt_len;
    memcpy(ret->stored_key, plan->keys, sizeof ret->stored_key);
    memcpy(ret->server_key, plan->keys, sizeof ret->server_key);
    return make_salt(plan, slot, drawn, ret);
}

enum auth_status decoy_make(const struct decoy_plan *plan, const struct identity *who,
                            unsigned wanted, struct decoy_set *ret, unsigned *ret_kinds)
{
    const struct slice parts[] = {slice_of(who->user, strlen(who->user) + 1),
                                  slice_str(who->realm)};
    uint8_t drawn[DRAWN];
    enum auth_status status =
        crypto_hmac(CRYPTO_SHA256, slice_of(plan->secret, sizeof plan->secret), parts, 2, drawn);

    if (status != AUTH_OK) {
        return status;
    }
    uint32_t point = (uint32_t)drawn[0] << 24 | (uint32_t)drawn[1] << 16 | (uint32_t)drawn[2] << 8 |
                     (uint32_t)drawn[3];
    for (size_t slot = 0; status == AUTH_OK && slot < VERIFIER_SCRAM_HASHES; slot++) {
        if ((wanted & meta_scram_kind(slot)) != 0) {
            status = make_one(plan, slot, drawn, point, &ret->scram[slot]);
        }
    }
    *ret_kinds = pick(&plan->whole, point)->kinds;
    crypto_wipe(drawn, sizeof drawn);
    return status;
}
