/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plugins libsasl2 would load for a server, by their files: which mechanisms they offer, in
 * which order they come, whose they are. Nothing is loaded or run.
 */
#ifndef SASL_LMDB_DOCTOR_PLUGINS_H
#define SASL_LMDB_DOCTOR_PLUGINS_H

#include <stdbool.h>

#include "doctor_arena.h"
#include "doctor_files.h"

enum { PLUGIN_DIRECTORIES_MAX = 16 };

struct plugin {
    struct plugin *next;
    const char *path; /* as it is found: "/usr/lib/sasl2/libplain.so" */
    const char *name; /* "plain" */
    bool ours;
    const char *mechanisms; /* separated by spaces; "" for a plugin of another kind */
};

struct plugins {
    const struct doctor_files *files;
    struct arena *arena;
    size_t n_directories;
    const char *directories[PLUGIN_DIRECTORIES_MAX];
    struct plugin *first; /* in the order they are loaded */
};

/*
 * Looks through the directories of a SASL_PATH (separated by colons), or those libsasl2 has built
 * in if path is NULL.
 */
void plugins_read(struct plugins *plugins, const char *path);

/* The next plugin from `from` on that offers the mechanism; NULL if there is none. */
const struct plugin *plugins_offering(const struct plugin *from, const char *mechanism);

/* The plugin of that name, the first; NULL if there is none. */
const struct plugin *plugins_named(const struct plugins *plugins, const char *name);

/*
 * Which of two that offer a mechanism libsasl2 uses: its list puts the first that is loaded in
 * front, except that of the strongest mechanism of all the last.
 */
const struct plugin *plugins_winner(const struct plugins *plugins, const char *mechanism);

/* Every mechanism offered, once each, separated by spaces. */
const char *plugins_mechanisms(const struct plugins *plugins);

/* The directories, separated by ", ". */
const char *plugins_directories(const struct plugins *plugins);

/* The file of ours that has the mechanism, "libplain.so"; NULL if none has. */
const char *plugins_our_file(const char *mechanism);

/* The mechanism of ours, there is one here, that a name is but for its "-" and "_"; or NULL. */
const char *plugins_meant(const struct plugins *plugins, const char *mechanism);

/*
 * A command that gets a mechanism ("OTP") or an auxprop plugin ("sql") that is not of ours, by
 * /etc/os-release below the root; "" for one that nobody knows.
 */
const char *plugins_install_command(const struct plugins *plugins, const char *wanted);

#endif
