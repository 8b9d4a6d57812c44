/* SPDX-License-Identifier: BSD-2-Clause */
#include "stanza.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum {
    MAX_FILE = 4 << 20,
    MAX_VALUE = 1 << 20,
};

/* Vectors are read once by a test program: without memory there is no test. */
static void *grow(void *p, size_t n)
{
    p = realloc(p, n);
    if (p == NULL) {
        abort();
    }
    return p;
}

static char *copy_text(struct slice s)
{
    char *text = grow(NULL, s.n + 1);

    memcpy(text, s.n > 0 ? s.p : (const void *)"", s.n);
    text[s.n] = '\0';
    return text;
}

static struct slice copy_exact(struct slice s)
{
    uint8_t *p = grow(NULL, s.n > 0 ? s.n : 1);

    if (s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    return slice_of(p, s.n);
}

static bool hex_value(uint8_t c, uint8_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    if (at == NULL) {
        return false;
    }
    *ret = (uint8_t)(at - digits);
    return true;
}

static bool take_hex_byte(struct slice *s, uint8_t *ret)
{
    uint8_t high;
    uint8_t low;
    uint8_t c;

    if (!slice_take_byte(s, &c) || !hex_value(c, &high) || !slice_take_byte(s, &c) ||
        !hex_value(c, &low)) {
        return false;
    }
    *ret = (uint8_t)(high << 4 | low);
    return true;
}

/* \xHH, \\, or \{COUNT*HH} for so many times the same byte */
static bool take_escape(struct slice *s, struct buf *ret)
{
    uint32_t count = 1;
    uint8_t byte;

    if (slice_take_literal(s, "\\")) {
        buf_put_byte(ret, '\\');
        return true;
    }
    if (slice_take_literal(s, "x")) {
        if (!take_hex_byte(s, &byte)) {
            return false;
        }
    } else if (!slice_take_literal(s, "{") || !slice_take_decimal(s, MAX_VALUE, &count) ||
               !slice_take_literal(s, "*") || !take_hex_byte(s, &byte) ||
               !slice_take_literal(s, "}")) {
        return false;
    }
    uint8_t *at = buf_extend(ret, count);
    if (at != NULL) {
        memset(at, byte, count);
    }
    return at != NULL;
}

static bool decode_value(struct slice text, struct buf *ret)
{
    uint8_t byte;

    if (slice_take_literal(&text, "hex:")) {
        while (text.n > 0) {
            if (!take_hex_byte(&text, &byte)) {
                return false;
            }
            buf_put_byte(ret, byte);
        }
        return true;
    }
    while (slice_take_byte(&text, &byte)) {
        if (byte != '\\') {
            buf_put_byte(ret, byte);
        } else if (!take_escape(&text, ret)) {
            return false;
        }
    }
    return true;
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s = slice_of(s.p + 1, s.n - 1);
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

static bool add_field(struct stanza *s, struct slice line)
{
    struct slice key;
    struct buf value;
    bool ok = false;

    buf_init(&value, MAX_VALUE);
    if (!slice_take_until(&line, '=', &key) || trim(key).n == 0) {
        goto out;
    }
    line = trim(line);
    const bool none = slice_equal_str(line, "(none)");
    if (!none && !decode_value(line, &value)) {
        goto out;
    }
    if (buf_status(&value) != AUTH_OK) {
        goto out;
    }
    s->fields = grow(s->fields, (s->n + 1) * sizeof *s->fields);
    s->fields[s->n].key = copy_text(trim(key));
    s->fields[s->n].value = none ? slice_of(NULL, 0) : copy_exact(buf_slice(&value));
    s->n++;
    ok = true;
out:
    buf_release(&value);
    return ok;
}

static const struct stanza_field *find(const struct stanza *s, const char *key)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->fields[i].key, key) == 0) {
            return &s->fields[i];
        }
    }
    return NULL;
}

static bool field_number(const struct stanza *s, const char *key, uint32_t *ret)
{
    const struct stanza_field *field = find(s, key);

    if (field == NULL) {
        return false;
    }
    struct slice value = field->value;
    return slice_take_decimal(&value, UINT32_MAX, ret) && value.n == 0;
}

static bool complain(const char *name, unsigned line, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", name, line, what);
    return false;
}

static bool check(const struct stanza_file *file)
{
    uint32_t count;
    uint32_t last = 0;

    if (!field_number(&file->head, "count", &count)) {
        return complain(file->name, file->head.line, "the head has no count");
    }
    for (size_t i = 0; i < file->n; i++) {
        const struct stanza *s = &file->cases[i];
        const struct stanza_field *result = find(s, "result");
        uint32_t id;
        if (!field_number(s, "tcId", &id) || id <= last) {
            return complain(file->name, s->line, "tcId is missing or does not grow");
        }
        last = id;
        if (find(s, "comment") == NULL || find(s, "comment")->value.n == 0) {
            return complain(file->name, s->line, "no comment");
        }
        if (result == NULL || (!slice_equal_str(result->value, "valid") &&
                               !slice_equal_str(result->value, "invalid"))) {
            return complain(file->name, s->line, "result is neither valid nor invalid");
        }
    }
    if (count != file->n) {
        fprintf(stderr, "%s: %zu cases, %u expected\n", file->name, file->n, count);
        return false;
    }
    return true;
}

static bool ends_as_it_should(struct slice text)
{
    static const char end[] = "\n# end\n";
    const size_t n = sizeof end - 1;

    return text.n >= n && slice_equal_str(slice_of(text.p + text.n - n, n), end);
}

static bool parse_lines(struct stanza_file *file, struct slice text)
{
    struct stanza *open = NULL;
    bool have_head = false;
    unsigned number = 0;

    while (text.n > 0) {
        struct slice line;
        number++;
        if (!slice_take_until(&text, '\n', &line)) {
            return complain(file->name, number, "no newline at the end of the file");
        }
        if (trim(line).n == 0) {
            open = NULL;
            continue;
        }
        if (line.p[0] == '#') {
            continue;
        }
        if (open == NULL && !have_head) {
            have_head = true;
            open = &file->head;
        } else if (open == NULL) {
            file->cases = grow(file->cases, (file->n + 1) * sizeof *file->cases);
            open = &file->cases[file->n++];
            *open = (struct stanza){.n = 0};
        }
        open->line = open->n == 0 ? number : open->line;
        if (!add_field(open, line)) {
            return complain(file->name, number, "not a line of the form key = value");
        }
    }
    return true;
}

struct stanza_file *stanza_parse(const char *name, struct slice text)
{
    struct stanza_file *file = grow(NULL, sizeof *file);

    *file = (struct stanza_file){.name = copy_text(slice_str(name))};
    bool whole = ends_as_it_should(text);
    if (!whole) {
        fprintf(stderr, "%s: cut off: the last line is not \"# end\"\n", name);
    }
    if (!whole || !parse_lines(file, text) || !check(file)) {
        stanza_free(file);
        return NULL;
    }
    return file;
}

struct stanza_file *stanza_read(const char *dir, const char *name)
{
    struct stanza_file *file = NULL;
    char path[1024];

    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *in = n > 0 && (size_t)n < sizeof path ? fopen(path, "rb") : NULL;
    if (in == NULL) {
        perror(name);
        return NULL;
    }
    char *text = grow(NULL, MAX_FILE);
    size_t got = fread(text, 1, MAX_FILE, in);
    if (ferror(in) || got == MAX_FILE) {
        fprintf(stderr, "%s: cannot be read, or is too long\n", path);
    } else {
        file = stanza_parse(name, slice_of(text, got));
    }
    free(text);
    fclose(in);
    return file;
}

static void free_value(struct slice value)
{
    union {
        const void *in;
        void *out;
    } p = {value.p};

    free(p.out);
}

static void release(struct stanza *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->fields[i].key);
        free_value(s->fields[i].value);
    }
    free(s->fields);
}

void stanza_free(struct stanza_file *file)
{
    if (file == NULL) {
        return;
    }
    for (size_t i = 0; i < file->n; i++) {
        release(&file->cases[i]);
    }
    release(&file->head);
    free(file->cases);
    free(file->name);
    free(file);
}

const struct stanza_field *stanza_find(const struct stanza_file *file, const struct stanza *s,
                                       const char *key)
{
    const struct stanza_field *field = find(s, key);

    return field != NULL ? field : find(&file->head, key);
}

struct slice stanza_value(const struct stanza_file *file, const struct stanza *s, const char *key)
{
    const struct stanza_field *field = stanza_find(file, s, key);

    return field != NULL ? field->value : slice_of(NULL, 0);
}

char *stanza_text(const struct stanza_file *file, const struct stanza *s, const char *key)
{
    const struct stanza_field *field = stanza_find(file, s, key);

    return field != NULL ? copy_text(field->value) : NULL;
}

unsigned stanza_number(const struct stanza_file *file, const struct stanza *s, const char *key,
                       unsigned fallback)
{
    const struct stanza_field *field = stanza_find(file, s, key);
    uint32_t value = 0;

    if (field == NULL) {
        return fallback;
    }
    struct slice text = field->value;
    if (!slice_take_decimal(&text, UINT32_MAX, &value) || text.n != 0) {
        fprintf(stderr, "%s:%u: %s is not a number\n", file->name, s->line, key);
        abort();
    }
    return value;
}

static struct slice own_value(const struct stanza *s, const char *key)
{
    const struct stanza_field *field = find(s, key);

    return field != NULL ? field->value : slice_of(NULL, 0);
}

bool stanza_is_valid(const struct stanza *s)
{
    return slice_equal_str(own_value(s, "result"), "valid");
}

const struct stanza *stanza_case(const struct stanza_file *file, unsigned id)
{
    for (size_t i = 0; i < file->n; i++) {
        uint32_t got;
        if (field_number(&file->cases[i], "tcId", &got) && got == id) {
            return &file->cases[i];
        }
    }
    return NULL;
}

bool stanza_complain(const struct stanza_file *file, const struct stanza *s, const char *what)
{
    const struct slice id = own_value(s, "tcId");
    const struct slice comment = own_value(s, "comment");

    fprintf(stderr, "%s:%u: case %.*s (%.*s): %s\n", file->name, s->line, (int)id.n,
            (const char *)id.p, (int)comment.n, (const char *)comment.p, what);
    return false;
}
