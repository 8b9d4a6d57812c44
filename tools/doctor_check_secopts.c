/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What smtpd_sasl_security_options and smtpd_sasl_tls_security_options take away from an smtpd's
 * mechanisms. libsasl2 offers one that has every property asked for; an smtpd left without any ends
 * at the EHLO.
 */
#include <string.h>
#include <strings.h>

#include "doctor.h"

/* The properties of a mechanism, as plugins declare them; NULL for one that nobody here knows. */
static const char *properties_of(const char *mechanism)
{
    static const char *const known[][2] = {
        {"PLAIN", "noanonymous"},
        {"LOGIN", "noanonymous"},
        {"ANONYMOUS", "noplaintext"},
        {"CRAM-MD5", "noplaintext noanonymous"},
        {"NTLM", "noplaintext noanonymous"},
        {"DIGEST-MD5", "noplaintext noanonymous mutual_auth"},
        {"SCRAM-SHA-1", "noplaintext noactive noanonymous mutual_auth"},
        {"SCRAM-SHA-256", "noplaintext noactive noanonymous mutual_auth"},
        {"SCRAM-SHA-512", "noplaintext noactive noanonymous mutual_auth"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcasecmp(known[i][0], mechanism) == 0) {
            return known[i][1];
        }
    }
    return NULL;
}

static bool is_kept(const char *mechanism, const char *options)
{
    const char *properties = properties_of(mechanism);
    struct slice rest = slice_str(options);
    struct slice word;
    while (properties != NULL && settings_word(&rest, " \t,", &word)) {
        struct slice has = slice_str(properties);
        struct slice property;
        bool found = false;
        while (!found && settings_word(&has, " ", &property)) {
            found = slice_equal_nocase(property, word);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* One of the two ways a client may come. */
struct way {
    const char *parameter;
    const char *options;
    bool open;
};

static bool keeps_any(struct doctor *d, const struct way *way, const char *offered)
{
    struct slice rest = slice_str(offered);
    struct slice word;
    while (settings_word(&rest, " ", &word)) {
        if (is_kept(arena_copy(&d->arena, word), way->options)) {
            return true;
        }
    }
    return false;
}

/* Mechanisms that are kept in neither way. Nobody expects ANONYMOUS. */
static const char *never_offered(struct doctor *d, const struct way *clear, const struct way *tls,
                                 const char *offered)
{
    struct slice rest = slice_str(offered);
    struct slice word;
    const char *never = "";
    while (settings_word(&rest, " ", &word)) {
        const char *name = arena_copy(&d->arena, word);
        bool kept = (clear->open && is_kept(name, clear->options)) ||
                    (tls->open && is_kept(name, tls->options));
        if (!kept && strcasecmp(name, "ANONYMOUS") != 0) {
            never = arena_join(&d->arena, never, ", ", name);
        }
    }
    return never;
}

void doctor_check_secopts(struct doctor *d, const struct postfix_service *service, bool in_clear,
                          bool under_tls)
{
    const struct application *a = doctor_application_of(d, service);
    struct way clear = {.parameter = "smtpd_sasl_security_options", .open = in_clear};
    struct way tls = {.parameter = "smtpd_sasl_tls_security_options", .open = under_tls};
    clear.options = postfix_get(&d->postfix, service, clear.parameter);
    tls.options = postfix_get(&d->postfix, service, tls.parameter);
    if (a == NULL || *a->offered == '\0' || (!in_clear && !under_tls)) {
        return;
    }
    const struct way *last = tls.open ? &tls : &clear;
    const char *relax = doctor_postconf_set(d, service, last->parameter, "noanonymous");
    bool clear_ends = clear.open && !keeps_any(d, &clear, a->offered);
    bool tls_ends = tls.open && !keeps_any(d, &tls, a->offered);
    if (clear_ends) {
        /* Before STARTTLS, so that nobody gets any further. */
        const char *mend =
            tls.open ? doctor_postconf_set(d, service, "smtpd_tls_auth_only", "yes") : relax;
        doctor_say(d, DOCTOR_NOPLAINTEXT, service->name, clear.parameter, clear.options, a->offered,
                   doctor_and_restart(d, a->unit, mend), NULL);
    }
    if (tls_ends) {
        doctor_say(d, DOCTOR_NOPLAINTEXT, service->name, tls.parameter, tls.options, a->offered,
                   doctor_and_restart(d, a->unit, relax), NULL);
    }
    const char *never = never_offered(d, &clear, &tls, a->offered);
    if (!clear_ends && !tls_ends && *never != '\0' &&
        application_option(d, a, "mech_list") != NULL) {
        doctor_say(d, DOCTOR_MECH_EXCLUDED, service->name, never, last->parameter, last->options,
                   relax, NULL);
    }
}
