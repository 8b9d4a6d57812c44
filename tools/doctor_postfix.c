/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_postfix.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
    DEPTH_MAX = 16,        /* of $name in $name; Postfix allows 100 */
    VALUE_MAX = 64 * 1024, /* bytes of one value, expanded */
    MASTER_FIELDS = 8,     /* name type private unpriv chroot wakeup maxproc command */
    MACROS_MAX = 4096,     /* put into one value: what they are made of can double at each step */
};

/* Defaults of Postfix 3.6 and later, for what checks ask. */
static const struct {
    const char *name;
    const char *value;
} defaults[] = {
    {"queue_directory", "/var/spool/postfix"},
    {"mail_owner", "postfix"},
    {"myhostname", "localhost.localdomain"},
    {"mydomain", "localdomain"},
    {"smtpd_sasl_type", "cyrus"},
    {"smtpd_sasl_path", "smtpd"},
    {"smtpd_sasl_security_options", "noanonymous"},
    {"smtpd_sasl_tls_security_options", "$smtpd_sasl_security_options"},
    {"smtpd_sasl_mechanism_filter", "!external, static:rest"},
    {"smtpd_tls_key_file", "$smtpd_tls_cert_file"},
    {"smtpd_client_auth_rate_limit", "0"},
    {"smtpd_relay_restrictions",
     "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"},
};

/* --- lines --- */

/*
 * The next logical line: continuations joined, comments and empty lines left out. False at the
 * end. *number counts lines read, *ret_line is where this one begins.
 */
static bool next_line(struct slice *text, struct buf *ret, unsigned *number, unsigned *ret_line)
{
    buf_clear(ret);
    while (text->n > 0) {
        struct slice rest = *text;
        struct slice line;
        if (!settings_line(&rest, &line)) {
            break;
        }
        struct slice trimmed = settings_trim(line);
        bool nothing = trimmed.n == 0 || trimmed.p[0] == '#';
        bool goes_on = !nothing && (line.p[0] == ' ' || line.p[0] == '\t');
        if (!nothing && !goes_on && ret->n > 0) {
            return true;
        }
        *text = rest;
        ++*number;
        if (nothing) {
            continue;
        }
        if (ret->n == 0) {
            *ret_line = *number;
        } else {
            buf_put_byte(ret, ' ');
        }
        buf_put_slice(ret, trimmed);
    }
    return ret->n > 0;
}

void postfix_take_main(struct settings *ret, struct arena *arena, struct slice text)
{
    struct buf line;
    unsigned number = 0;
    unsigned at = 0;
    buf_init(&line, DOCTOR_CONF_MAX);
    while (next_line(&text, &line, &number, &at)) {
        struct slice value = buf_slice(&line);
        struct slice name;
        if (slice_take_until(&value, '=', &name)) {
            settings_add(ret, arena, settings_trim(name), settings_trim(value), at);
        } else if (ret->bad_line == 0) {
            ret->bad_line = at;
            ret->bad = "no \"=\"";
        }
    }
    if (buf_status(&line) == AUTH_NO_MEMORY) {
        arena->lost = true;
    }
    buf_release(&line);
}

/* --- master.cf --- */

/* A word, or everything between a brace and its own closing one. */
static bool take_word(struct slice *line, struct slice *ret)
{
    *line = settings_trim(*line);
    if (line->n == 0) {
        return false;
    }
    if (line->p[0] != '{') {
        return settings_word(line, " \t", ret);
    }
    size_t depth = 0;
    size_t i = 0;
    do {
        depth += line->p[i] == '{';
        depth -= line->p[i] == '}';
        i++;
    } while (depth > 0 && i < line->n);
    *ret = settings_trim(slice_of(line->p + 1, i - (depth == 0 ? 2 : 1)));
    *line = slice_of(line->p + i, line->n - i);
    return true;
}

static void take_override(struct postfix_service *service, struct arena *arena, struct slice text,
                          unsigned line)
{
    struct slice name;
    if (slice_take_until(&text, '=', &name)) {
        settings_add(&service->overrides, arena, settings_trim(name), settings_trim(text), line);
    }
}

static void take_arguments(struct postfix_service *service, struct arena *arena, struct slice rest,
                           unsigned line)
{
    struct slice word;
    while (take_word(&rest, &word)) {
        if (slice_equal_str(word, "-o")) {
            if (take_word(&rest, &word)) {
                take_override(service, arena, word, line);
            }
        } else if (slice_take_literal(&word, "-o")) {
            take_override(service, arena, word, line);
        }
    }
}

static bool is_smtpd(struct slice command)
{
    struct slice rest = command;
    struct slice part;
    while (slice_take_until(&rest, '/', &part)) {
    }
    return slice_equal_str(rest, "smtpd");
}

/* A line of master.cf; only smtpd's are kept. chroot "-" is "n" since Postfix 3.0. */
static struct postfix_service *take_service(struct postfix *postfix, struct slice line,
                                            unsigned number)
{
    struct slice field[MASTER_FIELDS];
    for (int i = 0; i < MASTER_FIELDS; i++) {
        if (!take_word(&line, &field[i])) {
            return NULL;
        }
    }
    bool passed = slice_equal_str(field[1], "pass");
    if (!is_smtpd(field[MASTER_FIELDS - 1]) || (!passed && !slice_equal_str(field[1], "inet"))) {
        return NULL;
    }
    struct postfix_service *service = arena_new(postfix->arena, sizeof *service);
    if (service != NULL) {
        service->name = arena_copy(postfix->arena, field[0]);
        service->passed = passed;
        service->chroot = slice_equal_str(field[4], "y");
        take_arguments(service, postfix->arena, line, number);
    }
    return service;
}

static void take_master(struct postfix *postfix, struct slice text)
{
    struct postfix_service **end = &postfix->services;
    struct buf line;
    unsigned number = 0;
    unsigned at = 0;
    unsigned n = 0;
    buf_init(&line, DOCTOR_CONF_MAX);
    while (n < POSTFIX_SERVICES_MAX && next_line(&text, &line, &number, &at)) {
        struct postfix_service *service = take_service(postfix, buf_slice(&line), at);
        if (service != NULL) {
            *end = service;
            end = &service->next;
            n++;
        }
    }
    if (buf_status(&line) == AUTH_NO_MEMORY) {
        postfix->arena->lost = true;
    }
    buf_release(&line);
}

/* --- values --- */

static const char *raw_value(const struct postfix *postfix, const struct postfix_service *service,
                             const char *name)
{
    const char *value = service == NULL ? NULL : settings_last(&service->overrides, name);
    if (value == NULL) {
        value = settings_last(&postfix->main, name);
    }
    if (value == NULL && strcmp(name, "config_directory") == 0) {
        value = postfix->directory;
    }
    if (value == NULL) {
        value = settings_last(&postfix->computed, name);
    }
    for (size_t i = 0; value == NULL && i < sizeof defaults / sizeof defaults[0]; i++) {
        if (strcmp(name, defaults[i].name) == 0) {
            value = defaults[i].value;
        }
    }
    return value;
}

static bool is_parameter_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The text between a bracket and the one that closes it. False if none does. */
static bool take_bracketed(struct slice *text, struct slice *ret)
{
    uint8_t open = text->p[0];
    uint8_t close = open == '{' ? '}' : ')';
    size_t depth = 0;
    for (size_t i = 0; i < text->n; i++) {
        depth += text->p[i] == open;
        depth -= text->p[i] == close;
        if (depth == 0) {
            *ret = slice_of(text->p + 1, i - 1);
            *text = slice_of(text->p + i + 1, text->n - i - 1);
            return true;
        }
    }
    return false;
}

struct expansion {
    const struct postfix *postfix;
    const struct postfix_service *service;
    struct buf out;
    unsigned macros;
};

static void expand(struct expansion *e, struct slice text, int depth);

/* name, name?then, name:else, name?{then}:{else}; comparisons stay as they are written. */
static void expand_macro(struct expansion *e, struct slice macro, int depth)
{
    struct slice name = {macro.p, 0};
    if (e->macros++ >= MACROS_MAX) {
        return;
    }
    while (name.n < macro.n && is_parameter_name(macro.p[name.n])) {
        name.n++;
    }
    struct slice rest = {macro.p + name.n, macro.n - name.n};
    const char *value = raw_value(e->postfix, e->service, arena_copy(e->postfix->arena, name));
    bool full = value != NULL && *value != '\0';
    if (rest.n == 0) {
        expand(e, slice_str(value), depth);
        return;
    }
    bool wanted = rest.p[0] == '?';
    if (name.n == 0 || (!wanted && rest.p[0] != ':')) {
        return;
    }
    rest = settings_trim(slice_of(rest.p + 1, rest.n - 1));
    struct slice first = rest;
    struct slice second = {NULL, 0};
    if (rest.n > 0 && rest.p[0] == '{' && take_bracketed(&rest, &first)) {
        rest = settings_trim(rest);
        if (slice_take_literal(&rest, ":")) {
            second = settings_trim(rest);
            rest = second;
            if (second.n > 0 && second.p[0] == '{' && !take_bracketed(&rest, &second)) {
                return;
            }
        }
    }
    expand(e, full == wanted ? first : second, depth);
}

static void expand(struct expansion *e, struct slice text, int depth)
{
    uint8_t c;
    while (depth < DEPTH_MAX && buf_status(&e->out) == AUTH_OK && slice_take_byte(&text, &c)) {
        struct slice macro = {text.p, 0};
        if (c != '$' || text.n == 0) {
            buf_put_byte(&e->out, c);
        } else if (text.p[0] == '$') {
            buf_put_byte(&e->out, c);
            text = slice_of(text.p + 1, text.n - 1);
        } else if (text.p[0] == '{' || text.p[0] == '(') {
            if (!take_bracketed(&text, &macro)) {
                return;
            }
            expand_macro(e, macro, depth + 1);
        } else {
            while (macro.n < text.n && is_parameter_name(text.p[macro.n])) {
                macro.n++;
            }
            text = slice_of(text.p + macro.n, text.n - macro.n);
            expand_macro(e, macro, depth + 1);
        }
    }
}

const char *postfix_get(const struct postfix *postfix, const struct postfix_service *service,
                        const char *name)
{
    struct expansion e = {.postfix = postfix, .service = service};
    buf_init(&e.out, VALUE_MAX);
    expand(&e, slice_str(raw_value(postfix, service, name)), 0);
    if (buf_status(&e.out) == AUTH_NO_MEMORY) {
        postfix->arena->lost = true;
    }
    const char *value = arena_copy(postfix->arena, settings_trim(buf_slice(&e.out)));
    buf_release(&e.out);
    return value;
}

bool postfix_is_set(const struct postfix *postfix, const struct postfix_service *service,
                    const char *name)
{
    return (service != NULL && settings_last(&service->overrides, name) != NULL) ||
           settings_last(&postfix->main, name) != NULL;
}

bool postfix_is_on(const struct postfix *postfix, const struct postfix_service *service,
                   const char *name)
{
    return strcasecmp(postfix_get(postfix, service, name), "yes") == 0;
}

/* What postconf would have known, from the machine's name. */
static void guess_names(struct postfix *postfix)
{
    const char *host = doctor_host_name(postfix->files, postfix->arena);
    if (settings_last(&postfix->computed, "myhostname") == NULL && *host != '\0') {
        if (strchr(host, '.') == NULL) {
            host = arena_format(postfix->arena, "%s.localdomain", host);
        }
        settings_add(&postfix->computed, postfix->arena, slice_str("myhostname"), slice_str(host),
                     0);
    }
    if (settings_last(&postfix->computed, "mydomain") == NULL) {
        const char *dot = strchr(postfix_get(postfix, NULL, "myhostname"), '.');
        settings_add(&postfix->computed, postfix->arena, slice_str("mydomain"),
                     slice_str(dot == NULL ? "" : dot + 1), 0);
    }
}

void postfix_read(struct postfix *ret, const char *postconf)
{
    struct buf text;
    buf_init(&text, DOCTOR_CONF_MAX);
    ret->main_error =
        doctor_read(ret->files, arena_format(ret->arena, "%s/main.cf", ret->directory), &text);
    if (ret->main_error == 0) {
        postfix_take_main(&ret->main, ret->arena, buf_slice(&text));
        buf_release(&text);
        ret->master_error = doctor_read(
            ret->files, arena_format(ret->arena, "%s/master.cf", ret->directory), &text);
        if (ret->master_error == 0) {
            take_master(ret, buf_slice(&text));
        }
        if (postconf != NULL) {
            postfix_ask_postconf(ret, postconf);
        }
        guess_names(ret);
    }
    buf_release(&text);
}
