/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_people.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "doctor_settings.h"

enum {
    FIELDS = 7, /* of a line of /etc/passwd; /etc/group has four */
    ID_MAX = INT32_MAX,
};

static bool next_fields(struct slice *text, struct slice field[FIELDS], size_t *ret_n)
{
    struct slice line;
    if (!settings_line(text, &line)) {
        return false;
    }
    bool more = true;
    for (*ret_n = 0; more && *ret_n < FIELDS; ++*ret_n) {
        slice_take_run(&line, ':', &field[*ret_n]);
        more = slice_take_literal(&line, ":");
    }
    return true;
}

static bool take_id(struct slice text, unsigned *ret)
{
    uint32_t id = 0;
    if (!slice_take_decimal(&text, ID_MAX, &id) || text.n != 0) {
        return false;
    }
    *ret = id;
    return true;
}

static void add_group(struct person *person, gid_t gid)
{
    if (!person_has_group(person, gid) && person->n_groups < PERSON_GROUPS_MAX) {
        person->groups[person->n_groups++] = gid;
    }
}

static void read_passwd(struct person *person, struct slice text)
{
    struct slice field[FIELDS];
    size_t n = 0;
    unsigned uid = 0;
    unsigned gid = 0;
    while (!person->known && next_fields(&text, field, &n)) {
        if (n >= 4 && slice_equal_str(field[0], person->name) && take_id(field[2], &uid) &&
            take_id(field[3], &gid)) {
            person->known = true;
            person->uid = uid;
            add_group(person, gid);
        }
    }
}

static void read_group(struct person *person, struct slice text)
{
    struct slice field[FIELDS];
    size_t n = 0;
    unsigned gid = 0;
    while (next_fields(&text, field, &n)) {
        struct slice member;
        bool is_member = false;
        while (n >= 4 && settings_word(&field[3], ",", &member)) {
            is_member = is_member || slice_equal_str(member, person->name);
        }
        if (is_member && take_id(field[2], &gid)) {
            add_group(person, gid);
        }
    }
}

static void ask_system(struct person *person)
{
    const struct passwd *account = getpwnam(person->name);
    if (account == NULL) {
        return;
    }
    int n = PERSON_GROUPS_MAX;
    person->known = true;
    person->uid = account->pw_uid;
    if (getgrouplist(person->name, account->pw_gid, person->groups, &n) < 0) {
        n = 1;
        person->groups[0] = account->pw_gid;
    }
    person->n_groups = (size_t)n;
}

struct person person_find(const struct doctor_files *files, struct arena *arena, const char *name)
{
    struct person person = {.name = arena_copy(arena, slice_str(name))};
    struct buf text;
    if (files->root[0] == '\0') {
        ask_system(&person);
        return person;
    }
    buf_init(&text, DOCTOR_CONF_MAX);
    if (doctor_read(files, "/etc/passwd", &text) == 0) {
        read_passwd(&person, buf_slice(&text));
    }
    buf_release(&text);
    if (doctor_read(files, "/etc/group", &text) == 0) {
        read_group(&person, buf_slice(&text));
    }
    buf_release(&text);
    return person;
}

bool person_has_group(const struct person *person, gid_t gid)
{
    for (size_t i = 0; i < person->n_groups; i++) {
        if (person->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

/* The name that a file like /etc/group has for an id: name:x:id:... */
static const char *name_in(const struct doctor_files *files, struct arena *arena, const char *path,
                           unsigned id)
{
    const char *name = arena_number(arena, id);
    struct buf text;
    buf_init(&text, DOCTOR_CONF_MAX);
    if (doctor_read(files, path, &text) == 0) {
        struct slice rest = buf_slice(&text);
        struct slice field[FIELDS];
        size_t n = 0;
        unsigned found = 0;
        while (next_fields(&rest, field, &n)) {
            if (n >= 3 && take_id(field[2], &found) && found == id) {
                name = arena_copy(arena, field[0]);
                break;
            }
        }
    }
    buf_release(&text);
    return name;
}

const char *group_name(const struct doctor_files *files, struct arena *arena, gid_t gid)
{
    if (files->root[0] != '\0') {
        return name_in(files, arena, "/etc/group", gid);
    }
    const struct group *group = getgrgid(gid);
    return group == NULL ? arena_number(arena, gid) : arena_copy(arena, slice_str(group->gr_name));
}

const char *user_name(const struct doctor_files *files, struct arena *arena, uid_t uid)
{
    if (files->root[0] != '\0') {
        return name_in(files, arena, "/etc/passwd", uid);
    }
    const struct passwd *account = getpwuid(uid);
    return account == NULL ? arena_number(arena, uid)
                           : arena_copy(arena, slice_str(account->pw_name));
}

static bool has_acl(const struct doctor_files *files, const char *path)
{
    char host[PATH_MAX];
    return doctor_locate(files, path, host) == 0 &&
           lgetxattr(host, "system.posix_acl_access", NULL, 0) > 0;
}

/* One file or directory, all links followed already. */
static bool may_one(const struct doctor_files *files, const struct person *person, const char *path,
                    unsigned wanted)
{
    struct stat st;
    if (doctor_stat(files, path, &st) != 0 || person->uid == 0 || has_acl(files, path)) {
        return true;
    }
    unsigned bits = st.st_mode & 7;
    if (st.st_uid == person->uid) {
        bits = (st.st_mode >> 6) & 7;
    } else if (person_has_group(person, st.st_gid)) {
        bits = (st.st_mode >> 3) & 7;
    }
    return (bits & wanted) == wanted;
}

bool person_may(const struct doctor_files *files, struct arena *arena, const struct person *person,
                const char *path, unsigned wanted, const char **ret_barrier)
{
    char whole[PATH_MAX];
    char part[PATH_MAX];
    if (doctor_resolve(files, path, whole) != 0) {
        return true;
    }
    for (size_t i = 1; whole[i] != '\0'; i++) {
        if (whole[i] != '/') {
            continue;
        }
        memcpy(part, whole, i);
        part[i] = '\0';
        if (!may_one(files, person, part, WANT_SEARCH)) {
            *ret_barrier = arena_copy(arena, slice_str(part));
            return false;
        }
    }
    if (!may_one(files, person, whole, wanted)) {
        *ret_barrier = arena_copy(arena, slice_str(whole));
        return false;
    }
    return true;
}
