/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_command.h"

#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/shell_word.h"
#include "tool.h"

enum { TEXT_MAX = 16 * 1024, ESCAPED_MAX = 4 * TEXT_MAX };

/* A control character of its own makes whatever it gets into unusable as well. */
static const char unusable[] = "\n";
const char doctor_command_unheld[] = "\n\v";

/* Where a shell's next argument begins. */
static bool begins_argument(const struct buf *b, bool inside)
{
    size_t n = b->n;
    if (inside && n > 0) {
        n--; /* the quote */
    }
    return n == 0 || b->p[n - 1] == ' ';
}

/* Puts a word where a shell reads it, inside single quotes or outside of any. */
static void put_quoted(struct buf *b, const char *word, bool inside)
{
    bool plain = shell_word_is_plain(word);
    if (*word == '-' && begins_argument(b, inside)) {
        buf_put_str(b, unusable);
    }
    if (!plain && !inside) {
        buf_put_byte(b, '\'');
    }
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            buf_put_str(b, "'\\''");
        } else {
            buf_put_byte(b, (uint8_t)*word);
        }
    }
    if (!plain && !inside) {
        buf_put_byte(b, '\'');
    }
}

/* A command that was cut would be another one. */
static const char *finish(struct arena *arena, struct buf *b, bool command)
{
    if (buf_status(b) == AUTH_NO_MEMORY) {
        arena->lost = true;
    }
    const char *text =
        command && buf_status(b) != AUTH_OK ? unusable : arena_copy(arena, buf_slice(b));
    buf_release(b);
    if (!command || doctor_command_is_usable(text)) {
        return text;
    }
    return strstr(text, doctor_command_unheld) != NULL ? doctor_command_unheld : unusable;
}

const char *doctor_fill(struct arena *arena, const char *text,
                        const char *const words[DOCTOR_WORDS_MAX], bool command)
{
    struct buf b;
    bool inside = false;
    buf_init(&b, TEXT_MAX);
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            inside = !inside;
        }
        if (*text != '%' || text[1] == '\0') {
            buf_put_byte(&b, (uint8_t)*text);
            continue;
        }
        text++;
        bool raw = *text == 'r';
        text += raw;
        if (*text < '1' || *text > '9') {
            buf_put_byte(&b, (uint8_t)*text);
            continue;
        }
        const char *word = words[*text - '1'];
        if (word != NULL && command && !raw) {
            put_quoted(&b, word, inside);
        } else {
            buf_put_str(&b, word == NULL ? "" : word);
        }
    }
    return finish(arena, &b, command);
}

const char *doctor_command(struct arena *arena, const char *text, ...)
{
    const char *words[DOCTOR_WORDS_MAX] = {NULL};
    const char *word = NULL;
    va_list args;
    va_start(args, text);
    for (size_t i = 0; i < DOCTOR_WORDS_MAX && (word = va_arg(args, const char *)) != NULL; i++) {
        words[i] = word;
    }
    va_end(args);
    return doctor_fill(arena, text, words, true);
}

bool doctor_command_is_usable(const char *command)
{
    struct buf b;
    buf_init(&b, ESCAPED_MAX);
    report_escape(&b, slice_str(command));
    bool usable = buf_status(&b) == AUTH_OK && slice_equal_str(buf_slice(&b), command);
    buf_release(&b);
    return usable;
}

const char *doctor_escaped(struct arena *arena, const char *text, const char *special)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    for (; *text != '\0'; text++) {
        if (strchr(special, *text) != NULL) {
            buf_put_byte(&b, '\\');
        }
        buf_put_byte(&b, (uint8_t)*text);
    }
    return finish(arena, &b, true);
}
