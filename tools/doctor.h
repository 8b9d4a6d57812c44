/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sasl-lmdb doctor: reads what is there and says what will fail. It changes nothing.
 *
 *   doctor_files, _settings, _postfix, _imapd, _people, _processes, _plugins, _store   read one
 *                                kind of thing each and judge nothing
 *   doctor_gather.c              makes applications of it
 *   doctor_check_*.c             judge: each function looks for a few findings
 *   doctor_findings.c            every sentence, with its command
 *   doctor_command.c             quotes for the shell
 *   doctor_report.c              prints
 */
#ifndef SASL_LMDB_DOCTOR_H
#define SASL_LMDB_DOCTOR_H

#include <stdbool.h>

#include "doctor_arena.h"
#include "doctor_command.h"
#include "doctor_files.h"
#include "doctor_imapd.h"
#include "doctor_people.h"
#include "doctor_plugins.h"
#include "doctor_postfix.h"
#include "doctor_processes.h"
#include "doctor_report.h"
#include "doctor_settings.h"
#include "doctor_store.h"
#include "tool.h"

enum server { SERVER_POSTFIX, SERVER_IMAPD, SERVER_OTHER };

/* A program that logs people in through libsasl2, with one SASL configuration. */
struct application {
    struct application *next;
    enum server server;
    const char *label;     /* "Postfix", "Cyrus IMAP", "slapd" */
    const char *name;      /* of its configuration file, without .conf */
    const char *unit;      /* of systemd */
    const char *prefix;    /* of SASL options in its configuration: "sasl_" or "" */
    const char *conf_path; /* the file that is read; NULL if there is none */
    struct settings conf;
    const char *sasl_path; /* NULL: libsasl2's own directories */
    struct plugins plugins;
    const char *realm;   /* of names without one, which DIGEST-MD5 offers too; "": not known */
    const char *offered; /* mechanisms it will offer, separated by spaces */
    bool opens_as_root;  /* initialises its plugins as root */
    bool chroot;         /* some of its processes look things up in queue */
    const char *queue;   /* the directory they are confined to */
    struct person user;  /* whom it becomes; user.known is false if nobody knows */
    struct process *processes;
    struct process *siblings; /* others that have the environment which its own get */
    bool uses_store;
    const char *store_path;
    const char *key_path;
    const struct store_counts *counts; /* NULL: not to be had */
};

struct doctor {
    const struct tool *tool;
    struct doctor_files files;
    struct arena arena;
    struct doctor_report report;
    const char *service;    /* NULL: whatever is there */
    const char *postfix_at; /* directory of main.cf */
    const char *imapd_at;   /* imapd.conf */
    struct postfix postfix;
    bool have_postfix;
    struct application *applications;
    struct store_view *stores;
    struct store_counter counter;
    bool failed; /* told */
};

/* Adds a finding: words for %1, %2, ..., then NULL. */
void doctor_say(struct doctor *d, enum doctor_id id, ...) __attribute__((sentinel));

/* The value of a SASL option of an application; NULL if it has none. */
const char *application_option(struct doctor *d, const struct application *application,
                               const char *option);

/*
 * The last setting of an option, by the name it has in the file, where the server takes an earlier
 * one that says something else; NULL if there is none. With one in imapd.conf Cyrus IMAP does not
 * start, and a service's own are no second ones.
 */
const struct setting *application_ignored(const struct application *application,
                                          const char *option);

/*
 * The commands that give an option of an application's configuration a value, or take it away: in
 * the file and under the name it has there, imapd.conf's services and includes having their own.
 * The last two take the option without the prefix that SASL's have in imapd.conf.
 */
const char *doctor_conf_set(struct doctor *d, const struct application *a, const char *option,
                            const char *value);
const char *doctor_conf_drop(struct doctor *d, const struct application *a, const char *option);
const char *doctor_sasl_set(struct doctor *d, const struct application *a, const char *option,
                            const char *value);
const char *doctor_sasl_drop(struct doctor *d, const struct application *a, const char *option);

/* The command that puts a line behind those of a file, whose last one may lack its newline. */
const char *doctor_append(struct doctor *d, const char *line, const char *file);

/*
 * The command that replaces the processes of a server, which keep what they had read. Postfix's are
 * told to end with their clients.
 */
const char *doctor_renew(struct doctor *d, const struct application *a);

/*
 * A command, and the restart of a unit without which it changes nothing for what runs, or not soon:
 * for a minute master starts no other smtpd for one that ended, reloaded or not. Below a root
 * nothing runs.
 */
const char *doctor_and_restart(struct doctor *d, const char *unit, const char *command);

/*
 * A command that changes owner, group or mode of path, or makes something beside it;
 * doctor_command_unheld if whoever can write to a directory on the way might lead it elsewhere.
 */
const char *doctor_for_held(struct doctor *d, const char *path, const char *command);

/* The command that takes away the one line a setting stands on. */
const char *doctor_drop_line(struct doctor *d, const struct setting *setting, const char *file);

/* The counts of a store, made once for each. NULL, and d->failed, if they could not be made. */
const struct store_counts *doctor_counts(struct doctor *d, const char *path, const char *key_path);

/* Finds the servers there are, or the one that is asked for. Says what it could not read. */
void doctor_gather(struct doctor *d);
void doctor_gather_postfix(struct doctor *d);
void doctor_gather_others(struct doctor *d);

/* Fills what follows from conf, sasl_path and the machine; in doctor_gather.c. */
struct application *doctor_add_application(struct doctor *d, enum server server, const char *name);
void doctor_complete_application(struct doctor *d, struct application *application);

/*
 * The name of a mechanism without "-PLUS" at its end. libsasl2 takes either in mech_list for the
 * same plugin, and offers the name with it where the server hands it a channel binding.
 */
const char *doctor_without_plus(struct doctor *d, struct slice name);

/* The application that an smtpd is; NULL if it offers no AUTH, or asks something else for it. */
const struct application *doctor_application_of(const struct doctor *d,
                                                const struct postfix_service *service);

/* The realm of a name without one, at an smtpd. */
const char *doctor_realm_of(const struct doctor *d, const struct postfix_service *service);

/* The command that gives a parameter a value: in master.cf where the service has one of its own. */
const char *doctor_postconf_set(struct doctor *d, const struct postfix_service *service,
                                const char *parameter, const char *value);

/* The same for this service alone. */
const char *doctor_postconf_for(struct doctor *d, const struct postfix_service *service,
                                const char *parameter, const char *value);

/*
 * The command that makes an application look for plugins in this directory of ours alone; "" where
 * it wants others too, or nobody knows how it gets its environment.
 */
const char *doctor_path_to_ours(struct doctor *d, const struct application *a,
                                const char *directory);

/*
 * The beginning of a command, with " && " behind it: makes the script that starts Cyrus IMAP hand
 * SASL_PATH on. "" where it does, or systemd needs no script.
 */
const char *doctor_export_path(struct doctor *d, const struct application *a);

/*
 * The command that gets a plugin file of ours, "*.so" for all, to an application that looks in a
 * directory, and the one that brings our filter and jail to where fail2ban looks, "" if both are
 * there. No plugin is overwritten, nor anything put where packages have theirs: then it is
 * SASL_PATH that changes, or "" if that cannot be done.
 */
const char *doctor_install_plugin(struct doctor *d, const struct application *a,
                                  const char *directory, const char *file);
const char *doctor_install_jail(struct doctor *d);

/*
 * The beginning of a command, with " && " behind it: makes a key and a certificate of its own
 * signing, which is enough to log in with, in one file. "" where somebody has made it before.
 */
const char *doctor_certificate(struct doctor *d, const char *path, const char *owner,
                               const char *host);

/*
 * The command that lets the user of an application through a file or directory that stands in his
 * way; wanted is what he wants of the file.
 */
const char *doctor_opening(struct doctor *d, const struct application *a, const char *barrier,
                           const struct stat *st, unsigned wanted);

void doctor_check_postfix(struct doctor *d, const struct postfix_service *service);
void doctor_check_auth_off(struct doctor *d);
void doctor_check_protocols(struct doctor *d, const struct postfix_service *service,
                            bool tls_always);
void doctor_check_relay(struct doctor *d, const struct postfix_service *service);
void doctor_check_senders(struct doctor *d, const struct postfix_service *service);

/* The options for the ways in which clients come: without TLS, and with it. */
void doctor_check_secopts(struct doctor *d, const struct postfix_service *service, bool in_clear,
                          bool under_tls);
void doctor_check_conf(struct doctor *d, const struct application *application);
void doctor_check_saslauthd(struct doctor *d, const struct application *application);
void doctor_check_sasldb(struct doctor *d, const struct application *application);
/*
 * Whether one of the directories that it looks for plugins in is there. If not, nothing that is
 * missing is missing for another reason.
 */
bool doctor_has_plugin_directory(const struct doctor *d, const struct application *application);

void doctor_check_plugins(struct doctor *d, const struct application *application);
void doctor_check_mechanisms(struct doctor *d, const struct application *application);
void doctor_check_realm(struct doctor *d, const struct application *application, const char *realm);
void doctor_check_imapd(struct doctor *d, const struct application *application);
void doctor_check_access(struct doctor *d, const struct application *application);
void doctor_check_processes(struct doctor *d, const struct application *application);

/* A store that this application reads, or none of them (NULL). */
void doctor_check_store(struct doctor *d, const char *path, const char *key_path,
                        const struct application *application);

/* Says where others than its owner can change a store, or exchange it or its key. */
void doctor_check_writers(struct doctor *d, const char *path, const char *key_path);

/*
 * The command that makes a store, and the directories it and its key are to be in, for the group of
 * the servers that are to read it.
 */
const char *doctor_init(struct doctor *d, const char *path, const char *key_path);

void doctor_check_leftovers(struct doctor *d);
void doctor_check_fail2ban(struct doctor *d);

#endif
