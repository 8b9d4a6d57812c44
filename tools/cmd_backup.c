/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb backup: all accounts, sealed, in one file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "json_result.h"
#include "progress.h"
#include "store/files.h"
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

enum { SUFFIX_RANDOM = 8, PATH_CEILING = 4096 + 64 };

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

/* Runs it; an enum tool_exit. */
static int run_worker(const struct backup *backup)
{
    pid_t pid = -1;
    struct backup copy = *backup;

    if (!worker_start(backup->tool, write_backup, &copy, &pid)) {
        return TOOL_FAILED;
    }
    struct worker_end end = worker_wait(pid, -1);
    if (end.signal != 0) {
        tool_say(backup->tool,
                 "%s: reading it ended the process by signal %d; \"sasl-lmdb check\" tells where",
                 backup->tool->store_path, end.signal);
        return TOOL_FAILED;
    }
    return end.exit;
}

static enum auth_status temporary_name(const char *name, struct buf *ret)
{
    uint8_t random[SUFFIX_RANDOM];
    enum auth_status status = crypto_random(random, sizeof random);

    buf_put_str(ret, name);
    buf_put_byte(ret, '.');
    buf_put_hex(ret, random, sizeof random);
    return status == AUTH_OK ? buf_status(ret) : status;
}

/* Under another name first, so that what has the name is whole. */
static int backup_to_file(struct backup *backup, const char *name)
{
    const struct file_mode mode = {S_IRUSR | S_IWUSR, FILES_ANY_USER, FILES_ANY_GROUP};
    struct detail detail = {.text = ""};
    struct buf temporary;
    struct stat st;
    int code = TOOL_DONE;

    if (lstat(name, &st) == 0) {
        tool_say(backup->tool, "%s exists already; a backup is written to a new file", name);
        return TOOL_REFUSED;
    }
    buf_init(&temporary, PATH_CEILING);
    enum auth_status status = temporary_name(name, &temporary);
    if (status == AUTH_OK) {
        status = file_create(buf_text(&temporary), &mode, &backup->fd, NULL);
        if (status != AUTH_OK) {
            status = file_explain("cannot create", name, errno, &detail);
        }
    }
    if (status == AUTH_OK) {
        code = run_worker(backup);
        close(backup->fd);
        if (code == TOOL_DONE) {
            status = file_rename_new(buf_text(&temporary), name, &detail);
        }
        if (status == AUTH_OK && code == TOOL_DONE) {
            status = file_sync_directory(name, &detail);
        } else {
            unlink(buf_text(&temporary));
        }
    }
    buf_release(&temporary);
    if (status != AUTH_OK) {
        tool_say(backup->tool, "%s", detail_text(&detail, status));
        code = tool_exit_code(status);
    }
    return code;
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
    int code = standard_output ? run_worker(&backup) : backup_to_file(&backup, name);
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
