/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb rekey: all accounts sealed again under a new key. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "json_result.h"
#include "key_helper.h"
#include "progress.h"
#include "store/store_rekey.h"
#include "tool.h"
#include "worker.h"

enum { OPTION_PREPARE = TOOL_LONG_ONLY, OPTION_RETIRE, OPTION_RETIRE_NOW };

static const struct option longs[] = {{"prepare", no_argument, NULL, OPTION_PREPARE},
                                      {"retire", no_argument, NULL, OPTION_RETIRE},
                                      {"retire-now", no_argument, NULL, OPTION_RETIRE_NOW},
                                      TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb rekey [OPTION]...\n"
    "Makes a new key and seals all accounts again under it. Servers go on: those that can\n"
    "read the key file read it again, and for those that cannot (Postfix, in a jail or not) the\n"
    "accounts are kept under the old key too, until that is retired; before that there is no\n"
    "other new key. Can be run again after being killed.\n"
    "\n"
    "      --prepare            only add the new key to the key file\n"
    "      --retire             end the use of the old key: remove it from the key file, and\n"
    "                           the accounts kept under it. \"postfix reload\" before, as with\n"
    "                           any server that cannot read the key file: 454 otherwise\n"
    "      --retire-now         make a new key and retire the old one at once: for a key that\n"
    "                           others may have\n"
    "      --json               what was done as JSON\n"
    "  -f STORE, -k KEYFILE     data file and key file\n"
    "\n"
    "Backups made under a retired key can only be restored with a copy of that key. Parts of\n"
    "the store file that are free may hold accounts under the old key until they are used\n"
    "again: whoever has the old key and the file can read those.\n";

enum rekey_mode { REKEY_KEEP, REKEY_PREPARE, REKEY_RETIRE, REKEY_RETIRE_NOW };

struct rekey {
    const struct tool *tool;
    enum rekey_mode mode;
    struct key_helper helper;
    struct store *store;
    struct store_key_state state;
    struct detail detail;
    bool added; /* a key to the key file */
    bool sealed;
    bool retired;
};

/* The steps, as they are done. With --json they are told in the end. */
static void tell(const struct rekey *rekey, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(const struct rekey *rekey, const char *format, ...)
{
    va_list args;

    if (!rekey->tool->json) {
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
    }
}

static void show(void *ctx, uint64_t done, uint64_t all)
{
    progress_show(ctx, done, all == 0 ? -1 : (double)done / (double)all);
}

/* A key that is in the file but not in use yet: from --prepare, or a run that was killed. */
static enum auth_status make_key(struct rekey *rekey)
{
    struct store_key_state *state = &rekey->state;

    if (state->latest > state->active) {
        tell(rekey, "Key %" PRIu32 " is in %s already.\n", state->latest, rekey->tool->key_path);
        return AUTH_OK;
    }
    enum auth_status status =
        key_helper_add(&rekey->helper, state->store_id, &state->latest, &rekey->detail);
    if (status == AUTH_OK) {
        rekey->added = true;
        tell(rekey, "Added key %" PRIu32 " to %s.\n", state->latest, rekey->tool->key_path);
    }
    return status;
}

static enum auth_status seal_again(struct rekey *rekey)
{
    struct progress progress;
    enum auth_status status = store_rekey_check(&rekey->state, &rekey->detail);

    if (status == AUTH_OK) {
        status = make_key(rekey);
    }
    if (status != AUTH_OK || !tool_flush(rekey->tool)) {
        return status;
    }
    progress_init(&progress, "accounts");
    const struct store_watch watch = {show, &progress};
    status = store_rekey(rekey->store, rekey->state.latest, &watch, &rekey->detail);
    progress_clear(&progress);
    if (status == AUTH_OK) {
        rekey->state.previous = rekey->state.active;
        rekey->state.active = rekey->state.latest;
        rekey->sealed = true;
        tell(rekey, "All accounts are sealed under key %" PRIu32 ".\n", rekey->state.active);
    }
    return status;
}

/* Drops what is kept under the key before, and removes the keys older than the active one. */
static enum auth_status drop_older(struct rekey *rekey)
{
    enum auth_status status = store_rekey_retire(rekey->store, &rekey->detail);

    if (status == AUTH_OK && rekey->state.oldest < rekey->state.active) {
        status = key_helper_remove_older(&rekey->helper, rekey->state.store_id, rekey->state.active,
                                         &rekey->detail);
    }
    return status;
}

static enum auth_status retire(struct rekey *rekey)
{
    const struct store_key_state *state = &rekey->state;
    enum auth_status status = drop_older(rekey);

    if (status != AUTH_OK) {
        return status;
    }
    rekey->retired = state->oldest < state->active;
    if (rekey->retired) {
        tell(rekey,
             "The keys before key %" PRIu32 " are retired. Backups made under them can no longer "
             "be restored\nwithout a copy of their key: make a new one now (\"sasl-lmdb "
             "backup\").\n"
             "Servers that opened the store before and cannot read the key file again answer 454\n"
             "until they are restarted (Postfix, in a jail or not: \"postfix reload\").\n",
             state->active);
    } else {
        tell(rekey,
             "Nothing to retire: %s holds no key of this store older than key %" PRIu32
             ", which is in use.\n",
             rekey->tool->key_path, state->active);
    }
    return AUTH_OK;
}

/* The old key may be in others' hands: nobody is waited for who knows only one still older. */
static enum auth_status retire_now(struct rekey *rekey)
{
    enum auth_status status = AUTH_OK;

    if (rekey->state.previous != 0) {
        status = store_rekey_retire(rekey->store, &rekey->detail);
        rekey->state.previous = 0;
    }
    if (status == AUTH_OK) {
        status = seal_again(rekey);
    }
    return status == AUTH_OK ? retire(rekey) : status;
}

static enum auth_status change_key(struct rekey *rekey)
{
    enum auth_status status = seal_again(rekey);

    if (status == AUTH_OK) {
        tell(rekey,
             "Servers that know only key %" PRIu32 " are served until \"sasl-lmdb rekey "
             "--retire\".\nBackups made so far need that key too: make a new one before you "
             "retire it.\n",
             rekey->state.previous);
    }
    return status;
}

static enum auth_status change_keys(struct rekey *rekey)
{
    switch (rekey->mode) {
    case REKEY_PREPARE:
        return make_key(rekey);
    case REKEY_RETIRE:
        return retire(rekey);
    case REKEY_RETIRE_NOW:
        return retire_now(rekey);
    default:
        return change_key(rekey);
    }
}

static enum auth_status print_json(const struct rekey *rekey)
{
    return json_result(
        rekey->tool, true,
        json_pack("{s:I, s:I, s:b, s:b, s:b}", "key", (json_int_t)rekey->state.active, "newest",
                  (json_int_t)rekey->state.latest, "added", rekey->added ? 1 : 0, "sealed",
                  rekey->sealed ? 1 : 0, "retired", rekey->retired ? 1 : 0));
}

struct task {
    const struct tool *tool;
    enum rekey_mode mode;
};

/* In a process that damaged pages may end. */
static int rekey(void *ctx)
{
    const struct task *task = ctx;
    const struct tool *tool = task->tool;
    struct rekey rekey = {.tool = tool, .mode = task->mode};

    if (!key_helper_start(&rekey.helper, tool)) {
        return TOOL_FAILED;
    }
    enum auth_status status = tool_open_store(tool, true, &rekey.store);
    if (status == AUTH_OK) {
        status = store_key_state(rekey.store, &rekey.state, &rekey.detail);
        if (status == AUTH_OK) {
            status = change_keys(&rekey);
        }
        if (status != AUTH_OK) {
            tool_report_store(tool, status, &rekey.detail);
        }
        store_close(rekey.store);
    }
    key_helper_stop(&rekey.helper);
    if (status == AUTH_OK && tool->json) {
        status = print_json(&rekey);
    }
    return tool_exit_code(status);
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":" TOOL_COMMON_LETTERS, longs};
    enum rekey_mode mode = REKEY_KEEP;
    int option;
    int code = TOOL_DONE;

    while ((option = tool_next_option(tool, argc, argv, &options, &code)) >= 0) {
        if (mode != REKEY_KEEP) {
            return tool_usage_error(tool,
                                    "--prepare, --retire and --retire-now exclude each other");
        }
        mode = option == OPTION_PREPARE  ? REKEY_PREPARE
               : option == OPTION_RETIRE ? REKEY_RETIRE
                                         : REKEY_RETIRE_NOW;
    }
    if (option == TOOL_OPTIONS_STOP) {
        return code;
    }
    if (optind != argc) {
        return tool_usage_error(tool, "takes no arguments");
    }
    struct task task = {tool, mode};
    return worker_run(tool, rekey, &task);
}

const struct verb verb_rekey = {
    .name = "rekey",
    .summary = "seal all accounts again under a new key",
    .usage = usage,
    .run = run,
};
