/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What running servers go on with: one that has given up root, in a jail or not, keeps the store
 * and the keys it had then, and a store that it could not open is closed to it for good.
 */
#include <string.h>

#include "doctor.h"

const char *doctor_renew(struct doctor *d, const struct application *a)
{
    return a->server == SERVER_POSTFIX
               ? doctor_command(&d->arena, "postfix -c %1 reload", d->postfix_at, NULL)
               : doctor_command(&d->arena, "systemctl restart %1", a->unit, NULL);
}

const char *doctor_and_restart(struct doctor *d, const char *unit, const char *command)
{
    return *command == '\0' || *d->files.root != '\0'
               ? command
               : doctor_command(&d->arena, "%r1 && systemctl restart %2", command, unit, NULL);
}

static bool maps_have(const struct process *p, const char *text)
{
    return p->maps.n > 0 && memmem(p->maps.p, p->maps.n, text, strlen(text)) != NULL;
}

/* A line of the maps ends with the name a file has now: "/path", "/new/path", "/path (deleted)". */
static bool has_open(struct doctor *d, const struct process *p, const char *path)
{
    return maps_have(p, arena_format(&d->arena, " %s\n", path));
}

/* The file of the store, as the admin names it, that is another by now; NULL: none is. */
static const char *replaced_file(struct doctor *d, const struct application *a,
                                 const struct process *p, const char *path)
{
    const char *lock = arena_format(&d->arena, "%s-lock", path);
    struct slice rest = p->maps;
    struct slice line;
    if (maps_have(p, arena_format(&d->arena, " %s (deleted)\n", lock))) {
        return arena_format(&d->arena, "%s-lock", a->store_path);
    }
    while (!has_open(d, p, path) && settings_line(&rest, &line)) {
        const uint8_t *at = memmem(line.p, line.n, path, strlen(path));
        if (at != NULL && !slice_equal_str(slice_of(at, line.n - (size_t)(at - line.p)), lock)) {
            return a->store_path;
        }
    }
    return NULL;
}

/* Whether it can open a file again that it had to open as root. */
static bool can_read_again(struct doctor *d, const struct application *a, const struct process *p)
{
    const char *barrier = "";
    return !process_has_argument(p, "-c") &&
           person_may(&d->files, &d->arena, &p->who, a->store_path, WANT_READ, &barrier) &&
           person_may(&d->files, &d->arena, &p->who, a->key_path, WANT_READ, &barrier);
}

static bool check_process(struct doctor *d, const struct application *a, const struct process *p,
                          const char *path)
{
    const char *file = replaced_file(d, a, p, path);
    const char *pid = arena_number(&d->arena, p->pid);
    if (file != NULL) {
        doctor_say(d, DOCTOR_STORE_REPLACED, a->label, pid, file, doctor_renew(d, a), NULL);
        return false;
    }
    /* Who is root has not finished with opening. What is wrong for everybody is told elsewhere. */
    if (!a->opens_as_root || p->who.uid == 0 || !maps_have(p, "/libsasllmdb.so\n") ||
        a->counts == NULL || a->counts->status != AUTH_OK || can_read_again(d, a, p)) {
        return true;
    }
    if (!has_open(d, p, path)) {
        doctor_say(d, DOCTOR_STORE_UNOPENED, a->label, pid, a->store_path, doctor_renew(d, a),
                   NULL);
        return false;
    }
    bool stale =
        a->counts->previous_key == 0 && p->started > 0 && p->started / 1000 < a->counts->key_since;
    if (stale) {
        doctor_say(d, DOCTOR_KEY_STALE, a->label, pid, a->store_path,
                   arena_number(&d->arena, a->counts->key), doctor_renew(d, a), NULL);
    }
    return !stale;
}

void doctor_check_processes(struct doctor *d, const struct application *a)
{
    char whole[PATH_MAX];
    const struct process *p = a->processes;
    if (doctor_resolve(&d->files, a->store_path, whole) != 0) {
        return;
    }
    /* One stands for all. */
    while (p != NULL && check_process(d, a, p, whole)) {
        p = p->next;
    }
}
