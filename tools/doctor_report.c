/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_report.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "doctor_command.h"
#include "json_result.h"
#include "view.h"

enum { ESCAPED_MAX = 64 * 1024 };

/* --- findings --- */

/* Why a finding has no command. */
static const char *why_unusable(const char *command)
{
    return strcmp(command, doctor_command_unheld) == 0
               ? "no command: others than root can put something else there before it is run; the "
                 "directories above it come first"
               : "no command: it would need a name that a shell cannot be given safely";
}

void doctor_report_add(struct doctor_report *report, enum doctor_id id, va_list words)
{
    const char *word[DOCTOR_WORDS_MAX] = {NULL};
    const struct doctor_row *row = doctor_row(id);
    for (size_t i = 0; i < DOCTOR_WORDS_MAX; i++) {
        word[i] = va_arg(words, const char *);
        if (word[i] == NULL) {
            break;
        }
    }
    const char *text = doctor_fill(report->arena, row->sentence, word, false);
    const char *mend = doctor_fill(report->arena, row->mend, word, true);
    if (!doctor_command_is_usable(mend)) {
        text = arena_format(report->arena, "%s (%s)", text, why_unusable(mend));
        mend = "";
    }
    struct finding **end = &report->findings;
    for (; *end != NULL; end = &(*end)->next) {
        if ((*end)->id == id && strcmp((*end)->text, text) == 0) {
            return;
        }
    }
    struct finding *finding = arena_new(report->arena, sizeof *finding);
    if (finding != NULL) {
        finding->id = id;
        finding->text = text;
        finding->mend = mend;
        *end = finding;
        report->counts[row->severity]++;
    }
}

void doctor_report_looked_at(struct doctor_report *report, const char *what)
{
    struct looked_at **end = &report->looked_at;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    struct looked_at *one = arena_new(report->arena, sizeof *one);
    if (one != NULL) {
        one->what = arena_copy(report->arena, slice_str(what));
        *end = one;
    }
}

/* --- output --- */

/* What people and JSON can be shown; "" if there is no memory for it, and *ok false. */
static const char *shown(struct buf *b, const char *text, bool *ok)
{
    buf_clear(b);
    report_escape(b, slice_str(text));
    if (buf_status(b) != AUTH_OK) {
        *ok = false;
        return "";
    }
    return buf_text(b);
}

static json_t *finding_json(const struct finding *finding, bool *ok)
{
    const struct doctor_row *row = doctor_row(finding->id);
    struct buf b;
    buf_init(&b, ESCAPED_MAX);
    json_t *text = json_string(shown(&b, finding->text, ok));
    json_t *mend = json_string(shown(&b, finding->mend, ok));
    buf_release(&b);
    return json_pack("{s:s, s:s, s:o, s:o}", "id", row->id, "severity",
                     doctor_severity_name(row->severity), "text", text, "mend", mend);
}

static enum auth_status print_json(const struct doctor_report *report, const struct tool *tool)
{
    bool ok = true;
    json_t *looked_at = json_array();
    json_t *findings = json_array();
    struct buf b;
    buf_init(&b, ESCAPED_MAX);
    for (const struct looked_at *one = report->looked_at; one != NULL; one = one->next) {
        ok = json_array_append_new(looked_at, json_string(shown(&b, one->what, &ok))) == 0 && ok;
    }
    json_t *inside = json_string(shown(&b, report->root == NULL ? "" : report->root, &ok));
    buf_release(&b);
    for (int severity = DOCTOR_ERROR; severity <= DOCTOR_NOTE; severity++) {
        for (const struct finding *f = report->findings; f != NULL; f = f->next) {
            if ((int)doctor_row(f->id)->severity == severity) {
                ok = json_array_append_new(findings, finding_json(f, &ok)) == 0 && ok;
            }
        }
    }
    bool good = report->counts[DOCTOR_ERROR] + report->counts[DOCTOR_WARNING] == 0;
    const char *restart = good || report->restart == NULL ? "" : report->restart;
    json_t *root = json_pack("{s:o, s:o, s:s, s:o}", "looked_at", looked_at, "findings", findings,
                             "restart", restart, "root", inside);
    if (!ok) {
        json_decref(root);
        root = NULL;
    }
    return json_result(tool, good, root);
}

static bool is_for_a_tree(const struct doctor_report *report)
{
    return report->root != NULL && *report->root != '\0';
}

/* A line of text with a command for a tree is none for the shell of the machine. */
static bool print_finding(const struct doctor_report *report, const struct finding *finding)
{
    static const char *const heads[] = {"ERROR", "WARNING", "note"};
    const struct doctor_row *row = doctor_row(finding->id);
    bool ok = true;
    struct buf b;
    buf_init(&b, ESCAPED_MAX);
    printf("%s (%s): %s\n", heads[row->severity], row->id, shown(&b, finding->text, &ok));
    if (*finding->mend != '\0') {
        printf("    %s%s\n", is_for_a_tree(report) ? "inside: " : "",
               shown(&b, finding->mend, &ok));
    }
    buf_release(&b);
    return ok;
}

/* And what is to be done when all is mended; for notes alone nobody has to be interrupted. */
static void print_count(const struct doctor_report *report)
{
    const unsigned *n = report->counts;
    if (n[DOCTOR_ERROR] + n[DOCTOR_WARNING] == 0) {
        puts("nothing is wrong");
        return;
    }
    printf("%u error%s, %u warning%s\n", n[DOCTOR_ERROR], tool_plural(n[DOCTOR_ERROR]),
           n[DOCTOR_WARNING], tool_plural(n[DOCTOR_WARNING]));
    if (report->restart != NULL && *report->restart != '\0') {
        printf("once it is mended: %s\n", report->restart);
    }
}

static bool print_text(const struct doctor_report *report)
{
    bool ok = true;
    struct buf b;
    buf_init(&b, ESCAPED_MAX);
    for (const struct looked_at *one = report->looked_at; one != NULL; one = one->next) {
        printf("looked at %s\n", shown(&b, one->what, &ok));
    }
    buf_release(&b);
    for (int severity = DOCTOR_ERROR; severity <= DOCTOR_NOTE; severity++) {
        for (const struct finding *f = report->findings; f != NULL; f = f->next) {
            if ((int)doctor_row(f->id)->severity == severity) {
                ok = print_finding(report, f) && ok;
            }
        }
    }
    print_count(report);
    if (is_for_a_tree(report) && report->findings != NULL) {
        buf_init(&b, ESCAPED_MAX);
        printf("\"inside\": in a shell of the container that %s is of; not on this machine, nor by "
               "chroot(8), which does not hold root back\n",
               shown(&b, report->root, &ok));
        buf_release(&b);
    }
    return ok;
}

enum auth_status doctor_report_print(const struct doctor_report *report, const struct tool *tool)
{
    if (tool->json) {
        return print_json(report, tool);
    }
    if (!print_text(report)) {
        return tool_report(tool, AUTH_NO_MEMORY, NULL, "report");
    }
    return tool_flush(tool) ? AUTH_OK : AUTH_UNAVAILABLE;
}

void doctor_report_list(void)
{
    for (int id = 0; id < DOCTOR_IDS; id++) {
        const struct doctor_row *row = doctor_row((enum doctor_id)id);
        printf("%s %s\n", row->id, doctor_severity_name(row->severity));
    }
}
