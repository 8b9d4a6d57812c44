/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe_smtp.h"

#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "deadline.h"

enum {
    CODE_DIGITS = 3,
    TEXT_MAX = 256 * 1024, /* bytes of a whole reply */
    COMMAND_MAX = 2048,
};

enum auth_status probe_smtp_open(struct probe_smtp *smtp, const char *host, const char *port,
                                 struct detail *detail)
{
    smtp->start = smtp->end = 0;
    smtp->code = 0;
    smtp->mask_proofs = false;
    buf_init(&smtp->text, TEXT_MAX);
    buf_init(&smtp->lines, TEXT_MAX);
    buf_init(&smtp->shown, PROBE_LINE_MAX);
    return probe_link_open(&smtp->link, host, port, deadline_in(smtp->timeout), detail);
}

void probe_smtp_close(struct probe_smtp *smtp)
{
    probe_link_close(&smtp->link);
    buf_release(&smtp->text);
    buf_release(&smtp->lines);
    buf_release(&smtp->shown);
    crypto_wipe(smtp->buffer, sizeof smtp->buffer);
}

/* One line without its end, valid until the next read. */
static enum auth_status read_line(struct probe_smtp *smtp, int64_t deadline, struct slice *ret,
                                  struct detail *detail)
{
    size_t looked = smtp->start;
    for (;;) {
        size_t at = 0;
        if (slice_find(slice_of(smtp->buffer + looked, smtp->end - looked), '\n', &at)) {
            at += looked;
            size_t n = at - smtp->start;
            if (n > 0 && smtp->buffer[at - 1] == '\r') {
                n--;
            }
            *ret = slice_of(smtp->buffer + smtp->start, n);
            smtp->start = at + 1;
            return AUTH_OK;
        }
        memmove(smtp->buffer, smtp->buffer + smtp->start, smtp->end - smtp->start);
        smtp->end -= smtp->start;
        smtp->start = 0;
        looked = smtp->end;
        if (smtp->end == sizeof smtp->buffer) {
            return detail_set(detail, AUTH_MALFORMED,
                              "does not speak SMTP: a line of more than %d bytes", PROBE_LINE_MAX);
        }
        size_t n = 0;
        enum auth_status status =
            probe_link_read(&smtp->link, smtp->buffer + smtp->end, sizeof smtp->buffer - smtp->end,
                            deadline, &n, detail);
        if (status != AUTH_OK) {
            return status;
        }
        if (n == 0) {
            return detail_set(detail, AUTH_UNAVAILABLE, "the server closed the connection");
        }
        smtp->end += n;
    }
}

/* RFC 5321 4.2: three digits, a hyphen if another line follows, a space or the end if none does. */
static bool take_code(struct slice *line, int *ret_code, bool *ret_last)
{
    struct slice digits;
    int code = 0;
    uint8_t separator = ' ';
    if (!slice_take(line, CODE_DIGITS, &digits)) {
        return false;
    }
    for (size_t i = 0; i < CODE_DIGITS; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9') {
            return false;
        }
        code = code * 10 + (digits.p[i] - '0');
    }
    if (line->n > 0 && !slice_take_byte(line, &separator)) {
        return false;
    }
    *ret_code = code;
    *ret_last = separator == ' ';
    return (separator == ' ' || separator == '-') && code >= 200 && code < 600;
}

/* What follows the code, or the whole line where there is none. */
static struct slice words_of(struct slice line)
{
    struct slice rest = line;
    int code = 0;
    bool last = false;
    return take_code(&rest, &code, &last) ? rest : line;
}

/* A secret may begin in one line and end in the next. */
static bool is_secret(const struct probe_smtp *smtp)
{
    struct slice lines = buf_slice(&smtp->lines);
    struct slice line;
    struct buf joined;
    buf_init(&joined, TEXT_MAX);
    bool found = false;
    while (!found && slice_take_until(&lines, '\n', &line)) {
        buf_put_slice(&joined, words_of(line));
        found = probe_mask_finds(smtp->mask, line);
    }
    found =
        found || buf_status(&joined) != AUTH_OK || probe_mask_finds(smtp->mask, buf_slice(&joined));
    buf_release(&joined);
    return found;
}

/* A line as the report may have it: the code, and what is no secret. */
static void put_masked(struct probe_smtp *smtp, bool secret, struct slice line)
{
    const struct slice words = words_of(line);
    struct slice code = slice_of(line.p, line.n - words.n);
    buf_clear(&smtp->shown);
    buf_put_slice(&smtp->shown, code);
    if (secret && words.n > 0) {
        buf_put_str(&smtp->shown, "(hidden, for it repeats what was sent)");
    } else if (smtp->mask_proofs && words.n > 0 && slice_take_literal(&code, "334")) {
        buf_put_str(&smtp->shown, PROBE_MASK_STARS);
    } else if (smtp->mask_proofs) {
        probe_mask_put(&smtp->shown, words);
    } else {
        buf_put_slice(&smtp->shown, words);
    }
}

/* The lines that have come, whether these are the whole reply or not. */
static void report_lines(struct probe_smtp *smtp)
{
    struct slice lines = buf_slice(&smtp->lines);
    struct slice line;
    const bool secret = is_secret(smtp);
    while (slice_take_until(&lines, '\n', &line)) {
        put_masked(smtp, secret, line);
        if (!smtp->quiet) {
            probe_report_line(smtp->report, 'S', buf_slice(&smtp->shown));
        }
    }
}

static enum auth_status read_reply(struct probe_smtp *smtp, bool *ret_smtp, struct detail *detail)
{
    const int64_t deadline = deadline_in(smtp->timeout);
    bool last = false;
    buf_clear(&smtp->text);
    buf_clear(&smtp->lines);
    for (unsigned lines = 0; !last; lines++) {
        struct slice line = slice_of(NULL, 0);
        enum auth_status status = read_line(smtp, deadline, &line, detail);
        if (status != AUTH_OK) {
            return status;
        }
        buf_put_slice(&smtp->lines, line);
        buf_put_byte(&smtp->lines, '\n');
        int code = 0;
        *ret_smtp = take_code(&line, &code, &last) && (lines == 0 || code == smtp->code) &&
                    lines < PROBE_REPLY_LINES;
        if (!*ret_smtp) {
            return AUTH_MALFORMED;
        }
        smtp->code = code;
        buf_put_slice(&smtp->text, line);
        buf_put_byte(&smtp->text, '\n');
    }
    enum auth_status status = buf_status(&smtp->text);
    return status == AUTH_OK ? buf_status(&smtp->lines) : status;
}

enum auth_status probe_smtp_reply(struct probe_smtp *smtp, struct detail *detail)
{
    bool is_smtp = true;
    enum auth_status status = read_reply(smtp, &is_smtp, detail);
    report_lines(smtp);
    return is_smtp ? status
                   : detail_set(detail, AUTH_MALFORMED, "does not speak SMTP: \"%.100s\"",
                                buf_text(&smtp->shown));
}

static enum auth_status send_line(struct probe_smtp *smtp, struct buf *line, struct detail *detail)
{
    buf_put_str(line, "\r\n");
    enum auth_status status = buf_status(line);
    if (status == AUTH_OK) {
        status = probe_link_write(&smtp->link, buf_slice(line), deadline_in(smtp->timeout), detail);
    }
    buf_release(line);
    return status == AUTH_OK ? probe_smtp_reply(smtp, detail) : status;
}

enum auth_status probe_smtp_command(struct probe_smtp *smtp, const char *line,
                                    struct detail *detail)
{
    struct buf text;
    buf_init(&text, COMMAND_MAX);
    buf_put_str(&text, line);
    if (!smtp->quiet) {
        probe_report_line(smtp->report, 'C', slice_str(line));
    }
    return send_line(smtp, &text, detail);
}

enum auth_status probe_smtp_auth(struct probe_smtp *smtp, const char *prefix, struct slice message,
                                 struct detail *detail)
{
    struct buf text;
    char shown[COMMAND_MAX];
    bool secret = false;
    enum auth_status status = probe_mask_add(smtp->mask, message, &secret);
    if (status != AUTH_OK) {
        return status;
    }
    smtp->mask_proofs = smtp->mask_proofs || secret;
    buf_init(&text, 2 * (size_t)PROBE_LINE_MAX);
    const char *space = *prefix != '\0' && message.p != NULL ? " " : "";
    const char *empty = *prefix != '\0' && message.p != NULL && message.n == 0 ? "=" : "";
    buf_put_str(&text, prefix);
    buf_put_str(&text, space);
    buf_put_str(&text, empty);
    crypto_base64_put(&text, message);
    snprintf(shown, sizeof shown, "%s%s%s%s", prefix, space, empty,
             message.n > 0 ? PROBE_MASK_STARS : "");
    if (!smtp->quiet) {
        probe_report_line(smtp->report, 'C', slice_str(shown));
    }
    return send_line(smtp, &text, detail);
}

enum auth_status probe_smtp_challenge(const struct probe_smtp *smtp, struct buf *ret,
                                      struct detail *detail)
{
    struct slice text = buf_slice(&smtp->text);
    struct slice line;
    size_t n = 0;
    buf_clear(ret);
    uint8_t *room = buf_extend(ret, PROBE_LINE_MAX);
    if (room == NULL) {
        return buf_status(ret);
    }
    if (!slice_take_until(&text, '\n', &line) || text.n != 0 ||
        crypto_base64_take(line, room, PROBE_LINE_MAX, &n) != AUTH_OK) {
        buf_clear(ret);
        return detail_set(detail, AUTH_MALFORMED, "the server's challenge is not base64");
    }
    buf_truncate(ret, n);
    return AUTH_OK;
}

/* RFC 4422 3.1. Letters become upper-case; a name twice counts once. */
static void take_mechanism(struct probe_offer *offer, struct slice name)
{
    char *at = offer->mechanisms[offer->n_mechanisms];
    if (name.n == 0 || name.n >= PROBE_MECHANISM_SIZE) {
        return;
    }
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool lower = c >= 'a' && c <= 'z';
        if (!lower && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' && c != '_') {
            return;
        }
        at[i] = (char)(lower ? c - 'a' + 'A' : c);
    }
    at[name.n] = '\0';
    for (size_t i = 0; i < offer->n_mechanisms; i++) {
        if (strcmp(offer->mechanisms[i], at) == 0) {
            return;
        }
    }
    offer->n_mechanisms++;
}

/* "AUTH PLAIN LOGIN"; "AUTH=PLAIN LOGIN" is how old clients want it. */
static void take_capability(struct probe_offer *offer, struct slice line)
{
    static const size_t word = sizeof "AUTH" - 1;
    struct slice rest = line;
    struct slice name;
    uint8_t separator = 0;
    if (slice_equal_nocase(line, slice_str("STARTTLS"))) {
        offer->starttls = true;
        return;
    }
    if (!slice_take(&rest, word, &name) || !slice_equal_nocase(name, slice_str("AUTH")) ||
        !slice_take_byte(&rest, &separator) || (separator != ' ' && separator != '=')) {
        return;
    }
    offer->only_old_form = separator == '=' && (offer->n_mechanisms == 0 || offer->only_old_form);
    while (rest.n > 0 && offer->n_mechanisms < PROBE_MECHANISMS) {
        slice_take_run(&rest, ' ', &name);
        take_mechanism(offer, name);
        if (rest.n > 0 && !slice_take(&rest, 1, NULL)) {
            return;
        }
    }
}

enum auth_status probe_smtp_hello(struct probe_smtp *smtp, struct probe_offer *ret,
                                  struct detail *detail)
{
    char line[PROBE_ADDRESS_SIZE + sizeof "EHLO "];
    *ret = (struct probe_offer){.starttls = false};
    snprintf(line, sizeof line, "EHLO %s", smtp->link.own);
    enum auth_status status = probe_smtp_command(smtp, line, detail);
    if (status != AUTH_OK) {
        return status;
    }
    if (smtp->code != SMTP_DONE) {
        return detail_set(detail, AUTH_UNAVAILABLE, "EHLO: %s", probe_smtp_shown(smtp));
    }
    struct slice text = buf_slice(&smtp->text);
    struct slice one;
    while (slice_take_until(&text, '\n', &one)) {
        take_capability(ret, one);
    }
    return AUTH_OK;
}

bool probe_smtp_has_more(const struct probe_smtp *smtp)
{
    return smtp->start != smtp->end;
}

const char *probe_smtp_shown(const struct probe_smtp *smtp)
{
    return buf_text(&smtp->shown);
}
