/* SPDX-License-Identifier: BSD-2-Clause */
#include "new_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/files.h"

enum auth_status new_file_begin(const struct tool *tool, const char *name, const char *what,
                                struct new_file *ret)
{
    const struct file_mode mode = {S_IRUSR | S_IWUSR, FILES_ANY_USER, FILES_ANY_GROUP};
    struct detail detail = {.text = ""};
    struct stat st;

    if (lstat(name, &st) == 0) {
        tool_say(tool, "%s exists already; %s written to a new file", name, what);
        return AUTH_STORE_EXISTS;
    }
    *ret = (struct new_file){.tool = tool, .name = name, .fd = -1};
    enum auth_status status = file_name_beside(name, &ret->temporary);
    if (status == AUTH_OK) {
        status = file_create(buf_text(&ret->temporary), &mode, &ret->fd, NULL);
        if (status != AUTH_OK) {
            status = file_explain("cannot create", name, errno, &detail);
        }
    }
    if (status != AUTH_OK) {
        tool_say(tool, "%s", detail_text(&detail, status));
        buf_release(&ret->temporary);
    }
    return status;
}

enum auth_status new_file_end(struct new_file *file, bool whole)
{
    struct detail detail = {.text = ""};
    enum auth_status status = AUTH_OK;

    close(file->fd);
    if (whole) {
        status = file_rename_new(buf_text(&file->temporary), file->name, &detail);
    }
    if (status == AUTH_OK && whole) {
        status = file_sync_directory(file->name, &detail);
    } else {
        unlink(buf_text(&file->temporary));
    }
    buf_release(&file->temporary);
    if (status != AUTH_OK) {
        tool_say(file->tool, "%s", detail_text(&detail, status));
    }
    return status;
}
