/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb list: who has an account, and with what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "moment.h"
#include "names.h"
#include "progress.h"
#include "tool.h"
#include "unreadable.h"
#include "view.h"
#include "worker.h"

enum { OPTION_REALM = TOOL_LONG_ONLY, OPTION_PLAIN };

static const struct option longs[] = {{"realm", required_argument, NULL, OPTION_REALM},
                                      {"plain", no_argument, NULL, OPTION_PLAIN},
                                      TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb list [OPTION]...\n"
    "Lists the accounts, by realm and user. CLASS is \"legacy\" where CRAM-MD5, DIGEST-MD5\n"
    "or checkpass verifiers are kept, \"crypt\" where only a crypt(3) hash is, else \"strict\".\n"
    "\n"
    "      --realm R            only the accounts of this realm\n"
    "      --plain              one line an account, as sasldblistusers2 prints them\n"
    "      --json               an array with one object a line\n"
    "  -f STORE, -k KEYFILE     data file and key file\n";

enum {
    FIRST_CAPACITY = 64,
    CELL_MAX = 4096, /* bytes of one field of the table, escaped */
};

struct list {
    struct view *views;
    size_t n;
    size_t capacity;
    size_t legacy;
    struct progress progress;
    struct unreadable unreadable;
    uint64_t total; /* 0: not known */
};

static enum auth_status collect(void *ctx, const struct record *record)
{
    struct list *list = ctx;
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? FIRST_CAPACITY : list->capacity * 2;
        struct view *grown = reallocarray(list->views, capacity, sizeof *grown);
        if (grown == NULL) {
            return AUTH_NO_MEMORY;
        }
        list->views = grown;
        list->capacity = capacity;
    }
    enum auth_status status = view_init(&list->views[list->n], record);
    if (status != AUTH_OK) {
        return status;
    }
    if ((list->views[list->n].kinds & VERIFIER_LEGACY) != 0) {
        list->legacy++;
    }
    list->n++;
    progress_show(&list->progress, list->n,
                  list->total == 0 ? -1 : (double)list->n / (double)list->total);
    return AUTH_OK;
}

static void list_release(struct list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        view_release(&list->views[i]);
    }
    free(list->views);
    *list = (struct list){.views = NULL};
}

static int by_realm_and_user(const void *a, const void *b)
{
    const struct view *left = a;
    const struct view *right = b;
    int realms = strcmp(left->realm, right->realm);
    return realms != 0 ? realms : strcmp(left->user, right->user);
}

/* Columns a terminal uses for a text: one for each character that is not a UTF-8 tail byte. */
static int columns(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

static void print_cell(const char *text, int width)
{
    int padding = width - columns(text);
    printf("%s%*s  ", text, padding > 0 ? padding : 0, "");
}

/* The widths of the columns whose contents differ from account to account. */
struct widths {
    int name;
    int kinds;
};

static void put_name(struct buf *cell, const struct view *view)
{
    report_escape(cell, slice_str(view->user));
    buf_put_byte(cell, '@');
    report_escape(cell, slice_str(view->realm));
}

static struct widths measure(const struct list *list)
{
    struct widths widths = {.name = 4, .kinds = 9}; /* of the headings USER and VERIFIERS */
    struct buf cell;
    buf_init(&cell, CELL_MAX);
    for (size_t i = 0; i < list->n; i++) {
        buf_clear(&cell);
        put_name(&cell, &list->views[i]);
        int width = columns(buf_text(&cell));
        widths.name = width > widths.name ? width : widths.name;
        buf_clear(&cell);
        view_put_kinds(&cell, list->views[i].kinds, ",");
        width = columns(buf_text(&cell));
        widths.kinds = width > widths.kinds ? width : widths.kinds;
    }
    buf_release(&cell);
    return widths;
}

static void print_row(const struct view *view, const struct widths *widths, int64_t now)
{
    struct buf cell;
    buf_init(&cell, CELL_MAX);
    put_name(&cell, view);
    print_cell(buf_text(&cell), widths->name);
    print_cell(view_class(view->kinds), 6);
    buf_clear(&cell);
    view_put_kinds(&cell, view->kinds, ",");
    print_cell(buf_text(&cell), widths->kinds);
    printf("%10u  ", (unsigned)view_iterations(view));
    buf_clear(&cell);
    view_put_flags(&cell, view, now);
    print_cell(buf_text(&cell), 8);
    buf_clear(&cell);
    moment_put(&cell, view->changed);
    printf("%s\n", buf_text(&cell));
    buf_release(&cell);
}

static void print_table(const struct list *list, int64_t now)
{
    if (list->n == 0) {
        return;
    }
    struct widths widths = measure(list);
    print_cell("USER", widths.name);
    print_cell("CLASS", 6);
    print_cell("VERIFIERS", widths.kinds);
    print_cell("ITERATIONS", 10);
    print_cell("FLAGS", 8);
    printf("CHANGED\n");
    for (size_t i = 0; i < list->n; i++) {
        print_row(&list->views[i], &widths, now);
    }
}

/* Names are prepared by SASLprep, which allows no control character: a line stays a line. */
static void print_plain(const struct list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        printf("%s@%s: userPassword\n", list->views[i].user, list->views[i].realm);
    }
}

/* An array, printed piece by piece: a store may be larger than one wants to build in memory. */
static enum auth_status print_json(const struct tool *tool, const struct list *list, int64_t now)
{
    putchar('[');
    for (size_t i = 0; i < list->n; i++) {
        printf("%s\n", i == 0 ? "" : ",");
        json_t *value = view_json(&list->views[i], now);
        if (value == NULL) {
            return tool_report(tool, AUTH_NO_MEMORY, NULL, "JSON");
        }
        json_dumpf(value, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        json_decref(value);
    }
    printf("%s]\n", list->n == 0 ? "" : "\n");
    return AUTH_OK;
}

static enum auth_status print_list(const struct tool *tool, const struct list *list, bool plain)
{
    int64_t now = (int64_t)time(NULL);
    if (tool->json) {
        return print_json(tool, list, now);
    }
    if (plain) {
        print_plain(list);
    } else {
        print_table(list, now);
    }
    if (isatty(STDERR_FILENO) == 1) {
        tool_say(tool, "%zu account%s, %zu of them with legacy verifiers", list->n,
                 tool_plural(list->n), list->legacy);
    }
    return AUTH_OK;
}

/* All accounts, or those of a realm, in the order in which they are shown. */
static enum auth_status collect_all(struct store *store, const char *realm, struct list *list,
                                    struct detail *detail)
{
    struct store_info info;
    enum auth_status status = store_describe(store, &info, detail);

    if (status == AUTH_OK) {
        list->total = realm == NULL ? info.accounts : 0;
        progress_init(&list->progress, "accounts read");
        list->unreadable.progress = &list->progress;
        const struct store_visitor visitor = {collect, list, unreadable_note, &list->unreadable};
        status = store_each(store, realm, &visitor, detail);
        progress_clear(&list->progress);
    }
    if (list->n > 1) {
        qsort(list->views, list->n, sizeof *list->views, by_realm_and_user);
    }
    return status;
}

struct request {
    const struct tool *tool;
    const char *realm; /* NULL for all */
    bool plain;
};

/* In a process that damaged pages may end. */
static int list_store(void *ctx)
{
    const struct request *request = ctx;
    const struct tool *tool = request->tool;
    const char *realm = request->realm;
    enum auth_status status = AUTH_INTERNAL;
    struct detail detail = {.text = ""};
    struct list list = {.views = NULL, .unreadable = {.tool = tool}};
    struct store *store = NULL;
    char lower[IDENTITY_MAX_REALM + 1];

    if (realm != NULL) {
        status = names_realm(realm, lower, &detail);
        if (status != AUTH_OK) {
            return tool_exit_code(tool_report(tool, status, &detail, "--realm"));
        }
    }
    status = tool_open_store(tool, false, &store);
    if (status != AUTH_OK) {
        return tool_exit_code(status);
    }
    status = collect_all(store, realm == NULL ? NULL : lower, &list, &detail);
    if (status != AUTH_OK) {
        tool_report_store(tool, status, &detail);
        goto out;
    }
    if (realm != NULL && list.n == 0 && list.unreadable.n == 0) {
        tool_say(tool, "%s: no account in this realm", lower);
        status = AUTH_UNKNOWN_USER;
        goto out;
    }
    status = print_list(tool, &list, request->plain);
    status = unreadable_end(&list.unreadable, status, list.n, "not in the list");

out:
    list_release(&list);
    store_close(store);
    return tool_exit_code(status);
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":" TOOL_COMMON_LETTERS, longs};
    struct request request = {.tool = tool};
    int option;
    int code = TOOL_DONE;
    while ((option = tool_next_option(tool, argc, argv, &options, &code)) >= 0) {
        if (option == OPTION_REALM) {
            request.realm = optarg;
        } else {
            request.plain = true;
        }
    }
    if (option == TOOL_OPTIONS_STOP) {
        return code;
    }
    if (optind != argc) {
        return tool_usage_error(tool, "takes no arguments (a realm goes behind --realm)");
    }
    return worker_run(tool, list_store, &request);
}

const struct verb verb_list = {
    .name = "list",
    .summary = "list the accounts and the kinds of their verifiers",
    .usage = usage,
    .run = run,
};
