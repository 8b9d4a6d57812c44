/* SPDX-License-Identifier: BSD-2-Clause */
/* Plugins and mechanisms: what is loaded, what is offered, and who can use it. */
#include <string.h>
#include <strings.h>

#include "doctor.h"
#include "engine/verifier.h"

/* --- plugins --- */

/* Code that runs as root in many servers belongs to root, or to whoever owns the machine's files.
 */
static void check_rights(struct doctor *d, const struct application *a, const char *path)
{
    char whole[PATH_MAX]; /* where a link leads, which is what is to be changed */
    struct stat st;
    struct stat root;
    if (doctor_resolve(&d->files, path, whole) != 0 || doctor_stat(&d->files, path, &st) != 0 ||
        doctor_stat(&d->files, "/", &root) != 0) {
        return;
    }
    if (!doctor_is_root_s(&st, &root) || doctor_open_bits(&st, &root) != 0) {
        const char *mend =
            doctor_command(&d->arena, "chown -h root: %1 && chmod go-w %1", whole, NULL);
        doctor_say(d, DOCTOR_PLUGIN_WRITABLE, path, arena_mode(&d->arena, st.st_mode),
                   user_name(&d->files, &d->arena, st.st_uid), a->label,
                   doctor_for_held(d, path, mend), NULL);
    }
}

/* libNAME.so.3 without libNAME.so. */
static void check_suffixes(struct doctor *d, const char *directory)
{
    for (const char **name = doctor_names(&d->files, directory, &d->arena); *name != NULL; name++) {
        const char *at = strstr(*name, ".so.");
        if (strncmp(*name, "lib", 3) != 0 || at == NULL) {
            continue;
        }
        const char *plain =
            arena_format(&d->arena, "%s/%.*s.so", directory, (int)(at - *name), *name);
        if (!doctor_exists(&d->files, plain)) {
            const char *file = arena_format(&d->arena, "%s/%s", directory, *name);
            const char *mend = doctor_command(&d->arena, "ln -s %1 %2", *name, plain, NULL);
            doctor_say(d, DOCTOR_PLUGIN_SUFFIX, file, plain, doctor_for_held(d, file, mend), NULL);
        }
    }
}

static bool has_option_beginning(const struct application *a, const char *beginning)
{
    size_t skip = strlen(a->prefix);
    for (const struct setting *s = a->conf.first; s != NULL; s = s->next) {
        if (strlen(s->name) > skip &&
            strncasecmp(s->name + skip, beginning, strlen(beginning)) == 0) {
            return true;
        }
    }
    return false;
}

static void check_noise(struct doctor *d, const struct application *a)
{
    static const char *const plugins[][3] = {{"sql", "sql_", "sql"}, {"ldapdb", "ldapdb_", "ldap"}};
    for (size_t i = 0; i < sizeof plugins / sizeof plugins[0]; i++) {
        const struct plugin *plugin = plugins_named(&a->plugins, plugins[i][0]);
        if (plugin != NULL && !has_option_beginning(a, plugins[i][1])) {
            doctor_say(d, DOCTOR_PLUGIN_NOISE, plugin->path, a->label, plugins[i][2], NULL);
        }
    }
}

/* One stands for all. */
static bool has_arrived(struct doctor *d, const struct application *a, const struct process *p)
{
    for (; p != NULL && a->sasl_path != NULL; p = p->next) {
        const char *has = process_variable(p, &d->arena, "SASL_PATH");
        if (p->have_environment && (has == NULL || strcmp(has, a->sasl_path) != 0)) {
            const char *export = doctor_export_path(d, a);
            doctor_say(d, DOCTOR_SASL_PATH_NOT_ARRIVED, a->label, arena_number(&d->arena, p->pid),
                       has == NULL ? "" : has, a->sasl_path,
                       doctor_command(&d->arena, "%r1systemctl restart %2", export, a->unit, NULL),
                       *export == '\0' ? "" : ", nor does a script that does not export it", NULL);
            return false;
        }
    }
    return true;
}

bool doctor_has_plugin_directory(const struct doctor *d, const struct application *a)
{
    for (size_t i = 0; i < a->plugins.n_directories; i++) {
        if (doctor_is_directory(&d->files, a->plugins.directories[i])) {
            return true;
        }
    }
    return a->plugins.n_directories == 0;
}

void doctor_check_plugins(struct doctor *d, const struct application *a)
{
    for (size_t i = 0; i < a->plugins.n_directories; i++) {
        const char *directory = a->plugins.directories[i];
        if (!doctor_is_directory(&d->files, directory)) {
            doctor_say(d, DOCTOR_PLUGIN_DIRECTORY, a->label, directory,
                       doctor_install_plugin(d, a, directory, "*.so"), NULL);
            continue;
        }
        check_rights(d, a, directory);
        check_suffixes(d, directory);
    }
    for (const struct plugin *p = a->plugins.first; p != NULL; p = p->next) {
        check_rights(d, a, p->path);
    }
    check_noise(d, a);
    (void)(has_arrived(d, a, a->processes) && has_arrived(d, a, a->siblings));
}

/* --- mechanisms --- */

static const char *directory_of(struct doctor *d, const struct plugin *plugin)
{
    const char *slash = strrchr(plugin->path, '/');
    return arena_copy(&d->arena, slice_of(plugin->path, (size_t)(slash - plugin->path)));
}

/* Mechanisms that one sentence and one command are for. */
enum { PLACES = 3 };
struct group {
    struct group *next;
    enum doctor_id id;
    const char *mechanisms;
    const char *mend;
    const struct plugin *plugin[PLACES]; /* of the first of them; NULL: that is all */
    bool of_one_file;                    /* these are the plugins of all of them */
};

static bool is_of_group(struct doctor *d, const struct group *group, const struct group *one)
{
    bool same = group->id == one->id && strcmp(group->mend, one->mend) == 0;
    for (size_t i = 0; same && i < PLACES && one->plugin[i] != NULL; i++) {
        same = strcmp(directory_of(d, group->plugin[i]), directory_of(d, one->plugin[i])) == 0;
    }
    return same;
}

/* Puts a mechanism, which is a group by itself, to those that are as it is. */
static void join(struct doctor *d, struct group **groups, const struct group *one)
{
    struct group **end = groups;
    while (*end != NULL && !is_of_group(d, *end, one)) {
        end = &(*end)->next;
    }
    if (*end == NULL) {
        *end = arena_new(&d->arena, sizeof **end);
        if (*end != NULL) {
            **end = *one;
        }
        return;
    }
    (*end)->mechanisms = arena_format(&d->arena, "%s, %s", (*end)->mechanisms, one->mechanisms);
    for (size_t i = 0; i < PLACES; i++) {
        (*end)->of_one_file = (*end)->of_one_file && (*end)->plugin[i] == one->plugin[i];
    }
}

static const char *place_of(struct doctor *d, const struct group *group, size_t i)
{
    return group->of_one_file ? group->plugin[i]->path : directory_of(d, group->plugin[i]);
}

static void check_twice(struct doctor *d, const struct application *a, const char *mechanism,
                        struct group **groups)
{
    const struct plugin *first = plugins_offering(a->plugins.first, mechanism);
    const struct plugin *second = first == NULL ? NULL : plugins_offering(first->next, mechanism);
    if (second == NULL) {
        return;
    }
    /* Neither file is removed: one may be a package's, or what the other is a link to. */
    const struct plugin *winner = plugins_winner(&a->plugins, mechanism);
    const char *ours = directory_of(d, first->ours ? first : second);
    bool apart =
        first->ours != second->ours && strcmp(directory_of(d, first), directory_of(d, second)) != 0;
    join(d, groups,
         &(struct group){.id = DOCTOR_MECH_TWICE,
                         .mechanisms = mechanism,
                         .mend = apart ? doctor_path_to_ours(d, a, ours) : "",
                         .plugin = {first, second, winner},
                         .of_one_file = true});
}

static void check_stock(struct doctor *d, const struct application *a, const char *mechanism,
                        struct group **groups)
{
    const struct plugin *winner = plugins_winner(&a->plugins, mechanism);
    const char *file = plugins_our_file(mechanism);
    if (!a->uses_store || winner == NULL || winner->ours || file == NULL) {
        return;
    }
    const struct plugin *other = plugins_offering(a->plugins.first, mechanism);
    while (other != NULL && !other->ours) {
        other = plugins_offering(other->next, mechanism);
    }
    join(d, groups,
         &(struct group){.id = DOCTOR_MECH_STOCK,
                         .mechanisms = mechanism,
                         .mend = other == NULL
                                     ? doctor_install_plugin(d, a, directory_of(d, winner), file)
                                     : doctor_path_to_ours(d, a, directory_of(d, other)),
                         .plugin = {winner},
                         .of_one_file = true});
}

/* Mechanisms that are not, or not alone, of ours. */
static void check_origins(struct doctor *d, const struct application *a)
{
    struct slice rest = slice_str(a->offered);
    struct slice word;
    struct group *groups = NULL;
    while (settings_word(&rest, " ", &word)) {
        const char *mechanism = arena_copy(&d->arena, word);
        check_twice(d, a, mechanism, &groups);
        check_stock(d, a, mechanism, &groups);
    }
    for (const struct group *g = groups; g != NULL; g = g->next) {
        if (g->id == DOCTOR_MECH_TWICE) {
            doctor_say(d, g->id, a->label, g->mechanisms, place_of(d, g, 0), place_of(d, g, 1),
                       place_of(d, g, 2), g->mend, NULL);
        } else {
            doctor_say(d, g->id, a->label, g->mechanisms, place_of(d, g, 0), g->mend, NULL);
        }
    }
}

/* The kinds of verifier of which an account needs one. */
static unsigned kinds_for(const char *mechanism)
{
    static const struct {
        const char *mechanism;
        unsigned kinds;
    } needs[] = {
        {"PLAIN", VERIFIER_SCRAM | VERIFIER_CRYPT}, {"LOGIN", VERIFIER_SCRAM | VERIFIER_CRYPT},
        {"SCRAM-SHA-1", VERIFIER_SCRAM_SHA_1},      {"SCRAM-SHA-256", VERIFIER_SCRAM_SHA_256},
        {"SCRAM-SHA-512", VERIFIER_SCRAM_SHA_512},  {"CRAM-MD5", VERIFIER_CRAM_MD5},
        {"DIGEST-MD5", VERIFIER_DIGEST_MD5},
    };
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        if (strcasecmp(needs[i].mechanism, mechanism) == 0) {
            return needs[i].kinds;
        }
    }
    return 0; /* a mechanism that this store has nothing for */
}

/* How many accounts cannot use a mechanism; 0 where nobody knows. */
static uint64_t accounts_without(const struct application *a, const char *mechanism)
{
    unsigned kinds = kinds_for(mechanism);
    return a->counts == NULL || a->counts->status != AUTH_OK || kinds == 0
               ? 0
               : store_counts_without(a->counts, kinds);
}

static bool is_for_nobody(const struct application *a, const char *mechanism)
{
    uint64_t without = accounts_without(a, mechanism);
    return without > 0 && without == a->counts->accounts;
}

/* Accounts that DIGEST-MD5 would let in if the server offered it in another realm. */
static uint64_t digests_elsewhere(const struct application *a)
{
    const struct store_counts *counts = a->counts;
    if (counts == NULL || counts->status != AUTH_OK || counts->more_realms || *a->realm == '\0') {
        return 0;
    }
    /* Of Postfix it is told then that its realm is wrong. */
    if (a->server == SERVER_POSTFIX && realm_table_get(&counts->realms, a->realm) == 0) {
        return 0;
    }
    return counts->accounts - store_counts_without(counts, VERIFIER_DIGEST_MD5) -
           realm_table_get(&counts->digest_realms, a->realm);
}

/* Whether all of them are. */
static bool is_in_no_realm_here(const struct application *a, const char *mechanism)
{
    return strcasecmp(mechanism, "DIGEST-MD5") == 0 && digests_elsewhere(a) > 0 &&
           realm_table_get(&a->counts->digest_realms, a->realm) == 0;
}

static void check_digest_realm(struct doctor *d, const struct application *a, const char *mend)
{
    uint64_t elsewhere = digests_elsewhere(a);
    if (settings_list_has(a->offered, "DIGEST-MD5") && elsewhere > 0) {
        uint64_t all = elsewhere + realm_table_get(&a->counts->digest_realms, a->realm);
        doctor_say(d, DOCTOR_DIGEST_REALM, a->label, a->realm, arena_number(&d->arena, elsewhere),
                   arena_number(&d->arena, all), is_in_no_realm_here(a, "DIGEST-MD5") ? mend : "",
                   NULL);
    }
}

static bool lacks_keytab(struct doctor *d, const char *mechanism)
{
    return strncasecmp(mechanism, "GS", 2) == 0 && !doctor_exists(&d->files, "/etc/krb5.keytab");
}

/* Whether no plugin has it, and it is none that a plugin of ours would have. EXTERNAL is
 * libsasl2's. */
static bool is_nobody_s(const struct application *a, const char *mechanism)
{
    return !settings_list_has(a->offered, mechanism) && plugins_our_file(mechanism) == NULL &&
           strcasecmp(mechanism, "EXTERNAL") != 0;
}

/*
 * The command for mech_list, the same for whatever is wrong with it: commands that each took one
 * mechanism away would undo one another. "" if nothing would be left.
 */
static const char *sound_list(struct doctor *d, const struct application *a, const char *list)
{
    struct slice rest = slice_str(list);
    struct slice word;
    const char *kept = "";
    while (settings_word(&rest, " \t,", &word)) {
        const char *plain = doctor_without_plus(d, word);
        bool bound = a->server != SERVER_POSTFIX || !settings_list_has(a->offered, plain);
        const char *meant = plugins_meant(&a->plugins, plain);
        const char *name = bound ? arena_copy(&d->arena, word) : plain;
        if (meant != NULL) {
            plain = meant;
            name = meant;
        }
        if (strcasecmp(plain, "NTLM") != 0 && !lacks_keytab(d, plain) && !is_for_nobody(a, plain) &&
            !is_in_no_realm_here(a, plain) && (meant != NULL || !is_nobody_s(a, plain)) &&
            !settings_list_has(kept, name)) {
            kept = arena_join(&d->arena, kept, " ", name);
        }
    }
    return *kept == '\0' ? "" : doctor_sasl_set(d, a, "mech_list", kept);
}

/* Mechanisms offered that nobody can use, and those that some cannot. */
static void check_verifiers(struct doctor *d, const struct application *a, const char *mend)
{
    struct slice rest = slice_str(a->offered);
    struct slice word;
    const char *nobody = "";
    const char *some = "";
    while (settings_word(&rest, " ", &word)) {
        const char *mechanism = arena_copy(&d->arena, word);
        uint64_t without = accounts_without(a, mechanism);
        if (is_for_nobody(a, mechanism)) {
            nobody = arena_join(&d->arena, nobody, ", ", mechanism);
        } else if (without > 0) {
            some = arena_format(&d->arena, "%s%s%s (%s)", some, *some == '\0' ? "" : ", ",
                                mechanism, arena_number(&d->arena, without));
        }
    }
    if (*nobody != '\0') {
        doctor_say(d, DOCTOR_MECH_VERIFIER, a->label, nobody, mend, NULL);
    }
    if (*some != '\0') {
        bool upgrades = setting_is_on(application_option(d, a, "lmdb_upgrade"));
        doctor_say(d, DOCTOR_MECH_VERIFIER_SOME, a->label, some,
                   arena_number(&d->arena, a->counts->accounts),
                   upgrades ? "; lmdb_upgrade makes them at a login by PLAIN or LOGIN" : "", NULL);
    }
}

/* Mechanisms that are offered because mech_list names them. */
static void check_listed(struct doctor *d, const struct application *a, const char *mend)
{
    struct slice rest = slice_str(a->offered);
    struct slice word;
    while (settings_word(&rest, " ", &word)) {
        const char *mechanism = arena_copy(&d->arena, word);
        if (strcasecmp(mechanism, "NTLM") == 0) {
            doctor_say(d, DOCTOR_MECH_NTLM, a->label, mend, NULL);
        }
        if (lacks_keytab(d, mechanism)) {
            doctor_say(d, DOCTOR_MECH_GSSAPI, a->label, mend, mechanism, NULL);
        }
    }
    check_verifiers(d, a, mend);
    check_digest_realm(d, a, mend);
}

static void check_list(struct doctor *d, const struct application *a, const char *list,
                       const char *mend)
{
    struct slice rest = slice_str(list);
    struct slice word;
    while (settings_word(&rest, " \t,", &word)) {
        const char *mechanism = doctor_without_plus(d, word);
        const char *file = plugins_our_file(mechanism);
        if (word.n != strlen(mechanism) && a->server == SERVER_POSTFIX &&
            settings_list_has(a->offered, mechanism)) {
            doctor_say(d, DOCTOR_MECH_UNBOUND, a->label, a->conf_path, mechanism, mend, NULL);
        }
        /* EXTERNAL is libsasl2's own. */
        if (settings_list_has(a->offered, mechanism) || strcasecmp(mechanism, "EXTERNAL") == 0) {
            continue;
        }
        /* Where a package has it the server may look elsewhere, or its users are in no store. */
        const char *package = file == NULL ? plugins_install_command(&a->plugins, mechanism) : "";
        const char *meant = plugins_meant(&a->plugins, mechanism);
        const char *hint = "";
        if (meant != NULL) {
            hint = arena_format(&d->arena, "; \"%s\" is what one of ours is called", meant);
        } else if (*package != '\0') {
            hint = arena_format(&d->arena, "; \"%s\" would bring one", package);
        }
        const char *directory =
            a->plugins.n_directories == 0 ? "/usr/lib/sasl2" : a->plugins.directories[0];
        doctor_say(d, DOCTOR_MECH_NOBODY, a->label, a->conf_path, mechanism,
                   plugins_directories(&a->plugins),
                   file == NULL ? mend : doctor_install_plugin(d, a, directory, file), hint, NULL);
    }
}

void doctor_check_mechanisms(struct doctor *d, const struct application *a)
{
    static const char usual[] = "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256";
    const char *list = application_option(d, a, "mech_list");
    if (a->conf_path == NULL || a->conf.bad_line != 0 || !doctor_has_plugin_directory(d, a)) {
        return;
    }
    bool login = settings_list_has(a->offered, "LOGIN");
    const char *with = list == NULL || login ? list : arena_format(&d->arena, "%s LOGIN", list);
    const struct setting *ignored = application_ignored(a, "mech_list");
    /* What somebody has wanted since comes first, by the command for that. */
    const char *mend = ignored == NULL ? sound_list(d, a, with)
                                       : doctor_sasl_set(d, a, "mech_list", ignored->value);
    /* Without a list only that is told: two lists would be one too many for Cyrus IMAP. */
    if (list == NULL) {
        doctor_say(d, DOCTOR_MECH_UNSET, a->label, a->conf_path, a->offered,
                   doctor_sasl_set(d, a, "mech_list", usual), NULL);
    } else {
        check_list(d, a, list, mend);
    }
    if (*a->offered == '\0') {
        const char *set = list == NULL ? "" : doctor_sasl_set(d, a, "mech_list", usual);
        doctor_say(d, DOCTOR_MECH_NONE, a->label,
                   a->server == SERVER_POSTFIX ? doctor_and_restart(d, a->unit, set) : set, NULL);
        return;
    }
    check_origins(d, a);
    if (list != NULL) {
        check_listed(d, a, mend);
        if (!login) {
            doctor_say(d, DOCTOR_MECH_NO_LOGIN, a->label, mend, NULL);
        }
    }
    /* Of the servers only Cyrus IMAP hands plugins a channel binding. */
    const char *binding = application_option(d, a, "lmdb_channel_binding");
    if (a->server == SERVER_IMAPD && strstr(a->offered, "SCRAM-") != NULL &&
        (binding == NULL || strcasecmp(binding, "none") != 0)) {
        doctor_say(d, DOCTOR_MECH_PLUS, a->label,
                   doctor_sasl_set(d, a, "lmdb_channel_binding", "none"), NULL);
    }
}
