/* SPDX-License-Identifier: BSD-2-Clause */
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moment.h"

static const struct {
    unsigned kind;
    const char *name;
} kind_names[] = {
    {VERIFIER_SCRAM_SHA_1, "SCRAM-SHA-1"},
    {VERIFIER_SCRAM_SHA_256, "SCRAM-SHA-256"},
    {VERIFIER_SCRAM_SHA_512, "SCRAM-SHA-512"},
    {VERIFIER_CRAM_MD5, "CRAM-MD5"},
    {VERIFIER_DIGEST_MD5, "DIGEST-MD5"},
    {VERIFIER_CHECKPASS_MD5, "checkpass"},
    {VERIFIER_CRYPT, "crypt"},
};
enum { KINDS = sizeof kind_names / sizeof kind_names[0] };

enum { TEXT_MAX = 256 }; /* bytes of any of the short texts below */

enum auth_status view_init(struct view *view, const struct record *record)
{
    const struct verifier_set *verifiers = &record->verifiers;
    *view = (struct view){
        .user = strdup(record->who.user),
        .realm = strdup(record->who.realm),
        .kinds = verifier_kinds(verifiers),
        .flags = record->flags,
        .created = record->created,
        .changed = record->changed,
        .expires = record->expires,
    };
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        view->iterations[i] = verifiers->scram[i].iterations;
    }
    if (view->user == NULL || view->realm == NULL) {
        view_release(view);
        return AUTH_NO_MEMORY;
    }
    return AUTH_OK;
}

void view_release(struct view *view)
{
    free(view->user);
    free(view->realm);
    *view = (struct view){.user = NULL};
}

const char *view_class(unsigned kinds)
{
    if ((kinds & VERIFIER_LEGACY) != 0) {
        return "legacy";
    }
    return (kinds & VERIFIER_SCRAM) != 0 ? "strict" : "crypt";
}

void view_put_kinds(struct buf *b, unsigned kinds, const char *separator)
{
    bool first = true;
    for (size_t i = 0; i < KINDS; i++) {
        if ((kinds & kind_names[i].kind) == 0) {
            continue;
        }
        if (!first) {
            buf_put_str(b, separator);
        }
        buf_put_str(b, kind_names[i].name);
        first = false;
    }
    if (first) {
        buf_put_byte(b, '-');
    }
}

/* Words that stand for several. */
struct kind_word {
    const char *word;
    unsigned kinds;
};

static unsigned kind_by_name(struct slice name, const struct kind_word *words)
{
    for (; words->word != NULL; words++) {
        if (slice_equal_nocase(name, slice_str(words->word))) {
            return words->kinds;
        }
    }
    for (size_t i = 0; i < KINDS; i++) {
        if (slice_equal_nocase(name, slice_str(kind_names[i].name))) {
            return kind_names[i].kind;
        }
    }
    return 0;
}

static bool take_kinds(struct slice text, const struct kind_word *words, unsigned allowed,
                       unsigned *ret, struct slice *ret_bad)
{
    unsigned kinds = 0;
    bool more = true;
    while (more) {
        struct slice name;
        slice_take_run(&text, ',', &name);
        more = slice_take_literal(&text, ",");
        unsigned kind = kind_by_name(name, words);
        if (kind == 0 || (kind & ~allowed) != 0) {
            *ret_bad = name;
            return false;
        }
        kinds |= kind;
    }
    *ret = kinds;
    return true;
}

/* crypt(3) hashes come from elsewhere and cannot be asked for. */
bool view_take_kinds(struct slice text, unsigned *ret, struct slice *ret_bad)
{
    static const struct kind_word words[] = {
        {"default", VERIFIER_DEFAULT}, {"strict", VERIFIER_SCRAM}, {NULL, 0}};
    return take_kinds(text, words, VERIFIER_DEFAULT, ret, ret_bad);
}

bool view_take_held_kinds(struct slice text, unsigned *ret, struct slice *ret_bad)
{
    static const struct kind_word words[] = {{"legacy", VERIFIER_LEGACY}, {NULL, 0}};
    return take_kinds(text, words, VERIFIER_DEFAULT | VERIFIER_CRYPT, ret, ret_bad);
}

uint32_t view_iterations(const struct view *view)
{
    uint32_t least = 0;
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        uint32_t n = view->iterations[i];
        if (n != 0 && (least == 0 || n < least)) {
            least = n;
        }
    }
    return least;
}

static bool is_expired(const struct view *view, int64_t now)
{
    return view->expires != 0 && view->expires <= now;
}

void view_put_flags(struct buf *b, const struct view *view, int64_t now)
{
    bool disabled = (view->flags & RECORD_DISABLED) != 0;
    bool expired = is_expired(view, now);
    buf_put_str(b, disabled ? "disabled" : "");
    buf_put_str(b, disabled && expired ? "," : "");
    buf_put_str(b, expired ? "expired" : "");
    buf_put_str(b, disabled || expired ? "" : "-");
}

static json_t *time_json(int64_t when)
{
    if (when == 0) {
        return json_null();
    }
    struct buf text;
    buf_init(&text, TEXT_MAX);
    moment_put(&text, when);
    json_t *value = json_string(buf_text(&text));
    buf_release(&text);
    return value;
}

json_t *view_kinds_json(unsigned kinds)
{
    json_t *names = json_array();
    for (size_t i = 0; i < KINDS; i++) {
        if ((kinds & kind_names[i].kind) != 0) {
            json_array_append_new(names, json_string(kind_names[i].name));
        }
    }
    return names;
}

static json_t *iterations_json(const struct view *view)
{
    json_t *counts = json_object();
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if (view->iterations[i] != 0) {
            json_object_set_new(counts, verifier_scram_name(verifier_scram_hash(i)),
                                json_integer(view->iterations[i]));
        }
    }
    return counts;
}

json_t *view_json(const struct view *view, int64_t now)
{
    bool disabled = (view->flags & RECORD_DISABLED) != 0;
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:b, s:b, s:o, s:o, s:o}", "user", view->user,
                     "realm", view->realm, "class", view_class(view->kinds), "verifiers",
                     view_kinds_json(view->kinds), "iterations", iterations_json(view), "disabled",
                     disabled ? 1 : 0, "expired", is_expired(view, now) ? 1 : 0, "created",
                     time_json(view->created), "changed", time_json(view->changed), "expires",
                     time_json(view->expires));
}
