/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "doctor.h"
#include "spelling.h"

/* Directories libsasl2 looks for NAME.conf in, where the server does not say otherwise. */
static const char sasl_conf_path[] = "/etc/sasl2:/etc/sasl:/usr/lib/sasl2";

void doctor_say(struct doctor *d, enum doctor_id id, ...)
{
    va_list words;
    va_start(words, id);
    doctor_report_add(&d->report, id, words);
    va_end(words);
}

const char *application_option(struct doctor *d, const struct application *application,
                               const char *option)
{
    return settings_first(&application->conf,
                          arena_format(&d->arena, "%s%s", application->prefix, option));
}

const struct setting *application_ignored(const struct application *application, const char *option)
{
    return application->server == SERVER_IMAPD ? NULL
                                               : settings_ignored(&application->conf, option);
}

const char *doctor_for_held(struct doctor *d, const char *path, const char *command)
{
    return doctor_is_held(&d->files, path) ? command : doctor_command_unheld;
}

/* A script for sed on the line that holds an option. */
static const char *sed_line(struct doctor *d, const struct setting *setting, const char *command,
                            const char *file)
{
    const char *name = doctor_escaped(&d->arena, setting->written, "\\/.*[]^$");
    const char *script = arena_format(&d->arena, "/^[[:space:]]*%s:/I%s", name, command);
    return doctor_command(&d->arena, "sed -i %1 %2", script,
                          setting->file == NULL ? file : setting->file, NULL);
}

const char *doctor_drop_line(struct doctor *d, const struct setting *setting, const char *file)
{
    /* The number alone would be another line's once somebody has changed the file. */
    const char *script =
        arena_format(&d->arena, "%u{/^[[:space:]]*%s:/Id}", setting->line, setting->written);
    return doctor_command(&d->arena, "sed -i %1 %2", script,
                          setting->file == NULL ? file : setting->file, NULL);
}

/* Whether what is put behind a file would get into its last line. */
static bool lacks_newline(struct doctor *d, const char *file)
{
    struct buf text;
    buf_init(&text, DOCTOR_CONF_MAX);
    bool lacks =
        doctor_read(&d->files, file, &text) == 0 && text.n > 0 && text.p[text.n - 1] != '\n';
    buf_release(&text);
    return lacks;
}

const char *doctor_append(struct doctor *d, const char *line, const char *file)
{
    /* Some shells' echo would follow backslashes. */
    return doctor_command(&d->arena, "printf '%r1%%s\\n' %2 >> %3",
                          lacks_newline(d, file) ? "\\n" : "", line, file, NULL);
}

const char *doctor_conf_set(struct doctor *d, const struct application *a, const char *option,
                            const char *value)
{
    const struct setting *setting = settings_find(&a->conf, option);
    if (setting != NULL) {
        const char *line = arena_format(&d->arena, "%s: %s", setting->written, value);
        line = doctor_escaped(&d->arena, line, "\\");
        return sed_line(d, setting, arena_format(&d->arena, "c %s", line), a->conf_path);
    }
    return doctor_append(d, arena_format(&d->arena, "%s: %s", option, value), a->conf_path);
}

const char *doctor_conf_drop(struct doctor *d, const struct application *a, const char *option)
{
    const struct setting *setting = settings_find(&a->conf, option);
    return setting == NULL ? "" : sed_line(d, setting, "d", a->conf_path);
}

const char *doctor_sasl_set(struct doctor *d, const struct application *a, const char *option,
                            const char *value)
{
    return doctor_conf_set(d, a, arena_format(&d->arena, "%s%s", a->prefix, option), value);
}

const char *doctor_sasl_drop(struct doctor *d, const struct application *a, const char *option)
{
    return doctor_conf_drop(d, a, arena_format(&d->arena, "%s%s", a->prefix, option));
}

const struct store_counts *doctor_counts(struct doctor *d, const char *path, const char *key_path)
{
    for (const struct store_view *v = d->stores; v != NULL; v = v->next) {
        if (strcmp(v->path, path) == 0 && strcmp(v->key_path, key_path) == 0) {
            return v->counts;
        }
    }
    struct store_view *view = arena_new(&d->arena, sizeof *view);
    const struct store_counts *counts =
        store_count(&d->counter, &d->arena, &d->files, path, key_path);
    if (view == NULL || counts == NULL) {
        d->failed = d->failed || counts == NULL;
        return NULL;
    }
    *view = (struct store_view){d->stores, path, key_path, counts};
    d->stores = view;
    return counts;
}

struct application *doctor_add_application(struct doctor *d, enum server server, const char *name)
{
    struct application **end = &d->applications;
    struct application *application = arena_new(&d->arena, sizeof *application);
    if (application == NULL) {
        return NULL;
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = application;
    application->server = server;
    application->name = name;
    application->label = name;
    application->unit = name;
    application->prefix = "";
    application->queue = "";
    application->realm = "";
    application->offered = "";
    application->plugins.files = &d->files;
    application->plugins.arena = &d->arena;
    return application;
}

const char *doctor_without_plus(struct doctor *d, struct slice name)
{
    static const char suffix[] = "-PLUS";
    size_t n = sizeof suffix - 1;
    if (name.n > n && slice_equal_nocase(slice_of(name.p + name.n - n, n), slice_str(suffix))) {
        name.n -= n;
    }
    return arena_copy(&d->arena, name);
}

/* What mech_list lets through, in the order of the plugins if there is none. */
static const char *offered_mechanisms(struct doctor *d, const struct application *application)
{
    const char *list = application_option(d, application, "mech_list");
    const char *all = plugins_mechanisms(&application->plugins);
    const char *offered = "";
    struct slice rest = slice_str(list);
    struct slice word;
    if (list == NULL) {
        return all;
    }
    while (settings_word(&rest, " \t,", &word)) {
        const char *name = doctor_without_plus(d, word);
        if (settings_list_has(all, name) && !settings_list_has(offered, name)) {
            offered = arena_join(&d->arena, offered, " ", name);
        }
    }
    return offered;
}

void doctor_complete_application(struct doctor *d, struct application *application)
{
    const char *auxprop = application_option(d, application, "auxprop_plugin");
    const char *path = application_option(d, application, "lmdb_path");
    const char *key_path = application_option(d, application, "lmdb_keyfile");
    plugins_read(&application->plugins, application->sasl_path);
    application->offered = offered_mechanisms(d, application);
    application->uses_store = auxprop != NULL ? settings_list_has(auxprop, "lmdb") : path != NULL;
    application->store_path = path == NULL ? STORE_DEFAULT_PATH : path;
    application->key_path = key_path == NULL ? STORE_DEFAULT_KEY_PATH : key_path;
    if (application->uses_store && doctor_exists(&d->files, application->store_path)) {
        application->counts = doctor_counts(d, application->store_path, application->key_path);
    }
}

/* SASL_PATH of Cyrus IMAP's master: what starts it says so, or the process itself. */
static const char *imapd_sasl_path(struct doctor *d, const struct process *processes)
{
    struct settings defaults = {.first = NULL};
    struct buf text;
    buf_init(&text, DOCTOR_CONF_MAX);
    if (doctor_read(&d->files, "/etc/default/cyrus-imapd", &text) == 0) {
        settings_take_shell(&defaults, &d->arena, buf_slice(&text));
    }
    buf_release(&text);
    const char *path = settings_last(&defaults, "SASL_PATH");
    return path == NULL && processes != NULL ? process_variable(processes, &d->arena, "SASL_PATH")
                                             : path;
}

/* Services of Cyrus IMAP with the same options; service is NULL, or the one that has its own. */
static void add_imapd(struct doctor *d, const struct settings *settings, const char *service)
{
    static const char *const names[] = {"imapd", "cyrmaster", NULL};
    struct application *imapd = doctor_add_application(d, SERVER_IMAPD, "imap");
    if (imapd == NULL) {
        return;
    }
    imapd->label =
        service == NULL ? "Cyrus IMAP" : arena_format(&d->arena, "Cyrus IMAP (%s)", service);
    imapd->unit = "cyrus-imapd";
    imapd->prefix = "sasl_";
    imapd->conf_path = d->imapd_at;
    imapd->conf = service == NULL ? *settings : imapd_seen_by(settings, &d->arena, service);
    const char *realm = settings_first(&imapd->conf, "servername");
    imapd->realm = realm == NULL ? doctor_host_name(&d->files, &d->arena) : realm;
    imapd->user = person_find(&d->files, &d->arena, "cyrus");
    imapd->processes = processes_find(&d->files, &d->arena, names, &imapd->user);
    imapd->sasl_path = imapd_sasl_path(d, imapd->processes);
    doctor_complete_application(d, imapd);
}

/* cyrus.conf lies beside imapd.conf. */
static const char *cyrus_conf(struct doctor *d)
{
    const char *slash = strrchr(d->imapd_at, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - d->imapd_at) + 1;
    return arena_format(&d->arena, "%.*scyrus.conf", (int)n, d->imapd_at);
}

static void gather_imapd(struct doctor *d)
{
    struct settings settings = {.first = NULL};
    int error = imapd_read(&d->files, &d->arena, d->imapd_at, &settings);
    if (error == ENOENT && d->service == NULL) {
        return;
    }
    doctor_report_looked_at(&d->report, arena_format(&d->arena, "Cyrus IMAP: %s", d->imapd_at));
    if (error != 0) {
        doctor_say(d, DOCTOR_UNREADABLE, d->imapd_at, doctor_why(error), NULL);
        return;
    }
    const char *services = imapd_services(&d->files, &d->arena, cyrus_conf(d), d->imapd_at);
    struct slice rest = slice_str(services);
    struct slice word;
    bool common = *services == '\0';
    while (settings_word(&rest, " ", &word)) {
        const char *name = arena_copy(&d->arena, word);
        if (imapd_has_own(&settings, name)) {
            add_imapd(d, &settings, name);
        } else {
            common = true;
        }
    }
    if (common) {
        add_imapd(d, &settings, NULL);
    }
}

/* What is meant by a service that has no configuration; NULL if that can only be this one. */
static const char *meant_by(const char *name)
{
    static const char *const known[] = {"postfix",   "smtpd",   "imap",  "imapd",
                                        "cyrus",     "exim",    "slapd", "Sendmail",
                                        "memcached", "libvirt", "svn",   "qemu"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (spelling_errors(name, known[i]) == 1) {
            return known[i];
        }
    }
    return NULL;
}

/*
 * Programs that are known to read the store as a user who is never root: as whom on a Debian, and
 * where they look for their file there, if that is in directories of their own.
 */
static const struct other_program {
    const char *name;
    const char *user;
    const char *conf_path;
} programs[] = {{"slapd", "openldap", "/etc/ldap/sasl2:/usr/lib/sasl2"},
                {"exim", "Debian-exim", NULL}};

/* NULL: not known. */
static const struct other_program *find_program(const char *name)
{
    size_t i = 0;
    while (i < sizeof programs / sizeof programs[0] && strcmp(programs[i].name, name) != 0) {
        i++;
    }
    return i < sizeof programs / sizeof programs[0] ? &programs[i] : NULL;
}

/* Another program that has a NAME.conf. */
static void gather_other(struct doctor *d, const char *name)
{
    const struct other_program *known = find_program(name);
    bool own = known != NULL && known->conf_path != NULL &&
               doctor_exists(&d->files, "/etc/debian_version");
    const char *directories = own ? known->conf_path : sasl_conf_path;
    const char *first = NULL;
    struct slice rest = slice_str(directories);
    struct slice directory;
    struct buf text;
    buf_init(&text, DOCTOR_CONF_MAX);
    while (settings_word(&rest, ":", &directory)) {
        const char *path = arena_format(&d->arena, "%.*s/%s.conf", (int)directory.n,
                                        (const char *)directory.p, name);
        int error = doctor_read(&d->files, path, &text);
        first = first == NULL ? path : first;
        if (error == ENOENT) {
            continue;
        }
        struct application *other = doctor_add_application(d, SERVER_OTHER, name);
        doctor_report_looked_at(&d->report, arena_format(&d->arena, "%s: %s", name, path));
        if (error != 0) {
            doctor_say(d, DOCTOR_UNREADABLE, path, doctor_why(error), NULL);
        } else if (other != NULL) {
            other->conf_path = path;
            settings_take_sasl(&other->conf, &d->arena, buf_slice(&text));
        }
        if (other != NULL) {
            if (known != NULL) {
                other->user = person_find(&d->files, &d->arena, known->user);
            }
            doctor_complete_application(d, other);
        }
        buf_release(&text);
        return;
    }
    buf_release(&text);
    const char *meant = meant_by(name);
    if (meant != NULL) {
        doctor_say(d, DOCTOR_SERVICE_MISSPELT, name, directories, meant, NULL);
        return;
    }
    doctor_say(d, DOCTOR_CONF_MISSING, name, name, directories, first, NULL);
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcasecmp(name, *names) == 0) {
            return true;
        }
    }
    return false;
}

void doctor_gather(struct doctor *d)
{
    static const char *const postfix[] = {"postfix", "smtpd", NULL};
    static const char *const imapd[] = {"imap", "imapd", "cyrus", NULL};
    if (d->service == NULL || is_one_of(d->service, postfix)) {
        doctor_gather_postfix(d);
    }
    if (d->service == NULL || is_one_of(d->service, imapd)) {
        gather_imapd(d);
    }
    if (d->service != NULL && !is_one_of(d->service, postfix) && !is_one_of(d->service, imapd)) {
        gather_other(d, d->service);
    }
}
