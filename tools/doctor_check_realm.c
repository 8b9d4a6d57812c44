/* SPDX-License-Identifier: BSD-2-Clause */
/* Realms of servers and of stores, and what is Cyrus IMAP's own. */
#include <string.h>
#include <strings.h>

#include "doctor.h"
#include "engine/verifier.h"

/* The realm with the most accounts. */
static const char *largest_realm(struct doctor *d, const struct store_counts *counts)
{
    unsigned best = 0;
    for (unsigned i = 1; i < counts->n_realms; i++) {
        if (counts->realms[i].accounts > counts->realms[best].accounts) {
            best = i;
        }
    }
    return arena_copy(&d->arena, slice_str(counts->realms[best].realm));
}

static const char *some_realms(struct doctor *d, const struct store_counts *counts)
{
    enum { SHOWN = 3 };
    const char *list = "";
    for (unsigned i = 0; i < counts->n_realms && i < SHOWN; i++) {
        list = arena_format(&d->arena, "%s%s%s", list, i == 0 ? "" : ", ", counts->realms[i].realm);
    }
    return counts->n_realms > SHOWN ? arena_format(&d->arena, "%s, ...", list) : list;
}

void doctor_check_realm(struct doctor *d, const struct application *a, const char *realm)
{
    const struct store_counts *counts = a->counts;
    if (counts == NULL || counts->status != AUTH_OK || counts->accounts == 0 ||
        counts->more_realms || store_counts_realm(counts, realm) > 0) {
        return;
    }
    const char *command = doctor_command(&d->arena, "postconf -c %1 -e smtpd_sasl_local_domain=%2",
                                         d->postfix_at, largest_realm(d, counts), NULL);
    doctor_say(d, DOCTOR_REALM, a->label, realm, a->store_path, some_realms(d, counts), command,
               NULL);
}

/* --- Cyrus IMAP --- */

static bool imap_takes_realm(const struct settings *conf, const char *realm)
{
    const char *server = settings_first(conf, "servername");
    const char *realms = settings_first(conf, "loginrealms");
    const char *domains = settings_first(conf, "virtdomains");
    return (server != NULL && strcasecmp(server, realm) == 0) ||
           (realms != NULL && settings_list_has(realms, realm)) ||
           (domains != NULL && strcasecmp(domains, "off") != 0 && strcasecmp(domains, "no") != 0);
}

static void check_imap_realms(struct doctor *d, const struct application *a)
{
    const struct store_counts *counts = a->counts;
    const char *realms = settings_first(&a->conf, "loginrealms");
    for (unsigned i = 0; counts != NULL && counts->status == AUTH_OK && i < counts->n_realms; i++) {
        const char *realm = arena_copy(&d->arena, slice_str(counts->realms[i].realm));
        if (!imap_takes_realm(&a->conf, realm)) {
            const char *with =
                realms == NULL ? realm : arena_format(&d->arena, "%s %s", realms, realm);
            doctor_say(d, DOCTOR_IMAP_REALM, a->conf_path, realm,
                       arena_number(&d->arena, counts->realms[i].accounts),
                       doctor_conf_set(d, a, "loginrealms", with), a->label, NULL);
        }
    }
}

void doctor_check_imapd(struct doctor *d, const struct application *a)
{
    bool plaintext = setting_is_on(settings_first(&a->conf, "allowplaintext"));
    bool certificate = settings_first(&a->conf, "tls_server_cert") != NULL ||
                       settings_first(&a->conf, "tls_cert_file") != NULL;
    if (a->conf.bad_line != 0) {
        return;
    }
    if (plaintext) {
        const char *forbid = doctor_conf_set(d, a, "allowplaintext", "no");
        doctor_say(d, DOCTOR_IMAP_PLAINTEXT, a->conf_path, forbid, a->label, NULL);
        if (setting_is_on(application_option(d, a, "lmdb_require_tls"))) {
            doctor_say(d, DOCTOR_IMAP_REQUIRE_TLS, a->conf_path, forbid, NULL);
        }
    } else if (!certificate) {
        doctor_say(d, DOCTOR_IMAP_NO_PLAINTEXT, a->conf_path, a->label, NULL);
    }
    check_imap_realms(d, a);
    if (a->counts != NULL && a->counts->status == AUTH_OK) {
        uint64_t without = store_counts_without(a->counts, VERIFIER_CHECKPASS_MD5);
        if (without > 0) {
            doctor_say(d, DOCTOR_NO_CHECKPASS, a->store_path, arena_number(&d->arena, without),
                       arena_number(&d->arena, a->counts->accounts), a->label, a->key_path, NULL);
        }
    }
}
