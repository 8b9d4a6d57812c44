/* SPDX-License-Identifier: BSD-2-Clause */
/* Connecting: greeting, EHLO, TLS, EHLO again; what is offered when. */
#include <string.h>

#include "deadline.h"
#include "probe.h"

enum { NAMES_MAX = PROBE_MECHANISMS * (PROBE_MECHANISM_SIZE + 1), TLS_NAME_MAX = 256 };

static const char implicit_port[] = "465";

enum auth_status probe_network_error(struct probe *probe, enum auth_status status,
                                     const struct detail *detail)
{
    struct detail whole = {.text = ""};
    const char *why = detail_text(detail, status);
    if (probe->stage == NULL) {
        (void)detail_set(&whole, status, "%s", why);
    } else {
        (void)detail_set(&whole, status, "%s (at %s)", why, probe->stage);
    }
    probe_report_failed(&probe->report, whole.text);
    return tool_report(probe->tool, status, &whole, "%s port %s", probe->host, probe->port);
}

static bool is_plain(const char *mechanism)
{
    return strcmp(mechanism, "PLAIN") == 0 || strcmp(mechanism, "LOGIN") == 0;
}

bool probe_may_log_in(const struct probe *probe)
{
    return probe->secure || probe->mode == PROBE_TLS_NONE;
}

static void report_offer(struct probe *probe, const struct probe_smtp *smtp,
                         const struct probe_offer *offer)
{
    struct buf names;
    struct buf tls;
    if (probe->first_done) {
        return;
    }
    buf_init(&names, NAMES_MAX);
    buf_init(&tls, TLS_NAME_MAX);
    bool exposed = false;
    for (size_t i = 0; i < offer->n_mechanisms; i++) {
        buf_put_str(&names, i > 0 ? " " : "");
        buf_put_str(&names, offer->mechanisms[i]);
        exposed = exposed || is_plain(offer->mechanisms[i]);
    }
    if (smtp->link.tls != NULL) {
        probe_tls_describe(smtp->link.tls, &tls);
    }
    probe_report_offer(&probe->report, buf_text(&tls), buf_text(&names), offer->starttls);
    if (offer->n_mechanisms > 0 && offer->only_old_form) {
        probe_report_problem(
            &probe->report, "auth-old-form",
            "AUTH is offered in the form of before RFC 2554 only (\"AUTH=\"), which "
            "most mail programs do not look for");
    }
    if (exposed && smtp->link.tls == NULL) {
        probe_report_problem(&probe->report, "plain-without-tls",
                             "PLAIN or LOGIN is offered without TLS: passwords cross the network "
                             "readable (Postfix: smtpd_tls_auth_only = yes)");
    }
    buf_release(&names);
    buf_release(&tls);
}

static enum auth_status secure(struct probe *probe, struct probe_smtp *smtp, struct detail *detail)
{
    enum auth_status status = AUTH_INTERNAL;
    if (probe_smtp_has_more(smtp)) {
        /* RFC 3207 6: whoever sits between could have put it there. */
        probe_report_problem(&probe->report, "data-before-tls",
                             "bytes in the clear stand between the answer to STARTTLS and TLS");
        return AUTH_BAD_SERVER;
    }
    probe->stage = "the TLS handshake";
    status = probe_link_secure(&smtp->link, &probe->tls, deadline_in(smtp->timeout), detail);
    if (status == AUTH_BAD_SERVER) {
        probe_report_problem(&probe->report, "certificate",
                             "the certificate is not to be trusted for %s: %s; nothing was sent "
                             "(--ca FILE to trust another issuer, --insecure to go on)",
                             probe->host, detail_text(detail, status));
        return status;
    }
    return status == AUTH_OK ? AUTH_OK : probe_network_error(probe, status, detail);
}

static enum auth_status starttls(struct probe *probe, struct probe_smtp *smtp,
                                 struct probe_offer *offer, struct detail *detail)
{
    enum auth_status status = AUTH_INTERNAL;
    if (!offer->starttls) {
        /* Who takes the offer out may do so later, too. */
        if (!probe->first_done || probe->secure) {
            probe_report_problem(&probe->report, "no-starttls",
                                 "STARTTLS is not offered: the server has no TLS here, or somebody "
                                 "on the way takes the offer out");
        }
        return probe->mode == PROBE_TLS_STARTTLS ? AUTH_BAD_SERVER : AUTH_OK;
    }
    probe->stage = "STARTTLS";
    status = probe_smtp_command(smtp, "STARTTLS", detail);
    if (status != AUTH_OK) {
        return probe_network_error(probe, status, detail);
    }
    if (smtp->code != SMTP_READY) {
        probe_report_problem(&probe->report, "starttls-refused",
                             "STARTTLS is offered and then refused (is the certificate there, and "
                             "readable for the server?): %s",
                             probe_smtp_shown(smtp));
        return AUTH_BAD_SERVER;
    }
    status = secure(probe, smtp, detail);
    if (status != AUTH_OK) {
        return status;
    }
    probe->stage = "EHLO under TLS";
    status = probe_smtp_hello(smtp, offer, detail);
    if (status != AUTH_OK) {
        return probe_network_error(probe, status, detail);
    }
    report_offer(probe, smtp, offer);
    return AUTH_OK;
}

static bool starts_with_tls(const struct probe *probe)
{
    return probe->mode == PROBE_TLS_IMPLICIT ||
           (probe->mode == PROBE_TLS_AUTO && strcmp(probe->port, implicit_port) == 0);
}

static enum auth_status greet(struct probe *probe, struct probe_smtp *smtp,
                              struct probe_offer *offer, struct detail *detail)
{
    probe->stage = "the greeting";
    enum auth_status status = probe_smtp_reply(smtp, detail);
    if (status == AUTH_OK && smtp->code != SMTP_READY) {
        status = detail_set(detail, AUTH_UNAVAILABLE, "the server refuses to talk: %s",
                            probe_smtp_shown(smtp));
    }
    if (status == AUTH_OK) {
        probe->stage = "EHLO";
        status = probe_smtp_hello(smtp, offer, detail);
    }
    if (status != AUTH_OK) {
        /* AUTH_MALFORMED is a refusal elsewhere; here the probe could not be done. */
        return probe_network_error(probe, status, detail);
    }
    report_offer(probe, smtp, offer);
    return AUTH_OK;
}

enum auth_status probe_session(struct probe *probe, struct probe_smtp *smtp,
                               struct probe_offer *ret)
{
    struct detail detail = {.text = ""};
    smtp->report = &probe->report;
    smtp->timeout = probe->timeout;
    smtp->quiet = probe->first_done;
    smtp->mask = &probe->mask;
    *ret = (struct probe_offer){.starttls = false};
    probe->stage = NULL;
    enum auth_status status = probe_smtp_open(smtp, probe->host, probe->port, &detail);
    if (status != AUTH_OK) {
        return probe_network_error(probe, status, &detail);
    }
    if (!probe->first_done) {
        probe_report_step(&probe->report, "connected to %s (%s) port %s", probe->host,
                          smtp->link.peer, probe->port);
    }
    if (starts_with_tls(probe)) {
        status = secure(probe, smtp, &detail);
    }
    if (status == AUTH_OK) {
        status = greet(probe, smtp, ret, &detail);
    }
    if (status == AUTH_OK && !starts_with_tls(probe) && probe->mode != PROBE_TLS_NONE) {
        status = starttls(probe, smtp, ret, &detail);
    }
    probe->secure = smtp->link.tls != NULL;
    probe->first_done = true;
    smtp->quiet = false;
    return status;
}
