/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sender addresses: smtpd_sender_login_maps say which login may use which, and count only where a
 * list of restrictions asks them. Their owners are compared with the names that libsasl2 gives
 * Postfix after a login.
 */
#include <string.h>
#include <strings.h>

#include "doctor.h"

static const char maps_parameter[] = "smtpd_sender_login_maps";

/* What follows is asked of one smtpd. */
struct senders {
    struct doctor *d;
    const struct postfix_service *service;
    const struct application *application; /* NULL: it does not ask libsasl2 */
    const char *realm;                     /* put behind a name without "@"; "" is none */
};

/* Whether the restriction refuses who has logged in and does not own the address. */
static bool asks_owner(struct slice word, bool *ret_strict)
{
    static const char *const strict[] = {"reject_sender_login_mismatch",
                                         "reject_authenticated_sender_login_mismatch"};
    *ret_strict = slice_equal_nocase(word, slice_str(strict[0])) ||
                  slice_equal_nocase(word, slice_str(strict[1]));
    /* This one lets addresses pass that nobody owns. */
    return *ret_strict || slice_equal_nocase(word, slice_str("reject_known_sender_login_mismatch"));
}

static bool lets_everything_pass(struct slice word)
{
    return slice_equal_nocase(word, slice_str("permit")) ||
           slice_equal_nocase(word, slice_str("permit_sasl_authenticated"));
}

/* The list that asks for owners, of a client that has logged in; NULL if none does. */
static const char *asking_list(const struct senders *s, bool *ret_strict)
{
    static const char *const lists[] = {"smtpd_client_restrictions",     "smtpd_helo_restrictions",
                                        "smtpd_sender_restrictions",     "smtpd_relay_restrictions",
                                        "smtpd_recipient_restrictions",  "smtpd_data_restrictions",
                                        "smtpd_end_of_data_restrictions"};
    const char *found = NULL;
    *ret_strict = false;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct slice rest = slice_str(postfix_get(&s->d->postfix, s->service, lists[i]));
        struct slice word;
        while (settings_word(&rest, " \t,{}", &word) && !lets_everything_pass(word)) {
            bool strict = false;
            if (asks_owner(word, &strict) && (found == NULL || (strict && !*ret_strict))) {
                found = lists[i];
                *ret_strict = strict;
            }
        }
    }
    return found;
}

static void tell_unused(const struct senders *s)
{
    static const char list[] = "smtpd_sender_restrictions";
    const char *before = postfix_get(&s->d->postfix, s->service, list);
    const char *after = arena_format(&s->d->arena, "reject_authenticated_sender_login_mismatch%s%s",
                                     *before == '\0' ? "" : ", ", before);
    doctor_say(s->d, DOCTOR_SENDER_MAPS_UNUSED, s->service->name,
               doctor_postconf_set(s->d, s->service, list, after), NULL);
}

/* --- the maps --- */

/* A map as Postfix names it: "hash:/etc/postfix/senders". */
struct map {
    const char *whole;
    const char *path; /* of its text, or its configuration */
    const char *file; /* what Postfix opens */
    bool has_owners;  /* in the text: an address, then owners */
};

/* False for a map that is no file here. */
static bool take_map(struct doctor *d, struct slice word, struct map *ret)
{
    static const struct {
        const char *type;
        const char *suffix;
        bool has_owners;
    } types[] = {
        {"hash", ".db", true}, {"btree", ".db", true}, {"lmdb", ".lmdb", true},
        {"cdb", ".cdb", true}, {"texthash", "", true}, {"regexp", "", false},
        {"pcre", "", false},   {"mysql", "", false},   {"pgsql", "", false},
        {"sqlite", "", false}, {"ldap", "", false},
    };
    struct slice type;
    ret->whole = arena_copy(&d->arena, word);
    bool taken = slice_take_until(&word, ':', &type);
    if (taken && slice_equal_str(type, "proxy")) {
        taken = slice_take_until(&word, ':', &type);
    }
    if (!taken || word.n == 0 || word.p[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (slice_equal_str(type, types[i].type)) {
            ret->path = arena_copy(&d->arena, word);
            ret->file = arena_format(&d->arena, "%s%s", ret->path, types[i].suffix);
            ret->has_owners = types[i].has_owners;
            return true;
        }
    }
    return false;
}

/* What makes the file from its text, as the end of a command; "" where they are the same. */
static const char *making(struct doctor *d, const struct map *map)
{
    return strcmp(map->path, map->file) == 0
               ? ""
               : doctor_command(&d->arena, " && postmap %1", map->whole, NULL);
}

/* Whether whoever logs in at this server is in the store, so that its realms are all there are. */
static bool only_store(const struct senders *s)
{
    const struct application *a = s->application;
    const char *auxprop = application_option(s->d, a, "auxprop_plugin");
    const char *method = application_option(s->d, a, "pwcheck_method");
    return a->counts != NULL && a->counts->status == AUTH_OK && !a->counts->more_realms &&
           auxprop != NULL && strcasecmp(auxprop, "lmdb") == 0 &&
           (method == NULL || strcasecmp(method, "auxprop") == 0);
}

/* Why nobody who has logged in has this name; NULL if somebody may. *ret_mend is the command. */
static const char *why_nobody(const struct senders *s, const struct map *map, const char *owner,
                              const char **ret_mend)
{
    struct arena *arena = &s->d->arena;
    const char *at = strchr(owner, '@');
    if (at == NULL && *s->realm != '\0') {
        *ret_mend = doctor_command(
            arena,
            "sed -i -E '/^[^#[:space:]]/{:a;s/([[:space:],])([^@[:space:],]+)([[:space:],]|$)/"
            "\\1\\2@%1\\3/;ta}' %2%r3",
            doctor_escaped(arena, s->realm, "\\/&"), map->path, making(s->d, map), NULL);
        return arena_format(arena, "who logs in by that name is \"%s@%s\" to Postfix", owner,
                            s->realm);
    }
    if (at != NULL && only_store(s) &&
        realm_table_get(&s->application->counts->realms, at + 1) == 0) {
        *ret_mend = doctor_command(arena, "sasl-lmdb -f %1 -k %2 list --plain; grep -n -F %3 %4",
                                   s->application->store_path, s->application->key_path, owner,
                                   map->path, NULL);
        return arena_format(arena, "the store %s has no account in that realm",
                            s->application->store_path);
    }
    return NULL;
}

/* Tells of the first owner that nobody is, and how many there are. */
static void check_owners(const struct senders *s, const struct map *map)
{
    struct buf text;
    struct slice line;
    unsigned number = 0;
    uint64_t bad = 0;
    const char *words[5] = {NULL};
    buf_init(&text, DOCTOR_CONF_MAX);
    struct slice rest = {NULL, 0};
    if (doctor_read(&s->d->files, map->path, &text) == 0) {
        rest = buf_slice(&text);
    }
    while (settings_line(&rest, &line)) {
        bool goes_on = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
        struct slice word;
        number++;
        line = settings_trim(line);
        if (line.n == 0 || line.p[0] == '#' || (!goes_on && !settings_word(&line, " \t", &word))) {
            continue;
        }
        while (settings_word(&line, " \t,", &word)) {
            const char *mend = "";
            const char *owner = arena_copy(&s->d->arena, word);
            const char *why = why_nobody(s, map, owner, &mend);
            if (why != NULL && bad++ == 0) {
                words[0] = arena_number(&s->d->arena, number);
                words[1] = owner;
                words[2] = why;
                words[3] = mend;
            }
        }
    }
    buf_release(&text);
    if (bad > 0) {
        doctor_say(s->d, DOCTOR_SENDER_OWNER, s->service->name, map->path, words[0], words[1],
                   words[2], arena_number(&s->d->arena, bad), words[3], NULL);
    }
}

static void check_maps(const struct senders *s, const char *maps)
{
    struct slice rest = slice_str(maps);
    struct slice word;
    while (settings_word(&rest, " \t,", &word)) {
        struct map map;
        struct stat st;
        if (!take_map(s->d, word, &map)) {
            continue;
        }
        int error = doctor_stat(&s->d->files, map.file, &st);
        if (error != 0) {
            const char *command =
                doctor_command(&s->d->arena, "ls -lL %1%r2", map.path, making(s->d, &map), NULL);
            doctor_say(s->d, DOCTOR_SENDER_MAP_MISSING, s->service->name, map.file,
                       doctor_why(error), command, NULL);
        } else if (map.has_owners && s->application != NULL) {
            check_owners(s, &map);
        }
    }
}

void doctor_check_senders(struct doctor *d, const struct postfix_service *service)
{
    struct senders s = {.d = d,
                        .service = service,
                        .application = doctor_application_of(d, service),
                        .realm = postfix_get(&d->postfix, service, "smtpd_sasl_local_domain")};
    const char *maps = postfix_get(&d->postfix, service, maps_parameter);
    bool strict = false;
    const char *list = asking_list(&s, &strict);
    if (list == NULL && *maps != '\0') {
        tell_unused(&s);
    } else if (strict && *maps == '\0') {
        const char *file = arena_format(&d->arena, "%s/sender_logins", d->postfix_at);
        const char *map = arena_format(&d->arena, "regexp:%s", file);
        doctor_say(d, DOCTOR_SENDER_MAPS_UNSET, service->name, list,
                   doctor_postconf_set(d, service, maps_parameter, map), file, NULL);
    } else if (list != NULL) {
        check_maps(&s, maps);
    }
}
