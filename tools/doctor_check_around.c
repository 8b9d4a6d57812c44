/* SPDX-License-Identifier: BSD-2-Clause */
/* Around the servers: what was left of other ways to keep passwords, and who reads the log. */
#include <string.h>
#include <strings.h>

#include "doctor.h"

/* --- what was left --- */

enum { SASLDB_MAX = 64 * 1024 * 1024 /* bytes */ };

static bool any_has(struct doctor *d, const char *option, const char *word)
{
    for (const struct application *a = d->applications; a != NULL; a = a->next) {
        const char *list = application_option(d, a, option);
        if (list != NULL && settings_list_has(list, word)) {
            return true;
        }
    }
    return false;
}

/*
 * A sasldb has no times: what has changed since it was imported, another import would undo. And
 * what is in it and in no store would be lost with it, so that nobody is told to delete it unseen.
 */
static void tell_sasldb(struct doctor *d, const struct application *a, const char *path)
{
    if (a->counts == NULL || a->counts->status != AUTH_OK) {
        doctor_say(d, DOCTOR_SASLDB_LEFT, path, "; import them once the store can be used", "",
                   NULL);
    } else if (a->counts->accounts == 0) {
        doctor_say(d, DOCTOR_SASLDB_LEFT, path, ", and the store has no accounts yet",
                   doctor_command(&d->arena, "sasl-lmdb -f %1 -k %2 import --format sasldb %3",
                                  a->store_path, a->key_path, path, NULL),
                   NULL);
    } else {
        doctor_say(d, DOCTOR_SASLDB_LEFT, path,
                   arena_format(&d->arena,
                                "; the store has %s account%s, over whose passwords an import now "
                                "would put old ones, and it would bring deleted users back: if all "
                                "of it has been imported before, delete it with shred -u",
                                arena_number(&d->arena, a->counts->accounts),
                                tool_plural((unsigned)a->counts->accounts)),
                   "", NULL);
    }
}

/* sasl2-bin makes an empty one; a password's row is called userPassword. */
static void check_sasldb(struct doctor *d, const struct application *reader, const char *path)
{
    static const char row[] = "userPassword";
    struct buf file;
    buf_init(&file, SASLDB_MAX);
    if (doctor_read(&d->files, path, &file) == 0 && file.n > 0 &&
        memmem(file.p, file.n, row, sizeof row - 1) != NULL) {
        tell_sasldb(d, reader, path);
    }
    buf_release(&file);
}

static void check_saslauthd_conf(struct doctor *d)
{
    static const char path[] = "/etc/saslauthd.conf";
    static const char *const secrets[] = {"ldap_password", "ldap_bind_pw"};
    struct settings conf = {.first = NULL};
    struct buf text;
    buf_init(&text, DOCTOR_CONF_MAX);
    if (doctor_read(&d->files, path, &text) == 0) {
        settings_take_sasl(&conf, &d->arena, buf_slice(&text));
    }
    buf_release(&text);
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        if (settings_first(&conf, secrets[i]) != NULL) {
            doctor_say(d, DOCTOR_SASLAUTHD_LEFT, path, NULL);
        }
    }
}

void doctor_check_leftovers(struct doctor *d)
{
    const char *queue = d->have_postfix ? postfix_get(&d->postfix, NULL, "queue_directory") : "";
    const struct application *reader = NULL; /* of a store, the first */
    for (const struct application *a = d->applications; a != NULL; a = a->next) {
        reader = reader == NULL && a->uses_store ? a : reader;
        if (a->uses_store && *queue != '\0') {
            const char *copy = arena_format(&d->arena, "%s%s", queue, a->store_path);
            if (doctor_exists(&d->files, copy)) {
                doctor_say(d, DOCTOR_STORE_IN_JAIL, copy, NULL);
            }
        }
    }
    if (reader == NULL) {
        return;
    }
    if (!any_has(d, "auxprop_plugin", "sasldb")) {
        check_sasldb(d, reader, "/etc/sasldb2");
        check_sasldb(d, reader, "/etc/sasl2/sasldb2");
        if (*queue != '\0') {
            check_sasldb(d, reader, arena_format(&d->arena, "%s/etc/sasldb2", queue));
        }
    }
    if (!any_has(d, "pwcheck_method", "saslauthd")) {
        static const char cache[] = "/run/saslauthd/cache.mmap"; /* hashes of what was typed */
        const char *inside = arena_format(&d->arena, "%s/var%s", queue, cache);
        check_saslauthd_conf(d);
        if (doctor_exists(&d->files, cache)) {
            doctor_say(d, DOCTOR_SASLAUTHD_LEFT, cache, NULL);
        }
        if (*queue != '\0' && doctor_exists(&d->files, inside)) {
            doctor_say(d, DOCTOR_SASLAUTHD_LEFT, inside, NULL);
        }
    }
}

/* --- fail2ban --- */

struct jail {
    struct jail *next;
    const char *name;
    const char *filter; /* NULL: the filter of its name */
    const char *mode;
    const char *logpath; /* NULL: none is named */
    const char *backend;
    bool enabled;
};

struct jails {
    struct doctor *d;
    struct jail *first;
    bool enabled; /* what [DEFAULT] says */
    const char *backend;
};

static struct jail *find_jail(struct jails *jails, struct slice name)
{
    struct jail **end = &jails->first;
    for (; *end != NULL; end = &(*end)->next) {
        if (slice_equal_str(name, (*end)->name)) {
            return *end;
        }
    }
    *end = arena_new(&jails->d->arena, sizeof **end);
    if (*end != NULL) {
        (*end)->name = arena_copy(&jails->d->arena, name);
        (*end)->enabled = jails->enabled;
        (*end)->mode = "";
    }
    return *end;
}

static void take_jail_option(struct jails *jails, struct jail *jail, struct slice name,
                             struct slice value)
{
    const char *text = arena_copy(&jails->d->arena, settings_trim(value));
    name = settings_trim(name);
    if (jail == NULL) {
        if (slice_equal_str(name, "enabled")) {
            jails->enabled = setting_is_on(text);
        } else if (slice_equal_str(name, "backend")) {
            jails->backend = text;
        }
    } else if (slice_equal_str(name, "enabled")) {
        jail->enabled = setting_is_on(text);
    } else if (slice_equal_str(name, "filter")) {
        jail->filter = text;
    } else if (slice_equal_str(name, "mode")) {
        jail->mode = text;
    } else if (slice_equal_str(name, "logpath")) {
        jail->logpath = text;
    } else if (slice_equal_str(name, "backend")) {
        jail->backend = text;
    }
}

/* Later files overrule earlier ones. */
static void take_jails(struct jails *jails, const char *path)
{
    struct jail *jail = NULL;
    struct buf text;
    buf_init(&text, DOCTOR_CONF_MAX);
    struct slice rest = {NULL, 0};
    if (doctor_read(&jails->d->files, path, &text) == 0) {
        rest = buf_slice(&text);
    }
    struct slice line;
    while (settings_line(&rest, &line)) {
        struct slice name;
        line = settings_trim(line);
        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';') {
            continue;
        }
        if (slice_take_literal(&line, "[") && slice_take_until(&line, ']', &name)) {
            jail = slice_equal_str(name, "DEFAULT") ? NULL : find_jail(jails, name);
        } else if (slice_take_until(&line, '=', &name)) {
            take_jail_option(jails, jail, name, line);
        }
    }
    buf_release(&text);
}

static void take_directory(struct jails *jails, const char *suffix)
{
    static const char directory[] = "/etc/fail2ban/jail.d";
    struct doctor *d = jails->d;
    size_t n = strlen(suffix);
    for (const char **name = doctor_names(&d->files, directory, &d->arena); *name != NULL; name++) {
        size_t length = strlen(*name);
        if (length > n && strcmp(*name + length - n, suffix) == 0) {
            take_jails(jails, arena_format(&d->arena, "%s/%s", directory, *name));
        }
    }
}

enum watch { WATCH_NOTHING, WATCH_STOCK, WATCH_OURS, WATCH_OTHER };

/* What an enabled jail sees of failed logins. */
static enum watch watches(const struct jail *jail)
{
    const char *filter = jail->filter == NULL ? jail->name : jail->filter;
    const char *mode = strstr(filter, "%(mode)s") != NULL ? jail->mode : filter;
    bool is_postfix = strncmp(filter, "postfix", strlen("postfix")) == 0 &&
                      (filter[strlen("postfix")] == '\0' || filter[strlen("postfix")] == '[');
    if (strncmp(filter, "sasl-lmdb", strlen("sasl-lmdb")) == 0) {
        return WATCH_OURS;
    }
    if (is_postfix) {
        return strstr(mode, "auth") != NULL || strstr(mode, "aggressive") != NULL ||
                       strstr(mode, "extra") != NULL
                   ? WATCH_STOCK
                   : WATCH_NOTHING;
    }
    return strstr(filter, "sasl") != NULL || strstr(jail->name, "sasl") != NULL ? WATCH_OTHER
                                                                                : WATCH_NOTHING;
}

/* Offered mechanisms that fail2ban's filter "postfix" has no pattern for. */
static const char *unseen_mechanisms(struct doctor *d)
{
    static const char seen[] = "PLAIN LOGIN CRAM-MD5 DIGEST-MD5";
    const char *unseen = "";
    for (const struct application *a = d->applications; a != NULL; a = a->next) {
        struct slice rest = slice_str(a->offered);
        struct slice word;
        while (settings_word(&rest, " ", &word)) {
            const char *name = arena_copy(&d->arena, word);
            if (!settings_list_has(seen, name) && !settings_list_has(unseen, name)) {
                unseen = arena_join(&d->arena, unseen, " ", name);
            }
        }
    }
    return unseen;
}

static const char mail_log[] = "/var/log/mail.log";

static bool is_debian(struct doctor *d)
{
    return doctor_exists(&d->files, "/etc/debian_version");
}

static const char *python_for_journal(struct doctor *d)
{
    return doctor_exists(&d->files, "/usr/lib/python3/dist-packages/systemd")
               ? ""
               : "apt-get install python3-systemd && ";
}

/* Where Postfix writes its log if it does not leave that to syslog; NULL: it does. */
static const char *own_log(struct doctor *d)
{
    const char *file = postfix_get(&d->postfix, NULL, "maillog_file");
    return *file == '/' && strncmp(file, "/dev/", strlen("/dev/")) != 0 &&
                   doctor_exists(&d->files, file)
               ? file
               : NULL;
}

/*
 * The command that gives our jail what it needs to start: fail2ban ends with the first jail it
 * cannot start, or section it finds twice in a file. So files of its own, and "" where nobody
 * knows of a log to read. settings: lines that are quoted already.
 */
static const char *set_jail(struct doctor *d, const char *settings)
{
    static const char own[] = "/etc/fail2ban/jail.d/sasl-lmdb.local"; /* overrules all others */
    const char *files = doctor_install_jail(d);
    const char *python = "";
    const char *backend = "";
    const char *log = own_log(d);
    if (log != NULL) {
        backend = doctor_command(&d->arena, " %1 'backend = auto'",
                                 arena_format(&d->arena, "logpath = %s", log), NULL);
    } else if (!doctor_exists(&d->files, mail_log)) {
        bool journal = doctor_exists(&d->files, "/run/log/journal") ||
                       doctor_exists(&d->files, "/var/log/journal");
        if (!journal || !is_debian(d)) {
            return "";
        }
        python = python_for_journal(d);
        backend = " 'backend = systemd'";
    }
    if (doctor_exists(&d->files, own)) {
        return "";
    }
    return doctor_command(&d->arena, "%r1%r2%r3printf '%%s\\n' '[sasl-lmdb]'%r4%r5 > %6", files,
                          *files == '\0' ? "" : " && ", python, backend, settings, own, NULL);
}

/* What keeps an enabled jail of ours, and fail2ban with it, from starting. */
static void check_our_jail(struct doctor *d, const struct jails *jails, const struct jail *jail)
{
    static const char filter[] = "/etc/fail2ban/filter.d/sasl-lmdb.conf";
    const char *backend = jail->backend;
    if (backend == NULL || strcmp(backend, "%(postfix_backend)s") == 0) {
        backend = jails->backend;
    }
    bool journal = strcmp(backend, "systemd") == 0;
    if (!doctor_exists(&d->files, filter)) {
        doctor_say(d, DOCTOR_FAIL2BAN_FILTER, filter, doctor_install_jail(d), NULL);
    } else if (jail->logpath == NULL && !journal) {
        doctor_say(d, DOCTOR_FAIL2BAN_FILTER, "/etc/fail2ban/jail.d/sasl-lmdb.conf",
                   doctor_install_jail(d), NULL);
    } else if (journal && is_debian(d) && *python_for_journal(d) != '\0') {
        doctor_say(d, DOCTOR_FAIL2BAN_JOURNAL, NULL);
    } else if (!journal && is_debian(d) && strcmp(jail->logpath, "%(postfix_log)s") == 0 &&
               !doctor_exists(&d->files, "/etc/fail2ban/paths-overrides.local") &&
               !doctor_exists(&d->files, mail_log)) {
        doctor_say(d, DOCTOR_FAIL2BAN_LOG, mail_log, set_jail(d, ""), NULL);
    }
}

static void judge_jails(struct doctor *d, const struct jails *jails)
{
    const char *stock = NULL;
    bool ours = false;
    bool other = false;
    for (const struct jail *jail = jails->first; jail != NULL; jail = jail->next) {
        enum watch watch = jail->enabled ? watches(jail) : WATCH_NOTHING;
        ours = ours || watch == WATCH_OURS;
        other = other || watch == WATCH_OTHER;
        stock = watch == WATCH_STOCK ? jail->name : stock;
        if (watch == WATCH_OURS) {
            check_our_jail(d, jails, jail);
        }
    }
    const char *unseen = unseen_mechanisms(d);
    if (ours && stock != NULL) {
        doctor_say(d, DOCTOR_FAIL2BAN_TWICE, stock, NULL);
    } else if (stock != NULL && *unseen != '\0') {
        const char *instead =
            doctor_command(&d->arena, " 'enabled = true' '[%1]' 'enabled = false'", stock, NULL);
        doctor_say(d, DOCTOR_FAIL2BAN_BLIND, stock, unseen, set_jail(d, instead), NULL);
    } else if (stock == NULL && !ours && !other) {
        doctor_say(d, DOCTOR_FAIL2BAN_OFF, set_jail(d, " 'enabled = true'"), NULL);
    }
}

void doctor_check_fail2ban(struct doctor *d)
{
    struct jails jails = {.d = d, .backend = "auto"};
    if (!d->have_postfix || d->applications == NULL ||
        !doctor_exists(&d->files, "/etc/fail2ban/jail.conf")) {
        return;
    }
    take_jails(&jails, "/etc/fail2ban/jail.conf");
    take_directory(&jails, ".conf");
    take_jails(&jails, "/etc/fail2ban/jail.local");
    take_directory(&jails, ".local");
    judge_jails(d, &jails);
}
