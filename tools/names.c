/* SPDX-License-Identifier: BSD-2-Clause */
#include "names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PREPARED_MAX = IDENTITY_MAX_USER + 1 + IDENTITY_MAX_REALM,
    HOST_NAME_SIZE = 1025, /* NI_MAXHOST: longer than any host name */
    NAMESAKES_SHOWN = 3,
};

/* Which of the rules a refused name broke, for a person. */
static enum auth_status explain(struct slice name, const char *realm, enum auth_status status,
                                struct detail *detail)
{
    size_t at = 0;
    struct slice user = name;
    struct slice behind = slice_of(NULL, 0);
    if (slice_find(name, '@', &at)) {
        user = slice_of(name.p, at);
        behind = slice_of(name.p + at + 1, name.n - at - 1);
    }
    if (status != AUTH_BAD_NAME && status != AUTH_TOO_LONG) {
        return status;
    }
    if (status == AUTH_TOO_LONG) {
        return detail_set(detail, status,
                          "longer than a name may be (user and realm %d bytes each)",
                          IDENTITY_MAX_USER);
    }
    if (user.n == 0) {
        return detail_set(detail, status, "the user name is empty");
    }
    if (slice_find(name, '\0', NULL)) {
        return detail_set(detail, status, "a name cannot hold a NUL byte");
    }
    if (!identity_is_utf8(name)) {
        return detail_set(detail, status, "the name is not UTF-8");
    }
    if (slice_find(behind, '@', NULL)) {
        return detail_set(detail, status, "a name holds one '@' at most");
    }
    if (behind.n == 0 && (realm == NULL || realm[0] == '\0')) {
        return detail_set(detail, status,
                          "the realm is missing (-u REALM names that of names without one)");
    }
    return detail_set(detail, status,
                      "the name or its realm holds a character that SASLprep (RFC 4013) or a "
                      "realm does not allow");
}

enum auth_status names_parse(struct slice name, const char *default_realm, enum identity_use use,
                             struct identity *ret, struct detail *detail)
{
    struct buf prepared;
    buf_init(&prepared, PREPARED_MAX);
    enum auth_status status = identity_prepare_name(name, use, &prepared);
    if (status == AUTH_OK) {
        status =
            identity_split(buf_slice(&prepared), default_realm == NULL ? "" : default_realm, ret);
    }
    buf_release(&prepared);
    return status == AUTH_OK ? AUTH_OK : explain(name, default_realm, status, detail);
}

enum auth_status names_realm(const char *realm, char ret[IDENTITY_MAX_REALM + 1],
                             struct detail *detail)
{
    /* identity_split() knows the rules for a realm; any user will do. */
    struct identity who;
    enum auth_status status = AUTH_BAD_NAME;
    if (strchr(realm, '@') == NULL) {
        status = identity_split(slice_str("user"), realm, &who);
    }
    switch (status) {
    case AUTH_OK:
        memcpy(ret, who.realm, sizeof who.realm);
        return AUTH_OK;
    case AUTH_TOO_LONG:
        return detail_set(detail, status, "longer than %d bytes", IDENTITY_MAX_REALM);
    case AUTH_BAD_NAME:
        return detail_set(detail, status,
                          "not a realm: empty, or holds '@', a space or a control "
                          "character");
    default:
        return status;
    }
}

static bool is_label(const char *label, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)label[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-') {
            return false;
        }
    }
    return n > 0 && label[0] != '-' && label[n - 1] != '-';
}

bool names_is_host_name(const char *realm)
{
    for (;;) {
        const size_t n = strcspn(realm, ".");
        if (!is_label(realm, n)) {
            return false;
        }
        if (realm[n] == '\0') {
            return true;
        }
        realm += n + 1;
    }
}

/* As with saslpasswd2 the name decides, which somebody may not have meant who gave both. */
static void note_other_realm(const struct tool *tool, const char *realm, const struct identity *who)
{
    char lower[IDENTITY_MAX_REALM + 1];
    if (names_realm(realm, lower, NULL) != AUTH_OK || strcmp(lower, who->realm) != 0) {
        tool_say(tool, "note: -u %s does not count: the name says %s@%s", realm, who->user,
                 who->realm);
    }
}

enum auth_status names_argument(const struct tool *tool, const char *name, const char *realm,
                                enum identity_use use, struct identity *ret)
{
    char host[HOST_NAME_SIZE] = "";
    struct detail detail = {.text = ""};
    if (realm == NULL || realm[0] == '\0') {
        if (gethostname(host, sizeof host - 1) != 0) {
            return tool_report(tool, AUTH_UNAVAILABLE, NULL, "this host has no name (%s); give -u",
                               strerror(errno));
        }
        realm = host;
    }
    enum auth_status status = names_parse(slice_str(name), realm, use, ret, &detail);
    if (status == AUTH_OK && host[0] == '\0') {
        note_other_realm(tool, realm, ret);
    }
    if (status != AUTH_OK) {
        struct buf shown;
        buf_init(&shown, DETAIL_SIZE);
        identity_put_for_log(&shown, slice_str(name));
        status = tool_report(tool, status, &detail, "\"%s\"", buf_text(&shown));
        buf_release(&shown);
    }
    return status;
}

static bool is_host_realm(const char *realm)
{
    char host[HOST_NAME_SIZE] = "";
    char lower[IDENTITY_MAX_REALM + 1];
    return gethostname(host, sizeof host - 1) == 0 && names_realm(host, lower, NULL) == AUTH_OK &&
           strcmp(lower, realm) == 0;
}

struct namesakes {
    const char *user;
    struct buf text;
    uint64_t n;
};

static enum auth_status note_namesake(void *ctx, const struct record *record)
{
    struct namesakes *namesakes = ctx;
    if (strcmp(record->who.user, namesakes->user) != 0) {
        return AUTH_OK;
    }
    if (namesakes->n < NAMESAKES_SHOWN) {
        buf_put_str(&namesakes->text, namesakes->n == 0 ? "" : ", ");
        identity_put(&namesakes->text, &record->who);
    }
    namesakes->n++;
    return AUTH_OK;
}

/* Who is looked for is not in a record that nobody can read. */
static void pass_over(void *ctx, const struct store_unreadable *what)
{
    (void)ctx;
    (void)what;
}

enum auth_status names_report_account(const struct tool *tool, struct store *store,
                                      enum auth_status status, const struct detail *detail,
                                      const struct identity *who)
{
    if (status != AUTH_UNKNOWN_USER || !is_host_realm(who->realm)) {
        return tool_report(tool, status, detail, "%s@%s", who->user, who->realm);
    }
    struct namesakes namesakes = {.user = who->user};
    buf_init(&namesakes.text, NAMESAKES_SHOWN * (PREPARED_MAX + 2));
    const struct store_visitor visitor = {note_namesake, &namesakes, pass_over, NULL};
    if (store_each(store, NULL, &visitor, NULL) != AUTH_OK || namesakes.n == 0) {
        tool_say(tool,
                 "%s@%s: no such user (the realm is this host's name; USER@REALM names another)",
                 who->user, who->realm);
    } else {
        tool_say(tool, "%s@%s: no such user, but there is %s%s: name the realm", who->user,
                 who->realm, buf_text(&namesakes.text),
                 namesakes.n > NAMESAKES_SHOWN ? ", ..." : "");
    }
    buf_release(&namesakes.text);
    return status;
}

bool names_read_account(struct tool *tool, int argc, char **argv, const char *hint,
                        struct identity *ret_who, int *ret_code)
{
    static const struct option longs[] = {TOOL_COMMON_OPTIONS};
    const struct tool_options options = {":u:" TOOL_COMMON_LETTERS, longs};
    const char *realm = NULL;
    int option;
    *ret_code = TOOL_DONE;
    while ((option = tool_next_option(tool, argc, argv, &options, ret_code)) >= 0) {
        realm = optarg;
    }
    if (option == TOOL_OPTIONS_STOP) {
        return false;
    }
    if (optind != argc - 1) {
        *ret_code = tool_usage_error(tool, "%s", hint);
        return false;
    }
    enum auth_status status = names_argument(tool, argv[optind], realm, IDENTITY_QUERY, ret_who);
    *ret_code = tool_exit_code(status);
    return status == AUTH_OK;
}
