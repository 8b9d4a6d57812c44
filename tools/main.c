/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb: looks at the options in front of the verb and hands over to the verb. */
#include <stdio.h>
#include <string.h>

#include "json_memory.h"
#include "json_result.h"
#include "privilege.h"
#include "tool.h"

static const struct verb verb_help;

static const struct verb *const verbs[] = {
    &verb_init,    &verb_list,   &verb_show,   &verb_verify, &verb_set,    &verb_enable,
    &verb_disable, &verb_import, &verb_export, &verb_check,  &verb_backup, &verb_restore,
    &verb_rekey,   &verb_doctor, &verb_probe,  &verb_help,
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

enum { OPTION_VERSION = TOOL_LONG_ONLY };

static const char usage[] =
    "Usage: sasl-lmdb [-f STORE] [-k KEYFILE] VERB [OPTION]... [ARGUMENT]...\n"
    "Administers a store of SASL accounts that holds no password.\n"
    "\n"
    "  -f STORE      data file (default " STORE_DEFAULT_PATH ")\n"
    "  -k KEYFILE    key file (default " STORE_DEFAULT_KEY_PATH ")\n"
    "      --json    the result as JSON, and messages as one JSON object a line\n"
    "  -h, --help    this text; after a verb, the verb's own\n"
    "      --version\n"
    "\n"
    "Verbs:\n";

static const char usage_end[] =
    "\n"
    "Passwords are set, and accounts made and deleted, with saslpasswd-lmdb.\n"
    "\n"
    "Exit status: 0 done, 1 refused or not found, 2 wrong usage, 3 store or system error.\n";

static int print_help(const struct tool *tool)
{
    fputs(usage, stdout);
    for (size_t i = 0; i < VERBS; i++) {
        printf("  %-12s  %s\n", verbs[i]->name, verbs[i]->summary);
    }
    fputs(usage_end, stdout);
    return tool_flush(tool) ? TOOL_DONE : TOOL_FAILED;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i]->name, name) == 0) {
            return verbs[i];
        }
    }
    return NULL;
}

/* What somebody who looks for a verb calls what the other program does. */
static bool is_work_of_saslpasswd(const char *word)
{
    static const char *const words[] = {"add",      "create", "new",    "passwd",
                                        "password", "delete", "remove", "del"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static int run_help(struct tool *tool, int argc, char **argv)
{
    static const struct option longs[] = {TOOL_COMMON_OPTIONS};
    const struct tool_options options = {":" TOOL_COMMON_LETTERS, longs};
    int code = TOOL_DONE;
    if (tool_next_option(tool, argc, argv, &options, &code) != TOOL_OPTIONS_END) {
        return code;
    }
    if (optind == argc) {
        return print_help(tool);
    }
    const struct verb *verb = optind == argc - 1 ? find_verb(argv[optind]) : NULL;
    if (verb == NULL) {
        return tool_usage_error(tool, "takes one VERB, or nothing for all of them");
    }
    fputs(verb->usage, stdout);
    return TOOL_DONE;
}

static const struct verb verb_help = {
    .name = "help",
    .summary = "tell about a verb what its --help does",
    .usage = "Usage: sasl-lmdb help [VERB]\n"
             "Prints what \"sasl-lmdb VERB --help\" does, or the list of verbs.\n",
    .run = run_help,
};

/* The options in front of the verb: "+" stops getopt at the first word that is none. */
static int read_globals(struct tool *tool, int argc, char **argv, bool *ret_go_on)
{
    static const struct option longs[] = {{"version", no_argument, NULL, OPTION_VERSION},
                                          TOOL_COMMON_OPTIONS};
    const char letters[] = "+:" TOOL_COMMON_LETTERS;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        switch (option) {
        case 'f':
            tool->store_path = optarg;
            break;
        case 'k':
            tool->key_path = optarg;
            break;
        case TOOL_OPTION_JSON:
            tool->json = true;
            break;
        case 'h':
        case TOOL_OPTION_HELP:
            return print_help(tool);
        case OPTION_VERSION:
            puts("sasl-lmdb " SASL_LMDB_VERSION);
            return tool_flush(tool) ? TOOL_DONE : TOOL_FAILED;
        default:
            return tool_option_error(tool, argc, argv, option);
        }
    }
    *ret_go_on = true;
    return TOOL_DONE;
}

/* Before any option is read: a script that asks for JSON gets it for a usage error too. */
static bool asks_for_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    struct tool tool = {
        .program = "sasl-lmdb",
        .store_path = STORE_DEFAULT_PATH,
        .key_path = STORE_DEFAULT_KEY_PATH,
        .json = asks_for_json(argc, argv),
        .print_message = json_result_message,
    };
    privilege_confine();
    json_memory_wiped();
    bool go_on = false;
    int code = read_globals(&tool, argc, argv, &go_on);
    if (!go_on) {
        return code;
    }
    if (optind >= argc) {
        return tool_usage_error(&tool, "no verb is given");
    }
    const struct verb *verb = find_verb(argv[optind]);
    if (verb == NULL) {
        return tool_usage_error(&tool, "\"%s\" is not a verb%s", argv[optind],
                                is_work_of_saslpasswd(argv[optind])
                                    ? " (saslpasswd-lmdb makes and deletes accounts, and sets "
                                      "passwords)"
                                    : "");
    }
    argc -= optind;
    argv += optind;
    optind = 0; /* glibc: start over, with a fresh permutation of argv */
    tool.verb = verb->name;
    tool.usage = verb->usage;
    code = verb->run(&tool, argc, argv);
    if (!tool_flush(&tool) && code == TOOL_DONE) {
        code = TOOL_FAILED;
    }
    return code;
}
