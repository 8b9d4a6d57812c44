/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_plugins.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "doctor_settings.h"

#ifndef SASL_LMDB_TRIPLET
#define SASL_LMDB_TRIPLET ""
#endif

enum { PLUGIN_MAX = 16 * 1024 * 1024 /* bytes of a plugin, for a look into it */ };

/* Every plugin of ours logs its lines with this in front. */
static const char our_mark[] = "sasl-lmdb:";

/* What is known by the name of a plugin. Packages: Debian's, Red Hat's, Alpine's. */
static const struct {
    const char *name;
    const char *mechanisms;
    const char *ours; /* of these, what ours offers */
    const char *debian;
    const char *red_hat;
    const char *alpine;
} known[] = {
    {"plain", "PLAIN", "PLAIN", "libsasl2-modules", "cyrus-sasl-plain", "libsasl"},
    {"login", "LOGIN", "LOGIN", "libsasl2-modules", "cyrus-sasl-plain", "cyrus-sasl-login"},
    {"crammd5", "CRAM-MD5", "CRAM-MD5", "libsasl2-modules", "cyrus-sasl-md5", "cyrus-sasl-crammd5"},
    {"digestmd5", "DIGEST-MD5", "DIGEST-MD5", "libsasl2-modules", "cyrus-sasl-md5",
     "cyrus-sasl-digestmd5"},
    {"scram", "SCRAM-SHA-512 SCRAM-SHA-384 SCRAM-SHA-256 SCRAM-SHA-224 SCRAM-SHA-1",
     "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1", "libsasl2-modules", "cyrus-sasl-scram",
     "cyrus-sasl-scram"},
    {"ntlm", "NTLM", "", "libsasl2-modules", "cyrus-sasl-ntlm", "cyrus-sasl-ntlm"},
    {"anonymous", "ANONYMOUS", "", "libsasl2-modules", "cyrus-sasl-lib", "libsasl"},
    {"gssapiv2", "GSSAPI GSS-SPNEGO", "", "libsasl2-modules-gssapi-mit", "cyrus-sasl-gssapi",
     "cyrus-sasl-gssapiv2"},
    {"gs2", "GS2-KRB5 GS2-IAKERB", "", "libsasl2-modules-gssapi-mit", "cyrus-sasl-gs2",
     "cyrus-sasl-gs2"},
    {"otp", "OTP", "", "libsasl2-modules-otp", "cyrus-sasl-otp", "cyrus-sasl-otp"},
    {"srp", "SRP", "", "libsasl2-modules", "cyrus-sasl-srp", "cyrus-sasl-srp"},
    {"passdss", "PASSDSS-3DES-1", "", "libsasl2-modules", "cyrus-sasl", "cyrus-sasl"},
    {"xoauth2", "XOAUTH2", "", "sasl-xoauth2", "cyrus-sasl-xoauth2", "sasl-xoauth2"},
    {"sasldb", "", "", "libsasl2-modules-db", "cyrus-sasl-lib", "libsasl"},
    {"sql", "", "", "libsasl2-modules-sql", "cyrus-sasl-sql", "cyrus-sasl-sql"},
    {"ldapdb", "", "", "libsasl2-modules-ldap", "cyrus-sasl-ldap", "cyrus-sasl-ldapdb"},
};
enum { KNOWN = sizeof known / sizeof known[0] };

/* libsasl2 takes "lib" and what follows the first dot off. False for what it does not load. */
static bool take_name(const char *file, struct slice *ret)
{
    struct slice name = slice_str(file);
    static const char suffix[] = ".so";
    size_t n = sizeof suffix - 1;
    if (name.n <= n + 3 || memcmp(file + name.n - n, suffix, n) != 0 ||
        !slice_take_literal(&name, "lib")) {
        return false;
    }
    slice_take_run(&name, '.', ret);
    return ret->n > 0;
}

/* A copy under another name ("libplain-old.so") offers its mechanism too. */
static const char *mechanisms_in(struct slice file)
{
    for (size_t i = 0; i < KNOWN; i++) {
        struct slice rest = slice_str(known[i].mechanisms);
        struct slice first;
        char text[32];
        if (!settings_word(&rest, " ", &first) || first.n + 2 > sizeof text) {
            continue;
        }
        text[0] = '\0';
        memcpy(text + 1, first.p, first.n);
        text[first.n + 1] = '\0';
        if (memmem(file.p, file.n, text, first.n + 2) != NULL) {
            return known[i].mechanisms;
        }
    }
    return "";
}

static void look_into(struct plugins *plugins, struct plugin *plugin)
{
    struct buf file;
    bool found = false;
    buf_init(&file, PLUGIN_MAX);
    if (doctor_read(plugins->files, plugin->path, &file) == 0 && file.n > 0) {
        plugin->ours = memmem(file.p, file.n, our_mark, sizeof our_mark - 1) != NULL;
    }
    for (size_t i = 0; i < KNOWN; i++) {
        if (strcmp(plugin->name, known[i].name) == 0) {
            plugin->mechanisms = plugin->ours ? known[i].ours : known[i].mechanisms;
            found = true;
        }
    }
    if (!found) {
        static const char entry[] = "sasl_server_plug_init";
        bool server = file.n > 0 && memmem(file.p, file.n, entry, sizeof entry - 1) != NULL;
        plugin->mechanisms = server ? mechanisms_in(buf_slice(&file)) : "";
    }
    buf_release(&file);
}

static void read_directory(struct plugins *plugins, const char *directory, struct plugin ***end)
{
    for (const char **name = doctor_names(plugins->files, directory, plugins->arena); *name != NULL;
         name++) {
        struct slice short_name;
        const char *path = arena_format(plugins->arena, "%s/%s", directory, *name);
        struct stat st;
        if (!take_name(*name, &short_name) || doctor_stat(plugins->files, path, &st) != 0 ||
            !S_ISREG(st.st_mode)) {
            continue;
        }
        struct plugin *plugin = arena_new(plugins->arena, sizeof *plugin);
        if (plugin == NULL) {
            return;
        }
        plugin->path = path;
        plugin->name = arena_copy(plugins->arena, short_name);
        look_into(plugins, plugin);
        **end = plugin;
        *end = &plugin->next;
    }
}

static void add_directory(struct plugins *plugins, struct slice directory)
{
    if (directory.n > 1 && directory.p[directory.n - 1] == '/') {
        directory.n--;
    }
    if (plugins->n_directories < PLUGIN_DIRECTORIES_MAX) {
        plugins->directories[plugins->n_directories++] = arena_copy(plugins->arena, directory);
    }
}

void plugins_read(struct plugins *plugins, const char *path)
{
    static const char *const built_in[] = {"/usr/lib/" SASL_LMDB_TRIPLET "/sasl2",
                                           "/usr/lib64/sasl2", "/usr/lib/sasl2"};
    struct plugin **end = &plugins->first;
    struct slice rest = slice_str(path);
    struct slice directory;
    if (path != NULL) {
        while (settings_word(&rest, ":", &directory)) {
            add_directory(plugins, directory);
        }
    }
    for (size_t i = 0; path == NULL && i < sizeof built_in / sizeof built_in[0]; i++) {
        bool empty_triplet = strstr(built_in[i], "//") != NULL;
        if (!empty_triplet && doctor_is_directory(plugins->files, built_in[i])) {
            add_directory(plugins, slice_str(built_in[i]));
        }
    }
    for (size_t i = 0; i < plugins->n_directories; i++) {
        read_directory(plugins, plugins->directories[i], &end);
    }
}

const struct plugin *plugins_offering(const struct plugin *from, const char *mechanism)
{
    for (; from != NULL; from = from->next) {
        if (settings_list_has(from->mechanisms, mechanism)) {
            return from;
        }
    }
    return NULL;
}

const struct plugin *plugins_named(const struct plugins *plugins, const char *name)
{
    for (const struct plugin *p = plugins->first; p != NULL; p = p->next) {
        if (strcmp(p->name, name) == 0) {
            return p;
        }
    }
    return NULL;
}

const struct plugin *plugins_winner(const struct plugins *plugins, const char *mechanism)
{
    static const char strongest[] = "SCRAM-SHA-512";
    const struct plugin *first = plugins_offering(plugins->first, mechanism);
    if (first == NULL || strcmp(mechanism, strongest) != 0) {
        return first;
    }
    const struct plugin *last = first;
    for (const struct plugin *p = first; p != NULL; p = plugins_offering(p->next, mechanism)) {
        last = p;
    }
    return last;
}

const char *plugins_mechanisms(const struct plugins *plugins)
{
    const char *all = "";
    for (const struct plugin *p = plugins->first; p != NULL; p = p->next) {
        struct slice rest = slice_str(p->mechanisms);
        struct slice word;
        while (settings_word(&rest, " ", &word)) {
            if (!settings_list_has(all, arena_copy(plugins->arena, word))) {
                all = arena_format(plugins->arena, "%s%s%.*s", all, *all == '\0' ? "" : " ",
                                   (int)word.n, (const char *)word.p);
            }
        }
    }
    return all;
}

const char *plugins_directories(const struct plugins *plugins)
{
    const char *all = "";
    for (size_t i = 0; i < plugins->n_directories; i++) {
        all = arena_format(plugins->arena, "%s%s%s", all, i == 0 ? "" : ", ",
                           plugins->directories[i]);
    }
    return *all == '\0' ? "no directory" : all;
}

static size_t known_row(const char *wanted)
{
    size_t i = 0;
    while (i < KNOWN && strcmp(known[i].name, wanted) != 0 &&
           !settings_list_has(known[i].mechanisms, wanted)) {
        i++;
    }
    return i;
}

const char *plugins_our_file(const char *mechanism)
{
    static const char *const files[] = {"libplain.so", "liblogin.so", "libcrammd5.so",
                                        "libdigestmd5.so", "libscram.so"};
    size_t row = known_row(mechanism);
    return row < sizeof files / sizeof files[0] && settings_list_has(known[row].ours, mechanism)
               ? files[row]
               : NULL;
}

/* Signs apart. */
static bool reads_alike(const char *a, const char *b)
{
    static const char signs[] = "-_";
    for (;;) {
        a += strspn(a, signs);
        b += strspn(b, signs);
        if (*a == '\0' || strncasecmp(a, b, 1) != 0) {
            return *a == *b;
        }
        a++;
        b++;
    }
}

const char *plugins_meant(const struct plugins *plugins, const char *mechanism)
{
    for (size_t i = 0; known_row(mechanism) == KNOWN && i < KNOWN; i++) {
        struct slice rest = slice_str(known[i].ours);
        struct slice word;
        while (settings_word(&rest, " ", &word)) {
            const char *name = arena_copy(plugins->arena, word);
            if (reads_alike(name, mechanism) && plugins_offering(plugins->first, name) != NULL) {
                return name;
            }
        }
    }
    return NULL;
}

/* The distribution's family, from ID and ID_LIKE. */
static bool system_is(const struct plugins *plugins, const char *id)
{
    struct settings release = {.first = NULL};
    struct buf text;
    buf_init(&text, DOCTOR_CONF_MAX);
    if (doctor_read(plugins->files, "/etc/os-release", &text) == 0) {
        settings_take_shell(&release, plugins->arena, buf_slice(&text));
    }
    buf_release(&text);
    const char *own = settings_first(&release, "ID");
    const char *like = settings_first(&release, "ID_LIKE");
    return (own != NULL && settings_list_has(own, id)) ||
           (like != NULL && settings_list_has(like, id));
}

const char *plugins_install_command(const struct plugins *plugins, const char *wanted)
{
    size_t row = known_row(wanted);
    if (row == KNOWN) {
        return "";
    }
    if (system_is(plugins, "alpine")) {
        return arena_format(plugins->arena, "apk add %s", known[row].alpine);
    }
    if (system_is(plugins, "rhel") || system_is(plugins, "fedora")) {
        return arena_format(plugins->arena, "dnf install %s", known[row].red_hat);
    }
    return arena_format(plugins->arena, "apt-get install %s", known[row].debian);
}
