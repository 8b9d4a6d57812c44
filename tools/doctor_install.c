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

/* Where the distribution's packages have their files: nothing there is for us to change. */
static bool is_the_system_s(const char *path)
{
    return strncmp(path, "/usr/lib", strlen("/usr/lib")) == 0 ||
           strncmp(path, "/lib", strlen("/lib")) == 0;
}

/* Whether everything an application asks for is among the plugins of ours. */
static bool needs_only_ours(struct doctor *d, const struct application *a)
{
    const char *auxprop = application_option(d, a, "auxprop_plugin");
    const char *list = application_option(d, a, "mech_list");
    /* Where nothing is found it is what is asked for that counts. */
    const char *wanted = *a->offered == '\0' ? list : a->offered;
    struct slice rest = slice_str(list == NULL ? "" : wanted);
    struct slice word;
    while (settings_word(&rest, " ", &word)) {
        if (plugins_our_file(arena_copy(&d->arena, word)) == NULL) {
            return false;
        }
    }
    rest = slice_str(auxprop == NULL ? "lmdb" : auxprop);
    while (settings_word(&rest, " \t,", &word)) {
        if (!slice_equal_str(word, "lmdb")) {
            return false;
        }
    }
    return true;
}

/* The words of import_environment, with SASL_PATH in place of what was said of it. */
static const char *import_environment(struct doctor *d, const char *path)
{
    static const char usual[] = "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE "
                                "POSTLOG_HOSTNAME";
    const char *now = postfix_get(&d->postfix, NULL, "import_environment");
    struct slice rest = slice_str(*now == '\0' ? usual : now);
    struct slice word;
    const char *words = "";
    if (strpbrk(now, "{}") != NULL) {
        return NULL; /* words with spaces in them are better changed by hand */
    }
    while (settings_word(&rest, " \t,", &word)) {
        const char *text = arena_copy(&d->arena, word);
        if (strncmp(text, "SASL_PATH", strlen("SASL_PATH")) != 0) {
            words = arena_format(&d->arena, "%s%s ", words, text);
        }
    }
    return arena_format(&d->arena, "%sSASL_PATH=%s", words, path);
}

static const char defaults[] = "/etc/default/cyrus-imapd";

/* Whether a shell that reads the file hands SASL_PATH on to what it starts. */
static bool is_exported(struct doctor *d)
{
    struct buf text;
    bool exported = false;
    buf_init(&text, DOCTOR_CONF_MAX);
    struct slice rest = {NULL, 0};
    struct slice line;
    struct slice word;
    if (doctor_read(&d->files, defaults, &text) == 0) {
        rest = buf_slice(&text);
    }
    while (!exported && settings_line(&rest, &line)) {
        bool export = settings_word(&line, " \t", &word) && slice_equal_str(word, "export");
        while (export && settings_word(&line, " \t", &word)) {
            exported = exported || (slice_take_literal(&word, "SASL_PATH") &&
                                    (word.n == 0 || word.p[0] == '='));
        }
    }
    buf_release(&text);
    return exported;
}

const char *doctor_export_path(struct doctor *d, const struct application *a)
{
    /* systemd reads the file itself, and takes no such line for a variable. */
    bool wanted = a->server == SERVER_IMAPD && doctor_exists(&d->files, defaults) &&
                  !doctor_exists(&d->files, "/run/systemd/system") && !is_exported(d);
    return wanted
               ? arena_format(&d->arena, "%s && ", doctor_append(d, "export SASL_PATH", defaults))
               : "";
}

const char *doctor_path_to_ours(struct doctor *d, const struct application *a,
                                const char *directory)
{
    const char *set = "";
    if (!needs_only_ours(d, a)) {
        return "";
    }
    if (a->server == SERVER_POSTFIX) {
        const char *words = import_environment(d, directory);
        if (words != NULL) {
            set = doctor_command(&d->arena, "postconf -c %1 -e import_environment=%2",
                                 d->postfix_at, words, NULL);
        }
    }
    if (a->server == SERVER_IMAPD && doctor_exists(&d->files, defaults)) {
        const char *line = arena_format(&d->arena, "SASL_PATH=%s", directory);
        set = doctor_command(&d->arena, "%r1%r2", doctor_export_path(d, a),
                             doctor_append(d, line, defaults), NULL);
    }
    return doctor_and_restart(d, a->unit, set);
}

const char *doctor_install_plugin(struct doctor *d, const struct application *a,
                                  const char *directory, const char *file)
{
    bool packaged = is_packaged(d);
    const char *origin =
        packaged ? "/usr/lib/" SASL_LMDB_TRIPLET "/sasl2" : SASL_LMDB_INSTALLED_PLUGINS;
    const char *install = packaged ? "apt-get install --reinstall sasl-lmdb" : from_source;
    if (strcmp(origin, directory) == 0) {
        return install;
    }
    bool there = doctor_exists(&d->files, arena_format(&d->arena, "%s/libsasllmdb.so", origin));
    bool taken = doctor_exists(&d->files, arena_format(&d->arena, "%s/%s", directory, file));
    /* The file may be a pattern for the shell. */
    /* The name of a directory that is not there may be a typing error. */
    bool nowhere = there && !doctor_is_directory(&d->files, directory);
    const char *path =
        is_the_system_s(directory) || taken || nowhere ? doctor_path_to_ours(d, a, origin) : "";
    const char *then = is_the_system_s(directory) || taken || *path != '\0'
                           ? path
                           : doctor_command(&d->arena, "install -d -m 755 %1 && ln -s %r2/%r3 %1/",
                                            directory, origin, file, NULL);
    if (there || *then == '\0') {
        return then;
    }
    return arena_format(&d->arena, "%s && %s", install, then);
}

/* The key comes first in the file, as Postfix wants it. */
const char *doctor_certificate(struct doctor *d, const char *path, const char *owner,
                               const char *host)
{
    if (doctor_exists(&d->files, path)) {
        return "";
    }
    return doctor_command(&d->arena,
                          "install -m 600 -o %1 /dev/null %2 && openssl req -x509 -newkey "
                          "rsa:2048 -nodes -days 365 -subj %3 -keyout %2 -out %2 && ",
                          owner, path, arena_format(&d->arena, "/CN=%s", host), NULL);
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
