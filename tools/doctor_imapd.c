/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_imapd.h"

#include <string.h>
#include <strings.h>

enum { INCLUDES_MAX = 64 };

/* --- imapd.conf --- */

struct reader {
    const struct doctor_files *files;
    struct arena *arena;
    struct settings *settings;
    size_t n_read;
    const char *read[INCLUDES_MAX]; /* paths; Cyrus takes none of them twice */
};

/* What cannot be read ends the reading; of what is there twice (why is NULL) all is told. */
static void refuse(struct reader *r, const char *file, unsigned line, const char *why)
{
    if (r->settings->bad == NULL && (r->settings->bad_line == 0 || why != NULL)) {
        r->settings->bad_line = line;
        r->settings->bad_file = file;
        r->settings->bad = why;
    }
}

/* The next line with what continues it. *number counts lines read. False at the end. */
static bool next_line(struct slice *text, struct buf *ret, unsigned *number)
{
    struct slice line;
    bool more = true;
    bool any = false;
    buf_clear(ret);
    while (more && settings_line(text, &line)) {
        any = true;
        ++*number;
        more = line.n > 0 && line.p[line.n - 1] == '\\';
        buf_put(ret, line.p, line.n - (more ? 1 : 0));
    }
    return any;
}

static int read_file(struct reader *r, const char *path);

static void include(struct reader *r, const char *file, unsigned number, struct slice name)
{
    const char *path = arena_copy(r->arena, settings_trim(name));
    for (size_t i = 0; i < r->n_read; i++) {
        if (strcmp(r->read[i], path) == 0) {
            refuse(r, file, number, "an @include of a file that has been read already");
            return;
        }
    }
    if (r->n_read == INCLUDES_MAX || read_file(r, path) != 0) {
        refuse(r, file, number, "an @include of a file that cannot be read");
    }
}

static void take_line(struct reader *r, const char *file, unsigned number, unsigned end,
                      struct slice line)
{
    struct slice rest = line;
    struct slice name;
    if (slice_take_until(&rest, ':', &name) && slice_equal_nocase(name, slice_str("@include"))) {
        include(r, file, number, rest);
        return;
    }
    const struct setting *last = r->settings->last;
    if (!settings_take_colon(r->settings, r->arena, line, file, number)) {
        return;
    }
    struct setting *added = r->settings->last;
    if (last == added) {
        return; /* there were too many */
    }
    added->end = end;
    /* Cyrus does not start with an option that is there twice, whatever it says. */
    for (const struct setting *s = r->settings->first; s != added; s = s->next) {
        if (strcasecmp(s->name, added->name) == 0) {
            added->before = s;
        }
    }
    if (added->before != NULL) {
        refuse(r, added->file, added->line, NULL);
    }
}

static int read_file(struct reader *r, const char *path)
{
    struct buf text;
    struct buf line;
    unsigned end = 0;
    buf_init(&text, DOCTOR_CONF_MAX);
    buf_init(&line, DOCTOR_CONF_MAX);
    int error = doctor_read(r->files, path, &text);
    struct slice rest = {NULL, 0};
    if (error == 0) {
        r->read[r->n_read++] = path;
        rest = buf_slice(&text);
    }
    while (r->settings->bad == NULL) {
        unsigned begin = end + 1;
        if (!next_line(&rest, &line, &end)) {
            break;
        }
        struct slice trimmed = settings_trim(buf_slice(&line));
        if (trimmed.n > 0 && trimmed.p[0] != '#') {
            take_line(r, path, begin, end, trimmed);
        }
    }
    buf_release(&line);
    buf_release(&text);
    return error;
}

int imapd_read(const struct doctor_files *files, struct arena *arena, const char *path,
               struct settings *ret)
{
    struct reader r = {.files = files, .arena = arena, .settings = ret};
    return read_file(&r, path);
}

/* --- services --- */

/* The program of a command, and the configuration that -C names; "" if it names none. */
static void take_command(struct slice command, struct arena *arena, struct slice *ret_program,
                         const char **ret_conf)
{
    struct slice word;
    struct slice part;
    bool is_conf = false;
    *ret_conf = "";
    *ret_program = (struct slice){NULL, 0};
    if (settings_word(&command, " \t", ret_program)) {
        while (slice_take_until(ret_program, '/', &part)) {
        }
    }
    while (settings_word(&command, " \t", &word)) {
        if (is_conf) {
            *ret_conf = arena_copy(arena, word);
        }
        is_conf = slice_equal_str(word, "-C");
    }
}

static bool logs_in(struct slice program)
{
    static const char *const programs[] = {"imapd",     "proxyd", "pop3d", "pop3proxyd",
                                           "timsieved", "nntpd",  "httpd", "mupdate"};
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (slice_equal_str(program, programs[i])) {
            return true;
        }
    }
    return false;
}

/* What stands between the quotation marks behind cmd=. */
static struct slice command_of(struct slice line)
{
    static const char key[] = "cmd=\"";
    struct slice command = {NULL, 0};
    for (; line.n > 0; line = slice_of(line.p + 1, line.n - 1)) {
        if (slice_take_literal(&line, key)) {
            slice_take_run(&line, '"', &command);
            break;
        }
    }
    return command;
}

const char *imapd_services(const struct doctor_files *files, struct arena *arena,
                           const char *cyrus_conf, const char *imapd_conf)
{
    struct buf text;
    struct slice rest = {NULL, 0};
    struct slice line;
    bool inside = false;
    const char *services = "";
    buf_init(&text, DOCTOR_CONF_MAX);
    if (doctor_read(files, cyrus_conf, &text) == 0) {
        rest = buf_slice(&text);
    }
    while (settings_line(&rest, &line)) {
        struct slice name;
        struct slice program;
        const char *conf = "";
        line = settings_trim(line);
        if (line.n == 0 || line.p[0] == '#' || !settings_word(&line, " \t{", &name)) {
            continue;
        }
        if (slice_equal_str(name, "}")) {
            inside = false;
        } else if (slice_find(line, '{', NULL)) {
            inside = slice_equal_nocase(name, slice_str("SERVICES"));
        } else if (inside) {
            take_command(command_of(line), arena, &program, &conf);
            if (logs_in(program) && (*conf == '\0' || strcmp(conf, imapd_conf) == 0)) {
                services = arena_format(arena, "%s%s%.*s", services, *services == '\0' ? "" : " ",
                                        (int)name.n, (const char *)name.p);
            }
        }
    }
    buf_release(&text);
    return services;
}

/* --- options of a service --- */

/* What stands behind "SERVICE_"; NULL if the option is not the service's. */
static const char *own_name(const char *name, const char *service)
{
    size_t n = strlen(service);
    return strncasecmp(name, service, n) == 0 && name[n] == '_' ? name + n + 1 : NULL;
}

/* Others may only begin like a service: "sieve_extensions" at a service "sieve". */
static bool is_looked_at(const char *name)
{
    static const char *const names[] = {"allowplaintext", "tls_server_cert", "tls_cert_file",
                                        "tls_server_key", "tls_key_file",    "servername",
                                        "loginrealms",    "virtdomains",     "defaultdomain"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return strncasecmp(name, "sasl_", strlen("sasl_")) == 0;
}

bool imapd_has_own(const struct settings *settings, const char *service)
{
    for (const struct setting *s = settings->first; s != NULL; s = s->next) {
        const char *name = own_name(s->name, service);
        if (name != NULL && is_looked_at(name)) {
            return true;
        }
    }
    return false;
}

static void add_again(struct settings *ret, struct arena *arena, const struct setting *s,
                      const char *name)
{
    const struct setting *last = ret->last;
    settings_add(ret, arena, slice_str(name), slice_str(s->value), s->line);
    if (ret->last != last) {
        ret->last->end = s->end;
        ret->last->written = s->written;
        ret->last->file = s->file;
        ret->last->before = s->before;
    }
}

struct settings imapd_seen_by(const struct settings *settings, struct arena *arena,
                              const char *service)
{
    struct settings seen = {
        .bad_line = settings->bad_line, .bad_file = settings->bad_file, .bad = settings->bad};
    for (const struct setting *s = settings->first; s != NULL; s = s->next) {
        const char *name = own_name(s->name, service);
        if (name != NULL && is_looked_at(name)) {
            add_again(&seen, arena, s, name);
        }
    }
    for (const struct setting *s = settings->first; s != NULL; s = s->next) {
        add_again(&seen, arena, s, s->name);
    }
    return seen;
}
