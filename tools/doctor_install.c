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

const char *doctor_install_filter(struct doctor *d, const char *path)
{
    static const char origin[] = SASL_LMDB_INSTALLED_CONF "/fail2ban/filter.d/sasl-lmdb.conf";
    if (is_packaged(d)) {
        return "apt-get install --reinstall -o Dpkg::Options::=--force-confmiss sasl-lmdb";
    }
    if (strcmp(origin, path) == 0) {
        return from_source;
    }
    bool there = doctor_exists(&d->files, origin);
    return doctor_command(&d->arena, "%r1%r2install -m 644 %3 %4", there ? "" : from_source,
                          there ? "" : " && ", origin, path, NULL);
}
