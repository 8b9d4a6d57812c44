/* SPDX-License-Identifier: BSD-2-Clause */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/identity.h"
#include "file_modes.h"
#include "lock_file.h"
#include "privilege.h"
#include "store/store_generation.h"
#include "tickets.h"

enum {
    MESSAGE_MAX = 2048, /* bytes of one message, before escaping */
    ESCAPED_MAX = 4 * MESSAGE_MAX + DETAIL_SIZE,
};

/* Every status a verb may end with. What is not listed is a defect or an outage: TOOL_FAILED. */
static const struct {
    enum auth_status status;
    enum tool_exit exit;
} exit_codes[] = {
    {AUTH_OK, TOOL_DONE},
    {AUTH_UNKNOWN_USER, TOOL_REFUSED},
    {AUTH_WRONG_PASSWORD, TOOL_REFUSED},
    {AUTH_DISABLED, TOOL_REFUSED},
    {AUTH_EXPIRED, TOOL_REFUSED},
    {AUTH_NO_VERIFIER, TOOL_REFUSED},
    {AUTH_NOT_ALLOWED, TOOL_REFUSED},
    {AUTH_MALFORMED, TOOL_REFUSED},
    {AUTH_TOO_LONG, TOOL_REFUSED},
    {AUTH_BAD_NAME, TOOL_REFUSED},
    {AUTH_BAD_PASSWORD, TOOL_REFUSED},
    {AUTH_STORE_EXISTS, TOOL_REFUSED},
};

int tool_exit_code(enum auth_status status)
{
    for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++) {
        if (exit_codes[i].status == status) {
            return (int)exit_codes[i].exit;
        }
    }
    return TOOL_FAILED;
}

void report_escape(struct buf *b, struct slice text)
{
    bool utf8 = identity_is_utf8(text);
    while (text.n > 0) {
        bool shown = text.p[0] >= 0x20 && text.p[0] < 0x7f;
        size_t n = utf8 ? identity_shown(text, &shown) : 1;
        for (size_t i = 0; i < n && !shown; i++) {
            buf_put_str(b, "\\x");
            buf_put_hex(b, &text.p[i], 1);
        }
        buf_put(b, text.p, shown ? n : 0);
        text = slice_of(text.p + n, text.n - n);
    }
}

/* One write for one line, so that lines of several processes do not mix. */
static void print_line(const struct tool *tool, const char *text, const char *why)
{
    bool json = tool->json && tool->print_message != NULL;
    struct buf line;
    buf_init(&line, ESCAPED_MAX);
    if (!json) {
        buf_put_str(&line, tool->program);
        buf_put_str(&line, ": ");
        buf_put_str(&line, tool->verb == NULL ? "" : tool->verb);
        buf_put_str(&line, tool->verb == NULL ? "" : ": ");
    }
    report_escape(&line, slice_str(text));
    if (why != NULL) {
        buf_put_str(&line, ": ");
        report_escape(&line, slice_str(why));
    }
    fflush(stdout);
    if (buf_status(&line) == AUTH_OK && json) {
        tool->print_message(tool, buf_text(&line));
    } else if (buf_put_byte(&line, '\n'), buf_status(&line) == AUTH_OK) {
        fwrite(line.p, 1, line.n, stderr);
    } else {
        fprintf(stderr, "%s: %s\n", tool->program, auth_status_text(buf_status(&line)));
    }
    fflush(stderr);
    buf_release(&line);
}

enum auth_status tool_report(const struct tool *tool, enum auth_status status,
                             const struct detail *detail, const char *what, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    print_line(tool, text, detail_text(detail, status));
    return status;
}

/* What somebody can do who reads that the store or its key is not to be had. */
static const char *remedy(const struct tool *tool, enum auth_status status)
{
    switch (status) {
    case AUTH_STORE_MISSING:
        return access(tool->store_path, F_OK) == 0
                   ? ""
                   : " (\"sasl-lmdb init\" makes a store, -f names another)";
    case AUTH_KEY_MISSING:
        return " (-k names another; without its key a store cannot be read)";
    case AUTH_STORE_DENIED:
        if (!privilege_started_as_root()) {
            return "; run this as root";
        }
        return geteuid() == 0 ? ""
                              : "; root becomes the store's owner, else the directory's, who has "
                                "to have access";
    case AUTH_STORE_DAMAGED:
        return tool->verb != NULL && strcmp(tool->verb, "check") == 0
                   ? ""
                   : ": \"sasl-lmdb check\" tells what is damaged";
    default:
        return "";
    }
}

enum auth_status tool_report_store(const struct tool *tool, enum auth_status status,
                                   const struct detail *detail)
{
    if (detail->text[0] == '\0') {
        return tool_report(tool, status, NULL, "store %s", tool->store_path);
    }
    struct arena arena = {.pieces = NULL};
    const bool denied = status == AUTH_STORE_DENIED && privilege_started_as_root();
    tool_say(tool, "%s%s%s", detail->text, remedy(tool, status),
             denied && geteuid() != 0 ? file_modes_open_key(tool, &arena) : "");
    arena_release(&arena);
    return status;
}

void tool_say(const struct tool *tool, const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_line(tool, text, NULL);
}

void tool_note_refused(const struct tool *tool, const struct verifier_policy *policy)
{
    if (verifier_refused(policy) != 0) {
        tool_say(tool, "OpenSSL refuses MD5 (FIPS mode?): new passwords are kept without the "
                       "verifiers of CRAM-MD5, DIGEST-MD5 and sasl_checkpass");
    }
}

int tool_usage_error(const struct tool *tool, const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    char hint[MESSAGE_MAX];
    snprintf(hint, sizeof hint, "see \"%s%s%s --help\"", tool->program,
             tool->verb == NULL ? "" : " ", tool->verb == NULL ? "" : tool->verb);
    print_line(tool, text, hint);
    return TOOL_USAGE;
}

/* Says what getopt_long() did not like; its own messages know nothing of verbs. */
int tool_option_error(const struct tool *tool, int argc, char **argv, int code)
{
    const char *why = code == ':' ? "needs a value" : "is not an option of this command";
    if (optopt > 0 && optopt < TOOL_OPTION_HELP) {
        return tool_usage_error(tool, "-%c %s", optopt, why);
    }
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (code != ':' && optopt != 0) {
        why = "takes no value";
    }
    /* The value behind "=" is not repeated: it may be what somebody wants kept. */
    return tool_usage_error(tool, "%.*s %s", (int)strcspn(word, "="), word, why);
}

int tool_next_option(struct tool *tool, int argc, char **argv, const struct tool_options *options,
                     int *ret_exit)
{
    opterr = 0;
    for (;;) {
        int option = getopt_long(argc, argv, options->letters, options->longs, NULL);
        switch (option) {
        case 'f':
            tool->store_path = optarg;
            continue;
        case 'k':
            tool->key_path = optarg;
            continue;
        case TOOL_OPTION_JSON:
            tool->json = true;
            continue;
        case 'h':
        case TOOL_OPTION_HELP:
            fputs(tool->usage, stdout);
            *ret_exit = tool_flush(tool) ? TOOL_DONE : TOOL_FAILED;
            return TOOL_OPTIONS_STOP;
        case '?':
        case ':':
            *ret_exit = tool_option_error(tool, argc, argv, option);
            return TOOL_OPTIONS_STOP;
        default:
            return option;
        }
    }
}

const char *tool_file_argument(const struct tool *tool, int argc, char **argv, const char *stream)
{
    if (optind != argc - 1) {
        tool_usage_error(tool, "takes one FILE, or \"-\" for standard %s", stream);
        return NULL;
    }
    if (argv[optind][0] == '\0') {
        tool_usage_error(tool, "FILE is empty");
        return NULL;
    }
    return argv[optind];
}

bool tool_decimal(const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
    struct slice rest = slice_str(text);
    uint32_t value = 0;
    if (!slice_take_decimal(&rest, max, &value) || rest.n != 0 || value < min) {
        return false;
    }
    *ret = value;
    return true;
}

enum auth_status tool_open_store_only(const struct tool *tool, bool writable, struct store **ret)
{
    struct detail detail = {.text = ""};
    enum auth_status status = writable ? lock_file_make(tool->store_path, &detail) : AUTH_OK;
    if (status == AUTH_OK) {
        status = privilege_become_owner(tool->store_path, &detail);
    }
    if (status != AUTH_OK) {
        return tool_report_store(tool, status, &detail);
    }
    const struct store_options options = {
        .path = tool->store_path, .key_path = tool->key_path, .writable = writable};
    status = store_open(&options, ret, &detail);
    if (status != AUTH_OK) {
        return tool_report_store(tool, status, &detail);
    }
    /* What a killed restore or rekey left behind. If it stays, it only takes room. */
    if (writable && store_sweep(*ret, NULL) != AUTH_OK) {
        return AUTH_OK;
    }
    return AUTH_OK;
}

enum auth_status tool_open_store(const struct tool *tool, bool writable, struct store **ret)
{
    enum auth_status status = tool_open_store_only(tool, writable, ret);
    if (status == AUTH_OK && writable) {
        tickets_take_some(tool, *ret);
    }
    return status;
}

const char *tool_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

bool tool_flush(const struct tool *tool)
{
    static bool told;
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return true;
    }
    if (!told) {
        tool_say(tool, "standard output: %s", strerror(errno));
    }
    told = true;
    return false;
}
