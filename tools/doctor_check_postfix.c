/* SPDX-License-Identifier: BSD-2-Clause */
/* One smtpd of Postfix: AUTH where it should be, TLS around it, not too many guesses. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "doctor.h"

/* What is asked of a service again and again. */
struct smtpd {
    struct doctor *d;
    const struct postfix_service *service;
    const char *name;
    const char *at; /* configuration directory */
    bool auth;
    bool tls_offered; /* STARTTLS, or TLS from the first byte */
    bool tls_always;
    bool auth_needs_tls;
};

static const char *get(const struct smtpd *s, const char *parameter)
{
    return postfix_get(&s->d->postfix, s->service, parameter);
}

static bool is_on(const struct smtpd *s, const char *parameter)
{
    return postfix_is_on(&s->d->postfix, s->service, parameter);
}

static struct smtpd look_at(struct doctor *d, const struct postfix_service *service)
{
    struct smtpd s = {.d = d, .service = service, .name = service->name, .at = d->postfix_at};
    const char *level = get(&s, "smtpd_tls_security_level");
    bool wrapped = is_on(&s, "smtpd_tls_wrappermode");
    bool enforced = *level == '\0' ? is_on(&s, "smtpd_enforce_tls") : strcmp(level, "encrypt") == 0;
    s.auth = is_on(&s, "smtpd_sasl_auth_enable");
    s.tls_always = wrapped || enforced;
    s.tls_offered =
        s.tls_always || (*level == '\0' ? is_on(&s, "smtpd_use_tls") : strcmp(level, "none") != 0);
    s.auth_needs_tls = s.tls_always || is_on(&s, "smtpd_tls_auth_only");
    return s;
}

const char *doctor_postconf_for(struct doctor *d, const struct postfix_service *service,
                                const char *parameter, const char *value)
{
    const char *word = arena_format(&d->arena, "%s/%s/%s=%s", service->name,
                                    service->passed ? "pass" : "inet", parameter, value);
    return doctor_command(&d->arena, "postconf -c %1 -P %2", d->postfix_at, word, NULL);
}

const char *doctor_postconf_set(struct doctor *d, const struct postfix_service *service,
                                const char *parameter, const char *value)
{
    if (settings_last(&service->overrides, parameter) != NULL) {
        return doctor_postconf_for(d, service, parameter, value);
    }
    const char *word = arena_format(&d->arena, "%s=%s", parameter, value);
    return doctor_command(&d->arena, "postconf -c %1 -e %2", d->postfix_at, word, NULL);
}

static const char *set(const struct smtpd *s, const char *parameter, const char *value)
{
    return doctor_postconf_set(s->d, s->service, parameter, value);
}

static bool ends_in(const char *name, const char *port)
{
    const char *colon = strrchr(name, ':');
    return strcmp(colon == NULL ? name : colon + 1, port) == 0;
}

static bool is_submission(const char *name)
{
    static const char *const ports[] = {"submission", "submissions", "smtps", "587", "465"};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        if (ends_in(name, ports[i])) {
            return true;
        }
    }
    return false;
}

static bool submission_offers_auth(const struct doctor *d)
{
    for (const struct postfix_service *s = d->postfix.services; s != NULL; s = s->next) {
        if (is_submission(s->name) && postfix_is_on(&d->postfix, s, "smtpd_sasl_auth_enable")) {
            return true;
        }
    }
    return false;
}

/*
 * Where mail programs log in, AUTH is switched on for that service alone; where there is no such
 * service it has to be made first.
 */
void doctor_check_auth_off(struct doctor *d)
{
    bool submission = false;
    for (const struct postfix_service *s = d->postfix.services; s != NULL; s = s->next) {
        if (postfix_is_on(&d->postfix, s, "smtpd_sasl_auth_enable")) {
            return;
        }
        submission = submission || is_submission(s->name);
    }
    const char *make =
        doctor_command(&d->arena,
                       "postconf -c %1 -M 'submission/inet=submission inet n - y - - smtpd' && "
                       "postconf -c %1 -P submission/inet/smtpd_tls_security_level=encrypt "
                       "submission/inet/smtpd_sasl_auth_enable=yes",
                       d->postfix_at, NULL);
    /* What is there, doctor_check_postfix() has a command for. */
    doctor_say(d, DOCTOR_AUTH_OFF, submission ? "" : "; there is no service submission either",
               submission ? "" : make, NULL);
}

static void check_auth(const struct smtpd *s)
{
    if (!s->auth && is_submission(s->name)) {
        doctor_say(s->d, DOCTOR_AUTH_OFF_SUBMISSION, s->name, s->at, NULL);
    }
    /* Where it is the only place to log in, it stays one until there is another. */
    if (s->auth && submission_offers_auth(s->d) &&
        (ends_in(s->name, "smtp") || ends_in(s->name, "25"))) {
        doctor_say(s->d, DOCTOR_AUTH_PORT_25, s->name, s->at, s->service->passed ? "pass" : "inet",
                   NULL);
    }
    if (s->auth && strcmp(get(s, "smtpd_client_auth_rate_limit"), "0") == 0) {
        doctor_say(s->d, DOCTOR_RATE_LIMIT, s->name, set(s, "smtpd_client_auth_rate_limit", "20"),
                   NULL);
    }
}

/* Where Dovecot, or something else, is asked instead of libsasl2. */
static void check_type(const struct smtpd *s)
{
    const char *type = get(s, "smtpd_sasl_type");
    const char *path = get(s, "smtpd_sasl_path");
    if (strcmp(type, "cyrus") == 0) {
        return;
    }
    const char *cyrus =
        doctor_command(&s->d->arena, "%r1 && %r2", set(s, "smtpd_sasl_type", "cyrus"),
                       set(s, "smtpd_sasl_path", "smtpd"), NULL);
    doctor_say(s->d, DOCTOR_SASL_TYPE, s->name, type, cyrus, NULL);
    if (strcmp(type, "dovecot") != 0 || strncmp(path, "inet:", strlen("inet:")) == 0) {
        return;
    }
    if (strncmp(path, "unix:", strlen("unix:")) == 0) {
        path += strlen("unix:");
    }
    const char *queue = get(s, "queue_directory");
    const char *socket = *path == '/' && !s->service->chroot
                             ? path
                             : arena_format(&s->d->arena, "%s/%s", queue, path);
    if (!doctor_exists(&s->d->files, socket)) {
        doctor_say(s->d, DOCTOR_DOVECOT_SOCKET, s->name, socket, cyrus, NULL);
    }
}

static void check_tls(const struct smtpd *s)
{
    const char *options = get(s, "smtpd_sasl_security_options");
    if (!s->auth_needs_tls && !settings_list_has(options, "noplaintext")) {
        doctor_say(s->d, DOCTOR_AUTH_WITHOUT_TLS, s->name, set(s, "smtpd_tls_auth_only", "yes"),
                   NULL);
    }
    if (s->auth_needs_tls && !s->tls_offered) {
        doctor_say(s->d, DOCTOR_TLS_MISSING, s->name, get(s, "smtpd_tls_security_level"),
                   set(s, "smtpd_tls_security_level", "may"), NULL);
    }
}

/* What Postfix takes before any other parameter with a certificate. */
static const char *make_certificate(const struct smtpd *s, bool for_service)
{
    static const char parameter[] = "smtpd_tls_chain_files";
    static const char path[] = "/etc/ssl/postfix.pem";
    return doctor_command(&s->d->arena, "%r1%r2",
                          doctor_certificate(s->d, path, "root", get(s, "myhostname")),
                          for_service ? doctor_postconf_for(s->d, s->service, parameter, path)
                                      : set(s, parameter, path),
                          NULL);
}

/* Lists of key and chain, or one certificate of each kind. */
static void check_certificates(const struct smtpd *s)
{
    static const char *const parameters[] = {"smtpd_tls_chain_files", "smtpd_tls_cert_file",
                                             "smtpd_tls_eccert_file", "smtpd_tls_dcert_file"};
    bool any = false;
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        struct slice rest = slice_str(get(s, parameters[i]));
        struct slice word;
        while (settings_word(&rest, " \t,", &word) && !slice_equal_str(word, "none")) {
            const char *path = arena_copy(&s->d->arena, word);
            struct stat st;
            int error = doctor_stat(&s->d->files, path, &st);
            any = true;
            if (error == EACCES && geteuid() != 0) {
                doctor_say(s->d, DOCTOR_CANNOT_LOOK, path, doctor_why(error), NULL);
            } else if (error != 0) {
                bool own = settings_last(&s->service->overrides, parameters[i]) != NULL;
                doctor_say(s->d, DOCTOR_CERTIFICATE_MISSING, s->name, path, doctor_why(error),
                           make_certificate(s, own), NULL);
            }
        }
    }
    if (!any) {
        doctor_say(s->d, DOCTOR_CERTIFICATE_UNSET, s->name, make_certificate(s, false), NULL);
    }
}

/*
 * The first word that matches decides, "!" in front turns it round, no match takes away. A word
 * is a name, static: with anything behind it, or a table, which is taken to keep everything.
 */
static bool filter_keeps(const char *filter, struct slice mechanism)
{
    struct slice rest = slice_str(filter);
    struct slice word;
    while (settings_word(&rest, " \t,", &word)) {
        bool keep = !slice_take_literal(&word, "!");
        if (slice_equal_nocase(word, mechanism) || slice_take_literal(&word, "static:")) {
            return keep;
        }
        if (slice_find(word, '/', NULL) || slice_find(word, ':', NULL)) {
            return true;
        }
    }
    return *filter == '\0';
}

static void check_options(const struct smtpd *s)
{
    const struct application *a = doctor_application_of(s->d, s->service);
    const char *offered = a == NULL ? "" : a->offered;
    const char *filter = get(s, "smtpd_sasl_mechanism_filter");
    struct slice rest = slice_str(offered);
    struct slice word;
    bool kept = false;
    while (settings_word(&rest, " ", &word)) {
        kept = kept || filter_keeps(filter, word);
    }
    if (*offered != '\0' && !kept) {
        const char *mend = set(s, "smtpd_sasl_mechanism_filter", "!external, static:rest");
        doctor_say(s->d, DOCTOR_MECH_FILTER, s->name, filter,
                   doctor_and_restart(s->d, a->unit, mend), NULL);
    }
    const char *under_tls = get(s, "smtpd_sasl_tls_security_options");
    const char *clear = get(s, "smtpd_sasl_security_options");
    if (settings_list_has(offered, "ANONYMOUS")) {
        bool in_tls = s->tls_offered && !settings_list_has(under_tls, "noanonymous");
        bool in_clear = !s->auth_needs_tls && !settings_list_has(clear, "noanonymous");
        if (in_tls || in_clear) {
            const char *which =
                in_clear ? "smtpd_sasl_security_options" : "smtpd_sasl_tls_security_options";
            doctor_say(s->d, DOCTOR_ANONYMOUS, s->name, which, set(s, which, "noanonymous"), NULL);
        }
    }
}

void doctor_check_postfix(struct doctor *d, const struct postfix_service *service)
{
    struct smtpd s = look_at(d, service);
    check_auth(&s);
    if (s.auth) {
        check_type(&s);
        check_tls(&s);
        if (s.tls_offered) {
            check_certificates(&s);
            doctor_check_protocols(d, service, s.tls_always);
        }
        check_options(&s);
        doctor_check_secopts(d, service, !s.auth_needs_tls, s.tls_offered);
    }
}
