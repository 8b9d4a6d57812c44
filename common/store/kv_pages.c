/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks at every page of the file as it lies on the disk: whether each is where it says it is, is
 * well-formed, has its keys in order, and is used once, or free and that once. LMDB itself trusts
 * all of this. Read with pread(), so that no damage leads anywhere; the pages of a read
 * transaction's moment stay as they are while it lasts.
 *
 * The format is that of LMDB 0.9 on 64-bit machines, native byte order: page header (number 8,
 * unused 2, flags 2, lower 2, upper 2), then offsets of nodes, nodes at the end. Two head pages
 * hold in turn the description of a transaction: tables 0 (free pages) and 1 (names of tables).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/kv_internal.h"

enum {
    HEAD_PAGES = 2,
    HEADER = 16,
    BRANCH = 0x01,
    LEAF = 0x02,
    OVERFLOW = 0x04,
    KINDS = 0x7f,
    NODE_HEADER = 8,
    IN_OVERFLOW = 0x01, /* flags of a node in a leaf */
    IS_TABLE = 0x02,
    MAX_DEPTH = 16,
    HEAD_MAGIC_AT = HEADER,
    HEAD_TABLES_AT = HEADER + 24,
    TABLE_SIZE = 48,
    HEAD_LAST_AT = HEAD_TABLES_AT + 2 * TABLE_SIZE,
    HEAD_TXN_AT = HEAD_LAST_AT + 8,
};

#define HEAD_MAGIC UINT32_C(0xBEEFC0DE)
#define NO_PAGE UINT64_MAX

enum use { USE_FREE, USE_NAMES, USE_DATA };

/* A table's description, in the place of the value in which LMDB keeps it. */
struct table {
    uint16_t depth;
    uint64_t branch;
    uint64_t leaf;
    uint64_t overflow;
    uint64_t entries;
    uint64_t root;
};

struct walk {
    struct kv_txn *txn;
    size_t size; /* of a page */
    uint64_t all;
    uint8_t *seen;   /* a bit for each page */
    uint8_t *levels; /* MAX_DEPTH pages */
    enum use use;
    struct table wanted; /* of the table being walked */
    struct table counted;
    struct kv_pages *ret;
};

struct node {
    uint64_t child; /* in a branch */
    uint16_t flags;
    struct slice key;
    struct slice value;  /* in a leaf; with IN_OVERFLOW a page number */
    uint64_t value_size; /* its real one */
};

/* Keys that everything below must lie between: from `low` on, below `high`. p NULL: no limit. */
struct range {
    struct slice low;
    struct slice high;
};

static enum auth_status damaged(const struct walk *walk, uint64_t page, const char *what)
{
    return detail_set(walk->txn->detail, AUTH_STORE_DAMAGED, "store %s, page %llu: %s",
                      walk->txn->env->path, (unsigned long long)page, what);
}

static uint16_t get16(const uint8_t *p)
{
    uint16_t value;

    memcpy(&value, p, sizeof value);
    return value;
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t value;

    memcpy(&value, p, sizeof value);
    return value;
}

static bool read_pages(const struct walk *walk, uint64_t page, uint8_t *ret, size_t n)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got =
            pread(walk->txn->env->data_fd, ret + done, n - done, (off_t)(page * walk->size + done));
        if (got <= 0) {
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

/* Notes that n pages are in use, or free. */
static enum auth_status mark(struct walk *walk, uint64_t page, uint64_t n)
{
    if (page < HEAD_PAGES || page >= walk->all || n > walk->all - page) {
        return damaged(walk, page, "there is no such page");
    }
    for (uint64_t i = page; i < page + n; i++) {
        if ((walk->seen[i / 8] & (1U << i % 8)) != 0) {
            return damaged(walk, i, "it is used twice, or used and free");
        }
        walk->seen[i / 8] |= (uint8_t)(1U << i % 8);
    }
    return AUTH_OK;
}

static int compare(enum use use, struct slice a, struct slice b)
{
    if (use == USE_FREE) {
        uint64_t x = get64(a.p);
        uint64_t y = get64(b.p);

        return (x > y) - (x < y);
    }
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static size_t count_nodes(const uint8_t *page)
{
    return (size_t)(get16(page + 12) - HEADER) / 2;
}

static enum auth_status check_header(struct walk *walk, uint64_t number, const uint8_t *page,
                                     uint16_t kind)
{
    uint16_t lower = get16(page + 12);
    uint16_t upper = get16(page + 14);

    if (get64(page) != number) {
        return damaged(walk, number, "it says that it is another page");
    }
    if ((get16(page + 10) & KINDS) != kind) {
        return damaged(walk, number, "it is of another kind than it should be");
    }
    if (lower < HEADER + 2 || lower % 2 != 0 || lower > upper || upper > walk->size) {
        return damaged(walk, number, "its bounds are wrong");
    }
    return AUTH_OK;
}

/* The i-th node. False if it does not lie within the page's used part. */
static bool take_node(const struct walk *walk, const uint8_t *page, size_t i, struct node *ret)
{
    size_t at = get16(page + HEADER + 2 * i);
    bool is_leaf = (get16(page + 10) & LEAF) != 0;

    if (at < get16(page + 14) || at + NODE_HEADER > walk->size) {
        return false;
    }
    uint64_t low = get16(page + at) | (uint64_t)get16(page + at + 2) << 16;
    size_t n_key = get16(page + at + 6);
    size_t room = walk->size - at - NODE_HEADER;
    ret->flags = get16(page + at + 4);
    if (n_key > room) {
        return false;
    }
    ret->key = slice_of(page + at + NODE_HEADER, n_key);
    ret->child = low | (uint64_t)ret->flags << 32;
    ret->value = slice_of(NULL, 0);
    ret->value_size = low;
    if (is_leaf) {
        size_t n = (ret->flags & IN_OVERFLOW) != 0 ? sizeof(uint64_t) : (size_t)low;

        if (n > room - n_key) {
            return false;
        }
        ret->value = slice_of(page + at + NODE_HEADER + n_key, n);
    }
    return true;
}

/* In order within the page, and within what the pages above say. The first key of a branch is
 * not looked at by anybody. */
static bool in_order(const struct walk *walk, const struct node *node, const struct slice *before,
                     const struct range *range, bool skip)
{
    if (walk->use == USE_FREE && node->key.n != sizeof(uint64_t) && !skip) {
        return false;
    }
    return skip || ((before == NULL || compare(walk->use, *before, node->key) < 0) &&
                    (range->low.p == NULL || compare(walk->use, range->low, node->key) <= 0) &&
                    (range->high.p == NULL || compare(walk->use, node->key, range->high) < 0));
}

static void take_table(const uint8_t *p, struct table *ret)
{
    ret->depth = get16(p + 6);
    ret->branch = get64(p + 8);
    ret->leaf = get64(p + 16);
    ret->overflow = get64(p + 24);
    ret->entries = get64(p + 32);
    ret->root = get64(p + 40);
}

/* A list of free pages: its length, then numbers from the largest down. */
static enum auth_status take_free_list(struct walk *walk, uint64_t page, struct slice list)
{
    uint64_t n = list.n >= sizeof n ? get64(list.p) : 0;
    enum auth_status status = AUTH_OK;

    if (list.n < sizeof n || list.n % sizeof n != 0 || n >= list.n / sizeof n) {
        return damaged(walk, page, "it holds a list of free pages that is none");
    }
    for (uint64_t i = 1; status == AUTH_OK && i <= n; i++) {
        uint64_t number = get64(list.p + i * sizeof n);

        if (i > 1 && number >= get64(list.p + (i - 1) * sizeof n)) {
            return damaged(walk, page, "its list of free pages is out of order");
        }
        status = mark(walk, number, 1);
    }
    walk->ret->unused += n;
    return status;
}

/* A value too long for a leaf lies in pages of its own. */
static enum auth_status walk_overflow(struct walk *walk, uint64_t number, uint64_t size)
{
    uint64_t pages = (HEADER - 1 + size) / walk->size + 1;
    enum auth_status status = mark(walk, number, pages);

    if (status != AUTH_OK) {
        return status;
    }
    uint8_t *value = malloc(pages * walk->size);
    if (value == NULL) {
        return AUTH_NO_MEMORY;
    }
    if (!read_pages(walk, number, value, pages * walk->size)) {
        status = damaged(walk, number, "it cannot be read");
    } else if (get64(value) != number || (get16(value + 10) & KINDS) != OVERFLOW ||
               (get16(value + 12) | (uint64_t)get16(value + 14) << 16) != pages) {
        status = damaged(walk, number, "its header is not that of a long value");
    } else if (walk->use == USE_FREE) {
        status = take_free_list(walk, number, slice_of(value + HEADER, (size_t)size));
    }
    walk->counted.overflow += pages;
    free(value);
    return status;
}

static enum auth_status walk_table(struct walk *walk, const struct table *table, enum use use,
                                   unsigned level);

static enum auth_status walk_value(struct walk *walk, uint64_t page, const struct node *node,
                                   unsigned level)
{
    if (walk->use == USE_NAMES) {
        struct walk outer = *walk;
        struct table table;

        if (node->flags != IS_TABLE || node->value.n != TABLE_SIZE) {
            return damaged(walk, page, "it holds something else than a table's description");
        }
        take_table(node->value.p, &table);
        enum auth_status status = walk_table(walk, &table, USE_DATA, level + 1);
        walk->use = outer.use;
        walk->wanted = outer.wanted;
        walk->counted = outer.counted;
        return status;
    }
    if (node->flags == IN_OVERFLOW) {
        return walk_overflow(walk, get64(node->value.p), node->value_size);
    }
    if (node->flags != 0) {
        return damaged(walk, page, "a node has flags nobody uses");
    }
    return walk->use == USE_FREE ? take_free_list(walk, page, node->value) : AUTH_OK;
}

static enum auth_status walk_page(struct walk *walk, uint64_t number, unsigned depth,
                                  unsigned level, const struct range *range)
{
    bool is_leaf = depth == walk->wanted.depth;
    enum auth_status status = mark(walk, number, 1);

    if (status == AUTH_OK && level >= MAX_DEPTH) {
        status = damaged(walk, number, "it lies too deep");
    }
    if (status != AUTH_OK) {
        return status;
    }
    uint8_t *page = walk->levels + level * walk->size;
    if (!read_pages(walk, number, page, walk->size)) {
        return damaged(walk, number, "it cannot be read");
    }
    status = check_header(walk, number, page, is_leaf ? LEAF : BRANCH);
    size_t n = status == AUTH_OK ? count_nodes(page) : 0;
    struct node node;
    struct node next = {.key = {NULL, 0}};
    struct slice before = {NULL, 0};
    for (size_t i = 0; status == AUTH_OK && i < n; i++) {
        bool skip = !is_leaf && i == 0;

        if (!take_node(walk, page, i, &node) ||
            (i + 1 < n && !take_node(walk, page, i + 1, &next))) {
            status = damaged(walk, number, "a node lies outside of it");
        } else if (!in_order(walk, &node, i > (is_leaf ? 0U : 1U) ? &before : NULL, range, skip)) {
            status = damaged(walk, number, "its keys are out of order");
        } else if (is_leaf) {
            walk->counted.entries++;
            status = walk_value(walk, number, &node, level);
        } else {
            const struct range below = {skip ? range->low : node.key,
                                        i + 1 < n ? next.key : range->high};

            status = walk_page(walk, node.child, depth + 1, level + 1, &below);
        }
        before = node.key;
    }
    if (is_leaf) {
        walk->counted.leaf++;
    } else {
        walk->counted.branch++;
    }
    return status;
}

static enum auth_status walk_table(struct walk *walk, const struct table *table, enum use use,
                                   unsigned level)
{
    static const struct range everything = {{NULL, 0}, {NULL, 0}};
    enum auth_status status = AUTH_OK;

    walk->use = use;
    walk->wanted = *table;
    walk->counted = (struct table){.depth = table->depth, .root = table->root};
    if (table->root != NO_PAGE && table->depth == 0) {
        return damaged(walk, table->root, "the description of its table is wrong");
    }
    if (table->root != NO_PAGE) {
        status = walk_page(walk, table->root, 1, level, &everything);
    }
    const struct table *counted = &walk->counted;
    walk->ret->used += counted->branch + counted->leaf + counted->overflow;
    if (status == AUTH_OK &&
        (counted->branch != table->branch || counted->leaf != table->leaf ||
         counted->overflow != table->overflow || counted->entries != table->entries)) {
        status = damaged(walk, table->root, "the sums of its table are wrong");
    }
    return status;
}

/* The head page of this transaction. False if somebody has written over it by now. */
static bool read_head(struct walk *walk, uint8_t *ret)
{
    uint32_t magic = 0;

    for (uint64_t i = 0; i < HEAD_PAGES; i++) {
        if (read_pages(walk, i, ret, walk->size)) {
            memcpy(&magic, ret + HEAD_MAGIC_AT, sizeof magic);
            if (magic == HEAD_MAGIC && get64(ret + HEAD_TXN_AT) == lmdb_txn_id(walk->txn)) {
                return true;
            }
        }
    }
    return false;
}

static enum auth_status walk_file(struct walk *walk, const uint8_t *head)
{
    struct table table;

    take_table(head + HEAD_TABLES_AT, &table);
    enum auth_status status = walk_table(walk, &table, USE_FREE, 0);
    if (status == AUTH_OK) {
        take_table(head + HEAD_TABLES_AT + TABLE_SIZE, &table);
        status = walk_table(walk, &table, USE_NAMES, 0);
    }
    for (uint64_t i = HEAD_PAGES; status == AUTH_OK && i < walk->all; i++) {
        if ((walk->seen[i / 8] & (1U << i % 8)) == 0) {
            status = damaged(walk, i, "it is neither used nor free");
        }
    }
    return status;
}

enum auth_status kv_check_pages(struct kv_txn *txn, struct kv_pages *ret)
{
    struct walk walk = {.txn = txn, .size = txn->env->page_size, .ret = ret};
    enum auth_status status = AUTH_OK;
    uint8_t *head = malloc(walk.size);

    memset(ret, 0, sizeof *ret);
    walk.levels = malloc(MAX_DEPTH * walk.size);
    if (head == NULL || walk.levels == NULL) {
        status = AUTH_NO_MEMORY;
    } else if (read_head(&walk, head)) {
        ret->page_size = walk.size;
        ret->used = HEAD_PAGES;
        ret->all = walk.all = get64(head + HEAD_LAST_AT) + 1;
        /* What lies behind the end of the file kv_read() has refused already. */
        walk.seen = ret->all <= txn->file_size / walk.size ? calloc(ret->all / 8 + 1, 1) : NULL;
        status = walk.seen == NULL ? damaged(&walk, ret->all, "the file ends before it")
                                   : walk_file(&walk, head);
    }
    free(walk.seen);
    free(walk.levels);
    free(head);
    return status;
}
