/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sasldb, the password file of Cyrus SASL: keys are user NUL realm NUL property. Of an account's
 * properties userPassword is the password, and makes the others needless; without it (saslpasswd2
 * -n) authPassword and the secrets of CRAM-MD5, DIGEST-MD5 and PLAIN are kept as they are.
 *
 * The file itself is read by sasldb_file.c; here arrives the text of db_dump(1), in either of its
 * formats, or of gdbm_dump(1). Such a text may also be imported by itself, having been made on
 * another host. Accounts are counted in the order of their names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "import_source.h"
#include "sasldb_file.h"

/* A place in the memory that holds all keys and values. */
struct span {
    size_t at;
    size_t n;
};

struct item {
    struct span user;
    struct span realm;
    struct span property;
    struct span value;
};

struct sasldb {
    struct buf bytes;
    struct item *items;
    size_t n;
    size_t capacity;
    size_t next; /* the first item of the next account */
    uint64_t accounts;
};

enum dump_format { DUMP_BYTES, DUMP_PRINT, DUMP_GDBM };

static struct slice slice_of_span(const struct sasldb *db, struct span span)
{
    return slice_of(db->bytes.p + span.at, span.n);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_hex_byte(struct slice *s, uint8_t *ret)
{
    struct slice digits;
    if (!slice_take(s, 2, &digits) || hex_digit(digits.p[0]) < 0 || hex_digit(digits.p[1]) < 0) {
        return false;
    }
    *ret = (uint8_t)(hex_digit(digits.p[0]) * 16 + hex_digit(digits.p[1]));
    return true;
}

/* Appends the bytes of a line: all hexadecimal, or text with "\\" and "\xx". */
static bool decode_line(struct slice line, enum dump_format format, struct buf *ret)
{
    while (line.n > 0) {
        uint8_t byte = 0;
        bool escaped = format == DUMP_BYTES || slice_take_literal(&line, "\\");
        if (escaped && format == DUMP_PRINT && slice_take_literal(&line, "\\")) {
            byte = '\\';
        } else if (escaped ? !take_hex_byte(&line, &byte) : !slice_take_byte(&line, &byte)) {
            return false;
        }
        buf_put_byte(ret, byte);
    }
    return true;
}

static enum auth_status not_a_dump(struct detail *why)
{
    return detail_set(why, AUTH_MALFORMED,
                      "neither a sasldb nor what db_dump or gdbm_dump make of one");
}

/* Up to HEADER=END; db_dump says its format there, and gdbm_dump shows itself in line 1. */
static enum auth_status read_header(struct import_source *source, enum dump_format *ret,
                                    struct detail *why)
{
    struct slice line = slice_of(NULL, 0);
    bool version = false;
    *ret = DUMP_BYTES;
    for (;;) {
        enum auth_status status = import_next_line(source, &line);
        if (status != AUTH_OK) {
            return import_is_fatal(status) ? status : not_a_dump(why);
        }
        struct slice rest = line;
        if (source->last == 1 && slice_take_literal(&rest, "# GDBM dump file")) {
            *ret = DUMP_GDBM;
            return AUTH_OK;
        }
        version = version || slice_equal_str(line, "VERSION=3");
        if (!version) {
            return not_a_dump(why);
        }
        if (slice_equal_str(line, "format=print")) {
            *ret = DUMP_PRINT;
        }
        if (slice_equal_str(line, "HEADER=END")) {
            return AUTH_OK;
        }
    }
}

/* The next key or value in db_dump's text. AUTH_CONTINUE behind the last one. */
static enum auth_status next_db(struct import_source *source, enum dump_format format,
                                struct buf *bytes, struct detail *why)
{
    struct slice line = slice_of(NULL, 0);
    enum auth_status status = import_next_line(source, &line);
    if (status == AUTH_CONTINUE) {
        return detail_set(why, AUTH_MALFORMED, "the dump is cut off");
    }
    if (status != AUTH_OK) {
        return status;
    }
    if (slice_equal_str(line, "DATA=END")) {
        return AUTH_CONTINUE;
    }
    return slice_take_literal(&line, " ") && decode_line(line, format, bytes) ? AUTH_OK
                                                                              : not_a_dump(why);
}

/* The same in gdbm_dump's: "#:len=N", then base64 over several lines up to the next "#". */
static enum auth_status next_gdbm(struct import_source *source, struct buf *bytes,
                                  struct detail *why)
{
    struct slice line = slice_of(NULL, 0);
    enum auth_status status = AUTH_OK;
    uint32_t length = 0;
    bool found = false;
    while (!found) {
        status = import_next_line(source, &line);
        if (status != AUTH_OK) {
            return status == AUTH_CONTINUE ? detail_set(why, AUTH_MALFORMED, "the dump is cut off")
                                           : status;
        }
        if (slice_equal_str(line, "# End of data")) {
            return AUTH_CONTINUE;
        }
        found = slice_take_literal(&line, "#:len=") &&
                slice_take_decimal(&line, IMPORT_LONG_LINE_MAX, &length);
    }
    /* Base64 has four characters for three bytes, the last ones padded. */
    const size_t characters = ((size_t)length + 2) / 3 * 4;
    buf_clear(&source->text);
    while (source->text.n < characters) {
        status = import_next_line(source, &line);
        if (status != AUTH_OK) {
            return import_is_fatal(status) ? status : not_a_dump(why);
        }
        buf_put_slice(&source->text, line);
        if (line.n == 0 || buf_status(&source->text) != AUTH_OK) {
            return not_a_dump(why);
        }
    }
    const size_t before = bytes->n;
    uint8_t *place = buf_extend(bytes, length);
    size_t n = 0;
    if (place == NULL) {
        return buf_status(bytes);
    }
    status = crypto_base64_take(buf_slice(&source->text), place, length, &n);
    buf_truncate(bytes, before + n);
    return status == AUTH_OK && n == length ? AUTH_OK : not_a_dump(why);
}

static enum auth_status next_bytes(struct import_source *source, struct sasldb *db,
                                   enum dump_format format, struct span *ret, struct detail *why)
{
    ret->at = db->bytes.n;
    enum auth_status status = format == DUMP_GDBM ? next_gdbm(source, &db->bytes, why)
                                                  : next_db(source, format, &db->bytes, why);
    if (buf_status(&db->bytes) != AUTH_OK) {
        return AUTH_NO_MEMORY;
    }
    ret->n = db->bytes.n - ret->at;
    return status;
}

/* Both parts behind a NUL are there, or it is no key of a sasldb. */
static bool take_key(const struct sasldb *db, struct span key, struct item *ret)
{
    struct slice rest = slice_of_span(db, key);
    struct slice user;
    struct slice realm;
    if (!slice_take_until(&rest, '\0', &user) || !slice_take_until(&rest, '\0', &realm)) {
        return false;
    }
    ret->user = (struct span){key.at, user.n};
    ret->realm = (struct span){key.at + user.n + 1, realm.n};
    ret->property = (struct span){key.at + key.n - rest.n, rest.n};
    return true;
}

static bool add_item(struct sasldb *db, const struct item *item)
{
    enum { FIRST_CAPACITY = 256 };
    if (db->n == db->capacity) {
        size_t capacity = db->capacity == 0 ? FIRST_CAPACITY : 2 * db->capacity;
        struct item *grown = reallocarray(db->items, capacity, sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        db->items = grown;
        db->capacity = capacity;
    }
    db->items[db->n++] = *item;
    return true;
}

static enum auth_status read_items(struct import_source *source, struct sasldb *db,
                                   struct detail *why)
{
    enum dump_format format;
    enum auth_status status = read_header(source, &format, why);
    while (status == AUTH_OK) {
        struct item item;
        struct span key;
        status = next_bytes(source, db, format, &key, why);
        if (status == AUTH_CONTINUE) {
            return AUTH_OK;
        }
        if (status == AUTH_OK) {
            status = next_bytes(source, db, format, &item.value, why);
        }
        if (status == AUTH_CONTINUE) {
            return not_a_dump(why);
        }
        if (status == AUTH_OK && !take_key(db, key, &item)) {
            status = detail_set(why, AUTH_MALFORMED, "a key that is none of a sasldb");
        }
        if (status == AUTH_OK && !add_item(db, &item)) {
            status = AUTH_NO_MEMORY;
        }
    }
    return status;
}

static int compare_slices(struct slice a, struct slice b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_account(const void *a, const void *b, void *ctx)
{
    const struct sasldb *db = ctx;
    const struct item *left = a;
    const struct item *right = b;
    int order = compare_slices(slice_of_span(db, left->realm), slice_of_span(db, right->realm));
    if (order == 0) {
        order = compare_slices(slice_of_span(db, left->user), slice_of_span(db, right->user));
    }
    return order;
}

static enum auth_status begin(struct import_source *source, struct detail *why)
{
    struct sasldb *db = calloc(1, sizeof *db);
    if (db == NULL) {
        return AUTH_NO_MEMORY;
    }
    source->state = db;
    buf_init(&db->bytes, LINE_READER_MEMORY);
    enum auth_status status = read_items(source, db, why);
    if (status == AUTH_OK && db->n > 1) {
        qsort_r(db->items, db->n, sizeof db->items[0], by_account, db);
    }
    source->last = 0;
    return status;
}

static bool take_exact(struct slice value, uint8_t *ret, size_t n)
{
    if (value.n != n) {
        return false;
    }
    memcpy(ret, value.p, n);
    return true;
}

/* H(user ":" realm ":" password), and both are spelt as they are kept here. */
static bool take_digest(struct slice value, bool same_name, struct verifier_set *set)
{
    if (!same_name || !take_exact(value, set->digest[0].ha1, sizeof set->digest[0].ha1)) {
        return false;
    }
    set->digest[0].realm_kind = DIGEST_REALM_OWN;
    set->n_digest = 1;
    return true;
}

/* False if it is a property of ours and cannot be used. */
static bool take_property(struct slice property, struct slice value, bool same_name,
                          struct import_entry *ret)
{
    struct verifier_set *set = &ret->record.verifiers;
    if (slice_equal_str(property, "userPassword")) {
        ret->password = value;
    } else if (slice_equal_str(property, "authPassword")) {
        struct scram_verifier scram;
        if (verifier_take_rfc5803(value, &scram) != AUTH_OK) {
            return false;
        }
        set->scram[verifier_scram_slot(scram.hash)] = scram;
        crypto_wipe(&scram, sizeof scram);
    } else if (slice_equal_str(property, "cmusaslsecretCRAM-MD5")) {
        set->has_cram = take_exact(value, set->cram, sizeof set->cram);
        return set->has_cram;
    } else if (slice_equal_str(property, "cmusaslsecretDIGEST-MD5")) {
        return take_digest(value, same_name, set);
    } else if (slice_equal_str(property, "cmusaslsecretPLAIN")) {
        set->has_checkpass = take_exact(value, set->checkpass, sizeof set->checkpass);
        return set->has_checkpass;
    }
    return true;
}

static enum auth_status next(struct import_source *source, struct import_entry *ret,
                             struct detail *why)
{
    struct sasldb *db = source->state;
    if (db->next == db->n) {
        return AUTH_CONTINUE;
    }
    if (*source->interrupted != 0) {
        return AUTH_UNAVAILABLE;
    }
    const struct item *first = &db->items[db->next];
    const struct slice user = slice_of_span(db, first->user);
    const struct slice realm = slice_of_span(db, first->realm);
    source->first = ++db->accounts;
    source->last = source->first;

    enum auth_status named = import_take_name(source, user, realm, &ret->record.who, why);
    bool same_name = named == AUTH_OK && slice_equal_str(user, ret->record.who.user) &&
                     slice_equal_str(realm, ret->record.who.realm);
    bool usable = true;
    while (db->next < db->n && by_account(first, &db->items[db->next], db) == 0) {
        const struct item *item = &db->items[db->next++];
        usable = take_property(slice_of_span(db, item->property), slice_of_span(db, item->value),
                               same_name, ret) &&
                 usable;
    }
    if (named != AUTH_OK) {
        return named;
    }
    if (ret->password.p != NULL) {
        memset(&ret->record.verifiers, 0, sizeof ret->record.verifiers);
        return import_check_password(ret->password, why);
    }
    if (verifier_kinds(&ret->record.verifiers) == 0) {
        return detail_set(why, AUTH_NO_VERIFIER, "%s",
                          usable ? "it has neither a password nor a secret of a mechanism here"
                                 : "its secrets are of the wrong form, or for another spelling of "
                                   "its name");
    }
    return AUTH_OK;
}

static void end(struct import_source *source)
{
    struct sasldb *db = source->state;
    if (db != NULL) {
        buf_release(&db->bytes);
        free(db->items);
        free(db);
    }
}

const struct import_format import_sasldb = {
    .name = "sasldb",
    .unit = "account",
    .line_max = IMPORT_LONG_LINE_MAX,
    .load = sasldb_file_read,
    .begin = begin,
    .next = next,
    .end = end,
};
