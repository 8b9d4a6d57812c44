/* SPDX-License-Identifier: BSD-2-Clause */
/* Postfix as applications: one for each smtpd_sasl_path that its smtpd's use. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "doctor.h"

/* Where this Postfix looks for NAME.conf, separated by colons. */
static const char *conf_directories(struct doctor *d)
{
    if (doctor_exists(&d->files, "/etc/debian_version")) {
        return arena_format(&d->arena, "%s/sasl:/usr/lib/sasl", d->postfix_at);
    }
    const char *path = postfix_get(&d->postfix, NULL, "cyrus_sasl_config_path");
    return *path == '\0' ? "/etc/sasl2:/etc/sasl:/usr/lib64/sasl2:/usr/lib/sasl2" : path;
}

/* Everywhere such a file lies in somebody's installation. */
static const char *const all_directories[] = {
    "/etc/postfix/sasl", "/etc/sasl2",           "/etc/sasl",         "/usr/lib/sasl2",
    "/usr/lib64/sasl2",  "/usr/local/etc/sasl2", "/usr/lib/sasl",     "/usr/local/lib/sasl2",
    "/etc/postfix",      "/var/lib/sasl2",       "/usr/pkg/etc/sasl2"};

static bool same_text(struct doctor *d, const char *path, struct slice text)
{
    struct buf other;
    buf_init(&other, DOCTOR_CONF_MAX);
    bool same = doctor_read(&d->files, path, &other) == 0 && slice_equal(buf_slice(&other), text);
    buf_release(&other);
    return same;
}

static bool same_file(struct doctor *d, const char *a, const char *b)
{
    struct stat one;
    struct stat other;
    return doctor_stat(&d->files, a, &one) == 0 && doctor_stat(&d->files, b, &other) == 0 &&
           one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* Files of the name that this Postfix does not read. */
static void tell_unread(struct doctor *d, const struct application *postfix,
                        const char *directories, struct slice text)
{
    const char *first = "";
    struct slice rest = slice_str(directories);
    struct slice directory;
    if (settings_word(&rest, ":", &directory)) {
        first = arena_format(&d->arena, "%.*s/%s.conf", (int)directory.n, (const char *)directory.p,
                             postfix->name);
    }
    for (size_t i = 0; i < sizeof all_directories / sizeof all_directories[0]; i++) {
        const char *path = arena_format(&d->arena, "%s/%s.conf", all_directories[i], postfix->name);
        struct stat st;
        /* Another instance's files are its own. */
        bool foreign = strncmp(path, "/etc/postfix", strlen("/etc/postfix")) == 0 &&
                       strcmp(d->postfix_at, "/etc/postfix") != 0;
        if (foreign || doctor_stat(&d->files, path, &st) != 0 || !S_ISREG(st.st_mode)) {
            continue;
        }
        if (postfix->conf_path == NULL) {
            doctor_say(d, DOCTOR_CONF_NEVER_READ, postfix->label, path, directories, first, NULL);
        } else if (strcmp(path, postfix->conf_path) != 0 &&
                   !same_file(d, path, postfix->conf_path) && !same_text(d, path, text)) {
            doctor_say(d, DOCTOR_CONF_IGNORED, postfix->label, postfix->conf_path, path, NULL);
        }
    }
}

/* smtpd_sasl_path may be what somebody has mistyped: smtpd.conf is what that is usually called. */
static const char *usual_conf(struct doctor *d, const char *name, const char *directories)
{
    struct slice rest = slice_str(directories);
    struct slice directory;
    while (strcmp(name, "smtpd") != 0 && settings_word(&rest, ":", &directory)) {
        const char *path =
            arena_format(&d->arena, "%.*s/smtpd.conf", (int)directory.n, (const char *)directory.p);
        if (doctor_exists(&d->files, path)) {
            return path;
        }
    }
    return NULL;
}

static void read_conf(struct doctor *d, struct application *postfix,
                      const struct postfix_service *service)
{
    const char *directories = conf_directories(d);
    struct slice rest = slice_str(directories);
    struct slice directory;
    struct buf text;
    const char *first = NULL;
    buf_init(&text, DOCTOR_CONF_MAX);
    while (postfix->conf_path == NULL && settings_word(&rest, ":", &directory)) {
        const char *path = arena_format(&d->arena, "%.*s/%s.conf", (int)directory.n,
                                        (const char *)directory.p, postfix->name);
        int error = doctor_read(&d->files, path, &text);
        first = first == NULL ? path : first;
        if (error == 0) {
            postfix->conf_path = path;
            settings_take_sasl(&postfix->conf, &d->arena, buf_slice(&text));
        } else if (error != ENOENT && error != ENOTDIR) {
            doctor_say(d, DOCTOR_UNREADABLE, path, doctor_why(error), NULL);
            buf_clear(&text);
        }
    }
    const char *usual = usual_conf(d, postfix->name, directories);
    if (postfix->conf_path == NULL && usual != NULL) {
        doctor_say(d, DOCTOR_CONF_MISNAMED, postfix->label, postfix->name, directories, usual,
                   doctor_postconf_set(d, service, "smtpd_sasl_path", "smtpd"), NULL);
    } else if (postfix->conf_path == NULL) {
        doctor_say(d, DOCTOR_CONF_MISSING, postfix->label, postfix->name, directories, first, NULL);
    }
    tell_unread(d, postfix, directories, buf_slice(&text));
    buf_release(&text);
}

/* SASL_PATH=... among the words of import_environment. */
static const char *imported_sasl_path(struct doctor *d)
{
    struct slice rest = slice_str(postfix_get(&d->postfix, NULL, "import_environment"));
    struct slice word;
    const char *path = NULL;
    while (settings_word(&rest, " \t,{}", &word)) {
        if (slice_take_literal(&word, "SASL_PATH=")) {
            path = arena_copy(&d->arena, word);
        }
    }
    return path;
}

/* Whether it serves an smtpd of master.cf that has another smtpd_sasl_path. */
static bool is_of_another(struct doctor *d, const struct process *process, const char *name)
{
    const char *service = process_option(process, &d->arena, "-n");
    for (const struct postfix_service *s = d->postfix.services; service != NULL && s != NULL;
         s = s->next) {
        if (strcmp(s->name, service) == 0) {
            return strcmp(postfix_get(&d->postfix, s, "smtpd_sasl_path"), name) != 0;
        }
    }
    return false;
}

/*
 * Processes of this Postfix, not of another instance on the machine, that have one of these names;
 * of smtpd's those for a smtpd_sasl_path.
 */
static struct process *own_processes(struct doctor *d, const char *const *names, const char *name,
                                     const struct person *user)
{
    struct process *all = processes_find(&d->files, &d->arena, names, user);
    struct process *own = NULL;
    while (all != NULL) {
        struct process *next = all->next;
        const char *config = process_variable(all, &d->arena, "MAIL_CONFIG");
        if ((config == NULL || strcmp(config, d->postfix_at) == 0) &&
            !is_of_another(d, all, name)) {
            all->next = own;
            own = all;
        }
        all = next;
    }
    return own;
}

static struct application *find_application(const struct doctor *d, const char *name)
{
    for (struct application *a = d->applications; a != NULL; a = a->next) {
        if (a->server == SERVER_POSTFIX && strcmp(a->name, name) == 0) {
            return a;
        }
    }
    return NULL;
}

const struct application *doctor_application_of(const struct doctor *d,
                                                const struct postfix_service *service)
{
    const char *path = postfix_get(&d->postfix, service, "smtpd_sasl_path");
    if (!postfix_is_on(&d->postfix, service, "smtpd_sasl_auth_enable") ||
        strcmp(postfix_get(&d->postfix, service, "smtpd_sasl_type"), "cyrus") != 0) {
        return NULL;
    }
    return find_application(d, path);
}

const char *doctor_realm_of(const struct doctor *d, const struct postfix_service *service)
{
    const char *realm = postfix_get(&d->postfix, service, "smtpd_sasl_local_domain");
    return *realm == '\0' ? postfix_get(&d->postfix, service, "myhostname") : realm;
}

static void add_postfix(struct doctor *d, const char *name, const struct postfix_service *service)
{
    static const char *const smtpd[] = {"smtpd", NULL};
    static const char *const always_there[] = {"qmgr", "pickup", NULL};
    struct application *postfix = find_application(d, name);
    if (postfix == NULL) {
        postfix = doctor_add_application(d, SERVER_POSTFIX, name);
        if (postfix == NULL) {
            return;
        }
        postfix->label =
            strcmp(name, "smtpd") == 0 ? "Postfix" : arena_format(&d->arena, "Postfix (%s)", name);
        postfix->unit = "postfix";
        postfix->opens_as_root = true;
        postfix->queue = postfix_get(&d->postfix, NULL, "queue_directory");
        postfix->user =
            person_find(&d->files, &d->arena, postfix_get(&d->postfix, NULL, "mail_owner"));
        postfix->realm = doctor_realm_of(d, service);
        postfix->sasl_path = imported_sasl_path(d);
        postfix->processes = own_processes(d, smtpd, name, &postfix->user);
        postfix->siblings = own_processes(d, always_there, name, &postfix->user);
        read_conf(d, postfix, service);
        doctor_complete_application(d, postfix);
    }
    postfix->chroot = postfix->chroot || service->chroot;
}

static void tell_syntax(struct doctor *d)
{
    if (d->postfix.main.bad_line != 0) {
        doctor_say(d, DOCTOR_MAIN_SYNTAX, arena_format(&d->arena, "%s/main.cf", d->postfix_at),
                   arena_number(&d->arena, d->postfix.main.bad_line), d->postfix.main.bad,
                   d->postfix_at, NULL);
    }
    const char *path = postfix_get(&d->postfix, NULL, "cyrus_sasl_config_path");
    if (*path != '\0' && doctor_exists(&d->files, "/etc/debian_version")) {
        doctor_say(d, DOCTOR_CONFIG_PATH_IGNORED, path, conf_directories(d), d->postfix_at, NULL);
    }
}

/* postconf of this machine knows nothing of another below a root. */
static const char *find_postconf(const struct doctor *d)
{
    static const char *const places[] = {"/usr/sbin/postconf", "/usr/local/sbin/postconf"};
    for (size_t i = 0; d->files.root[0] == '\0' && i < sizeof places / sizeof places[0]; i++) {
        if (access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

void doctor_gather_postfix(struct doctor *d)
{
    d->postfix.files = &d->files;
    d->postfix.arena = &d->arena;
    d->postfix.directory = d->postfix_at;
    postfix_read(&d->postfix, find_postconf(d));
    if (d->postfix.main_error == ENOENT && d->service == NULL) {
        return;
    }
    doctor_report_looked_at(&d->report, arena_format(&d->arena, "Postfix: %s", d->postfix_at));
    if (d->postfix.main_error != 0) {
        doctor_say(d, DOCTOR_UNREADABLE, arena_format(&d->arena, "%s/main.cf", d->postfix_at),
                   doctor_why(d->postfix.main_error), NULL);
        return;
    }
    d->have_postfix = true;
    if (d->postfix.master_error != 0) {
        doctor_say(d, DOCTOR_UNREADABLE, arena_format(&d->arena, "%s/master.cf", d->postfix_at),
                   doctor_why(d->postfix.master_error), NULL);
    }
    tell_syntax(d);
    for (const struct postfix_service *s = d->postfix.services; s != NULL; s = s->next) {
        if (postfix_is_on(&d->postfix, s, "smtpd_sasl_auth_enable") &&
            strcmp(postfix_get(&d->postfix, s, "smtpd_sasl_type"), "cyrus") == 0) {
            add_postfix(d, postfix_get(&d->postfix, s, "smtpd_sasl_path"), s);
        }
    }
}
