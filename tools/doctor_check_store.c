/* SPDX-License-Identifier: BSD-2-Clause */
/* A store and its key: there, sound, reachable by the server that reads it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aside.h"
#include "doctor.h"
#include "engine/verifier.h"
#include "names.h"
#include "privilege.h"

/* --- the store itself --- */

static const char *lock_of(struct doctor *d, const char *path)
{
    return arena_format(&d->arena, "%s-lock", path);
}

/* What the key file may be: the store's group can read it where it can read the store. */
struct key_rights {
    const char *owner;
    const char *group;
    const char *mode;
};

static struct key_rights rights_for_key(struct doctor *d, const char *path)
{
    struct stat data;
    struct key_rights rights = {"root", "root", "0600"};
    if (doctor_stat(&d->files, path, &data) == 0) {
        rights.owner = user_name(&d->files, &d->arena, data.st_uid);
        rights.group = group_name(&d->files, &d->arena, data.st_gid);
        rights.mode = (data.st_mode & S_IRGRP) != 0 ? "0640" : "0600";
    }
    return rights;
}

static const char *key_back(struct doctor *d, const char *path, const char *key_path)
{
    struct key_rights rights = rights_for_key(d, path);
    return doctor_command(&d->arena, "install -o %1 -g %2 -m %3 /path/to/the/key/in/its/backup %4",
                          rights.owner, rights.group, rights.mode, key_path, NULL);
}

/* And to the processes that have read the wrong ones, which nobody can tell by looking at them. */
static const char *key_for_all(struct doctor *d, const struct application *a, const char *path,
                               const char *key_path)
{
    const char *back = key_back(d, path, key_path);
    return a == NULL || !a->opens_as_root
               ? back
               : doctor_command(&d->arena, "%r1 && %r2", back, doctor_renew(d, a), NULL);
}

static void tell_exposed(struct doctor *d, const char *path, const char *key_path)
{
    struct key_rights rights = rights_for_key(d, path);
    struct stat key;
    if (doctor_stat(&d->files, key_path, &key) == 0) {
        doctor_say(d, DOCTOR_KEY_EXPOSED, key_path, arena_mode(&d->arena, key.st_mode),
                   user_name(&d->files, &d->arena, key.st_uid),
                   group_name(&d->files, &d->arena, key.st_gid), path,
                   doctor_for_held(d, key_path,
                                   doctor_command(&d->arena, "chgrp %1 %2 && chmod %3 %2",
                                                  rights.group, key_path, rights.mode, NULL)),
                   NULL);
    }
}

/* The last group of a server that reads this store and is never root; "" if there is none. */
static const char *group_of_readers(struct doctor *d, const char *path)
{
    for (const struct application *a = d->applications; a != NULL; a = a->next) {
        if (!a->opens_as_root && a->user.n_groups > 0 && strcmp(a->store_path, path) == 0) {
            return group_name(&d->files, &d->arena, a->user.groups[a->user.n_groups - 1]);
        }
    }
    return "";
}

/* What init --group is to name: the group that what is left shares it with, or the readers'. */
static const char *group_for(struct doctor *d, const char *path, const char *key_path)
{
    const char *const left[] = {path, lock_of(d, path), key_path};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        struct stat st;
        if (doctor_stat(&d->files, left[i], &st) == 0 && st.st_gid != 0 &&
            (st.st_mode & S_IRGRP) != 0) {
            return group_name(&d->files, &d->arena, st.st_gid);
        }
    }
    return group_of_readers(d, path);
}

/* The directory a file is to be in, with a space before it, if that is still to be made. */
static const char *directory_for(struct doctor *d, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *directory =
        slash == NULL ? "" : arena_copy(&d->arena, slice_of(path, (size_t)(slash - path)));
    return *directory == '\0' || doctor_exists(&d->files, directory)
               ? ""
               : doctor_command(&d->arena, " %1", directory, NULL);
}

const char *doctor_init(struct doctor *d, const char *path, const char *key_path)
{
    const char *group = group_for(d, path, key_path);
    const char *directory = directory_for(d, path);
    const char *of_key = directory_for(d, key_path);
    const char *make = "";
    if (strcmp(directory, of_key) == 0) {
        of_key = "";
    }
    if (*directory != '\0' || *of_key != '\0') {
        make = arena_format(&d->arena, "install -d -m 755%s%s && ", directory, of_key);
    }
    return doctor_command(
        &d->arena, "%r1sasl-lmdb -f %2 -k %3 init%r4", make, path, key_path,
        *group == '\0' ? "" : doctor_command(&d->arena, " --group %1", group, NULL), NULL);
}

static bool is_there(const void *files, const char *path)
{
    return doctor_exists(files, path);
}

/* A new store in the place of what is left of the one there was. */
static const char *begin_anew(struct doctor *d, const char *path, const char *key_path)
{
    const char *moves = aside_moves(&d->arena, path, is_there, &d->files);
    return arena_join(&d->arena, moves, " && ", doctor_init(d, path, key_path));
}

/*
 * Files that are not a store may be something else that is needed, and a store that could be opened
 * may have lost little: those are looked into first.
 */
static const char *way_out(struct doctor *d, const char *path, const char *key_path,
                           const struct store_counts *counts)
{
    struct stat lock;
    bool lock_is_whole = doctor_stat(&d->files, lock_of(d, path), &lock) == 0 &&
                         (lock.st_size == 0 || lock.st_size >= sysconf(_SC_PAGESIZE));
    if (counts->status != AUTH_STORE_DAMAGED || counts->opened || !lock_is_whole) {
        return doctor_command(&d->arena, "sasl-lmdb -f %1 -k %2 check", path, key_path, NULL);
    }
    return doctor_command(&d->arena, "%r1 && sasl-lmdb -f %2 -k %3 restore FILE",
                          begin_anew(d, path, key_path), path, key_path, NULL);
}

static const char *opening_for_owner(struct doctor *d, const struct stat *barrier_st,
                                     const char *barrier, const struct person *owner,
                                     const char *sibling)
{
    struct stat st;
    if (S_ISDIR(barrier_st->st_mode)) {
        return doctor_for_held(d, barrier,
                               doctor_command(&d->arena, "chmod o+x %1", barrier, NULL));
    }
    if (barrier_st->st_uid == owner->uid) {
        return doctor_for_held(d, barrier,
                               doctor_command(&d->arena, "chmod u+rw %1", barrier, NULL));
    }
    if (doctor_stat(&d->files, sibling, &st) != 0) {
        return "";
    }
    return doctor_for_held(d, barrier,
                           doctor_command(&d->arena, "chown -h %1:%2 %3", owner->name,
                                          group_name(&d->files, &d->arena, st.st_gid), barrier,
                                          NULL));
}

/* What keeps the user to whom it belongs from it, whom every tool becomes. False: nothing known. */
static bool tell_denied(struct doctor *d, const char *path, const char *key_path)
{
    uid_t uid = d->files.root[0] == '\0' ? privilege_owner(path) : (uid_t)-1;
    if (uid == (uid_t)-1) {
        return false;
    }
    const char *barrier = "";
    const char *lock = lock_of(d, path);
    struct person owner = person_find(&d->files, &d->arena, user_name(&d->files, &d->arena, uid));
    struct stat st;
    if (!owner.known) {
        return false;
    }
    bool data_stops = !person_may(&d->files, &d->arena, &owner, path, WANT_READ, &barrier);
    bool key_stops = false;
    bool stops = data_stops ||
                 !person_may(&d->files, &d->arena, &owner, lock, WANT_READ | WANT_WRITE, &barrier);
    if (!stops) {
        key_stops = !person_may(&d->files, &d->arena, &owner, key_path, WANT_READ, &barrier);
    }
    if ((!stops && !key_stops) || doctor_stat(&d->files, barrier, &st) != 0) {
        return false;
    }
    const char *opening = opening_for_owner(d, &st, barrier, &owner, data_stops ? lock : path);
    const char *of = user_name(&d->files, &d->arena, st.st_uid);
    const char *group = group_name(&d->files, &d->arena, st.st_gid);
    if (key_stops) {
        doctor_say(d, DOCTOR_KEY_DENIED, key_path, owner.name, path, barrier,
                   arena_mode(&d->arena, st.st_mode), of, group, opening, NULL);
    } else {
        doctor_say(d, DOCTOR_STORE_BAD, path,
                   arena_format(&d->arena,
                                "%s stands in the way of user %s, whom it belongs to (mode %s, "
                                "owner %s, group %s)",
                                barrier, owner.name, arena_mode(&d->arena, st.st_mode), of, group),
                   opening, NULL);
    }
    return true;
}

/* False: the key is not where the tools have theirs either. */
static bool tell_key_misnamed(struct doctor *d, const struct application *a, const char *path,
                              const char *key_path)
{
    const char *own = d->tool->key_path;
    if (a == NULL || strcmp(key_path, own) == 0 || !doctor_exists(&d->files, own)) {
        return false;
    }
    const struct store_counts *counts = doctor_counts(d, path, own);
    if (counts == NULL || counts->status != AUTH_OK) {
        return false;
    }
    doctor_say(d, DOCTOR_KEY_MISNAMED, key_path, a->label, a->conf_path, own, path,
               doctor_sasl_set(d, a, "lmdb_keyfile", own), NULL);
    return true;
}

static void tell_status(struct doctor *d, const struct application *a, const char *path,
                        const char *key_path, const struct store_counts *counts)
{
    const char *why = detail_text(&counts->detail, counts->status);
    switch (counts->status) {
    case AUTH_OK:
        return;
    case AUTH_KEY_MISSING:
        if (tell_key_misnamed(d, a, path, key_path)) {
            return;
        }
        doctor_say(d, DOCTOR_KEY_MISSING, key_path, path, key_back(d, path, key_path), NULL);
        return;
    case AUTH_KEY_EXPOSED:
        tell_exposed(d, path, key_path);
        return;
    case AUTH_KEY_WRONG:
        doctor_say(d, DOCTOR_KEY_WRONG, key_path, path, why, key_for_all(d, a, path, key_path),
                   NULL);
        return;
    case AUTH_KEY_DAMAGED:
        doctor_say(d, DOCTOR_KEY_DAMAGED, key_path, why, key_back(d, path, key_path), NULL);
        return;
    case AUTH_TOO_LONG:
        doctor_say(d, DOCTOR_STORE_LARGE, path, NULL);
        return;
    case AUTH_STORE_DENIED:
        if (geteuid() != 0) {
            doctor_say(d, DOCTOR_CANNOT_LOOK, path, why, NULL);
            return;
        }
        if (tell_denied(d, path, key_path)) {
            return;
        }
        break;
    default:
        break;
    }
    bool in_part = counts->opened &&
                   (counts->status == AUTH_STORE_DAMAGED || counts->status == AUTH_STORE_FOREIGN);
    doctor_say(d, in_part ? DOCTOR_STORE_RECORD : DOCTOR_STORE_BAD, path, why,
               way_out(d, path, key_path, counts), NULL);
}

static const char *directory_of(struct doctor *d, const char *path)
{
    char whole[PATH_MAX];
    if (doctor_resolve(&d->files, path, whole) != 0) {
        return "";
    }
    char *slash = strrchr(whole, '/');
    return slash == NULL ? "" : arena_copy(&d->arena, slice_of(whole, (size_t)(slash - whole)));
}

static void check_places(struct doctor *d, const char *path, const char *key_path)
{
    const char *directory = directory_of(d, path);
    struct stat data;
    struct stat lock;
    if (*directory != '\0' && strcmp(directory, directory_of(d, key_path)) == 0) {
        doctor_say(d, DOCTOR_KEY_BESIDE_STORE, key_path, path, NULL);
    }
    if (doctor_stat(&d->files, path, &data) == 0 && data.st_uid == 0 &&
        doctor_stat(&d->files, lock_of(d, path), &lock) == 0 && lock.st_uid == 0) {
        const char *mend = doctor_command(
            &d->arena, "adduser --system --group sasl-lmdb && chown sasl-lmdb %1 %1-lock %2", path,
            key_path, NULL);
        doctor_say(d, DOCTOR_STORE_ROOT, path,
                   doctor_for_held(d, path, doctor_for_held(d, key_path, mend)), NULL);
    }
    struct buf enforcing;
    buf_init(&enforcing, DOCTOR_CONF_MAX);
    if (doctor_read(&d->files, "/sys/fs/selinux/enforce", &enforcing) == 0 && enforcing.n > 0 &&
        enforcing.p[0] == '1') {
        doctor_say(d, DOCTOR_SELINUX, path, directory, NULL);
    }
    buf_release(&enforcing);
}

/* Twelve hex digits: what Docker calls a container that has no name. */
static bool is_container_id(const char *realm)
{
    enum { ID_DIGITS = 12 };
    return strlen(realm) == ID_DIGITS && strspn(realm, "0123456789abcdef") == ID_DIGITS;
}

/* What "set --drop legacy" would take away at a server, as a part of the sentence. */
static const char *legacy_use(struct doctor *d, const struct application *a)
{
    bool cram = settings_list_has(a->offered, "CRAM-MD5");
    bool digest = settings_list_has(a->offered, "DIGEST-MD5");
    const char *use = "";
    if (cram || digest) {
        use = arena_format(&d->arena,
                           "; %s offers %s%s%s, which would be refused to everybody without them "
                           "(no-verifier): out of mech_list first",
                           a->label, cram ? "CRAM-MD5" : "", cram && digest ? " and " : "",
                           digest ? "DIGEST-MD5" : "");
    }
    if (a->server == SERVER_IMAPD) {
        use = arena_format(&d->arena,
                           "%s; the checkpass verifier is one of them, and what IMAP's LOGIN "
                           "command and POP3's USER and PASS need at %s: \"set --drop "
                           "cram-md5,digest-md5\" leaves it",
                           use, a->label);
    }
    return use;
}

/* Of all servers that read the store, so that the same is said at each of them, and so once. */
static void check_legacy(struct doctor *d, const char *path, const char *key_path,
                         const struct store_counts *counts)
{
    uint64_t legacy = counts->accounts - store_counts_without(counts, VERIFIER_LEGACY);
    const char *uses = "";
    for (const struct application *a = d->applications; a != NULL; a = a->next) {
        if (a->uses_store && strcmp(a->store_path, path) == 0) {
            uses = arena_format(&d->arena, "%s%s", uses, legacy_use(d, a));
        }
    }
    if (legacy > 0) {
        doctor_say(d, DOCTOR_LEGACY, path, arena_number(&d->arena, legacy),
                   arena_number(&d->arena, counts->accounts), uses,
                   *uses != '\0'
                       ? ""
                       : doctor_command(&d->arena,
                                        "sasl-lmdb -f %1 -k %2 set --drop legacy --realm REALM",
                                        path, key_path, NULL),
                   NULL);
    }
}

static void check_crypt_only(struct doctor *d, const struct application *a, const char *path,
                             const char *key_path, const struct store_counts *counts)
{
    bool on = a != NULL && setting_is_on(application_option(d, a, "lmdb_upgrade"));
    const char *how = on ? "a login by one of the two does (lmdb_upgrade is on)"
                         : "\"lmdb_upgrade: yes\" lets a login by one of the two do";
    const char *upgrade =
        doctor_command(&d->arena, "sasl-lmdb -f %1 -k %2 set --upgrade", path, key_path, NULL);
    if (counts->kinds[VERIFIER_CRYPT] > 0) {
        doctor_say(
            d, DOCTOR_CRYPT_ONLY, path, arena_number(&d->arena, counts->kinds[VERIFIER_CRYPT]),
            arena_number(&d->arena, counts->accounts), how,
            on || a == NULL ? upgrade
                            : doctor_command(&d->arena, "%r1 && %r2", upgrade,
                                             doctor_sasl_set(d, a, "lmdb_upgrade", "yes"), NULL),
            NULL);
    }
}

static void check_realm(struct doctor *d, const char *path, const char *key_path,
                        const struct realm_count *count)
{
    const char *realm = arena_copy(&d->arena, slice_str(count->realm));
    const char *accounts = arena_number(&d->arena, count->accounts);
    if (is_container_id(realm)) {
        doctor_say(d, DOCTOR_REALM_HOST_ID, path, accounts, realm, NULL);
    }
    if (!names_is_host_name(realm)) {
        const char *user = arena_format(&d->arena, "%s@%s", count->user, realm);
        doctor_say(d, DOCTOR_REALM_MISTYPED, path, accounts, realm, tool_plural(count->accounts),
                   count->accounts == 1
                       ? doctor_command(&d->arena, "saslpasswd-lmdb -f %1 -k %2 -d %3", path,
                                        key_path, user, NULL)
                       : doctor_command(&d->arena, "sasl-lmdb -f %1 -k %2 list --realm %3", path,
                                        key_path, realm, NULL),
                   NULL);
    }
}

static void check_accounts(struct doctor *d, const struct application *a, const char *path,
                           const char *key_path, const struct store_counts *counts)
{
    if (counts->accounts == 0) {
        doctor_say(d, DOCTOR_NO_ACCOUNTS, path, key_path, NULL);
    }
    check_legacy(d, path, key_path, counts);
    check_crypt_only(d, a, path, key_path, counts);
    for (unsigned i = 0; i < counts->realms.n; i++) {
        check_realm(d, path, key_path, &counts->realms.row[i]);
    }
}

/* Accounts where the tools keep them, so that it is the path that is wrong; 0: there are none. */
static uint64_t accounts_elsewhere(struct doctor *d, const struct application *a)
{
    const char *path = d->tool->store_path;
    if (a == NULL || strcmp(path, a->store_path) == 0 || !doctor_exists(&d->files, path)) {
        return 0;
    }
    const struct store_counts *counts = doctor_counts(d, path, d->tool->key_path);
    return counts != NULL && counts->status == AUTH_OK ? counts->accounts : 0;
}

static void tell_misnamed(struct doctor *d, const struct application *a, uint64_t accounts)
{
    const struct tool *tool = d->tool;
    const char *mend = doctor_sasl_set(d, a, "lmdb_path", tool->store_path);
    if (strcmp(a->key_path, tool->key_path) != 0) {
        const char *key = doctor_sasl_set(d, a, "lmdb_keyfile", tool->key_path);
        mend = *mend == '\0' || *key == '\0' ? "" : arena_format(&d->arena, "%s && %s", mend, key);
    }
    doctor_say(d, DOCTOR_STORE_MISNAMED, a->store_path, a->label, a->conf_path, tool->store_path,
               arena_number(&d->arena, accounts), mend, NULL);
}

static void tell_missing(struct doctor *d, const struct application *a, const char *path,
                         const char *key_path)
{
    uint64_t accounts = accounts_elsewhere(d, a);
    if (accounts > 0) {
        tell_misnamed(d, a, accounts);
        return;
    }
    doctor_say(d, DOCTOR_STORE_MISSING, path, a == NULL ? d->tool->program : a->label,
               begin_anew(d, path, key_path), NULL);
}

void doctor_check_store(struct doctor *d, const char *path, const char *key_path,
                        const struct application *a)
{
    struct stat st;
    int error = doctor_stat(&d->files, path, &st);
    if (error == EACCES) {
        doctor_say(d, DOCTOR_CANNOT_LOOK, path, doctor_why(error), NULL);
        return;
    }
    if (error != 0) {
        tell_missing(d, a, path, key_path);
        return;
    }
    check_places(d, path, key_path);
    doctor_check_writers(d, path, key_path);
    if (doctor_stat(&d->files, lock_of(d, path), &st) == ENOENT) {
        doctor_say(d, DOCTOR_LOCK_MISSING, lock_of(d, path), path, key_path, NULL);
        return;
    }
    const struct store_counts *counts = doctor_counts(d, path, key_path);
    if (counts != NULL) {
        tell_status(d, a, path, key_path, counts);
        if (counts->status == AUTH_OK) {
            check_accounts(d, a, path, key_path, counts);
        }
    }
}

/* --- and who has to reach it --- */

const char *doctor_opening(struct doctor *d, const struct application *a, const char *barrier,
                           const struct stat *st, unsigned wanted)
{
    if (S_ISDIR(st->st_mode)) {
        wanted = WANT_SEARCH;
    }
    if (((st->st_mode >> 3) & wanted) == wanted && st->st_gid != 0) {
        return doctor_command(&d->arena, "usermod -aG %1 %2 && systemctl restart %3",
                              group_name(&d->files, &d->arena, st->st_gid), a->user.name, a->unit,
                              NULL);
    }
    if (S_ISDIR(st->st_mode)) {
        return doctor_for_held(d, barrier,
                               doctor_command(&d->arena, "chmod o+x %1", barrier, NULL));
    }
    gid_t group = a->user.n_groups == 0 ? 0 : a->user.groups[a->user.n_groups - 1];
    return doctor_for_held(d, barrier,
                           doctor_command(&d->arena, "chgrp -h %1 %2 && chmod %3 %2",
                                          group_name(&d->files, &d->arena, group), barrier,
                                          (wanted & WANT_WRITE) != 0 ? "0660" : "0640", NULL));
}

static bool check_file(struct doctor *d, const struct application *a, enum doctor_id id,
                       const char *path, unsigned wanted)
{
    const char *barrier = "";
    struct stat st;
    if (person_may(&d->files, &d->arena, &a->user, path, wanted, &barrier) ||
        doctor_stat(&d->files, barrier, &st) != 0) {
        return true;
    }
    doctor_say(d, id, a->label, a->user.name, path, barrier, arena_mode(&d->arena, st.st_mode),
               doctor_opening(d, a, barrier, &st, wanted), NULL);
    return false;
}

/* A process has the groups its account had when it was started. */
static void check_stale_groups(struct doctor *d, const struct application *a, const char *path)
{
    struct stat st;
    if (doctor_stat(&d->files, path, &st) != 0 || st.st_uid == a->user.uid ||
        !person_has_group(&a->user, st.st_gid)) {
        return;
    }
    for (const struct process *p = a->processes; p != NULL; p = p->next) {
        if (p->have_groups && p->who.uid == a->user.uid && !person_has_group(&p->who, st.st_gid)) {
            doctor_say(d, DOCTOR_GROUPS_STALE, a->label, a->user.name,
                       arena_number(&d->arena, p->pid), group_name(&d->files, &d->arena, st.st_gid),
                       a->unit, NULL);
            return;
        }
    }
}

static struct slice own_mounts(struct doctor *d)
{
    struct buf text;
    struct slice mounts = {NULL, 0};
    buf_init(&text, DOCTOR_CONF_MAX);
    if (doctor_read(&d->files, "/proc/self/mountinfo", &text) == 0) {
        mounts = slice_of(arena_copy(&d->arena, buf_slice(&text)), text.n);
    }
    buf_release(&text);
    return mounts;
}

/* As the server sees it: under systemd it may have mounts of its own. */
static void check_mount(struct doctor *d, const struct application *a)
{
    char whole[PATH_MAX];
    bool nolock = setting_is_on(application_option(d, a, "lmdb_nolock"));
    bool has_process = a->processes != NULL && a->processes->mounts.n > 0;
    if (doctor_resolve(&d->files, a->store_path, whole) != 0) {
        return;
    }
    bool read_only = mounts_read_only(has_process ? a->processes->mounts : own_mounts(d), whole);
    if (read_only && !nolock) {
        doctor_say(d, DOCTOR_STORE_READ_ONLY, a->store_path, a->label, a->unit,
                   directory_of(d, a->store_path), NULL);
    }
    if (nolock && !read_only) {
        doctor_say(d, DOCTOR_NOLOCK, a->label, a->store_path, a->conf_path,
                   doctor_sasl_drop(d, a, "lmdb_nolock"), NULL);
    }
}

void doctor_check_access(struct doctor *d, const struct application *a)
{
    if (!a->uses_store || !doctor_exists(&d->files, a->store_path)) {
        return;
    }
    check_mount(d, a);
    if (a->opens_as_root || !a->user.known) {
        return;
    }
    bool good = check_file(d, a, DOCTOR_DATA_UNREACHABLE, a->store_path, WANT_READ);
    good = check_file(d, a, DOCTOR_LOCK_UNREACHABLE, lock_of(d, a->store_path),
                      WANT_READ | WANT_WRITE) &&
           good;
    good = check_file(d, a, DOCTOR_KEY_UNREACHABLE, a->key_path, WANT_READ) && good;
    if (good) {
        check_stale_groups(d, a, a->store_path);
        check_stale_groups(d, a, a->key_path);
    }
}
