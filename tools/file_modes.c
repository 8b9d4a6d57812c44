/* SPDX-License-Identifier: BSD-2-Clause */
#include "file_modes.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor_command.h"
#include "privilege.h"
#include "store/files.h"
#include "store/held_path.h"
#include "store/ticket_file.h"

enum { MODE_BITS = 07777, REMEDY_MAX = 1200 };

/* One file beside the data file, and its mode where a group has the store and where none has. */
struct wanted {
    const char *what;
    bool of_key; /* its name is the key file's, else the store's, with the suffix */
    const char *suffix;
    mode_t shared;
    mode_t alone;
    bool roots_too;    /* root may own it as well: the key of a server that opens it as root */
    bool less_is_fine; /* so may its mode leave out the group */
};

static const struct wanted files[] = {
    {"store", false, "", 0640, 0600, false, false},
    {"lock file", false, "-lock", 0660, 0600, false, false},
    {"key file", true, "", 0640, 0600, true, true},
    {"ticket file", false, TICKET_FILE_SUFFIX, 0620, 0600, false, false},
    {"ticket key", true, TICKET_FILE_SUFFIX, 0600, 0600, false, false},
};

static bool path_of(const struct tool *tool, const struct wanted *file, char ret[PATH_MAX])
{
    int n = snprintf(ret, PATH_MAX, "%s%s", file->of_key ? tool->key_path : tool->store_path,
                     file->suffix);

    return n > 0 && n < PATH_MAX;
}

static bool mode_fits(const struct wanted *file, mode_t mode, mode_t wanted)
{
    return (mode & MODE_BITS) == wanted ||
           (file->less_is_fine && (mode & MODE_BITS) == file->alone);
}

/* Root's and the caller's own are followed; who has made another chooses where it leads. */
static bool is_trusted_link(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}

/* What mends it, to stand behind what is wrong; "" where that cannot be shown whole. */
static const char *remedy(struct arena *arena, const char *path, const struct file_mode *mode)
{
    if (!path_is_held(path)) {
        /* What is a file now may be a link by the time a command is run. */
        return "; others than you can put something else there: its directory comes first";
    }
    const char *command =
        doctor_command(arena, ": chown -h %1:%2 %3 && chmod %4 %3", arena_number(arena, mode->uid),
                       arena_number(arena, mode->gid), path, arena_mode(arena, mode->mode), NULL);

    return doctor_command_is_usable(command) && strlen(command) < REMEDY_MAX ? command : "";
}

static bool tell_one(const struct tool *tool, const struct wanted *file, const struct stat *data)
{
    const bool shared = (data->st_mode & S_IRGRP) != 0;
    const mode_t wanted = shared ? file->shared : file->alone;
    char path[PATH_MAX];
    struct stat st;

    if (!path_of(tool, file, path) || lstat(path, &st) != 0) {
        return false;
    }
    if (S_ISLNK(st.st_mode) && !is_trusted_link(&st)) {
        tool_say(tool, "warning: the %s %s is a symbolic link of user %u's", file->what, path,
                 (unsigned)st.st_uid);
        return true;
    }
    if (!S_ISREG(st.st_mode)) {
        return false;
    }
    /* The group counts where it may do something. */
    const bool owner_fits = st.st_uid == data->st_uid || (file->roots_too && st.st_uid == 0);
    const bool group_fits = (st.st_mode & S_IRWXG) == 0 || st.st_gid == data->st_gid;
    if (owner_fits && group_fits && mode_fits(file, st.st_mode, wanted)) {
        return false;
    }
    const struct file_mode mode = {wanted, owner_fits ? st.st_uid : data->st_uid, data->st_gid};
    struct arena arena = {NULL, false};
    tool_say(tool, "warning: the %s %s has mode %04o, user %u, group %u%s", file->what, path,
             (unsigned)(st.st_mode & MODE_BITS), (unsigned)st.st_uid, (unsigned)st.st_gid,
             remedy(&arena, path, &mode));
    arena_release(&arena);
    return true;
}

const char *file_modes_open_key(const struct tool *tool, struct arena *arena)
{
    struct stat data;
    struct stat key;

    if (!privilege_directory_is_root_s(tool->store_path) || lstat(tool->store_path, &data) != 0 ||
        !S_ISREG(data.st_mode) || data.st_uid != geteuid() || lstat(tool->key_path, &key) != 0 ||
        !S_ISREG(key.st_mode) || (key.st_uid != 0 && key.st_uid != geteuid()) ||
        file_access(tool->key_path, R_OK) != EACCES) {
        return "";
    }
    const struct file_mode mode = {(data.st_mode & S_IRGRP) != 0 ? 0640 : 0600, data.st_uid,
                                   data.st_gid};
    return remedy(arena, tool->key_path, &mode);
}

unsigned file_modes_tell(const struct tool *tool)
{
    struct stat data;
    unsigned told = 0;

    if (lstat(tool->store_path, &data) != 0) {
        return 0;
    }
    if (S_ISLNK(data.st_mode) && !is_trusted_link(&data)) {
        return tell_one(tool, &files[0], &data);
    }
    if (S_ISLNK(data.st_mode) && stat(tool->store_path, &data) != 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        told += tell_one(tool, &files[i], &data);
    }
    return told;
}
