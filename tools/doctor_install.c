/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands that bring files of ours where they are missing. They fit the way we came to the
 * machine: by the Debian package, or by cmake --install, which puts files where they are linked
 * from when a server looks elsewhere.
 */
#include <string.h>

#include "doctor.h"

#ifndef SASL_LMDB_TRIPLET
#define SASL_LMDB_TRIPLET ""
#endif

/* Where cmake --install puts plugins and the configuration of other programs. */
#ifndef SASL_LMDB_INSTALLED_PLUGINS
#define SASL_LMDB_INSTALLED_PLUGINS "/usr/local/lib/sasl2"
#endif
#ifndef SASL_LMDB_INSTALLED_CONF
#define SASL_LMDB_INSTALLED_CONF "/usr/local/etc"
#endif

static const char from_source[] = "cmake --install build/release";

/* By the file that every Debian package has: what dpkg keeps of them is its own. */
static bool is_packaged(const struct doctor *d)
{
    return doctor_exists(&d->files, "/usr/share/doc/sasl-lmdb/copyright");
}

const char *doctor_install_plugin(struct doctor *d, const char *directory, const char *file)
{
    bool packaged = is_packaged(d);
    const char *origin =
        packaged ? "/usr/lib/" SASL_LMDB_TRIPLET "/sasl2" : SASL_LMDB_INSTALLED_PLUGINS;
    const char *install = packaged ? "apt-get install --reinstall sasl-lmdb" : from_source;
    if (strcmp(origin, directory) == 0) {
        return install;
    }
    bool there = doctor_exists(&d->files, arena_format(&d->arena, "%s/libsasllmdb.so", origin));
    /* The file may be a pattern for the shell. */
    return doctor_command(&d->arena, "%r1%r2install -d -m 755 %3 && ln -sf %r4/%r5 %3/",
                          there ? "" : install, there ? "" : " && ", directory, origin, file, NULL);
}

const char *doctor_install_jail(struct doctor *d)
{
    static const char *const names[] = {"filter.d/sasl-lmdb.conf", "jail.d/sasl-lmdb.conf"};
    static const char origin[] = SASL_LMDB_INSTALLED_CONF "/fail2ban";
    static const char place[] = "/etc/fail2ban";
    const char *command = "";
    bool install = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *from = arena_format(&d->arena, "%s/%s", origin, names[i]);
        const char *to = arena_format(&d->arena, "%s/%s", place, names[i]);
        if (!doctor_exists(&d->files, to)) {
            install = install || !doctor_exists(&d->files, from);
            command = arena_format(&d->arena, "%s%sinstall -m 644 %s %s", command,
                                   *command == '\0' ? "" : " && ", from, to);
        }
    }
    if (*command != '\0' && is_packaged(d)) {
        return "apt-get install --reinstall -o Dpkg::Options::=--force-confmiss sasl-lmdb";
    }
    if (*command != '\0' && strcmp(origin, place) == 0) {
        return from_source;
    }
    return install ? arena_format(&d->arena, "%s && %s", from_source, command) : command;
}
