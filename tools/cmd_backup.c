/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb backup: all accounts, sealed, in one file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json_result.h"
#include "new_file.h"
#include "progress.h"
#include "store/store_backup.h"
#include "tool.h"
#include "worker.h"

static const struct option longs[] = {TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb backup [OPTION]... FILE\n"
    "Writes all accounts and settings to a new FILE (mode 0600), or to standard output where\n"
    "FILE is \"-\". It is of one moment, while servers read and others write, and appears under\n"
    "its name only when it is whole. Accounts stay sealed: the key is not in it, and without\n"
    "the key of the time of the backup it cannot be restored. Keep both, apart.\n"
    "\n"
    "      --json               what was written as JSON, unless that is standard output\n"
    "  -f STORE, -k KEYFILE     data file and key file\n"
    "\n"
    "Exit status: 0 done, 1 FILE exists, 3 the store or the system failed.\n";

struct backup {
    const struct tool *tool;
    const char *name; /* of the file, for messages */
    int fd;
    uint64_t *accounts; /* shared with the worker */
};

static void show(void *ctx, uint64_t done, uint64_t all)
{
    progress_show(ctx, done, all == 0 ? -1 : (double)done / (double)all);
}

/* In a process of its own, as the owner of the store. */
static int write_backup(void *ctx)
{
    const struct backup *backup = ctx;
    struct detail detail = {.text = ""};
    struct progress progress;
    struct store *store = NULL;
    enum auth_status status = tool_open_store(backup->tool, false, &store);

    if (status != AUTH_OK) {
        return tool_exit_code(status);
    }
    progress_init(&progress, "accounts");
    const struct store_watch watch = {show, &progress};
    status = store_backup(store, backup->fd, &watch, backup->accounts, &detail);
    progress_clear(&progress);
    store_close(store);
    if (status != AUTH_OK) {
        tool_report(backup->tool, status, &detail, "%s", backup->name);
    }
    return tool_exit_code(status);
}

static int backup_to_file(struct backup *backup, const char *name)
{
    struct new_file file;
    enum auth_status status = new_file_begin(backup->tool, name, "a backup is", &file);

    if (status != AUTH_OK) {
        return tool_exit_code(status);
    }
    backup->fd = file.fd;
    int code = worker_run(backup->tool, write_backup, backup);
    status = new_file_end(&file, code == TOOL_DONE);
    return status == AUTH_OK ? code : tool_exit_code(status);
}

static int backup(const struct tool *tool, const char *name)
{
    bool standard_output = strcmp(name, "-") == 0;
    struct backup backup = {tool, standard_output ? "standard output" : name, STDOUT_FILENO,
                            worker_shared(sizeof *backup.accounts)};

    if (backup.accounts == NULL) {
        tool_report(tool, AUTH_NO_MEMORY, NULL, "%s", name);
        return TOOL_FAILED;
    }
    if (standard_output && isatty(STDOUT_FILENO) == 1) {
        return tool_usage_error(tool, "a backup is not for a terminal");
    }
    int code =
        standard_output ? worker_run(tool, write_backup, &backup) : backup_to_file(&backup, name);
    if (code == TOOL_DONE && !standard_output && tool->json) {
        return tool_exit_code(json_result(
            tool, true,
            json_pack("{s:s, s:I}", "file", name, "accounts", (json_int_t)*backup.accounts)));
    }
    if (code == TOOL_DONE && !standard_output) {
        printf("%s: %" PRIu64 " account%s\n", name, *backup.accounts,
               tool_plural(*backup.accounts));
    }
    return code;
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":" TOOL_COMMON_LETTERS, longs};
    int code = TOOL_DONE;

    if (tool_next_option(tool, argc, argv, &options, &code) != TOOL_OPTIONS_END) {
        return code;
    }
    const char *name = tool_file_argument(tool, argc, argv, "output");
    return name == NULL ? TOOL_USAGE : backup(tool, name);
}

const struct verb verb_backup = {
    .name = "backup",
    .summary = "write all accounts to a file, sealed",
    .usage = usage,
    .run = run,
};
