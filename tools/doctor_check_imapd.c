/* SPDX-License-Identifier: BSD-2-Clause */
/* What is Cyrus IMAP's own: its certificate, passwords in clear, the realms it lets in. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "doctor.h"
#include "engine/verifier.h"
#include "names.h"

/* --- TLS --- */

/* By the name it has now or the one it had; NULL if Cyrus is not to have any. */
static const struct setting *tls_file(const struct application *a, const char *option,
                                      const char *before)
{
    const struct setting *setting = settings_find(&a->conf, option);
    setting = setting == NULL ? settings_find(&a->conf, before) : setting;
    return setting == NULL || strcasecmp(setting->value, "disabled") == 0 ? NULL : setting;
}

static const char *make_certificate(struct doctor *d, const struct application *a)
{
    static const char path[] = "/etc/ssl/cyrus-imapd.pem";
    const char *make = doctor_certificate(d, path, a->user.known ? a->user.name : "root", a->realm);
    return arena_format(&d->arena, "%s%s && %s", make,
                        doctor_conf_set(d, a, "tls_server_cert", path),
                        doctor_conf_set(d, a, "tls_server_key", path));
}

/* A key is not opened to a group that others are in for another reason. */
static const char *open_file(struct doctor *d, const struct application *a, const char *barrier)
{
    struct stat st;
    if (doctor_stat(&d->files, barrier, &st) != 0) {
        return "";
    }
    bool by_group = S_ISDIR(st.st_mode) || ((st.st_mode & S_IRGRP) != 0 && st.st_gid != 0);
    return by_group ? doctor_opening(d, a, barrier, &st, WANT_READ)
                    : doctor_for_held(
                          d, barrier,
                          doctor_command(&d->arena, "chown -h %1 %2", a->user.name, barrier, NULL));
}

/* Whether a client gets TLS by it, as far as that can be seen. */
static bool check_tls_file(struct doctor *d, const struct application *a,
                           const struct setting *setting)
{
    struct stat st;
    const char *barrier = "";
    int error = doctor_stat(&d->files, setting->value, &st);
    if (error == EACCES && geteuid() != 0) {
        doctor_say(d, DOCTOR_CANNOT_LOOK, setting->value, doctor_why(error), NULL);
        return true;
    }
    if (error != 0) {
        doctor_say(d, DOCTOR_IMAP_CERTIFICATE, a->label, setting->value, setting->name,
                   a->conf_path, doctor_why(error), make_certificate(d, a), NULL);
        return false;
    }
    if (!a->user.known ||
        person_may(&d->files, &d->arena, &a->user, setting->value, WANT_READ, &barrier)) {
        return true;
    }
    const char *why =
        arena_format(&d->arena, "%s stands in the way of user %s", barrier, a->user.name);
    doctor_say(d, DOCTOR_IMAP_CERTIFICATE, a->label, setting->value, setting->name, a->conf_path,
               why, open_file(d, a, barrier), NULL);
    return false;
}

static void check_plaintext(struct doctor *d, const struct application *a)
{
    const struct setting *certificate = tls_file(a, "tls_server_cert", "tls_cert_file");
    const struct setting *key = tls_file(a, "tls_server_key", "tls_key_file");
    bool plaintext = setting_is_on(settings_first(&a->conf, "allowplaintext"));
    bool named = certificate != NULL && key != NULL;
    bool tls = named && check_tls_file(d, a, certificate) && check_tls_file(d, a, key);
    if (plaintext) {
        const char *forbid = doctor_conf_set(d, a, "allowplaintext", "no");
        const char *mend =
            named ? forbid : arena_format(&d->arena, "%s && %s", make_certificate(d, a), forbid);
        doctor_say(d, DOCTOR_IMAP_PLAINTEXT, a->conf_path, mend, a->label,
                   tls ? "" : "; it has no TLS either, and without that nobody could log in then",
                   NULL);
        if (setting_is_on(application_option(d, a, "lmdb_require_tls"))) {
            doctor_say(d, DOCTOR_IMAP_REQUIRE_TLS, a->conf_path, mend, NULL);
        }
    } else if (!named) {
        doctor_say(d, DOCTOR_IMAP_NO_PLAINTEXT, a->conf_path, a->label,
                   certificate == NULL ? "tls_server_cert" : "tls_server_key",
                   make_certificate(d, a), NULL);
    }
}

/* --- realms --- */

/* Realms of the store that cannot log in for one reason. */
struct left_out {
    const char *realms; /* separated by spaces */
    uint64_t accounts;
};

static void leave_out(struct doctor *d, struct left_out *out, const struct realm_count *realm)
{
    out->realms = arena_join(&d->arena, out->realms, " ", realm->realm);
    out->accounts += realm->accounts;
}

/*
 * A name without "@" belongs to the realm servername. With another behind it the login is denied,
 * unless that is in loginrealms or virtdomains is on; but then defaultdomain is taken off again.
 */
static void check_realms(struct doctor *d, const struct application *a)
{
    const struct store_counts *counts = a->counts;
    const char *realms = settings_first(&a->conf, "loginrealms");
    const char *domains = settings_first(&a->conf, "virtdomains");
    const char *standard = settings_first(&a->conf, "defaultdomain");
    bool virtual = domains != NULL && strcasecmp(domains, "off") != 0 &&
                   strcasecmp(domains, "no") != 0;
    struct left_out denied = {.realms = ""};
    struct left_out elsewhere = {.realms = ""};
    for (unsigned i = 0; counts != NULL && counts->status == AUTH_OK && i < counts->realms.n; i++) {
        const struct realm_count *realm = &counts->realms.row[i];
        /* What is likely a typing error is not let in, but told where the store is looked into. */
        if (strcasecmp(a->realm, realm->realm) == 0 || !names_is_host_name(realm->realm)) {
            continue;
        }
        if (virtual && standard != NULL && strcasecmp(standard, realm->realm) == 0) {
            leave_out(d, &elsewhere, realm);
        } else if (!virtual && (realms == NULL || !settings_list_has(realms, realm->realm))) {
            leave_out(d, &denied, realm);
        }
    }
    if (denied.accounts > 0) {
        const char *with = realms == NULL ? denied.realms
                                          : arena_format(&d->arena, "%s %s", realms, denied.realms);
        doctor_say(d, DOCTOR_IMAP_REALM, a->conf_path, denied.realms,
                   arena_number(&d->arena, denied.accounts),
                   doctor_conf_set(d, a, "loginrealms", with), a->label,
                   tool_plural(denied.accounts), NULL);
    }
    if (elsewhere.accounts > 0) {
        doctor_say(d, DOCTOR_IMAP_DEFAULT_DOMAIN, a->label, elsewhere.realms,
                   arena_number(&d->arena, elsewhere.accounts), a->conf_path, a->realm,
                   doctor_conf_set(d, a, "servername", standard), tool_plural(elsewhere.accounts),
                   NULL);
    }
}

void doctor_check_imapd(struct doctor *d, const struct application *a)
{
    if (a->conf.bad_line != 0) {
        return;
    }
    check_plaintext(d, a);
    check_realms(d, a);
    if (a->counts != NULL && a->counts->status == AUTH_OK) {
        uint64_t without = store_counts_without(a->counts, VERIFIER_CHECKPASS_MD5);
        if (without > 0) {
            /* No command gives them one: a name put in for another would become an account. */
            const char *list = doctor_command(&d->arena,
                                              "sasl-lmdb -f %1 -k %2 list --json | grep -v -e "
                                              "'\"checkpass\"' -e '^.$'",
                                              a->store_path, a->key_path, NULL);
            doctor_say(d, DOCTOR_NO_CHECKPASS, a->store_path, arena_number(&d->arena, without),
                       arena_number(&d->arena, a->counts->accounts), a->label, list, NULL);
        }
    }
}
