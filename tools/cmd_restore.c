/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb restore: all accounts as they were in a backup. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aside.h"
#include "json_result.h"
#include "progress.h"
#include "store/store_backup.h"
#include "tool.h"

static const struct option longs[] = {TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb restore [OPTION]... FILE\n"
    "Replaces all accounts and settings of a store by those of a backup. Running servers see\n"
    "the old accounts until all the new ones are there, and then only these; if it fails or\n"
    "is killed the old ones stay. Until it is done other changes are refused. FILE \"-\" is\n"
    "standard input.\n"
    "\n"
    "The key file has to hold the key the backup was made under. For a store that is lost: put\n"
    "its key file in place, \"init\" a new store (which adds a key to it), and restore.\n"
    "\n"
    "      --json               what was restored as JSON\n"
    "  -f STORE, -k KEYFILE     data file and key file\n"
    "\n"
    "Exit status: 0 done, 1 FILE is no backup or a damaged one, 3 the store, a key or the\n"
    "system failed.\n";

/* How long the backup is nobody knows before its end, unless it is a file. */
struct watched {
    struct progress progress;
    int fd;
    off_t size; /* 0 if it is no file */
};

static void show(void *ctx, uint64_t done, uint64_t all)
{
    struct watched *watched = ctx;
    off_t at = watched->size > 0 ? lseek(watched->fd, 0, SEEK_CUR) : -1;

    (void)all;
    progress_show(&watched->progress, done, at < 0 ? -1 : (double)at / (double)watched->size);
}

static void watch_file(struct watched *watched, int fd)
{
    struct stat st;

    watched->fd = fd;
    watched->size = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;
    progress_init(&watched->progress, "accounts");
}

/* The file is opened before the store: as root, who may not be root any longer after that. */
static int restore(const struct tool *tool, const char *name)
{
    struct detail detail = {.text = ""};
    struct store *store = NULL;
    struct watched watched;
    uint64_t accounts = 0;
    bool standard_input = strcmp(name, "-") == 0;
    int fd = standard_input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        tool_say(tool, "%s: cannot be opened: %s", name, strerror(errno));
        return TOOL_FAILED;
    }
    enum auth_status status = tool_open_store(tool, true, &store);
    if (status == AUTH_STORE_DAMAGED || status == AUTH_STORE_FOREIGN) {
        aside_tell(tool);
    }
    if (status == AUTH_OK) {
        watch_file(&watched, fd);
        const struct store_watch watch = {show, &watched};
        status = store_restore(store, fd, &watch, &accounts, &detail);
        progress_clear(&watched.progress);
        store_close(store);
        if (status != AUTH_OK) {
            tool_report(tool, status, &detail, "%s: nothing was changed", name);
        }
        if (status == AUTH_STORE_DAMAGED) {
            aside_tell(tool);
        }
    }
    if (!standard_input) {
        close(fd);
    }
    if (status == AUTH_OK && tool->json) {
        status = json_result(
            tool, true, json_pack("{s:s, s:I}", "file", name, "accounts", (json_int_t)accounts));
    } else if (status == AUTH_OK) {
        printf("restored %" PRIu64 " account%s\n", accounts, tool_plural(accounts));
    }
    return tool_exit_code(status);
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":" TOOL_COMMON_LETTERS, longs};
    int code = TOOL_DONE;

    if (tool_next_option(tool, argc, argv, &options, &code) != TOOL_OPTIONS_END) {
        return code;
    }
    const char *name = tool_file_argument(tool, argc, argv, "input");
    return name == NULL ? TOOL_USAGE : restore(tool, name);
}

const struct verb verb_restore = {
    .name = "restore",
    .summary = "replace all accounts by those of a backup",
    .usage = usage,
    .run = run,
};
