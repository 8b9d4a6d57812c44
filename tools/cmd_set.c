/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb set: what can be changed of an account, or of all of a realm, without its password. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "json_result.h"
#include "moment.h"
#include "names.h"
#include "progress.h"
#include "set_upgrade.h"
#include "tool.h"
#include "unreadable.h"
#include "view.h"
#include "worker.h"

enum {
    OPTION_REALM = TOOL_LONG_ONLY,
    OPTION_DROP,
    OPTION_EXPIRES,
    OPTION_UPGRADE,
};

static const struct option longs[] = {{"realm", required_argument, NULL, OPTION_REALM},
                                      {"drop", required_argument, NULL, OPTION_DROP},
                                      {"expires", required_argument, NULL, OPTION_EXPIRES},
                                      {"upgrade", no_argument, NULL, OPTION_UPGRADE},
                                      TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb set [--drop LIST] [--expires WHEN] [OPTION]... USER[@REALM]\n"
    "       sasl-lmdb set [--drop LIST] [--expires WHEN] [OPTION]... --realm R\n"
    "       sasl-lmdb set --upgrade [--json]\n"
    "Changes an account, or every account of a realm; no password is needed.\n"
    "\n"
    "      --drop LIST          forget these verifiers: scram-sha-1, scram-sha-256,\n"
    "                           scram-sha-512, cram-md5, digest-md5, checkpass, crypt, or\n"
    "                           \"legacy\" for the MD5 ones; commas between them. Only a new\n"
    "                           password brings one back. An account keeps at least one.\n"
    "      --expires WHEN       2026-12-31, 2026-12-31T18:00:00Z (UTC) or never: from then on\n"
    "                           the account is refused as a wrong password is\n"
    "      --realm R            all accounts of this realm\n"
    "      --upgrade            make the missing verifiers of accounts that have logged in by\n"
    "                           PLAIN or LOGIN at a server with \"lmdb_upgrade: yes\"; the\n"
    "                           first time, make what servers need to remember such logins\n"
    "  -u REALM                 the realm of a USER without one (default: this host's name)\n"
    "      --json               the counts as JSON\n"
    "  -f STORE, -k KEYFILE     data file and key file\n"
    "\n"
    "Exit status: 0 done, also where nothing had to change; 1 not found, or an account would\n"
    "have no verifier left and was not changed.\n";

/* What to do to an account. */
struct setting {
    unsigned drop; /* of enum verifier_kind */
    bool set_expires;
    int64_t expires;
};

/* The edit of one account. */
struct edit {
    const struct setting *setting;
    bool last; /* its last verifier would go */
};

struct counts {
    uint64_t changed;
    uint64_t same;
    uint64_t refused;
    struct unreadable unreadable;
};

/* The accounts of a realm, remembered while a read transaction lasts, changed one by one then. */
struct members {
    struct identity *who;
    size_t n;
    size_t capacity;
};

static enum auth_status collect(void *ctx, const struct record *record)
{
    enum { FIRST_CAPACITY = 64 };
    struct members *members = ctx;
    if (members->n == members->capacity) {
        size_t capacity = members->capacity == 0 ? FIRST_CAPACITY : 2 * members->capacity;
        struct identity *grown = reallocarray(members->who, capacity, sizeof *grown);
        if (grown == NULL) {
            return AUTH_NO_MEMORY;
        }
        members->who = grown;
        members->capacity = capacity;
    }
    members->who[members->n++] = record->who;
    return AUTH_OK;
}

static enum store_edit apply(void *ctx, bool exists, struct record *record)
{
    struct edit *edit = ctx;
    const struct setting *setting = edit->setting;
    const unsigned held = verifier_kinds(&record->verifiers);
    const int64_t expires = setting->set_expires ? setting->expires : record->expires;
    edit->last = false;
    if (!exists) {
        return STORE_KEEP;
    }
    if ((held & setting->drop) == 0 && expires == record->expires) {
        return STORE_KEEP;
    }
    if ((held & setting->drop) != 0 && (held & ~setting->drop) == 0) {
        edit->last = true;
        return STORE_KEEP;
    }
    verifier_drop(&record->verifiers, setting->drop);
    record->expires = expires;
    return STORE_WRITE;
}

static enum auth_status change(const struct tool *tool, struct store *store,
                               const struct identity *who, const struct setting *setting,
                               struct counts *counts)
{
    struct edit edit = {.setting = setting};
    struct detail detail = {.text = ""};
    bool existed = false;
    enum store_edit done = STORE_KEEP;
    enum auth_status status = store_change(store, who, apply, &edit, &existed, &done, &detail);
    if (status == AUTH_OK && !existed) {
        status = AUTH_UNKNOWN_USER;
    }
    if (status != AUTH_OK) {
        return names_report_account(tool, store, status, &detail, who);
    }
    if (edit.last) {
        counts->refused++;
        tool_say(tool,
                 "%s@%s: no verifier would be left; not changed (disable keeps an account out)",
                 who->user, who->realm);
    } else if (done == STORE_WRITE) {
        counts->changed++;
    } else {
        counts->same++;
    }
    return AUTH_OK;
}

/* An account that went away meanwhile is no fault. */
static enum auth_status change_realm(const struct tool *tool, struct store *store,
                                     const char *realm, const struct setting *setting,
                                     struct counts *counts)
{
    struct members members = {.who = NULL};
    struct detail detail = {.text = ""};
    struct progress progress;
    const struct store_visitor visitor = {collect, &members, unreadable_note, &counts->unreadable};
    enum auth_status status = store_each(store, realm, &visitor, &detail);
    if (status != AUTH_OK) {
        tool_report_store(tool, status, &detail);
    } else if (members.n == 0 && counts->unreadable.n == 0) {
        tool_say(tool, "%s: no account in this realm", realm);
        status = AUTH_UNKNOWN_USER;
    }
    interrupt_catch();
    progress_init(&progress, "accounts looked at");
    for (size_t i = 0; i < members.n && status == AUTH_OK; i++) {
        status = change(tool, store, &members.who[i], setting, counts);
        status = status == AUTH_UNKNOWN_USER ? AUTH_OK : status;
        progress_show(&progress, i + 1, (double)(i + 1) / (double)members.n);
        if (status == AUTH_OK && interrupt_signal != 0) {
            progress_clear(&progress);
            tool_say(tool, "interrupted; %zu of %zu account%s done", i + 1, members.n,
                     tool_plural(members.n));
            status = AUTH_UNAVAILABLE;
        }
    }
    progress_clear(&progress);
    free(members.who);
    return status;
}

/* Clients choose from what is offered, and do not try the next mechanism where one fails. */
static void note_dropped(const struct tool *tool, const struct setting *setting,
                         const struct counts *counts)
{
    if (counts->changed == 0) {
        return;
    }
    if ((setting->drop & (VERIFIER_CRAM_MD5 | VERIFIER_DIGEST_MD5)) != 0) {
        tool_say(tool, "note: logins by mechanisms whose verifier is gone fail (no-verifier): take "
                       "what nobody can use any more out of mech_list");
    }
    if ((setting->drop & VERIFIER_CHECKPASS_MD5) != 0) {
        tool_say(tool, "note: without a checkpass verifier sasl_checkpass() fails, and with it "
                       "Cyrus IMAP's LOGIN command");
    }
}

static enum auth_status print_counts(const struct tool *tool, const struct counts *counts)
{
    if (tool->json) {
        return json_result(tool, counts->refused + counts->unreadable.n == 0,
                           json_pack("{s:I, s:I, s:I, s:I}", "changed", (json_int_t)counts->changed,
                                     "unchanged", (json_int_t)counts->same, "refused",
                                     (json_int_t)counts->refused, "damaged",
                                     (json_int_t)counts->unreadable.n));
    }
    printf("%" PRIu64 " changed, %" PRIu64 " as wanted already", counts->changed, counts->same);
    if (counts->refused != 0) {
        printf(", %" PRIu64 " refused", counts->refused);
    }
    putchar('\n');
    return AUTH_OK;
}

struct task {
    const struct tool *tool;
    const struct identity *who; /* if realm is NULL, which means all of that */
    const char *realm;
    const struct setting *setting;
};

/* In a process that damaged pages may end. */
static int set(void *ctx)
{
    const struct task *task = ctx;
    const struct tool *tool = task->tool;
    const struct setting *setting = task->setting;
    struct store *store = NULL;
    struct counts counts = {.unreadable = {.tool = tool}};
    enum auth_status status = tool_open_store(tool, true, &store);
    if (status == AUTH_OK) {
        status = task->realm != NULL ? change_realm(tool, store, task->realm, setting, &counts)
                                     : change(tool, store, task->who, setting, &counts);
        store_close(store);
    }
    if (status == AUTH_OK) {
        note_dropped(tool, setting, &counts);
        status = print_counts(tool, &counts);
        status = unreadable_end(&counts.unreadable, status,
                                counts.changed + counts.same + counts.refused, "not changed");
    }
    return status == AUTH_OK && counts.refused != 0 ? TOOL_REFUSED : tool_exit_code(status);
}

struct request {
    struct setting setting;
    const char *user_realm;
    const char *realm;
    bool upgrade;
};

/* TOOL_DONE, or the usage error. */
static int take_option(const struct tool *tool, struct request *request, int option,
                       const char *value)
{
    struct slice bad;
    switch (option) {
    case OPTION_DROP:
        if (!view_take_held_kinds(slice_str(value), &request->setting.drop, &bad)) {
            return tool_usage_error(tool, "--drop: \"%.*s\" is not a verifier", (int)bad.n,
                                    (const char *)bad.p);
        }
        return TOOL_DONE;
    case OPTION_EXPIRES:
        request->setting.set_expires = true;
        request->setting.expires = 0;
        if (strcmp(value, "never") != 0 &&
            (!moment_take(slice_str(value), &request->setting.expires) ||
             request->setting.expires == 0)) {
            return tool_usage_error(tool, "--expires takes 2026-12-31, 2026-12-31T18:00:00Z or "
                                          "never");
        }
        return TOOL_DONE;
    case OPTION_REALM:
        request->realm = value;
        return TOOL_DONE;
    case OPTION_UPGRADE:
        request->upgrade = true;
        return TOOL_DONE;
    default:
        request->user_realm = value;
        return TOOL_DONE;
    }
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":u:" TOOL_COMMON_LETTERS, longs};
    struct request request = {.upgrade = false};
    struct identity who = {.user = ""};
    char realm[IDENTITY_MAX_REALM + 1];
    struct detail detail = {.text = ""};
    enum auth_status status;
    int option;
    int code = TOOL_DONE;
    while ((option = tool_next_option(tool, argc, argv, &options, &code)) >= 0) {
        code = take_option(tool, &request, option, optarg);
        if (code != TOOL_DONE) {
            return code;
        }
    }
    if (option == TOOL_OPTIONS_STOP) {
        return code;
    }
    if (request.upgrade) {
        bool more = request.setting.drop != 0 || request.setting.set_expires ||
                    request.realm != NULL || optind != argc;
        return more ? tool_usage_error(tool, "--upgrade is about no account in particular")
                    : set_upgrade(tool);
    }
    if (request.setting.drop == 0 && !request.setting.set_expires) {
        return tool_usage_error(tool, "nothing to set: give --drop, --expires or --upgrade");
    }
    if (argc - optind != (request.realm == NULL ? 1 : 0)) {
        return tool_usage_error(tool, "takes either one USER or --realm");
    }
    if (request.realm == NULL) {
        status = names_argument(tool, argv[optind], request.user_realm, IDENTITY_QUERY, &who);
    } else {
        status = names_realm(request.realm, realm, &detail);
        if (status != AUTH_OK) {
            tool_report(tool, status, &detail, "--realm");
        }
    }
    struct task task = {tool, &who, request.realm == NULL ? NULL : realm, &request.setting};
    return status == AUTH_OK ? worker_run(tool, set, &task) : tool_exit_code(status);
}

const struct verb verb_set = {
    .name = "set",
    .summary = "drop verifiers of accounts, let them expire, or upgrade them",
    .usage = usage,
    .run = run,
};
