/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb doctor: says what will fail, and the command that mends it. Changes nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

enum {
    OPTION_ROOT = TOOL_LONG_ONLY,
    OPTION_POSTFIX,
    OPTION_IMAPD,
    OPTION_LIST, /* for the tests: the findings there are */
};

static const struct option longs[] = {{"root", required_argument, NULL, OPTION_ROOT},
                                      {"postfix", required_argument, NULL, OPTION_POSTFIX},
                                      {"imapd", required_argument, NULL, OPTION_IMAPD},
                                      {"list", no_argument, NULL, OPTION_LIST},
                                      TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb doctor [OPTION]... [SERVICE]\n"
    "Reads what there is - Postfix's and Cyrus IMAP's configuration, SASL configuration files,\n"
    "plugins, the store and its key, groups, running processes, fail2ban - and says what will\n"
    "fail or is unsafe, with the command that mends it. Changes nothing. SERVICE is postfix,\n"
    "imap, or the name of another program's SASL configuration (NAME.conf); without it both of\n"
    "the first that are there.\n"
    "\n"
    "      --postfix DIRECTORY   where main.cf is (default /etc/postfix)\n"
    "      --imapd FILE          imapd.conf (default /etc/imapd.conf)\n"
    "      --root DIRECTORY      everything below this directory, as in a container's image\n"
    "      --json                the findings as a JSON object\n"
    "  -f STORE, -k KEYFILE      the store where no server names one, below the root too\n"
    "\n"
    "Exit status: 0 nothing is wrong (notes do not count), 1 something is, 2 wrong usage,\n"
    "3 the system failed.\n";

static void check_application(struct doctor *d, const struct application *a)
{
    doctor_check_conf(d, a);
    doctor_check_saslauthd(d, a);
    doctor_check_sasldb(d, a);
    doctor_check_plugins(d, a);
    doctor_check_mechanisms(d, a);
    if (a->server == SERVER_IMAPD) {
        doctor_check_imapd(d, a);
    }
    if (a->uses_store) {
        doctor_check_access(d, a);
        doctor_check_processes(d, a);
        doctor_check_store(d, a->store_path, a->key_path, a);
    }
}

static void check_realm(struct doctor *d, const struct postfix_service *service)
{
    const struct application *a = doctor_application_of(d, service);
    if (a != NULL) {
        doctor_check_realm(d, a, doctor_realm_of(d, service));
    }
}

static void check_services(struct doctor *d)
{
    for (const struct postfix_service *s = d->postfix.services; s != NULL; s = s->next) {
        doctor_check_postfix(d, s);
        doctor_check_relay(d, s);
        if (postfix_is_on(&d->postfix, s, "smtpd_sasl_auth_enable")) {
            check_realm(d, s);
            doctor_check_senders(d, s);
        }
    }
    if (d->postfix.master_error == 0) {
        doctor_check_auth_off(d);
    }
}

/* A store that no server names is looked at too: it may be what they are to read. */
static void check_default_store(struct doctor *d)
{
    struct stat st;
    int error = doctor_stat(&d->files, d->tool->store_path, &st);
    if (error == 0) {
        doctor_report_looked_at(&d->report,
                                arena_format(&d->arena, "store: %s", d->tool->store_path));
        doctor_check_store(d, d->tool->store_path, d->tool->key_path, NULL);
    } else if (d->report.looked_at == NULL) {
        doctor_say(d, DOCTOR_NOTHING_FOUND, d->postfix_at, d->imapd_at, d->tool->store_path, NULL);
    } else if (error == ENOENT || error == ENOTDIR) {
        doctor_say(d, DOCTOR_STORE_NONE, d->tool->store_path,
                   doctor_init(d, d->tool->store_path, d->tool->key_path), NULL);
    }
}

/* The units of systemd that are known of; below a root none is. */
static const char *restart_command(struct doctor *d)
{
    const char *command = "";
    for (const struct application *a = d->applications; a != NULL; a = a->next) {
        if (a->server != SERVER_OTHER && !settings_list_has(command, a->unit) &&
            *d->files.root == '\0') {
            command = arena_format(&d->arena, "%s %s",
                                   *command == '\0' ? "systemctl restart" : command, a->unit);
        }
    }
    return command;
}

static int examine(struct doctor *d)
{
    d->report.arena = &d->arena;
    d->report.root = d->files.root;
    bool named = false;
    doctor_gather(d);
    for (const struct application *a = d->applications; a != NULL; a = a->next) {
        named = named || a->uses_store;
    }
    if (!named) {
        check_default_store(d); /* what else there is comes after it */
    }
    if (d->have_postfix) {
        check_services(d);
    }
    for (const struct application *a = d->applications; a != NULL; a = a->next) {
        check_application(d, a);
    }
    doctor_check_leftovers(d);
    doctor_check_fail2ban(d);
    d->report.restart = restart_command(d);
    if (d->arena.lost) {
        tool_report(d->tool, AUTH_NO_MEMORY, NULL, "report");
    }
    if (d->failed || d->arena.lost || doctor_report_print(&d->report, d->tool) != AUTH_OK) {
        return TOOL_FAILED;
    }
    return d->report.counts[DOCTOR_ERROR] + d->report.counts[DOCTOR_WARNING] > 0 ? TOOL_REFUSED
                                                                                 : TOOL_DONE;
}

/* Without slashes at the end; "/" becomes "". */
static const char *take_root(struct doctor *d, const char *root)
{
    char whole[PATH_MAX];
    if (realpath(root, whole) == NULL) {
        return NULL;
    }
    return strcmp(whole, "/") == 0 ? "" : arena_copy(&d->arena, slice_str(whole));
}

/* What the command line says beside the doctor's own members. */
struct request {
    const char *root;
    bool list;
};

static void take_option(struct doctor *d, struct request *request, int option, const char *value)
{
    switch (option) {
    case OPTION_ROOT:
        request->root = value;
        break;
    case OPTION_POSTFIX:
        d->postfix_at = value;
        break;
    case OPTION_IMAPD:
        d->imapd_at = value;
        break;
    default:
        request->list = true;
        break;
    }
}

static int carry_out(struct doctor *d, const struct request *request)
{
    if (request->list) {
        doctor_report_list();
        return TOOL_DONE;
    }
    if (d->service != NULL && (*d->service == '\0' || strchr(d->service, '/') != NULL)) {
        return tool_usage_error(d->tool, "\"%s\" is not a service's name", d->service);
    }
    d->files.root = take_root(d, request->root);
    if (d->files.root == NULL) {
        tool_say(d->tool, "%s: %m", request->root);
        return TOOL_FAILED;
    }
    int code = store_counter_start(&d->counter, d->tool) ? examine(d) : TOOL_FAILED;
    store_counter_stop(&d->counter);
    return code;
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":" TOOL_COMMON_LETTERS, longs};
    struct request request = {.root = "/"};
    struct doctor *d = calloc(1, sizeof *d);
    int option;
    int code = TOOL_DONE;
    if (d == NULL) {
        tool_report(tool, AUTH_NO_MEMORY, NULL, "doctor");
        return TOOL_FAILED;
    }
    d->tool = tool;
    d->postfix_at = "/etc/postfix";
    d->imapd_at = "/etc/imapd.conf";
    while ((option = tool_next_option(tool, argc, argv, &options, &code)) >= 0) {
        take_option(d, &request, option, optarg);
    }
    if (option == TOOL_OPTIONS_END) {
        d->service = argc > optind ? argv[optind] : NULL;
        code = argc - optind > 1 ? tool_usage_error(tool, "takes one service at most")
                                 : carry_out(d, &request);
    }
    arena_release(&d->arena);
    free(d);
    return code;
}

const struct verb verb_doctor = {
    .name = "doctor",
    .summary = "say what will fail in servers that use a store, and what mends it",
    .usage = usage,
    .run = run,
};
