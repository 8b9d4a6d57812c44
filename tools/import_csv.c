/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Comma-separated values (RFC 4180) with a header. Its columns may come in any order: one of user,
 * username, login, email, mail; one of realm, domain, or none; one of password, pass. Further
 * columns are ignored. The separator is the comma or the semicolon, whichever follows the first
 * name of the header. Fields are taken as they are, blanks included; one in quotation marks may
 * hold separators, line ends, and quotation marks written twice. Every record has as many fields
 * as the header: a password with a separator in it that nobody quoted is found and refused rather
 * than cut.
 */
#include <stdlib.h>

#include "base/crypto.h"
#include "import_source.h"

enum { COLUMNS_MAX = 256, NO_COLUMN = COLUMNS_MAX };

enum role { ROLE_USER, ROLE_REALM, ROLE_PASSWORD, ROLES };

static const struct {
    const char *name;
    enum role role;
} column_names[] = {
    {"user", ROLE_USER},    {"username", ROLE_USER},     {"login", ROLE_USER},
    {"email", ROLE_USER},   {"mail", ROLE_USER},         {"realm", ROLE_REALM},
    {"domain", ROLE_REALM}, {"password", ROLE_PASSWORD}, {"pass", ROLE_PASSWORD},
};

struct csv {
    uint8_t separator; /* 0: the header has not been seen */
    size_t n_columns;
    size_t column[ROLES]; /* NO_COLUMN: there is none */
    size_t n_fields;      /* of the record at hand */
    struct slice field[COLUMNS_MAX];
    struct buf user; /* where quotation marks had to be taken out */
    struct buf realm;
};

/* Where the text of a record stands when it ends. */
enum csv_end { CSV_COMPLETE, CSV_OPEN_QUOTE, CSV_STRAY_QUOTE, CSV_TOO_MANY };

/*
 * escaped = DQUOTE *(TEXTDATA / COMMA / CR / LF / 2DQUOTE) DQUOTE (RFC 4180 2). *ret is what stands
 * between the outer quotation marks.
 */
static enum csv_end take_quoted(struct slice *rest, struct slice *ret)
{
    const struct slice start = *rest;
    uint8_t c = 0;
    while (slice_take_byte(rest, &c)) {
        if (c != '"') {
            continue;
        }
        if (!slice_take_literal(rest, "\"")) {
            *ret = slice_of(start.p, start.n - rest->n - 1);
            return CSV_COMPLETE;
        }
    }
    return CSV_OPEN_QUOTE;
}

/* Splits a record into fields; they point into it, quotation marks still doubled. */
static enum csv_end split(struct csv *csv, struct slice rest)
{
    bool more = true;
    csv->n_fields = 0;
    while (more) {
        struct slice field;
        if (csv->n_fields == COLUMNS_MAX) {
            return CSV_TOO_MANY;
        }
        if (slice_take_literal(&rest, "\"")) {
            enum csv_end end = take_quoted(&rest, &field);
            if (end != CSV_COMPLETE) {
                return end;
            }
            if (rest.n != 0 && rest.p[0] != csv->separator) {
                return CSV_STRAY_QUOTE;
            }
        } else {
            slice_take_run(&rest, csv->separator, &field);
            if (slice_find(field, '"', NULL)) {
                return CSV_STRAY_QUOTE;
            }
        }
        csv->field[csv->n_fields++] = field;
        more = slice_take(&rest, 1, NULL);
    }
    return CSV_COMPLETE;
}

/* The header decides; a byte-order mark in front of it, as spreadsheets put it, is no part of it.
 */
static void take_separator(struct csv *csv, struct slice *header)
{
    static const char mark[] = "\xef\xbb\xbf";
    (void)!slice_take_literal(header, mark);
    bool quoted = false;
    csv->separator = ',';
    for (size_t i = 0; i < header->n; i++) {
        uint8_t c = header->p[i];
        quoted = quoted != (c == '"');
        if (!quoted && (c == ',' || c == ';')) {
            csv->separator = c;
            break;
        }
    }
}

static enum auth_status fault(enum csv_end end, struct detail *why)
{
    if (end == CSV_TOO_MANY) {
        return detail_set(why, AUTH_MALFORMED, "more than %d fields", COLUMNS_MAX);
    }
    return detail_set(why, AUTH_MALFORMED,
                      "a quotation mark in a field that does not stand in quotation marks, or text "
                      "behind the closing one");
}

/*
 * The next record, put together in source->text. A fault inside a record spoils the lines read for
 * it so far and no more. A line without a quotation mark cannot close one.
 */
static enum auth_status next_record(struct import_source *source, struct csv *csv,
                                    struct detail *why)
{
    enum csv_end end = CSV_OPEN_QUOTE;
    struct slice line = slice_of(NULL, 0);
    buf_clear(&source->text);
    for (bool first = true; end == CSV_OPEN_QUOTE; first = false) {
        enum auth_status status = import_next_line(source, &line);
        if (first) {
            source->first = source->last;
        }
        if (status == AUTH_CONTINUE && !first) {
            return detail_set(why, AUTH_MALFORMED, "a quotation mark is not closed");
        }
        if (status != AUTH_OK) {
            return status;
        }
        if (csv->separator == 0) {
            take_separator(csv, &line);
        }
        if (!first) {
            buf_put_byte(&source->text, '\n');
        }
        buf_put_slice(&source->text, line);
        status = buf_status(&source->text);
        if (status != AUTH_OK) {
            return status;
        }
        if (first || slice_find(line, '"', NULL)) {
            end = split(csv, import_without_cr(buf_slice(&source->text)));
        }
    }
    return end == CSV_COMPLETE ? AUTH_OK : fault(end, why);
}

/* Quotation marks of fields may stand twice; *ret points into the record or into out. */
static void unquote(struct slice field, struct buf *out, struct slice *ret)
{
    if (!slice_find(field, '"', NULL)) {
        *ret = field;
        return;
    }
    buf_clear(out);
    while (field.n > 0) {
        struct slice run;
        slice_take_run(&field, '"', &run);
        buf_put_slice(out, run);
        if (slice_take_literal(&field, "\"")) {
            buf_put_byte(out, '"');
            (void)!slice_take_literal(&field, "\"");
        }
    }
    *ret = buf_slice(out);
}

static void take_column(struct csv *csv, size_t column)
{
    for (size_t i = 0; i < sizeof column_names / sizeof column_names[0]; i++) {
        enum role role = column_names[i].role;
        if (slice_equal_nocase(csv->field[column], slice_str(column_names[i].name)) &&
            csv->column[role] == NO_COLUMN) {
            csv->column[role] = column;
        }
    }
}

static enum auth_status read_header(struct import_source *source, struct csv *csv,
                                    struct detail *why)
{
    enum auth_status status = next_record(source, csv, why);
    if (status != AUTH_OK) {
        return status == AUTH_CONTINUE
                   ? detail_set(
                         why, AUTH_MALFORMED,
                         "no header: line 1 has to name the columns user, realm and password")
                   : status;
    }
    csv->n_columns = csv->n_fields;
    for (size_t i = 0; i < csv->n_columns; i++) {
        take_column(csv, i);
    }
    if (csv->column[ROLE_USER] == NO_COLUMN || csv->column[ROLE_PASSWORD] == NO_COLUMN) {
        return detail_set(why, AUTH_MALFORMED,
                          "the header names no column \"user\" or no column \"password\"");
    }
    return AUTH_OK;
}

static enum auth_status begin(struct import_source *source, struct detail *why)
{
    struct csv *csv = calloc(1, sizeof *csv);
    if (csv == NULL) {
        return AUTH_NO_MEMORY;
    }
    source->state = csv;
    buf_init(&csv->user, IMPORT_LINE_MAX);
    buf_init(&csv->realm, IMPORT_LINE_MAX);
    for (size_t i = 0; i < ROLES; i++) {
        csv->column[i] = NO_COLUMN;
    }
    return read_header(source, csv, why);
}

static enum auth_status take_account(struct import_source *source, struct csv *csv,
                                     struct import_entry *ret, struct detail *why)
{
    struct buf *const out[ROLES] = {&csv->user, &csv->realm, &source->password};
    struct slice value[ROLES] = {{NULL, 0}};
    for (size_t i = 0; i < ROLES; i++) {
        if (csv->column[i] != NO_COLUMN) {
            unquote(csv->field[csv->column[i]], out[i], &value[i]);
            if (buf_status(out[i]) != AUTH_OK) {
                return buf_status(out[i]);
            }
        }
    }
    enum auth_status status =
        import_take_name(source, value[ROLE_USER], value[ROLE_REALM], &ret->record.who, why);
    ret->password = value[ROLE_PASSWORD];
    return status == AUTH_OK ? import_check_password(ret->password, why) : status;
}

static enum auth_status next(struct import_source *source, struct import_entry *ret,
                             struct detail *why)
{
    struct csv *csv = source->state;
    enum auth_status status = AUTH_OK;
    do {
        status = next_record(source, csv, why);
    } while (status == AUTH_OK && csv->n_fields == 1 && csv->field[0].n == 0);
    if (status != AUTH_OK) {
        return status;
    }
    if (csv->n_fields != csv->n_columns) {
        return detail_set(why, AUTH_MALFORMED,
                          "%zu fields, the header has %zu (a field that holds the separator has "
                          "to stand in quotation marks)",
                          csv->n_fields, csv->n_columns);
    }
    return take_account(source, csv, ret, why);
}

static void end(struct import_source *source)
{
    struct csv *csv = source->state;
    if (csv != NULL) {
        buf_release(&csv->user);
        buf_release(&csv->realm);
        free(csv);
    }
}

const struct import_format import_csv = {
    .name = "csv",
    .unit = "line",
    .line_max = IMPORT_LINE_MAX,
    .begin = begin,
    .next = next,
    .end = end,
};
