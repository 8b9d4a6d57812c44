/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who else can change a store, or put another file in the place of it or of its key: its owner and
 * root may, and whoever owns the machine's files.
 */
#include "doctor.h"

struct rule {
    uid_t owner; /* of the store */
    const struct stat *root;
    mode_t forbidden; /* bits that a file may not have, where its group is not root's */
};

static mode_t open_bits(const struct rule *rule, const struct stat *st)
{
    /* Nobody removes what is another's from a directory like /tmp. */
    return S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0
               ? 0
               : doctor_open_bits(st, rule->root) & rule->forbidden;
}

/* A directory that only its owner could enter lets servers through, once it is root's. */
static const char *close_to_others(struct doctor *d, const char *path, const struct stat *st,
                                   bool stranger)
{
    bool closed = (st->st_mode & (S_IXGRP | S_IXOTH)) == 0;
    const char *command = doctor_command(&d->arena, "chmod %1 %2",
                                         stranger && closed ? "u+rwx,go-w+x" : "go-w", path, NULL);
    return stranger ? doctor_command(&d->arena, "chown -h root %1 && %r2", path, command, NULL)
                    : command;
}

static void check_one(struct doctor *d, const struct rule *rule, const char *path)
{
    struct stat st;
    if (doctor_stat(&d->files, path, &st) != 0) {
        return;
    }
    bool stranger =
        S_ISDIR(st.st_mode) && st.st_uid != rule->owner && !doctor_is_root_s(&st, rule->root);
    if (!stranger && open_bits(rule, &st) == 0) {
        return;
    }
    const char *harm = S_ISDIR(st.st_mode) ? "put other files in the place of the store and its key"
                                           : "spoil it, or crash who reads it";
    doctor_say(d, DOCTOR_STORE_WRITABLE, path, arena_mode(&d->arena, st.st_mode),
               user_name(&d->files, &d->arena, st.st_uid),
               group_name(&d->files, &d->arena, st.st_gid), harm,
               doctor_for_held(d, path, close_to_others(d, path, &st, stranger)), NULL);
}

/* The directories on the way to a file, outermost first, and the file itself. */
static void check_way(struct doctor *d, struct rule *rule, const char *path, mode_t forbidden)
{
    char whole[PATH_MAX];
    if (doctor_resolve(&d->files, path, whole) != 0) {
        return;
    }
    rule->forbidden = S_IWGRP | S_IWOTH;
    for (size_t i = 1; whole[i] != '\0'; i++) {
        if (whole[i] == '/') {
            check_one(d, rule, arena_copy(&d->arena, slice_of(whole, i)));
        }
    }
    rule->forbidden = forbidden;
    check_one(d, rule, arena_copy(&d->arena, slice_str(whole)));
}

void doctor_check_writers(struct doctor *d, const char *path, const char *key_path)
{
    struct stat data;
    struct stat root;
    if (doctor_stat(&d->files, path, &data) != 0 || doctor_stat(&d->files, "/", &root) != 0) {
        return;
    }
    struct rule rule = {.owner = data.st_uid, .root = &root};
    check_way(d, &rule, path, S_IWGRP | S_IWOTH);
    /* Readers have to write the lock file, and what a key file may be is told elsewhere. */
    check_way(d, &rule, arena_format(&d->arena, "%s-lock", path), S_IWOTH);
    check_way(d, &rule, key_path, 0);
}
