/* SPDX-License-Identifier: BSD-2-Clause */
/* The SASL configuration of an application, and saslauthd where that is asked. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "spelling.h"

/* --- auxprop --- */

/* The file of an auxprop plugin is called after it, except ours. */
static const char *plugin_file(struct doctor *d, const char *name)
{
    return strcmp(name, "lmdb") == 0 ? "libsasllmdb.so" : arena_format(&d->arena, "lib%s.so", name);
}

static bool has_plugin(const struct application *a, const char *name)
{
    return plugins_named(&a->plugins, strcmp(name, "lmdb") == 0 ? "sasllmdb" : name) != NULL;
}

static const char *first_directory(const struct application *a)
{
    return a->plugins.n_directories == 0 ? "/usr/lib/sasl2" : a->plugins.directories[0];
}

static void check_auxprop_list(struct doctor *d, const struct application *a, const char *list)
{
    struct slice rest = slice_str(list);
    struct slice word;
    const char *others = "";
    bool lmdb = false;
    const char *ours_alone = doctor_sasl_set(d, a, "auxprop_plugin", "lmdb");
    while (settings_word(&rest, " \t,", &word)) {
        const char *name = arena_copy(&d->arena, word);
        bool ours = strcmp(name, "lmdb") == 0;
        lmdb = lmdb || ours;
        if (!ours) {
            others = arena_join(&d->arena, others, " ", name);
        }
        if (!doctor_has_plugin_directory(d, a)) {
            continue;
        }
        if (ours && !has_plugin(a, name)) {
            doctor_say(d, DOCTOR_PLUGIN_MISSING, a->label, plugins_directories(&a->plugins),
                       doctor_install_plugin(d, a, first_directory(a), plugin_file(d, name)), NULL);
        } else if (!has_plugin(a, name)) {
            doctor_say(d, DOCTOR_AUXPROP_UNKNOWN, a->label, a->conf_path, name,
                       plugin_file(d, name), plugins_install_command(&a->plugins, name), NULL);
        }
    }
    if (!lmdb) {
        doctor_say(d, DOCTOR_NOT_OURS, a->label, a->conf_path, list, ours_alone, NULL);
    } else if (*others != '\0') {
        doctor_say(d, DOCTOR_AUXPROP_BESIDE, a->label, a->conf_path, others, ours_alone, NULL);
    }
}

/* --- options that are none --- */

enum { OPTION_MAX = 48, TYPING_ERRORS = 2 };

/* The option of ours, without a prefix, that a name is nearest to; *ret_errors is how near. */
static const char *nearest_option(struct doctor *d, const struct application *a, const char *name,
                                  unsigned *ret_errors)
{
    static const char *const options[] = {
        "lmdb_path",        "lmdb_keyfile",         "lmdb_writable",      "lmdb_nolock",
        "lmdb_require_tls", "lmdb_channel_binding", "lmdb_digest_layers", "lmdb_upgrade",
    };
    const char *nearest = "";
    *ret_errors = UINT_MAX;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const char *whole = arena_format(&d->arena, "%s%s", a->prefix, options[i]);
        unsigned errors = spelling_errors(name, whole);
        if (errors < *ret_errors) {
            *ret_errors = errors;
            nearest = whole;
        }
    }
    return nearest;
}

static const char *lower_case(struct doctor *d, const char *name)
{
    char *lower = arena_copy(&d->arena, slice_str(name));
    for (char *c = lower; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    return lower;
}

/* Nothing reads a misspelt option, nor says so: what it was to change stays as it was. */
static void check_names(struct doctor *d, const struct application *a)
{
    for (const struct setting *s = a->conf.first; s != NULL; s = s->next) {
        const char *name = lower_case(d, s->name);
        unsigned errors = 0;
        if (strlen(name) > OPTION_MAX) {
            continue;
        }
        const char *nearest = nearest_option(d, a, name, &errors);
        bool ours = strncmp(name, "sasl_lmdb_", strlen("sasl_lmdb_")) == 0 ||
                    strncmp(name, "lmdb_", strlen("lmdb_")) == 0 || errors <= TYPING_ERRORS;
        size_t behind = strlen(name) - strlen(nearest);
        bool of_service = *a->prefix != '\0' && strlen(name) > strlen(nearest) &&
                          strcmp(name + behind, nearest) == 0;
        if (errors == 0 || !ours || of_service) {
            continue;
        }
        const char *script =
            arena_format(&d->arena, "%us/%s:/%s:/", s->line, s->written,
                         arena_format(&d->arena, "%.*s%s", (int)(strlen(s->written) - strlen(name)),
                                      s->written, nearest));
        const char *file = s->file == NULL ? a->conf_path : s->file;
        doctor_say(d, DOCTOR_OPTION_UNKNOWN, file, arena_number(&d->arena, s->line), s->written,
                   nearest, doctor_command(&d->arena, "sed -i %1 %2", script, file, NULL), NULL);
    }
}

static void check_switches(struct doctor *d, const struct application *a)
{
    if (a->uses_store && setting_is_on(application_option(d, a, "lmdb_writable"))) {
        doctor_say(d, DOCTOR_WRITABLE, a->label, a->conf_path,
                   doctor_sasl_drop(d, a, "lmdb_writable"), NULL);
    }
    if (a->server == SERVER_POSTFIX &&
        setting_is_on(application_option(d, a, "lmdb_require_tls"))) {
        const char *mend =
            doctor_command(&d->arena, "%r1 && postconf -c %2 -e smtpd_tls_auth_only=yes",
                           doctor_sasl_drop(d, a, "lmdb_require_tls"), d->postfix_at, NULL);
        doctor_say(d, DOCTOR_REQUIRE_TLS, a->conf_path, doctor_and_restart(d, a->unit, mend), NULL);
    }
}

static void check_paths(struct doctor *d, const struct application *a)
{
    if (a->uses_store && strcmp(a->store_path, d->tool->store_path) != 0 &&
        doctor_exists(&d->files, a->store_path) && doctor_exists(&d->files, d->tool->store_path)) {
        doctor_say(d, DOCTOR_STORE_ELSEWHERE, a->label, a->store_path, d->tool->store_path,
                   a->key_path, NULL);
    }
}

/* Of an option that is there twice, what came last is what somebody has wanted since. */
static void tell_again(struct doctor *d, const struct application *a, const struct setting *again)
{
    const struct setting *before = again->before;
    bool one_line = before->end == before->line;
    const char *more = one_line ? "" : arena_format(&d->arena, " to %u", before->end);
    doctor_say(d, DOCTOR_CONF_AGAIN, again->file, arena_number(&d->arena, again->line),
               again->written,
               arena_format(&d->arena, "%s line %u%s", before->file, before->line, more),
               one_line ? doctor_drop_line(d, before, a->conf_path) : "", NULL);
}

/* The last first: a command that drops a line changes the numbers of those behind it. */
static int by_line_before(const void *a, const void *b)
{
    const struct setting *const *one = a;
    const struct setting *const *other = b;
    unsigned line = (*one)->before->line;
    unsigned other_line = (*other)->before->line;
    return (line < other_line) - (line > other_line);
}

static void tell_each_again(struct doctor *d, const struct application *a)
{
    const struct setting **again = arena_new(&d->arena, (a->conf.n + 1) * sizeof(void *));
    size_t n = 0;
    for (const struct setting *s = a->conf.first; again != NULL && s != NULL; s = s->next) {
        if (s->before != NULL) {
            again[n++] = s;
        }
    }
    if (n > 0) {
        qsort(again, n, sizeof *again, by_line_before);
    }
    for (size_t i = 0; i < n; i++) {
        tell_again(d, a, again[i]);
    }
}

/* What came last is what somebody has wanted since. */
static void check_second(struct doctor *d, const struct application *a)
{
    for (const struct setting *s = a->conf.first; s != NULL; s = s->next) {
        if (application_ignored(a, s->name) == s) {
            const struct setting *first = settings_find(&a->conf, s->name);
            doctor_say(d, DOCTOR_CONF_SECOND, a->conf_path, arena_number(&d->arena, s->line),
                       s->written, arena_number(&d->arena, first->line),
                       doctor_conf_set(d, a, s->name, s->value), NULL);
        }
    }
}

static void tell_syntax(struct doctor *d, const struct application *a)
{
    tell_each_again(d, a);
    if (a->conf.bad != NULL) {
        doctor_say(d, DOCTOR_CONF_SYNTAX,
                   a->conf.bad_file == NULL ? a->conf_path : a->conf.bad_file,
                   arena_number(&d->arena, a->conf.bad_line), a->conf.bad, NULL);
    }
}

static bool asks(struct doctor *d, const struct application *a, const char *method)
{
    const char *list = application_option(d, a, "pwcheck_method");
    return list == NULL ? strcmp(method, "auxprop") == 0 : settings_list_has(list, method);
}

/* A plugin that offers no mechanism may be one that looks accounts up. */
static bool may_look_up_elsewhere(const struct application *a)
{
    const struct plugin *p = a->plugins.first;
    while (p != NULL && (p->ours || *p->mechanisms != '\0')) {
        p = p->next;
    }
    return p != NULL;
}

/* Ours keeps out of where nobody has named it or its store. */
static void tell_unset(struct doctor *d, const struct application *a)
{
    bool none = !a->uses_store && asks(d, a, "auxprop") && !may_look_up_elsewhere(a);
    doctor_say(d, none ? DOCTOR_AUXPROP_NONE : DOCTOR_AUXPROP_UNSET, a->label, a->conf_path,
               doctor_sasl_set(d, a, "auxprop_plugin", "lmdb"), NULL);
}

void doctor_check_conf(struct doctor *d, const struct application *a)
{
    if (a->conf_path == NULL) {
        return;
    }
    if (a->conf.bad_line != 0) {
        tell_syntax(d, a);
        return;
    }
    const char *list = application_option(d, a, "auxprop_plugin");
    if (list != NULL) {
        check_auxprop_list(d, a, list);
    } else {
        tell_unset(d, a);
    }
    check_second(d, a);
    check_names(d, a);
    check_switches(d, a);
    check_paths(d, a);
}

/* --- saslauthd --- */

static const char *socket_directory(struct doctor *d, const struct application *a)
{
    const char *path = application_option(d, a, "saslauthd_path");
    if (path == NULL) {
        return doctor_is_directory(&d->files, "/run/saslauthd") ? "/run/saslauthd"
                                                                : "/var/run/saslauthd";
    }
    size_t n = strlen(path);
    size_t cut = strlen("/mux");
    return n > cut && strcmp(path + n - cut, "/mux") == 0
               ? arena_copy(&d->arena, slice_of(path, n - cut))
               : path;
}

static void check_socket(struct doctor *d, const struct application *a)
{
    const char *directory = socket_directory(d, a);
    const char *barrier = "";
    if (a->chroot) {
        /* Inside, /var/run is a directory of its own or nothing. */
        const char *inside =
            application_option(d, a, "saslauthd_path") == NULL ? "/var/run/saslauthd" : directory;
        directory = arena_format(&d->arena, "%s%s", a->queue, inside);
    }
    const char *socket = arena_format(&d->arena, "%s/mux", directory);
    if (!doctor_exists(&d->files, socket)) {
        if (a->chroot) {
            doctor_say(d, DOCTOR_SASLAUTHD_CHROOT, a->label, socket, directory, NULL);
        } else {
            doctor_say(d, DOCTOR_SASLAUTHD_SOCKET, a->label, socket, NULL);
        }
        return;
    }
    struct stat st;
    if (a->user.known &&
        !person_may(&d->files, &d->arena, &a->user, socket, WANT_WRITE, &barrier) &&
        doctor_stat(&d->files, barrier, &st) == 0) {
        doctor_say(d, DOCTOR_SASLAUTHD_DENIED, a->label, socket, barrier, a->user.name,
                   group_name(&d->files, &d->arena, st.st_gid), NULL);
    }
}

static void check_saslauthd_mechanisms(struct doctor *d, const struct application *a)
{
    struct slice rest = slice_str(a->offered);
    struct slice word;
    const char *others = "";
    while (settings_word(&rest, " ", &word)) {
        if (!slice_equal_str(word, "PLAIN") && !slice_equal_str(word, "LOGIN")) {
            others = arena_format(&d->arena, "%s%s%.*s", others, *others == '\0' ? "" : " ",
                                  (int)word.n, (const char *)word.p);
        }
    }
    if (*others != '\0') {
        doctor_say(d, DOCTOR_SASLAUTHD_MECHS, a->label, a->conf_path, others,
                   doctor_sasl_set(d, a, "mech_list", "PLAIN LOGIN"), NULL);
    }
}

/* Realms are in use where the server sets one, or users log in with one. */
static void check_saslauthd_realm(struct doctor *d, const struct application *a)
{
    static const char *const names[] = {"saslauthd", NULL};
    static const struct person root = {.known = true};
    const char *domain =
        d->have_postfix ? postfix_get(&d->postfix, NULL, "smtpd_sasl_local_domain") : "";
    bool realms = *domain != '\0' || settings_first(&a->conf, "virtdomains") != NULL ||
                  settings_first(&a->conf, "loginrealms") != NULL;
    for (const struct process *p = processes_find(&d->files, &d->arena, names, &root);
         realms && p != NULL; p = p->next) {
        if (!process_has_argument(p, "-r")) {
            doctor_say(d, DOCTOR_SASLAUTHD_REALM, arena_number(&d->arena, p->pid), NULL);
            return;
        }
    }
}

void doctor_check_saslauthd(struct doctor *d, const struct application *a)
{
    const char *method = application_option(d, a, "pwcheck_method");
    if (a->conf_path == NULL || a->conf.bad_line != 0) {
        return;
    }
    if (!asks(d, a, "auxprop")) {
        doctor_say(d, DOCTOR_PWCHECK, a->label, a->conf_path, method,
                   doctor_sasl_set(d, a, "pwcheck_method", "auxprop"), NULL);
    }
    if (asks(d, a, "saslauthd")) {
        check_socket(d, a);
        check_saslauthd_realm(d, a);
        if (!a->uses_store) {
            check_saslauthd_mechanisms(d, a);
        }
    }
}
