/* SPDX-License-Identifier: BSD-2-Clause */
/* Logging in, with each mechanism and each way that clients do it. */
#include <stdio.h>
#include <string.h>

#include "probe.h"

enum { STEPS_MAX = 16, MESSAGE_MAX = PROBE_LINE_MAX };

/* What clients out there compare byte for byte. */
static const char user_prompt[] = "Username:";
static const char password_prompt[] = "Password:";

/* Ends an exchange that the client cannot go on with (RFC 4954 4). */
static enum auth_status cancel(struct probe_smtp *smtp, enum auth_status status)
{
    struct detail ignored;
    if (smtp->code == SMTP_CHALLENGE &&
        probe_smtp_command(smtp, "*", &ignored) == AUTH_UNAVAILABLE) {
        return status; /* the connection ends anyway */
    }
    return status;
}

/* Challenge and response until the server ends it. */
static enum auth_status converse(struct probe_smtp *smtp, struct probe_sasl *sasl, struct buf *held,
                                 struct buf *message, struct detail *detail)
{
    enum auth_status status = AUTH_INTERNAL;
    struct buf challenge;
    buf_init(&challenge, MESSAGE_MAX);
    for (unsigned step = 0; smtp->code == SMTP_CHALLENGE; step++) {
        status = step == STEPS_MAX
                     ? detail_set(detail, AUTH_BAD_SERVER, "the server never ends the exchange")
                     : probe_smtp_challenge(smtp, &challenge, detail);
        if (status == AUTH_MALFORMED) {
            status = AUTH_BAD_SERVER;
        }
        if (status == AUTH_OK && held != NULL) {
            status =
                buf_slice(&challenge).n == 0
                    ? AUTH_OK
                    : detail_set(detail, AUTH_BAD_SERVER, "an empty challenge has to come first");
            buf_clear(message);
            buf_put_slice(message, buf_slice(held));
            held = NULL;
        } else if (status == AUTH_OK) {
            status = probe_sasl_step(sasl, buf_slice(&challenge), message, detail);
        }
        if (status != AUTH_OK) {
            status = cancel(smtp, status);
            goto out;
        }
        status = probe_smtp_auth(smtp, "", buf_slice(message), detail);
        if (status != AUTH_OK) {
            goto out;
        }
    }
    status = AUTH_OK;

out:
    buf_release(&challenge);
    return status;
}

/*
 * Sends AUTH with what the mechanism starts with. Where the client may wait with it although it
 * starts, *ret_held is set. LOGIN's name goes along before the server has asked for it.
 */
static enum auth_status begin(struct probe_smtp *smtp, struct probe_sasl *sasl,
                              const char *mechanism, bool initial, struct buf *message,
                              bool *ret_held, struct detail *detail)
{
    char prefix[sizeof "AUTH " + PROBE_MECHANISM_SIZE];
    bool starts = false;
    snprintf(prefix, sizeof prefix, "AUTH %s", mechanism);
    enum auth_status status = probe_sasl_start(sasl, mechanism, message, &starts, detail);
    if (status == AUTH_OK && initial && !starts && strcmp(mechanism, "LOGIN") == 0) {
        status = probe_sasl_step(sasl, slice_str(user_prompt), message, detail);
        starts = status == AUTH_OK;
    }
    if (status != AUTH_OK) {
        return status;
    }
    *ret_held = starts && !initial;
    const struct slice none = slice_of(NULL, 0);
    const struct slice first = message->n > 0 ? buf_slice(message) : slice_str("");
    return probe_smtp_auth(smtp, prefix, starts && initial ? first : none, detail);
}

enum auth_status probe_authenticate(struct probe_smtp *smtp, const struct probe_account *account,
                                    const char *mechanism, bool initial, struct detail *detail)
{
    struct probe_sasl *sasl = NULL;
    struct buf message;
    struct buf held_message;
    bool held = false;
    buf_init(&message, MESSAGE_MAX);
    buf_init(&held_message, MESSAGE_MAX);
    enum auth_status status = probe_sasl_new(account, &sasl, detail);
    if (status == AUTH_OK) {
        status = begin(smtp, sasl, mechanism, initial, &message, &held, detail);
    }
    if (status == AUTH_OK && held) {
        buf_put_slice(&held_message, buf_slice(&message));
        status = buf_status(&held_message);
    }
    if (status == AUTH_OK) {
        status = converse(smtp, sasl, held ? &held_message : NULL, &message, detail);
    }
    if (status == AUTH_OK && smtp->code != SMTP_AUTHENTICATED) {
        status = AUTH_WRONG_PASSWORD;
    } else if (status == AUTH_OK && !probe_sasl_done(sasl)) {
        status = detail_set(detail, AUTH_BAD_SERVER,
                            "the server says yes before it has shown that it knows the password");
    }
    probe_sasl_free(sasl);
    buf_release(&message);
    buf_release(&held_message);
    return status;
}

/* The last prompt of LOGIN in a refused or accepted exchange cannot be seen any more: ask again. */
static enum auth_status check_prompts(struct probe *probe, struct probe_smtp *smtp)
{
    struct detail detail = {.text = ""};
    struct buf challenge;
    const char *const wanted[] = {user_prompt, password_prompt};
    buf_init(&challenge, MESSAGE_MAX);
    enum auth_status status = probe_smtp_command(smtp, "AUTH LOGIN", &detail);
    for (size_t i = 0; i < 2 && status == AUTH_OK && smtp->code == SMTP_CHALLENGE; i++) {
        if (probe_smtp_challenge(smtp, &challenge, &detail) != AUTH_OK ||
            !slice_equal_str(buf_slice(&challenge), wanted[i])) {
            probe_report_problem(&probe->report, "login-prompt",
                                 "LOGIN asks with other words than \"%s\", which Outlook and many "
                                 "devices insist on",
                                 wanted[i]);
        }
        if (i == 0) {
            status = probe_smtp_auth(smtp, "", slice_str(probe->user), &detail);
        }
    }
    buf_release(&challenge);
    if (status == AUTH_OK) {
        status = cancel(smtp, AUTH_OK);
    }
    return status == AUTH_OK ? AUTH_OK : probe_network_error(probe, status, &detail);
}

struct way {
    const char *mechanism;
    const char *name; /* "" where there is only one way */
    bool initial;
};

/* RFC 4954 4 and 6, RFC 5321 4.2.3. */
const char *probe_refusal(int code)
{
    static const struct {
        int code;
        const char *meaning;
    } known[] = {
        {421, "the server ends the session: it is going down, or has had enough of this client"},
        {432, "the server wants the password to be changed first"},
        {454,
         "the server could not check it now: its store, saslauthd or directory does not answer; "
         "its log says which"},
        {500, "the server does not know AUTH here, or finds the line too long"},
        {501, "the server could not read the client's message"},
        {502, "the server does not know AUTH here"},
        {503, "the server does not allow AUTH here"},
        {504, "the server offers the mechanism and does not have it"},
        {530, "the server wants TLS first"},
        {534, "the mechanism is too weak for this user"},
        {535, "the server does not take this user name with this password; its log says why"},
        {538, "the server wants TLS first"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].code == code) {
            return known[i].meaning;
        }
    }
    return code < SMTP_PERMANENT ? "the server refuses for now" : "the server refuses";
}

bool probe_limited(struct probe *probe, const struct probe_smtp *smtp, enum auth_status status)
{
    /* RFC 4954 has no use for 450; Postfix answers so when a client says AUTH too often. */
    if (status == AUTH_WRONG_PASSWORD && smtp->code == SMTP_BUSY && !probe->limited) {
        probe->limited = true;
        probe_report_problem(&probe->report, "rate-limit",
                             "the server takes no more AUTH commands from here for now (Postfix: "
                             "smtpd_client_auth_rate_limit); wait a minute and probe again: %s",
                             probe_smtp_shown(smtp));
    }
    return probe->limited;
}

static void report_login(struct probe *probe, const struct way *way, enum auth_status status,
                         const char *reply, int code)
{
    /* AUTH_BAD_SERVER: reply is our own sentence already. */
    const char *reason = status == AUTH_OK               ? ""
                         : status == AUTH_WRONG_PASSWORD ? probe_refusal(code)
                                                         : reply;
    probe_report_login(&probe->report, way->mechanism, way->name, status == AUTH_OK, reply, reason);
}

/* One login on a connection of its own: servers hang up after some failures. */
static enum auth_status login(struct probe *probe, const struct way *way)
{
    static struct probe_smtp smtp;
    struct probe_offer offer;
    struct detail detail = {.text = ""};
    enum auth_status status = probe_session(probe, &smtp, &offer);
    if (status != AUTH_OK) {
        goto out;
    }
    if (!probe_may_log_in(probe)) {
        probe_report_note(&probe->report,
                          "no login with %s: without TLS whoever sits between could guess at the "
                          "password (--tls none tries all the same)",
                          way->mechanism);
        goto out;
    }
    probe->stage = "AUTH";
    probe_report_step(&probe->report, "login with %s%s%s", way->mechanism,
                      *way->name != '\0' ? ", " : "", way->name);
    struct probe_account account = {
        .host = probe->host,
        .user = probe->user,
        .password = probe->password,
        .tls_bits = smtp.link.tls != NULL ? probe_tls_bits(smtp.link.tls) : 0,
    };
    probe_tls_bind(smtp.link.tls, &account.binding);
    status = probe_authenticate(&smtp, &account, way->mechanism, way->initial, &detail);
    if (status == AUTH_NOT_ALLOWED) {
        bool unbound = probe_sasl_binds(way->mechanism) && account.binding.name == NULL;
        probe_report_note(&probe->report, "%s not tried: %s", way->mechanism,
                          unbound ? "the connection has nothing to bind to"
                                  : "no plugin of this machine can do it");
        status = AUTH_OK;
    } else if (probe_limited(probe, &smtp, status)) {
        probe_report_note(&probe->report, "not tested: the login with %s%s%s and those after it",
                          way->mechanism, *way->name != '\0' ? ", " : "", way->name);
        status = AUTH_OK;
    } else if (status == AUTH_OK || status == AUTH_WRONG_PASSWORD || status == AUTH_BAD_SERVER) {
        report_login(probe, way, status,
                     status == AUTH_BAD_SERVER ? detail_text(&detail, status)
                                               : probe_smtp_shown(&smtp),
                     smtp.code);
        status = AUTH_OK;
    } else {
        status = probe_network_error(probe, status, &detail);
    }

out:
    probe_smtp_close(&smtp);
    return status;
}

static enum auth_status login_prompts(struct probe *probe)
{
    static struct probe_smtp smtp;
    struct probe_offer offer;
    enum auth_status status = probe_session(probe, &smtp, &offer);
    if (status == AUTH_OK && probe_may_log_in(probe)) {
        probe->stage = "the prompts of LOGIN";
        probe_report_step(&probe->report, "the prompts of LOGIN");
        status = check_prompts(probe, &smtp);
    }
    probe_smtp_close(&smtp);
    return status;
}

enum auth_status probe_logins(struct probe *probe, const struct probe_offer *offer)
{
    static const struct way two_ways[] = {{"PLAIN", "initial response", true},
                                          {"PLAIN", "no initial response", false},
                                          {"LOGIN", "initial response", true},
                                          {"LOGIN", "no initial response", false}};
    enum { TWO_WAYS = sizeof two_ways / sizeof two_ways[0] };
    enum auth_status status = AUTH_OK;
    for (size_t i = 0; i < offer->n_mechanisms && status == AUTH_OK && !probe->limited; i++) {
        const char *mechanism = offer->mechanisms[i];
        bool tried = false;
        for (size_t w = 0; w < TWO_WAYS && status == AUTH_OK && !probe->limited; w++) {
            if (strcmp(two_ways[w].mechanism, mechanism) == 0) {
                tried = true;
                status = login(probe, &two_ways[w]);
            }
        }
        if (!tried) {
            const struct way only = {mechanism, "", true};
            status = login(probe, &only);
        } else if (status == AUTH_OK && !probe->limited && strcmp(mechanism, "LOGIN") == 0) {
            status = login_prompts(probe);
        }
    }
    probe_report_refusals(&probe->report);
    return status;
}
