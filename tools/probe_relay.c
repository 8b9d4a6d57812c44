/* SPDX-License-Identifier: BSD-2-Clause */
/* Is this an open relay? Foreign sender, foreign recipient, no login or a failed one; never DATA.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "probe.h"

enum { LINE_MAX_BYTES = 1024, NOISE_BYTES = 18, SMTP_OK_END = 300, SMTP_BYE = 421 };

static const char nobody[] = "sasl-lmdb-probe";

static bool said_yes(const struct probe_smtp *smtp)
{
    return smtp->code >= SMTP_DONE && smtp->code < SMTP_OK_END;
}

static enum auth_status try_to_relay(struct probe *probe, struct probe_smtp *smtp, const char *when,
                                     struct detail *detail)
{
    char line[LINE_MAX_BYTES];
    snprintf(line, sizeof line, "MAIL FROM:<%s>", probe->from);
    enum auth_status status = probe_smtp_command(smtp, line, detail);
    if (status == AUTH_OK && said_yes(smtp)) {
        snprintf(line, sizeof line, "RCPT TO:<%s>", probe->to);
        status = probe_smtp_command(smtp, line, detail);
    }
    if (status != AUTH_OK) {
        return status;
    }
    probe_report_relay(&probe->report, when, !said_yes(smtp), probe_smtp_shown(smtp));
    /* Trust shows without a login already; what comes only after a failed one is none. */
    probe->trusted = probe->trusted && said_yes(smtp);
    if (probe->trusted) {
        probe_report_note(&probe->report,
                          "accepted %s from this machine itself, which servers are often told to "
                          "trust; the probe that counts is one from outside",
                          when);
    } else if (said_yes(smtp)) {
        probe_report_problem(&probe->report, "open-relay",
                             "mail from <%s> to <%s> is accepted %s: anybody here can send to "
                             "anybody, unless the server refuses at DATA, which is not tried",
                             probe->from, probe->to, when);
    } else if (smtp->code < SMTP_PERMANENT) {
        probe_report_note(&probe->report,
                          "refused for now only, so nothing is proved; try again later");
    }
    /* Whatever comes of this, what was to be found out is known. */
    (void)!probe_smtp_command(smtp, "QUIT", detail);
    return AUTH_OK;
}

/* Servers are often told to trust the hosts next to them. */
static void note_trusted_place(struct probe *probe, const struct probe_link *link)
{
    /* The private networks of RFC 1918. */
    static const struct {
        uint32_t network;
        uint32_t mask;
    } near[] = {{0x0a000000, 0xff000000}, {0xac100000, 0xfff00000}, {0xc0a80000, 0xffff0000}};
    struct in_addr address;
    bool found = link->same_host;
    if (inet_pton(AF_INET, link->peer, &address) == 1) {
        for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
            found = found || (ntohl(address.s_addr) & near[i].mask) == near[i].network;
        }
    }
    if (found) {
        probe_report_note(&probe->report,
                          "the server was reached from nearby, where it may trust more than it "
                          "does elsewhere; only a probe from outside tells what strangers can do");
    }
}

/* A login with a password that nobody has. AUTH_NOT_ALLOWED if none can or may be tried. */
static enum auth_status fail_to_log_in(struct probe *probe, struct probe_smtp *smtp,
                                       const struct probe_offer *offer, struct detail *detail)
{
    uint8_t noise[NOISE_BYTES];
    struct buf password;
    if (!probe_may_log_in(probe)) {
        return AUTH_NOT_ALLOWED;
    }
    enum auth_status status = crypto_random(noise, sizeof noise);
    if (status != AUTH_OK) {
        return status;
    }
    buf_init(&password, 2 * (size_t)NOISE_BYTES);
    crypto_base64_put(&password, slice_of(noise, sizeof noise));
    struct probe_account account = {
        .host = probe->host,
        .user = probe->user != NULL ? probe->user : nobody,
        .password = buf_slice(&password),
        .tls_bits = smtp->link.tls != NULL ? probe_tls_bits(smtp->link.tls) : 0,
    };
    probe_tls_bind(smtp->link.tls, &account.binding);
    status = AUTH_NOT_ALLOWED;
    for (size_t i = 0; i < offer->n_mechanisms && status == AUTH_NOT_ALLOWED; i++) {
        status = probe_authenticate(smtp, &account, offer->mechanisms[i], true, detail);
    }
    buf_release(&password);
    return status;
}

static enum auth_status after_failed_login(struct probe *probe)
{
    static const char when[] = "after a failed login";
    static struct probe_smtp smtp;
    struct probe_offer offer;
    struct detail detail = {.text = ""};
    if (probe->limited) {
        probe_report_note(&probe->report, "not tested: relaying %s", when);
        return AUTH_OK;
    }
    enum auth_status status = probe_session(probe, &smtp, &offer);
    if (status != AUTH_OK) {
        goto out;
    }
    probe->stage = "relaying after a failed login";
    probe_report_step(&probe->report, "relaying %s", when);
    status = fail_to_log_in(probe, &smtp, &offer, &detail);
    if (status == AUTH_NOT_ALLOWED) {
        probe_report_note(&probe->report, "relaying %s not tried: %s", when,
                          probe_may_log_in(probe) ? "no mechanism to fail with"
                                                  : "no login without TLS (--tls none tries)");
        status = AUTH_OK;
    } else if (probe_limited(probe, &smtp, status)) {
        probe_report_note(&probe->report, "not tested: relaying %s", when);
        status = AUTH_OK;
    } else if (status == AUTH_OK) {
        probe_report_problem(&probe->report, "any-password",
                             "a random password was accepted for %s",
                             probe->user != NULL ? probe->user : nobody);
    } else if (status == AUTH_WRONG_PASSWORD && smtp.code == SMTP_BYE) {
        probe_report_relay(&probe->report, when, true, probe_smtp_shown(&smtp));
        status = AUTH_OK;
    } else if (status == AUTH_WRONG_PASSWORD || status == AUTH_BAD_SERVER) {
        status = try_to_relay(probe, &smtp, when, &detail);
    }
    if (status != AUTH_OK) {
        probe_network_error(probe, status, &detail);
    }

out:
    probe_smtp_close(&smtp);
    return status;
}

enum auth_status probe_relaying(struct probe *probe, const struct probe_offer *offer)
{
    static const char when[] = "without a login";
    static struct probe_smtp smtp;
    struct probe_offer again;
    struct detail detail = {.text = ""};
    enum auth_status status = probe_session(probe, &smtp, &again);
    if (status == AUTH_OK) {
        note_trusted_place(probe, &smtp.link);
        probe->trusted = smtp.link.same_host;
        probe->stage = "relaying without a login";
        probe_report_step(&probe->report, "relaying %s", when);
        status = try_to_relay(probe, &smtp, when, &detail);
        if (status != AUTH_OK) {
            probe_network_error(probe, status, &detail);
        }
    }
    probe_smtp_close(&smtp);
    return status == AUTH_OK && offer->n_mechanisms > 0 ? after_failed_login(probe) : status;
}
