/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb probe: does SMTP AUTH work at a server, for those who may and for nobody else? */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine/identity.h"
#include "privilege.h"
#include "probe.h"
#include "prompt.h"

enum {
    OPTION_TLS = TOOL_LONG_ONLY,
    OPTION_CA,
    OPTION_INSECURE,
    OPTION_TIMEOUT,
    OPTION_FROM,
    OPTION_TO,
    HOST_MAX = 256, /* RFC 1035 2.3.4, and the NUL */
    PORT_MAX = 65535,
    DEFAULT_TIMEOUT = 30, /* seconds */
    TIMEOUT_MAX = 3600,
    ADDRESS_MAX = 254, /* RFC 5321 4.5.3.1.3, without the brackets */
};

static const char default_port[] = "587"; /* RFC 6409 */

static const struct option longs[] = {{"tls", required_argument, NULL, OPTION_TLS},
                                      {"ca", required_argument, NULL, OPTION_CA},
                                      {"insecure", no_argument, NULL, OPTION_INSECURE},
                                      {"timeout", required_argument, NULL, OPTION_TIMEOUT},
                                      {"from", required_argument, NULL, OPTION_FROM},
                                      {"to", required_argument, NULL, OPTION_TO},
                                      {"quiet", no_argument, NULL, 'q'},
                                      TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb probe [OPTION]... HOST[:PORT] [USER]\n"
    "Tests SMTP AUTH at a server (port 587 unless given): what it offers before and after TLS,\n"
    "a login of USER with each mechanism, and that it relays for nobody without a login, nor "
    "after\n"
    "a failed one. Shows the dialogue, with secrets masked. The password is asked for, or read\n"
    "as one line from standard input; no mail is sent. Leaves a failed login in the server's log.\n"
    "The probe that counts is one from outside: servers may relay for their own machine.\n"
    "\n"
    "      --tls auto|none|starttls|implicit\n"
    "                        auto (default): from the start on port 465, else STARTTLS where it\n"
    "                        is offered; no login without TLS, but with none\n"
    "      --ca FILE         trust the certificates in FILE instead of the system's\n"
    "      --insecure        take any certificate\n"
    "      --timeout SECONDS for each answer (default 30)\n"
    "      --from ADDRESS, --to ADDRESS\n"
    "                        sender and recipient that are foreign to the server\n"
    "                        (default probe@example.org, probe@example.net)\n"
    "  -q, --quiet           without the dialogue\n"
    "      --json            as a JSON object\n"
    "\n"
    "Mechanisms whose names end in -PLUS are bound to the TLS connection (tls-exporter, "
    "tls-unique).\n"
    "Started as root, it becomes the user nobody before it connects.\n"
    "Plugins for the logins are looked for in SASL_PATH, else in libsasl2's own directory.\n"
    "Exit status: 0 all is well, 1 something was found, 2 wrong usage, 3 the server or the system\n"
    "failed.\n";

/* "host", "host:port", "[address]:port"; an IPv6 address without brackets has no port. */
static bool split_host(const char *text, char host[HOST_MAX], const char **ret_port)
{
    const char *end = text + strlen(text);
    const char *start = text;
    const char *colon = strrchr(text, ':');
    if (*text == '[') {
        const char *bracket = strchr(text, ']');
        if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':')) {
            return false;
        }
        start = text + 1;
        end = bracket;
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    } else if (colon != NULL && strchr(text, ':') == colon) {
        end = colon;
    } else {
        colon = NULL;
    }
    size_t n = (size_t)(end - start);
    uint32_t port = 0;
    if (n == 0 || n >= HOST_MAX || !slice_is_printable(slice_of(start, n)) ||
        (colon != NULL && !tool_decimal(colon + 1, 1, PORT_MAX, &port))) {
        return false;
    }
    memcpy(host, start, n);
    host[n] = '\0';
    *ret_port = colon != NULL ? colon + 1 : default_port;
    return true;
}

static bool take_mode(const char *text, enum probe_tls_mode *ret)
{
    static const char *const names[] = {
        [PROBE_TLS_AUTO] = "auto",
        [PROBE_TLS_NONE] = "none",
        [PROBE_TLS_STARTTLS] = "starttls",
        [PROBE_TLS_IMPLICIT] = "implicit",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum probe_tls_mode)i;
            return true;
        }
    }
    return false;
}

/* Goes into a command between angle brackets. */
static bool is_address(const char *text)
{
    struct slice s = slice_str(text);
    return s.n > 0 && s.n <= ADDRESS_MAX && slice_is_printable(s) && strpbrk(text, "<> ") == NULL;
}

static enum auth_status steps(struct probe *probe)
{
    static struct probe_smtp smtp;
    struct probe_offer offer;
    enum auth_status status = probe_session(probe, &smtp, &offer);
    probe_smtp_close(&smtp);
    if (status != AUTH_OK) {
        return status;
    }
    if (offer.n_mechanisms == 0) {
        if (probe->user != NULL) {
            probe_report_problem(&probe->report, "no-auth",
                                 "AUTH is not offered%s; submission is on port 587 or 465",
                                 probe->secure ? "" : " without TLS");
        } else {
            probe_report_note(&probe->report, "AUTH is not offered");
        }
    } else if (probe->user != NULL) {
        status = probe_logins(probe, &offer);
    }
    return status == AUTH_OK ? probe_relaying(probe, &offer) : status;
}

/* Reads what may need root, and gives root up: from here on a stranger's bytes are read. */
static enum auth_status prepare(struct probe *probe)
{
    struct detail detail = {.text = ""};
    enum auth_status status = probe_tls_load(&probe->tls, &detail);
    if (status != AUTH_OK) {
        return tool_report(probe->tool, status, &detail, "%s", "trusted certificates");
    }
    status = probe_sasl_load(&detail);
    if (status != AUTH_OK) {
        return tool_report(probe->tool, status, &detail, "libsasl2");
    }
    status = privilege_become_nobody(&detail);
    if (status != AUTH_OK) {
        probe_sasl_unload();
        return tool_report(probe->tool, status, &detail, "root");
    }
    return AUTH_OK;
}

static int probe_server(struct probe *probe)
{
    enum auth_status status = prepare(probe);
    if (status != AUTH_OK) {
        probe_tls_unload(&probe->tls);
        return TOOL_FAILED;
    }
    status = steps(probe);
    probe_sasl_unload();
    probe_tls_unload(&probe->tls);
    bool complete = status == AUTH_OK || status == AUTH_BAD_SERVER;
    if (probe_report_end(&probe->report, status == AUTH_OK) != AUTH_OK || !complete) {
        return TOOL_FAILED;
    }
    return probe->report.found > 0 ? TOOL_REFUSED : TOOL_DONE;
}

static int ask_and_probe(struct probe *probe)
{
    struct detail detail = {.text = ""};
    struct buf password;
    int code = TOOL_FAILED;
    buf_init(&password, IDENTITY_MAX_PASSWORD);
    if (probe->user != NULL) {
        enum auth_status status = prompt_password("Password: ", &password, &detail);
        if (status == AUTH_OK && password.n > 0 && password.p[password.n - 1] == '\r') {
            /* SASLprep lets nobody send it, so that every login would fail. */
            status =
                detail_set(&detail, AUTH_BAD_PASSWORD,
                           "it ends in a carriage return: end the line with a line feed alone");
        }
        if (status != AUTH_OK) {
            code = tool_exit_code(tool_report(probe->tool, status, &detail, "password"));
            goto out;
        }
        probe->password = buf_slice(&password);
    }
    /* A server that goes away shows as EPIPE. */
    signal(SIGPIPE, SIG_IGN);
    if (probe_mask_init(&probe->mask, probe->password) != AUTH_OK ||
        probe_report_init(&probe->report, probe->tool, probe->host, probe->port) != AUTH_OK) {
        tool_report(probe->tool, AUTH_NO_MEMORY, NULL, "report");
    } else {
        code = probe_server(probe);
    }
    probe_report_release(&probe->report);
    probe_mask_release(&probe->mask);

out:
    buf_release(&password);
    return code;
}

/* False if the value is none that the option takes. */
static bool take_option(struct probe *probe, int option, const char *value)
{
    switch (option) {
    case OPTION_TLS:
        return take_mode(value, &probe->mode);
    case OPTION_CA:
        probe->tls.ca = value;
        return true;
    case OPTION_INSECURE:
        probe->tls.insecure = true;
        return true;
    case OPTION_TIMEOUT:
        return tool_decimal(value, 1, TIMEOUT_MAX, &probe->timeout);
    case OPTION_FROM:
        probe->from = value;
        return is_address(value);
    case OPTION_TO:
        probe->to = value;
        return is_address(value);
    default:
        probe->report.quiet = true;
        return true;
    }
}

/* What an option takes, for a usage error. */
static const char *wanted(int option)
{
    switch (option) {
    case OPTION_TLS:
        return "--tls takes auto, none, starttls or implicit";
    case OPTION_TIMEOUT:
        return "--timeout takes seconds, 1 to 3600";
    case OPTION_FROM:
        return "--from takes an address";
    default:
        return "--to takes an address";
    }
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":q" TOOL_COMMON_LETTERS, longs};
    struct probe probe = {
        .tool = tool,
        .timeout = DEFAULT_TIMEOUT,
        .from = "probe@example.org",
        .to = "probe@example.net",
    };
    char host[HOST_MAX];
    int option;
    int code = TOOL_DONE;
    while ((option = tool_next_option(tool, argc, argv, &options, &code)) >= 0) {
        if (!take_option(&probe, option, optarg)) {
            return tool_usage_error(tool, "%s, not \"%s\"", wanted(option), optarg);
        }
    }
    if (option == TOOL_OPTIONS_STOP) {
        return code;
    }
    if (argc - optind < 1 || argc - optind > 2) {
        return tool_usage_error(tool, "takes HOST[:PORT] and perhaps USER; the password is asked "
                                      "for");
    }
    if (!split_host(argv[optind], host, &probe.port)) {
        return tool_usage_error(tool, "\"%s\" is not HOST or HOST:PORT", argv[optind]);
    }
    probe.host = host;
    probe.tls.host = host;
    probe.user = argc - optind == 2 ? argv[optind + 1] : NULL;
    if (probe.user != NULL && *probe.user == '\0') {
        return tool_usage_error(tool, "USER is empty");
    }
    return ask_and_probe(&probe);
}

const struct verb verb_probe = {
    .name = "probe",
    .summary = "test SMTP AUTH at a server, and that it is no open relay",
    .usage = usage,
    .run = run,
};
