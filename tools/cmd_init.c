/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb init: makes a store and its key. */
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aside.h"
#include "json_result.h"
#include "names.h"
#include "privilege.h"
#include "store/files.h"
#include "tool.h"
#include "view.h"
#include "worker.h"

/* The account a package makes for stores: no server runs as it, and it owns nothing else. */
#define STORE_ACCOUNT "sasl-lmdb"

enum {
    OPTION_GROUP = TOOL_LONG_ONLY,
    OPTION_OWNER,
    OPTION_ITERATIONS,
    OPTION_VERIFIERS,
    OPTION_DIGEST_REALM,
};

static const struct option longs[] = {
    {"group", required_argument, NULL, OPTION_GROUP},
    {"owner", required_argument, NULL, OPTION_OWNER},
    {"iterations", required_argument, NULL, OPTION_ITERATIONS},
    {"verifiers", required_argument, NULL, OPTION_VERIFIERS},
    {"digest-realm", required_argument, NULL, OPTION_DIGEST_REALM},
    TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb init [OPTION]...\n"
    "Makes a new, empty store and a key for it.\n"
    "\n"
    "      --group GROUP        servers of this group may read the store (data 0640,\n"
    "                           lock 0660, key 0640); without it root or the caller alone\n"
    "      --owner USER         whose the files are to be, where root makes them (default the\n"
    "                           account " STORE_ACCOUNT " if there is one, else root)\n"
    "      --iterations N       PBKDF2 iterations of new SCRAM verifiers, 4096 or more\n"
    "                           (default 10000, with --verifiers strict 20000)\n"
    "      --verifiers LIST     what is kept of a new password: scram-sha-1, scram-sha-256,\n"
    "                           scram-sha-512, cram-md5, digest-md5, checkpass with commas\n"
    "                           between; or \"default\", all of them; or \"strict\", SCRAM only\n"
    "      --digest-realm R     a further realm that servers offer in DIGEST-MD5; up to\n"
    "                           eight times\n"
    "      --json               say what was made as JSON\n"
    "  -f STORE, -k KEYFILE     data file and key file (defaults " STORE_DEFAULT_PATH ",\n"
    "                           " STORE_DEFAULT_KEY_PATH ")\n";

struct init {
    struct store_create_options create;
    const char *group_name;
    const char *owner_name; /* NULL: whoever runs this */
    bool have_iterations;
    bool strict;
    bool had_key;      /* the key file was there */
    bool key_of_other; /* and somebody else's: it is left to him */
    bool key_stays;    /* and no group gets it either */
    bool named_owner;  /* other than the account that stores are for */
};

/* A group by name, or by number where it has none. */
static int take_group(const struct tool *tool, struct init *init, const char *name)
{
    errno = 0;
    const struct group *group = getgrnam(name);
    uint32_t number = 0;
    if (group != NULL) {
        init->create.group = group->gr_gid;
    } else if (tool_decimal(name, 0, UINT32_MAX - 1, &number)) {
        init->create.group = (gid_t)number;
    } else {
        return tool_usage_error(tool, "--group: there is no group \"%s\"", name);
    }
    init->create.have_group = true;
    init->group_name = name;
    return TOOL_DONE;
}

static int take_owner(const struct tool *tool, struct init *init, const char *name)
{
    const struct passwd *owner = getpwnam(name);
    if (owner == NULL) {
        return tool_usage_error(tool, "--owner: there is no user \"%s\"", name);
    }
    if (geteuid() != 0) {
        return tool_usage_error(tool, "--owner: only root can give files away");
    }
    init->owner_name = name;
    init->create.have_owner = true;
    init->create.owner = owner->pw_uid;
    return TOOL_DONE;
}

/*
 * The lock file is memory that every reader may write, with mutexes in it that glibc trusts. A tool
 * that maps it as root can be taken over by a reader that has been; so where there is an account
 * for it, a store does not belong to root, and the tools become that account (see privilege.h).
 */
static void choose_owner(struct init *init)
{
    const struct passwd *account = NULL;
    if (init->owner_name == NULL && geteuid() == 0) {
        account = getpwnam(STORE_ACCOUNT);
    }
    if (account != NULL) {
        init->owner_name = STORE_ACCOUNT;
        init->create.have_owner = true;
        init->create.owner = account->pw_uid;
    }
}

/*
 * A key file that root has put in place holds keys of other stores, and whom --owner names need not
 * be one who may have them.
 */
static enum auth_status refuse_key(const struct init *init, struct detail *detail)
{
    return init->named_owner && init->had_key && !init->key_of_other &&
                   init->create.owner != geteuid()
               ? detail_set(detail, AUTH_NOT_ALLOWED,
                            "key file %s holds keys of other stores and is not %s's: name another "
                            "one with -k, or give it away first (chown)",
                            init->create.key_path, init->owner_name)
               : AUTH_OK;
}

/* He could put a lock file of his own in the place of the one that root has just made. */
static enum auth_status refuse_directory(const struct init *init, struct detail *detail)
{
    const uid_t uid = privilege_directory_owner(init->create.path);

    return uid == (uid_t)-1
               ? AUTH_OK
               : detail_set(detail, AUTH_NOT_ALLOWED,
                            "the directory of %s is user %u's, who could exchange what root makes "
                            "there: give it to root (chown), or run this as that user",
                            init->create.path, (unsigned)uid);
}

/* Where a file is to be, all links followed; NULL where nothing can be made, which is told then. */
static char *resolved_directory(const char *path)
{
    char *directory = file_directory(path);
    char *resolved = directory == NULL ? NULL : realpath(directory, NULL);
    free(directory);
    return resolved;
}

struct looking {
    const struct tool *tool;
    const struct init *init;
    char *directories[2]; /* of the store and of the key; NULL: not looked at */
};

/* In a process of its own, as whom the tools will become. */
static int look_as_owner(void *ctx)
{
    const struct looking *looking = ctx;
    const struct init *init = looking->init;
    const struct store_create_options *create = &init->create;
    struct detail detail = {.text = ""};
    enum auth_status status =
        privilege_become(create->owner, create->have_group ? create->group : 0, &detail);
    for (size_t i = 0; i < 2 && status == AUTH_OK; i++) {
        const char *directory = looking->directories[i];
        if (directory != NULL && file_access(directory, X_OK) == EACCES) {
            status = file_explain("directory", directory, EACCES, &detail);
        }
    }
    if (status == AUTH_OK && init->key_stays && file_access(create->key_path, R_OK) == EACCES) {
        status = file_explain("key file", create->key_path, EACCES, &detail);
    }
    if (status == AUTH_OK) {
        return TOOL_DONE;
    }
    tool_say(looking->tool,
             "the store is to belong to %s, whom the tools become: %s: choose another place (-f, "
             "-k), or --owner root",
             init->owner_name, detail_text(&detail, status));
    return TOOL_REFUSED;
}

/*
 * A store or a key that its owner cannot get at is of use to nobody, since root's tools become him.
 * An enum tool_exit.
 */
static int refuse_out_of_reach(const struct tool *tool, const struct init *init)
{
    struct looking looking = {tool, init, {NULL, NULL}};
    struct worker_end end = {.exit = TOOL_FAILED};
    pid_t pid = -1;
    if (!init->create.have_owner || init->create.owner == geteuid()) {
        return TOOL_DONE;
    }
    looking.directories[0] = resolved_directory(init->create.path);
    looking.directories[1] = resolved_directory(init->create.key_path);
    if (worker_start(tool, look_as_owner, &looking, &pid)) {
        end = worker_wait(pid, -1);
    }
    free(looking.directories[0]);
    free(looking.directories[1]);
    return end.signal == 0 ? end.exit : TOOL_FAILED;
}

/*
 * One that root has put in place for a restore would be of no use to the account that stores are
 * for as it is.
 */
static enum auth_status give_key(const struct init *init, struct detail *detail)
{
    const struct file_mode owner = {FILES_ANY_MODE, init->create.owner, FILES_ANY_GROUP};

    return !init->create.have_owner || init->key_of_other
               ? AUTH_OK
               : file_give(init->create.key_path, &owner, detail);
}

static int take_iterations(const struct tool *tool, struct init *init, const char *text)
{
    if (!tool_decimal(text, VERIFIER_MIN_ITERATIONS, VERIFIER_MAX_ITERATIONS,
                      &init->create.policy.iterations)) {
        return tool_usage_error(tool, "--iterations takes a number from %d to %d",
                                VERIFIER_MIN_ITERATIONS, VERIFIER_MAX_ITERATIONS);
    }
    init->have_iterations = true;
    return TOOL_DONE;
}

static int take_verifiers(const struct tool *tool, struct init *init, const char *text)
{
    struct slice bad;
    if (!view_take_kinds(slice_str(text), &init->create.policy.kinds, &bad)) {
        return tool_usage_error(tool, "--verifiers: \"%.*s\" is not a kind of verifier", (int)bad.n,
                                (const char *)bad.p);
    }
    init->strict = strcasecmp(text, "strict") == 0;
    return TOOL_DONE;
}

static int take_digest_realm(const struct tool *tool, struct init *init, const char *text)
{
    struct verifier_policy *policy = &init->create.policy;
    struct detail detail = {.text = ""};
    char realm[IDENTITY_MAX_REALM + 1];
    enum auth_status status = names_realm(text, realm, &detail);
    if (status != AUTH_OK) {
        return tool_usage_error(tool, "--digest-realm: %s", detail_text(&detail, status));
    }
    for (unsigned i = 0; i < policy->n_extra_realms; i++) {
        if (strcmp(policy->extra_realm[i], realm) == 0) {
            return TOOL_DONE;
        }
    }
    if (policy->n_extra_realms == VERIFIER_MAX_EXTRA_REALMS) {
        return tool_usage_error(tool, "--digest-realm: %d realms at most",
                                VERIFIER_MAX_EXTRA_REALMS);
    }
    memcpy(policy->extra_realm[policy->n_extra_realms], realm, sizeof realm);
    policy->n_extra_realms++;
    return TOOL_DONE;
}

static int take_option(const struct tool *tool, struct init *init, int option, const char *value)
{
    switch (option) {
    case OPTION_GROUP:
        return take_group(tool, init, value);
    case OPTION_OWNER:
        return take_owner(tool, init, value);
    case OPTION_ITERATIONS:
        return take_iterations(tool, init, value);
    case OPTION_VERIFIERS:
        return take_verifiers(tool, init, value);
    default:
        return take_digest_realm(tool, init, value);
    }
}

static enum auth_status print_json(const struct tool *tool, const struct init *init)
{
    const struct verifier_policy *policy = &init->create.policy;
    struct buf kinds;
    buf_init(&kinds, DETAIL_SIZE);
    view_put_kinds(&kinds, policy->kinds, ",");
    json_t *realms = json_array();
    for (unsigned i = 0; i < policy->n_extra_realms; i++) {
        json_array_append_new(realms, json_string(policy->extra_realm[i]));
    }
    json_t *value = json_pack("{s:s, s:s, s:s*, s:i, s:s, s:s, s:o}", "store", init->create.path,
                              "key", init->create.key_path, "group", init->group_name, "iterations",
                              (int)policy->iterations, "verifiers", buf_text(&kinds), "class",
                              view_class(policy->kinds), "digest_realms", realms);
    buf_release(&kinds);
    return json_result(tool, true, value);
}

static void print_made(const struct init *init)
{
    const struct store_create_options *create = &init->create;
    const struct verifier_policy *policy = &create->policy;
    struct buf kinds;
    buf_init(&kinds, DETAIL_SIZE);
    view_put_kinds(&kinds, policy->kinds, ", ");

    printf("Made the store %s (mode %s) with its lock file %s-lock (mode %s),\n", create->path,
           create->have_group ? "0640" : "0600", create->path,
           create->have_group ? "0660" : "0600");
    printf("%s %s (mode %s).\n", init->had_key ? "and added a key to" : "and the key file",
           create->key_path, create->have_group ? "0640" : "0600");
    if (init->owner_name != NULL) {
        printf("They belong to %s; the tools, run as root, become that user.\n", init->owner_name);
    }
    if (create->have_group) {
        printf("Servers of group %s can read all three.\n", init->group_name);
    }
    printf("Kept of each new password: %s.\n", buf_text(&kinds));
    if ((policy->kinds & VERIFIER_SCRAM) != 0) {
        printf("SCRAM iterations: %u.\n", (unsigned)policy->iterations);
    }
    for (unsigned i = 0; i < policy->n_extra_realms; i++) {
        printf("DIGEST-MD5 answers for the realm %s too.\n", policy->extra_realm[i]);
    }
    buf_release(&kinds);
}

/* What the choice of verifiers means, said once and where it is decided. */
static void print_consequences(const struct init *init)
{
    unsigned kinds = init->create.policy.kinds;
    if ((kinds & (VERIFIER_CRAM_MD5 | VERIFIER_DIGEST_MD5)) != 0) {
        printf("Note: whoever holds both the store and its key can log in with the CRAM-MD5 and\n"
               "DIGEST-MD5 verifiers as with passwords. \"--verifiers strict\" leaves them out.\n");
    }
    if (geteuid() == 0 && (init->owner_name == NULL || init->create.owner == 0)) {
        printf(
            "Note: the store is root's. A server process that has been taken over can attack a\n"
            "tool that root runs on it. Before init, make an account for it to belong to (adduser\n"
            "--system --group " STORE_ACCOUNT "), or name one with --owner.\n");
    }
    if ((kinds & VERIFIER_SCRAM) == 0) {
        printf("Note: PLAIN and LOGIN check a password against a SCRAM verifier, and this store\n"
               "will hold none.\n");
    }
    printf("Keep %s out of the backups that hold %s.\n", init->create.key_path, init->create.path);
}

static const char *remedy(enum auth_status status)
{
    switch (status) {
    case AUTH_STORE_MISSING:
        return " (make the directory first)";
    case AUTH_STORE_DENIED:
        return privilege_started_as_root() ? "" : "; run this as root";
    default:
        return "";
    }
}

static int create(const struct tool *tool, struct init *init)
{
    struct stat key;
    struct detail detail = {.text = ""};
    init->create.path = tool->store_path;
    init->create.key_path = tool->key_path;
    init->had_key = stat(tool->key_path, &key) == 0;
    init->key_of_other = init->had_key && key.st_uid != geteuid();
    init->key_stays =
        init->key_of_other && (!init->create.have_group || (key.st_mode & S_IRWXG) != 0);
    init->named_owner = init->create.have_owner && strcmp(init->owner_name, STORE_ACCOUNT) != 0;
    choose_owner(init);
    enum auth_status status = refuse_key(init, &detail);
    if (status == AUTH_OK) {
        status = refuse_directory(init, &detail);
    }
    if (status == AUTH_OK) {
        const int code = refuse_out_of_reach(tool, init);
        if (code != TOOL_DONE) {
            return code;
        }
        status = store_create(&init->create, &detail);
    }
    if (status == AUTH_OK) {
        status = give_key(init, &detail);
    }
    if (status == AUTH_STORE_EXISTS) {
        struct arena arena = {.pieces = NULL};
        const char *commands = aside_here(&arena, tool->store_path);
        tool_say(tool, "%s; init makes a new one (-f names it)%s%s%s", detail_text(&detail, status),
                 *commands == '\0' ? "" : ". \"", commands,
                 *commands == '\0' ? "" : "\" puts this one aside");
        arena_release(&arena);
        return tool_exit_code(status);
    }
    if (status != AUTH_OK) {
        tool_say(tool, "%s%s", detail_text(&detail, status), remedy(status));
        return tool_exit_code(status);
    }
    if (tool->json) {
        return tool_exit_code(print_json(tool, init));
    }
    print_made(init);
    print_consequences(init);
    return TOOL_DONE;
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":" TOOL_COMMON_LETTERS, longs};
    struct init init = {
        .create.policy = {.kinds = VERIFIER_DEFAULT, .iterations = VERIFIER_DEFAULT_ITERATIONS}};
    int option;
    int code = TOOL_DONE;
    while ((option = tool_next_option(tool, argc, argv, &options, &code)) >= 0) {
        code = take_option(tool, &init, option, optarg);
        if (code != TOOL_DONE) {
            return code;
        }
    }
    if (option == TOOL_OPTIONS_STOP) {
        return code;
    }
    if (optind != argc) {
        return tool_usage_error(tool, "takes no arguments");
    }
    if (init.strict && !init.have_iterations) {
        init.create.policy.iterations = VERIFIER_STRICT_ITERATIONS;
    }
    return create(tool, &init);
}

const struct verb verb_init = {
    .name = "init",
    .summary = "make a new store and its key",
    .usage = usage,
    .run = run,
};
