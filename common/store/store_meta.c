/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store_meta.h"

#include <string.h>

#include "store/seal.h"

/* Stored: do not renumber. */
enum item {
    ITEM_POLICY = 0x01,       /* kinds 4, iterations 4 */
    ITEM_EXTRA_REALM = 0x02,  /* text */
    ITEM_DECOY_SECRET = 0x03, /* 32 bytes */
    ITEM_SEALS = 0x04,        /* 8 */
    ITEM_GROUP = 0x05,        /* 4 */
    ITEM_CLASS = 0x06,        /* count 8, then iterations 4 and length of salt 1 for each hash */
    ITEM_SKIPPABLE = 0x80,
    ITEM_TICKET_KEY = 0x81, /* 32 */
};

enum {
    MAGIC_SIZE = 16,
    CLEAR_SIZE = MAGIC_SIZE + 4 + STORE_ID_SIZE + 4 + 4 + KEY_CHECK_SIZE,
    CLASS_SIZE = 8 + VERIFIER_SCRAM_HASHES * 5,
    MAX_BODY = META_MAX_VALUE - CLEAR_SIZE - SEAL_OVERHEAD,
};

_Static_assert((int)CLEAR_SIZE <= (int)SEAL_MAX_PLACE, "the clear part is the place of its seal");

static const char magic[MAGIC_SIZE] = "sasl-lmdb store\n";

enum auth_status meta_peek(struct slice value, struct store_meta *ret)
{
    struct slice found;
    struct slice store_id;
    struct slice check;

    memset(ret, 0, sizeof *ret);
    if (!slice_take(&value, MAGIC_SIZE, &found) || memcmp(found.p, magic, MAGIC_SIZE) != 0) {
        return AUTH_STORE_FOREIGN;
    }
    if (!slice_take_u32(&value, &ret->format)) {
        return AUTH_STORE_DAMAGED;
    }
    if (ret->format != META_FORMAT) {
        return AUTH_STORE_FOREIGN;
    }
    if (!slice_take(&value, STORE_ID_SIZE, &store_id) || !slice_take_u32(&value, &ret->table) ||
        !slice_take_u32(&value, &ret->key_id) || !slice_take(&value, KEY_CHECK_SIZE, &check)) {
        return AUTH_STORE_DAMAGED;
    }
    memcpy(ret->store_id, store_id.p, STORE_ID_SIZE);
    memcpy(ret->check, check.p, KEY_CHECK_SIZE);
    return AUTH_OK;
}

/* By what a class is, not by how many are in it. */
static int compare_classes(const struct store_class *a, const struct store_class *b)
{
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if (a->scram[i].iterations != b->scram[i].iterations) {
            return a->scram[i].iterations < b->scram[i].iterations ? -1 : 1;
        }
        if (a->scram[i].salt_len != b->scram[i].salt_len) {
            return a->scram[i].salt_len < b->scram[i].salt_len ? -1 : 1;
        }
    }
    return 0;
}

bool meta_same_class(const struct store_class *a, const struct store_class *b)
{
    return compare_classes(a, b) == 0;
}

static bool take_policy(struct slice value, struct verifier_policy *ret)
{
    return slice_take_u32(&value, &ret->kinds) && (ret->kinds & ~(uint32_t)VERIFIER_DEFAULT) == 0 &&
           slice_take_u32(&value, &ret->iterations) && ret->iterations > 0 &&
           ret->iterations <= VERIFIER_MAX_ITERATIONS && value.n == 0;
}

static bool take_extra_realm(struct slice value, struct verifier_policy *ret)
{
    if (ret->n_extra_realms >= VERIFIER_MAX_EXTRA_REALMS || value.n == 0 ||
        value.n >= sizeof ret->extra_realm[0] || slice_find(value, 0, NULL)) {
        return false;
    }
    memcpy(ret->extra_realm[ret->n_extra_realms], value.p, value.n);
    ret->n_extra_realms++;
    return true;
}

static bool take_class(struct slice value, struct store_meta *ret)
{
    struct store_class class = {0};

    if (ret->n_classes >= META_MAX_CLASSES || value.n != CLASS_SIZE ||
        !slice_take_u64(&value, &class.count) || class.count == 0) {
        return false;
    }
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        uint32_t *iterations = &class.scram[i].iterations;
        uint8_t *salt_len = &class.scram[i].salt_len;

        if (!slice_take_u32(&value, iterations) || !slice_take_u8(&value, salt_len) ||
            *iterations > VERIFIER_MAX_ITERATIONS || *salt_len > VERIFIER_MAX_SALT ||
            (*iterations == 0) != (*salt_len == 0)) {
            return false;
        }
    }
    if (ret->n_classes > 0 && compare_classes(&ret->classes[ret->n_classes - 1], &class) >= 0) {
        return false;
    }
    ret->classes[ret->n_classes] = class;
    ret->n_classes++;
    return true;
}

/* A bit for each item that must be there exactly once. */
enum { SEEN_POLICY = 1, SEEN_DECOY_SECRET = 2, SEEN_SEALS = 4, SEEN_ALL = 7 };

static bool see(unsigned *seen, unsigned bit)
{
    bool first = (*seen & bit) == 0;

    *seen |= bit;
    return first;
}

static bool take_item(uint8_t type, struct slice value, struct store_meta *ret, unsigned *seen)
{
    uint32_t group;

    switch (type) {
    case ITEM_POLICY:
        return see(seen, SEEN_POLICY) && take_policy(value, &ret->policy);
    case ITEM_EXTRA_REALM:
        return take_extra_realm(value, &ret->policy);
    case ITEM_DECOY_SECRET:
        if (!see(seen, SEEN_DECOY_SECRET) || value.n != sizeof ret->decoy_secret) {
            return false;
        }
        memcpy(ret->decoy_secret, value.p, value.n);
        return true;
    case ITEM_SEALS:
        return see(seen, SEEN_SEALS) && slice_take_u64(&value, &ret->seals) && value.n == 0;
    case ITEM_GROUP:
        if (ret->have_group || !slice_take_u32(&value, &group) || value.n != 0) {
            return false;
        }
        ret->have_group = true;
        ret->group = group;
        return true;
    case ITEM_CLASS:
        return take_class(value, ret);
    case ITEM_TICKET_KEY:
        if (ret->have_ticket_key || value.n != sizeof ret->ticket_key) {
            return false;
        }
        ret->have_ticket_key = true;
        memcpy(ret->ticket_key, value.p, value.n);
        return true;
    default:
        return type >= ITEM_SKIPPABLE;
    }
}

static bool take_body(struct slice body, struct store_meta *ret)
{
    struct slice value;
    unsigned seen = 0;
    uint8_t type;
    uint16_t n;

    while (body.n > 0) {
        if (!slice_take_u8(&body, &type) || !slice_take_u16(&body, &n) ||
            !slice_take(&body, n, &value) || !take_item(type, value, ret, &seen)) {
            return false;
        }
    }
    return seen == SEEN_ALL;
}

enum auth_status meta_open(const struct key *key, struct slice value, struct store_meta *ret)
{
    uint8_t body[MAX_BODY];
    struct seal_header header;
    size_t n = 0;
    enum auth_status status = meta_peek(value, ret);

    if (status == AUTH_OK) {
        struct slice clear = slice_of(value.p, CLEAR_SIZE);
        struct slice sealed = slice_of(value.p + CLEAR_SIZE, value.n - CLEAR_SIZE);

        status = seal_open(SEAL_META, key, clear, sealed, &header, body, sizeof body, &n);
        if (status == AUTH_KEY_WRONG) {
            /* The seal names another key than the clear part, which was found by its check. */
            status = AUTH_STORE_DAMAGED;
        }
    }
    if (status == AUTH_OK && !take_body(slice_of(body, n), ret)) {
        status = AUTH_STORE_DAMAGED;
    }
    crypto_wipe(body, n);
    if (status != AUTH_OK) {
        crypto_wipe(ret, sizeof *ret);
    }
    return status;
}

static void put_item(struct buf *b, enum item type, size_t n)
{
    buf_put_u8(b, (uint8_t)type);
    buf_put_u16(b, (uint16_t)n);
}

static void put_body(const struct store_meta *meta, struct buf *b)
{
    put_item(b, ITEM_POLICY, 8);
    buf_put_u32(b, meta->policy.kinds);
    buf_put_u32(b, meta->policy.iterations);
    for (unsigned i = 0; i < meta->policy.n_extra_realms; i++) {
        const char *realm = meta->policy.extra_realm[i];

        put_item(b, ITEM_EXTRA_REALM, strlen(realm));
        buf_put_str(b, realm);
    }
    put_item(b, ITEM_DECOY_SECRET, sizeof meta->decoy_secret);
    buf_put(b, meta->decoy_secret, sizeof meta->decoy_secret);
    put_item(b, ITEM_SEALS, 8);
    buf_put_u64(b, meta->seals);
    if (meta->have_group) {
        put_item(b, ITEM_GROUP, 4);
        buf_put_u32(b, (uint32_t)meta->group);
    }
    if (meta->have_ticket_key) {
        put_item(b, ITEM_TICKET_KEY, sizeof meta->ticket_key);
        buf_put(b, meta->ticket_key, sizeof meta->ticket_key);
    }
    for (unsigned i = 0; i < meta->n_classes; i++) {
        put_item(b, ITEM_CLASS, CLASS_SIZE);
        buf_put_u64(b, meta->classes[i].count);
        for (size_t j = 0; j < VERIFIER_SCRAM_HASHES; j++) {
            buf_put_u32(b, meta->classes[i].scram[j].iterations);
            buf_put_u8(b, meta->classes[i].scram[j].salt_len);
        }
    }
}

enum auth_status meta_put(const struct key *key, struct store_meta *meta, struct buf *ret)
{
    const struct seal_header header = {.flags = 0};
    size_t start = ret->n;
    struct buf body;

    if (meta->seals >= META_MAX_SEALS) {
        return AUTH_STORE_FULL;
    }
    meta->seals++;
    meta->key_id = key->id;
    memcpy(meta->check, key->check, sizeof meta->check);
    buf_put(ret, magic, sizeof magic);
    buf_put_u32(ret, META_FORMAT);
    buf_put(ret, meta->store_id, sizeof meta->store_id);
    buf_put_u32(ret, meta->table);
    buf_put_u32(ret, meta->key_id);
    buf_put(ret, meta->check, sizeof meta->check);
    enum auth_status status = buf_status(ret);
    if (status != AUTH_OK) {
        return status;
    }
    uint8_t clear[CLEAR_SIZE];
    memcpy(clear, ret->p + start, sizeof clear);
    buf_init(&body, MAX_BODY);
    put_body(meta, &body);
    status = buf_status(&body);
    if (status == AUTH_OK) {
        status =
            seal_put(SEAL_META, key, slice_of(clear, sizeof clear), &header, buf_slice(&body), ret);
    }
    buf_release(&body);
    return status;
}

unsigned meta_scram_kind(size_t slot)
{
    static const unsigned kinds[VERIFIER_SCRAM_HASHES] = {
        VERIFIER_SCRAM_SHA_1, VERIFIER_SCRAM_SHA_256, VERIFIER_SCRAM_SHA_512};

    return kinds[slot];
}

uint64_t meta_accounts(const struct store_meta *meta)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < meta->n_classes; i++) {
        n += meta->classes[i].count;
    }
    return n;
}

struct store_class meta_class_of(const struct verifier_set *set)
{
    struct store_class class = {.count = 1};

    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if (set->scram[i].iterations != 0) {
            class.scram[i].iterations = set->scram[i].iterations;
            class.scram[i].salt_len = set->scram[i].salt_len;
        }
    }
    return class;
}

static struct store_class *largest_class(struct store_meta *meta)
{
    struct store_class *largest = &meta->classes[0];

    for (unsigned i = 1; i < meta->n_classes; i++) {
        if (meta->classes[i].count > largest->count) {
            largest = &meta->classes[i];
        }
    }
    return largest;
}

/* The index of a class, or where it would have to be put in. */
static unsigned place_of(const struct store_meta *meta, const struct store_class *class)
{
    unsigned i = 0;

    while (i < meta->n_classes && compare_classes(&meta->classes[i], class) < 0) {
        i++;
    }
    return i;
}

static bool is_there(const struct store_meta *meta, unsigned i, const struct store_class *class)
{
    return i < meta->n_classes && compare_classes(&meta->classes[i], class) == 0;
}

static void count_one_less(struct store_meta *meta, const struct store_class *class)
{
    unsigned i = place_of(meta, class);

    if (meta->n_classes == 0) {
        return;
    }
    if (!is_there(meta, i, class)) {
        /* It came as a seventeenth and was counted with the largest. */
        i = (unsigned)(largest_class(meta) - meta->classes);
    }
    meta->classes[i].count--;
    if (meta->classes[i].count == 0) {
        meta->n_classes--;
        memmove(&meta->classes[i], &meta->classes[i + 1],
                (meta->n_classes - i) * sizeof meta->classes[0]);
    }
}

static void count_one_more(struct store_meta *meta, const struct store_class *class)
{
    unsigned i = place_of(meta, class);

    if (is_there(meta, i, class)) {
        meta->classes[i].count++;
    } else if (meta->n_classes == META_MAX_CLASSES) {
        largest_class(meta)->count++;
    } else {
        memmove(&meta->classes[i + 1], &meta->classes[i],
                (meta->n_classes - i) * sizeof meta->classes[0]);
        meta->classes[i] = *class;
        meta->classes[i].count = 1;
        meta->n_classes++;
    }
}

void meta_recount(struct store_meta *meta, const struct store_class *old,
                  const struct store_class *now)
{
    if (old != NULL) {
        count_one_less(meta, old);
    }
    if (now != NULL) {
        count_one_more(meta, now);
    }
}
