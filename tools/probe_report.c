/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json_result.h"
#include "view.h"

enum {
    SENTENCE = 1024, /* bytes of a sentence of ours, replies of the server in it cut */
    ESCAPED_MAX = 64 * 1024,
};

static json_t *member(json_t *root, const char *name)
{
    json_t *array = json_array();
    return json_object_set_new(root, name, array) == 0 ? array : NULL;
}

enum auth_status probe_report_init(struct probe_report *report, const struct tool *tool,
                                   const char *host, const char *port)
{
    report->tool = tool;
    report->root = json_pack("{s:s, s:s}", "host", host, "port", port);
    if (report->root == NULL) {
        return AUTH_NO_MEMORY;
    }
    report->dialogue = member(report->root, "dialogue");
    report->offers = member(report->root, "offers");
    report->logins = member(report->root, "logins");
    report->relay = member(report->root, "relay");
    report->problems = member(report->root, "problems");
    report->notes = member(report->root, "notes");
    return report->dialogue != NULL && report->offers != NULL && report->logins != NULL &&
                   report->relay != NULL && report->problems != NULL && report->notes != NULL
               ? AUTH_OK
               : AUTH_NO_MEMORY;
}

void probe_report_release(struct probe_report *report)
{
    json_decref(report->root);
    report->root = NULL;
}

static void keep(struct probe_report *report, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0) {
        report->lost = true;
    }
}

/* Escaped text is valid UTF-8, which JSON wants. */
static void escape(struct probe_report *report, struct buf *ret, struct slice text)
{
    buf_init(ret, ESCAPED_MAX);
    report_escape(ret, text);
    if (buf_status(ret) != AUTH_OK) {
        report->lost = true;
        buf_clear(ret);
    }
}

void probe_report_step(struct probe_report *report, const char *format, ...)
{
    char text[SENTENCE];
    va_list args;
    if (report->tool->json || report->quiet) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct buf escaped;
    escape(report, &escaped, slice_str(text));
    printf("-- %s\n", buf_text(&escaped));
    buf_release(&escaped);
}

void probe_report_line(struct probe_report *report, char side, struct slice line)
{
    struct buf escaped;
    escape(report, &escaped, line);
    const char who[] = {side, '\0'};
    keep(report, report->dialogue, json_pack("[s, s]", who, buf_text(&escaped)));
    if (!report->tool->json && !report->quiet) {
        printf("%c: %s\n", side, buf_text(&escaped));
        fflush(stdout); /* a server may let somebody wait */
    }
    buf_release(&escaped);
}

void probe_report_offer(struct probe_report *report, const char *tls, const char *mechanisms,
                        bool starttls)
{
    struct buf escaped;
    escape(report, &escaped, slice_str(mechanisms));
    const char *shown = buf_text(&escaped);
    keep(report, report->offers,
         json_pack("{s:s, s:s, s:b}", "tls", tls, "auth", shown, "starttls", starttls));
    if (!report->tool->json) {
        printf("offered %s%s: AUTH %s%s\n", *tls != '\0' ? "under " : "in the clear", tls,
               *shown != '\0' ? shown : "(none)", starttls ? "; STARTTLS" : "");
    }
    buf_release(&escaped);
}

void probe_report_login(struct probe_report *report, const char *mechanism, const char *way,
                        bool good, const char *reply, const char *reason)
{
    struct buf escaped;
    escape(report, &escaped, slice_str(reply));
    keep(report, report->logins,
         json_pack("{s:s, s:s, s:b, s:s, s:s}", "mechanism", mechanism, "way", way, "ok", good,
                   "reply", buf_text(&escaped), "reason", reason));
    if (!report->tool->json) {
        printf("login with %s%s%s: %s: %s\n", mechanism, *way != '\0' ? ", " : "", way,
               good ? "ok" : "FAILED", buf_text(&escaped));
    }
    buf_release(&escaped);
}

void probe_report_relay(struct probe_report *report, const char *when, bool refused,
                        const char *reply)
{
    struct buf escaped;
    escape(report, &escaped, slice_str(reply));
    keep(report, report->relay,
         json_pack("{s:s, s:b, s:s}", "when", when, "refused", refused, "reply",
                   buf_text(&escaped)));
    if (!report->tool->json) {
        printf("relaying %s: %s: %s\n", when, refused ? "refused" : "ACCEPTED", buf_text(&escaped));
    }
    buf_release(&escaped);
}

void probe_report_problem(struct probe_report *report, const char *id, const char *format, ...)
{
    char text[SENTENCE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct buf escaped;
    escape(report, &escaped, slice_str(text));
    report->found++;
    keep(report, report->problems, json_pack("{s:s, s:s}", "id", id, "text", buf_text(&escaped)));
    if (!report->tool->json) {
        printf("PROBLEM (%s): %s\n", id, buf_text(&escaped));
    }
    buf_release(&escaped);
}

/* What probe_report_login() has kept. */
struct kept_login {
    const char *mechanism;
    const char *way;
    int ok;
    const char *reply;
    const char *reason;
};

static struct kept_login login_at(const struct probe_report *report, size_t i)
{
    struct kept_login login = {.ok = 1};
    if (json_unpack(json_array_get(report->logins, i), "{s:s, s:s, s:b, s:s, s:s}", "mechanism",
                    &login.mechanism, "way", &login.way, "ok", &login.ok, "reply", &login.reply,
                    "reason", &login.reason) != 0) {
        login.ok = 1;
    }
    return login;
}

static bool same_refusal(const struct kept_login *a, const struct kept_login *b)
{
    return !a->ok && !b->ok && strcmp(a->reason, b->reason) == 0;
}

/* The names of all logins refused as this one was; false if it is not the first of them. */
static bool name_refused(const struct probe_report *report, size_t which, struct buf *ret)
{
    const struct kept_login refused = login_at(report, which);
    const size_t n = json_array_size(report->logins);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        const struct kept_login login = login_at(report, i);
        if (!same_refusal(&refused, &login)) {
            continue;
        }
        if (i < which) {
            return false;
        }
        buf_put_str(ret, found++ > 0 ? "; " : "");
        buf_put_str(ret, login.mechanism);
        buf_put_str(ret, *login.way != '\0' ? ", " : "");
        buf_put_str(ret, login.way);
    }
    if (found == n && n > 1) {
        buf_clear(ret);
        buf_put_str(ret, "every login");
    }
    return found > 0;
}

/* The first mechanism that the password was right with; NULL if it was with none. */
static const char *accepted_by(const struct probe_report *report)
{
    for (size_t i = 0; i < json_array_size(report->logins); i++) {
        const struct kept_login login = login_at(report, i);
        if (login.ok && login.mechanism != NULL) {
            return login.mechanism;
        }
    }
    return NULL;
}

/* Whether the server has said that it does not know this user with this password. */
static bool blames_password(const struct kept_login *login)
{
    return strncmp(login->reply, "535", strlen("535")) == 0;
}

static void tell_refusal(struct probe_report *report, const char *names,
                         const struct kept_login *login)
{
    const char *accepted = accepted_by(report);
    if (accepted != NULL && blames_password(login)) {
        probe_report_problem(
            report, "login-failed",
            "%s: the password is right, since the server takes it with %s; for these it has no "
            "verifier of this user, or looks in another realm or store; its log says why: %s",
            names, accepted, login->reply);
        return;
    }
    /* Where the exchange went wrong the reason is a sentence of ours, and there is no reply. */
    const bool replied = strcmp(login->reason, login->reply) != 0;
    probe_report_problem(report, "login-failed", "%s: %s%s%s", names, login->reason,
                         replied ? ": " : "", replied ? login->reply : "");
}

void probe_report_refusals(struct probe_report *report)
{
    for (size_t i = 0; i < json_array_size(report->logins); i++) {
        const struct kept_login login = login_at(report, i);
        struct buf names;
        buf_init(&names, ESCAPED_MAX);
        if (name_refused(report, i, &names)) {
            tell_refusal(report, buf_text(&names), &login);
        }
        buf_release(&names);
    }
}

static bool is_noted(const struct probe_report *report, const char *note)
{
    for (size_t i = 0; i < json_array_size(report->notes); i++) {
        const char *other = json_string_value(json_array_get(report->notes, i));
        if (other != NULL && strcmp(other, note) == 0) {
            return true;
        }
    }
    return false;
}

void probe_report_note(struct probe_report *report, const char *format, ...)
{
    char text[SENTENCE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct buf escaped;
    escape(report, &escaped, slice_str(text));
    if (!is_noted(report, buf_text(&escaped))) {
        keep(report, report->notes, json_string(buf_text(&escaped)));
        if (!report->tool->json) {
            printf("note: %s\n", buf_text(&escaped));
        }
    }
    buf_release(&escaped);
}

void probe_report_failed(struct probe_report *report, const char *why)
{
    struct buf escaped;
    escape(report, &escaped, slice_str(why));
    report->lost =
        json_object_set_new(report->root, "error", json_string(buf_text(&escaped))) != 0 ||
        report->lost;
    buf_release(&escaped);
}

enum auth_status probe_report_end(struct probe_report *report, bool complete)
{
    bool good = complete && report->found == 0;
    if (report->tool->json) {
        json_t *root = report->root;
        report->root = NULL;
        if (report->lost || json_object_set_new(root, "complete", json_boolean(complete)) != 0) {
            json_decref(root);
            root = NULL;
        }
        return json_result(report->tool, good, root);
    }
    if (good) {
        puts("all is well");
    } else if (report->found > 0) {
        printf("%u problem%s found\n", report->found, tool_plural(report->found));
    }
    return tool_flush(report->tool) ? AUTH_OK : AUTH_INTERNAL;
}
