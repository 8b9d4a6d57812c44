/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_settings.h"

#include <string.h>
#include <strings.h>

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool settings_line(struct slice *text, struct slice *ret)
{
    if (text->n == 0) {
        return false;
    }
    slice_take_run(text, '\n', ret);
    if (text->n > 0) {
        *text = slice_of(text->p + 1, text->n - 1);
    }
    return true;
}

struct slice settings_trim(struct slice text)
{
    while (text.n > 0 && is_space(text.p[0])) {
        text.p++;
        text.n--;
    }
    while (text.n > 0 && is_space(text.p[text.n - 1])) {
        text.n--;
    }
    return text;
}

bool settings_word(struct slice *list, const char *separators, struct slice *ret)
{
    struct slice word = {list->p, 0};
    while (list->n > 0 && strchr(separators, list->p[0]) != NULL && list->p[0] != '\0') {
        list->p++;
        list->n--;
    }
    word.p = list->p;
    while (list->n > 0 && (list->p[0] == '\0' || strchr(separators, list->p[0]) == NULL)) {
        list->p++;
        list->n--;
        word.n++;
    }
    *ret = word;
    return word.n > 0;
}

bool settings_list_has(const char *list, const char *word)
{
    struct slice rest = slice_str(list);
    struct slice found;
    while (settings_word(&rest, " \t,", &found)) {
        if (slice_equal_nocase(found, slice_str(word))) {
            return true;
        }
    }
    return false;
}

void settings_add(struct settings *settings, struct arena *arena, struct slice name,
                  struct slice value, unsigned line)
{
    struct setting *setting =
        settings->n >= SETTINGS_MAX ? NULL : arena_new(arena, sizeof *setting);
    if (setting == NULL) {
        return;
    }
    setting->name = arena_copy(arena, name);
    setting->value = arena_copy(arena, value);
    setting->line = line;
    setting->end = line;
    if (settings->last == NULL) {
        settings->first = setting;
    } else {
        settings->last->next = setting;
    }
    settings->last = setting;
    settings->n++;
}

const struct setting *settings_find(const struct settings *settings, const char *name)
{
    for (const struct setting *s = settings->first; s != NULL; s = s->next) {
        if (strcasecmp(s->name, name) == 0) {
            return s;
        }
    }
    return NULL;
}

const char *settings_first(const struct settings *settings, const char *name)
{
    const struct setting *setting = settings_find(settings, name);
    return setting == NULL ? NULL : setting->value;
}

const struct setting *settings_ignored(const struct settings *settings, const char *name)
{
    const struct setting *first = settings_find(settings, name);
    const struct setting *last = first;
    for (const struct setting *s = first; s != NULL; s = s->next) {
        if (strcasecmp(s->name, name) == 0) {
            last = s;
        }
    }
    return last == NULL || strcmp(last->value, first->value) == 0 ? NULL : last;
}

const char *settings_last(const struct settings *settings, const char *name)
{
    const char *value = NULL;
    for (const struct setting *s = settings->first; s != NULL; s = s->next) {
        if (strcmp(s->name, name) == 0) {
            value = s->value;
        }
    }
    return value;
}

bool settings_take_colon(struct settings *ret, struct arena *arena, struct slice line,
                         const char *file, unsigned number)
{
    const struct setting *last = ret->last;
    struct slice name = {line.p, 0};
    size_t nul = 0;
    while (name.n < line.n && is_name(line.p[name.n])) {
        name.n++;
    }
    struct slice rest = {line.p + name.n, line.n - name.n};
    if (slice_find(line, '\0', &nul)) {
        ret->bad = "a NUL byte";
    } else if (!slice_take_literal(&rest, ":")) {
        ret->bad = arena_format(arena, "no colon after the option's name, \"%.*s\"", (int)name.n,
                                (const char *)name.p);
    } else if (settings_trim(rest).n == 0) {
        ret->bad = arena_format(arena, "the option \"%.*s\" without a value", (int)name.n,
                                (const char *)name.p);
    } else {
        settings_add(ret, arena, name, settings_trim(rest), number);
        if (ret->last != last) {
            ret->last->written = ret->last->name;
            ret->last->file = file;
        }
        return true;
    }
    ret->bad_line = number;
    ret->bad_file = file;
    return false;
}

void settings_take_sasl(struct settings *ret, struct arena *arena, struct slice text)
{
    unsigned number = 0;
    struct slice line;
    while (settings_line(&text, &line)) {
        line = settings_trim(line);
        number++;
        if (line.n > 0 && line.p[0] != '#' &&
            !settings_take_colon(ret, arena, line, NULL, number)) {
            return;
        }
    }
}

void settings_take_shell(struct settings *ret, struct arena *arena, struct slice text)
{
    unsigned number = 0;
    struct slice line;
    while (settings_line(&text, &line)) {
        struct slice name;
        line = settings_trim(line);
        number++;
        if (slice_take_literal(&line, "export ")) {
            line = settings_trim(line);
        }
        if (line.n == 0 || line.p[0] == '#' || !slice_take_until(&line, '=', &name)) {
            continue;
        }
        if (line.n >= 2 && (line.p[0] == '"' || line.p[0] == '\'') &&
            line.p[line.n - 1] == line.p[0]) {
            line = slice_of(line.p + 1, line.n - 2);
        }
        settings_add(ret, arena, name, line, number);
    }
}

bool setting_is_on(const char *value)
{
    static const char *const on[] = {"yes", "on", "true", "t", "1"};
    for (size_t i = 0; value != NULL && i < sizeof on / sizeof on[0]; i++) {
        if (strcasecmp(value, on[i]) == 0) {
            return true;
        }
    }
    return false;
}
