/* SPDX-License-Identifier: BSD-2-Clause */
/* The stock auxprop plugin sasldb, where a server still asks it: its file, and who can read that.
 */
#include <errno.h>
#include <string.h>

#include "doctor.h"

#ifndef SASL_LMDB_TRIPLET
#define SASL_LMDB_TRIPLET ""
#endif

enum { PLUGIN_MAX = 16 * 1024 * 1024, FILE_MAX = 64 * 1024 * 1024 /* bytes looked into */ };

enum format { FORMAT_UNKNOWN, FORMAT_BERKELEY, FORMAT_GDBM, FORMAT_LMDB, FORMATS };

static const char *const format_names[FORMATS] = {"", "Berkeley DB", "GDBM", "LMDB"};

/* Whatever is mapped or linked: the file holds the text. */
static bool file_holds(struct doctor *d, const char *path, const char *text)
{
    struct buf file;
    buf_init(&file, PLUGIN_MAX);
    bool holds = doctor_read(&d->files, path, &file) == 0 && file.n > 0 &&
                 memmem(file.p, file.n, text, strlen(text)) != NULL;
    buf_release(&file);
    return holds;
}

/* By the libraries that a plugin needs. */
static enum format format_of_plugin(struct doctor *d, const char *path)
{
    static const char *const libraries[FORMATS] = {NULL, "libdb-", "libgdbm.so", "liblmdb.so"};
    for (int i = FORMAT_BERKELEY; i < FORMATS; i++) {
        if (file_holds(d, path, libraries[i])) {
            return (enum format)i;
        }
    }
    return FORMAT_UNKNOWN;
}

/*
 * By magic numbers, in the byte order of the machine: Berkeley DB's hash and B-tree at 12, those of
 * GDBM at 0, LMDB's behind the header of its first page.
 */
static enum format format_of_file(struct doctor *d, const char *path)
{
    static const struct {
        size_t at;
        uint32_t magic;
        enum format format;
    } known[] = {
        {12, 0x00061561, FORMAT_BERKELEY}, {12, 0x00053162, FORMAT_BERKELEY},
        {0, 0x13579ace, FORMAT_GDBM},      {0, 0x13579acd, FORMAT_GDBM},
        {0, 0x13579acf, FORMAT_GDBM},      {0, 0x13579ad0, FORMAT_GDBM},
        {16, 0xbeefc0de, FORMAT_LMDB},
    };
    enum format format = FORMAT_UNKNOWN;
    struct buf file;
    buf_init(&file, FILE_MAX);
    if (doctor_read(&d->files, path, &file) == 0) {
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if (file.n >= known[i].at + sizeof known[i].magic &&
                memcmp(file.p + known[i].at, &known[i].magic, sizeof known[i].magic) == 0) {
                format = known[i].format;
            }
        }
    }
    buf_release(&file);
    return format;
}

/* Debian's place and Alpine's, where the configuration names none. */
static const char *file_of(struct doctor *d, const struct application *a)
{
    static const char usual[] = "/etc/sasldb2";
    static const char other[] = "/etc/sasl2/sasldb2";
    const char *path = application_option(d, a, "sasldb_path");
    if (path != NULL) {
        return path;
    }
    return !doctor_exists(&d->files, usual) && doctor_exists(&d->files, other) ? other : usual;
}

static bool check_reachable(struct doctor *d, const struct application *a, const char *path)
{
    /* It is opened anew for each login: in the jail, as the user there. */
    const char *inside = a->chroot ? arena_format(&d->arena, "%s%s", a->queue, path) : path;
    const char *barrier = "";
    struct stat st;
    int error = doctor_stat(&d->files, inside, &st);
    if (error == ENOENT || error == ENOTDIR) {
        if (a->chroot && doctor_exists(&d->files, path)) {
            const char *group = a->user.n_groups == 0
                                    ? "root"
                                    : group_name(&d->files, &d->arena, a->user.groups[0]);
            doctor_say(d, DOCTOR_SASLDB_CHROOT, a->label, inside, path, group, NULL);
        } else {
            doctor_say(d, DOCTOR_SASLDB_MISSING, a->label, inside,
                       doctor_sasl_set(d, a, "auxprop_plugin", "lmdb"), NULL);
        }
        return false;
    }
    if (error == 0 && a->user.known &&
        !person_may(&d->files, &d->arena, &a->user, inside, WANT_READ, &barrier) &&
        doctor_stat(&d->files, barrier, &st) == 0) {
        doctor_say(d, DOCTOR_SASLDB_DENIED, a->label, a->user.name, inside, barrier,
                   arena_mode(&d->arena, st.st_mode), doctor_opening(d, a, barrier, &st, WANT_READ),
                   NULL);
    }
    return true;
}

/* libsasl2 2.1.27 takes what gdbm_close() leaves in gdbm_errno, since gdbm 1.17, for a failure. */
static bool library_mistakes_gdbm(struct doctor *d)
{
    static const char *const libraries[] = {"/usr/lib/" SASL_LMDB_TRIPLET "/libsasl2.so.2",
                                            "/usr/lib64/libsasl2.so.3", "/usr/lib/libsasl2.so.3",
                                            "/usr/lib/libsasl2.so.2"};
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        if (doctor_exists(&d->files, libraries[i])) {
            return file_holds(d, libraries[i], "2.1.27");
        }
    }
    return false;
}

void doctor_check_sasldb(struct doctor *d, const struct application *a)
{
    const char *list = application_option(d, a, "auxprop_plugin");
    const struct plugin *plugin = plugins_named(&a->plugins, "sasldb");
    if (a->conf_path == NULL || a->conf.bad_line != 0 || list == NULL || plugin == NULL ||
        !settings_list_has(list, "sasldb")) {
        return;
    }
    const char *path = file_of(d, a);
    if (!check_reachable(d, a, path)) {
        return;
    }
    enum format reads = format_of_plugin(d, plugin->path);
    enum format is = format_of_file(d, path);
    if (reads != FORMAT_UNKNOWN && is != FORMAT_UNKNOWN && reads != is) {
        doctor_say(d, DOCTOR_SASLDB_FORMAT, a->label, path, format_names[is], plugin->path,
                   format_names[reads], NULL);
    } else if (reads == FORMAT_GDBM && library_mistakes_gdbm(d)) {
        doctor_say(d, DOCTOR_SASLDB_GDBM, a->label, path, NULL);
    }
}
