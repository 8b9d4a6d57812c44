/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb import: accounts from a file. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "import.h"
#include "json_result.h"
#include "names.h"
#include "tool.h"
#include "view.h"

enum {
    OPTION_FORMAT = TOOL_LONG_ONLY,
    OPTION_FROM_LINE,
    OPTION_STRICT,
    OPTION_DRY_RUN,
    OPTION_REPLACE,
};

enum { SUMMARY_MAX = 512 };

static const struct option longs[] = {{"format", required_argument, NULL, OPTION_FORMAT},
                                      {"from-line", required_argument, NULL, OPTION_FROM_LINE},
                                      {"strict", no_argument, NULL, OPTION_STRICT},
                                      {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
                                      {"replace", no_argument, NULL, OPTION_REPLACE},
                                      TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb import --format FORMAT [OPTION]... FILE\n"
    "Brings in accounts from a file, or from standard input where FILE is \"-\". An account\n"
    "that exists gets the new password or verifiers, and stays disabled if it was. A bad line\n"
    "is reported by its number and skipped. Where a name comes twice the later line counts.\n"
    "Verifiers that the source holds are kept as they are; others cannot be made of them, and\n"
    "those the account had before are of another password and go: the summary says how many\n"
    "accounts can use which mechanism, and how many lose one.\n"
    "\n"
    "Formats:\n"
    "  tsv       user TAB realm TAB password. The password is everything behind the second\n"
    "            tab, byte for byte. If line 1 ends in CR LF, all lines have to.\n"
    "  csv       with a header that names the columns user, realm (or domain) and password,\n"
    "            in any order; commas or semicolons; quotation marks as in RFC 4180\n"
    "  jsonl     what export --format jsonl writes; an account becomes what its line says\n"
    "  sasldb    the password file of Cyrus SASL, such as /etc/sasldb2 (Berkeley DB, GDBM,\n"
    "            LMDB), or what db_dump or gdbm_dump print of it\n"
    "  dovecot   a passwd-file\n"
    "  htpasswd  with bcrypt, SHA-256, SHA-512 or DES hashes\n"
    "  shadow    lines of /etc/shadow\n"
    "  ldif      entries with uid and userPassword or authPassword\n"
    "\n"
    "      --format FORMAT      see above and sasl-lmdb(5)\n"
    "  -u REALM                 the realm of names without one\n"
    "      --strict             one bad line stops everything before anything is written\n"
    "      --dry-run            only check, and say what would be imported\n"
    "      --replace            the accounts of FILE take the place of all that the store holds,\n"
    "                           in one moment, once all of them are loaded; or none does\n"
    "      --from-line N        skip the lines before N: to go on after an interruption\n"
    "      --json               the summary as JSON\n"
    "  -f STORE, -k KEYFILE     data file and key file\n"
    "\n"
    "Exit status: 0 all lines are in, 1 lines were skipped or refused, 3 the import could\n"
    "not be finished (the message says from which line to go on).\n";

static const struct import_format *const formats[] = {
    &import_tsv,      &import_csv,    &import_jsonl, &import_dovecot,
    &import_htpasswd, &import_shadow, &import_ldif,  &import_sasldb};

struct arguments {
    struct import_options import;
    char realm[IDENTITY_MAX_REALM + 1];
};

static int take_format(const struct tool *tool, struct arguments *arguments, const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(formats[i]->name, name) == 0) {
            arguments->import.format = formats[i];
            return TOOL_DONE;
        }
    }
    return tool_usage_error(tool,
                            "--format: \"%s\" is not one of tsv, csv, jsonl, sasldb, dovecot, "
                            "htpasswd, shadow, ldif",
                            name);
}

static int take_realm(const struct tool *tool, struct arguments *arguments, const char *realm)
{
    struct detail detail = {.text = ""};
    enum auth_status status = names_realm(realm, arguments->realm, &detail);
    if (status != AUTH_OK) {
        return tool_usage_error(tool, "-u: %s", detail_text(&detail, status));
    }
    return TOOL_DONE;
}

static int take_from_line(const struct tool *tool, struct arguments *arguments, const char *text)
{
    uint32_t line = 0;
    if (!tool_decimal(text, 1, UINT32_MAX, &line)) {
        return tool_usage_error(tool, "--from-line takes a number from 1 on");
    }
    arguments->import.from_line = line;
    return TOOL_DONE;
}

static int take_option(const struct tool *tool, struct arguments *arguments, int option,
                       const char *value)
{
    switch (option) {
    case OPTION_FORMAT:
        return take_format(tool, arguments, value);
    case OPTION_FROM_LINE:
        return take_from_line(tool, arguments, value);
    case 'u':
        return take_realm(tool, arguments, value);
    case OPTION_STRICT:
        arguments->import.strict = true;
        return TOOL_DONE;
    case OPTION_REPLACE:
        arguments->import.replace = true;
        return TOOL_DONE;
    default:
        arguments->import.dry_run = true;
        return TOOL_DONE;
    }
}

static json_t *summary_json(const struct import_counts *counts,
                            const struct import_options *options)
{
    json_t *summary = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:I, s:o}", "imported",
        (json_int_t)counts->written, "new", (json_int_t)counts->created, "replaced",
        (json_int_t)(counts->written - counts->created), "skipped", (json_int_t)counts->skipped,
        "locked", (json_int_t)counts->locked, "repeated", (json_int_t)counts->repeated,
        "saslprep_changes", (json_int_t)counts->reshaped, "dry_run", options->dry_run ? 1 : 0,
        "mechanisms", tally_json(&counts->tally), "losing_verifiers", (json_int_t)counts->losing,
        "lost_mechanisms", tally_json(&counts->lost));

    if (options->replace &&
        json_object_set_new(summary, "before", json_integer((json_int_t)counts->before)) != 0) {
        json_decref(summary);
        return NULL;
    }
    return summary;
}

static enum auth_status print_summary(const struct tool *tool, const struct import_counts *counts,
                                      const struct arguments *arguments)
{
    bool dry_run = arguments->import.dry_run;
    if (counts->reshaped != 0) {
        tool_say(tool,
                 "warning: SASLprep (RFC 4013) changes the passwords of %" PRIu64
                 " account%s: CRAM-MD5, DIGEST-MD5 and sasl_checkpass() need them exactly as they "
                 "are in the file",
                 counts->reshaped, tool_plural(counts->reshaped));
    }
    if (counts->odd_line != 0) {
        tool_say(tool,
                 "warning: the realm of %s %" PRIu64
                 " is no host name, and may be a typing error; so may others be",
                 arguments->import.format->unit, counts->odd_line);
    }
    if (counts->written + counts->skipped + counts->locked == 0 &&
        arguments->import.from_line == 1) {
        tool_say(tool, "note: there is no account in the input");
    }
    /* Such a file has no times: nobody can tell whose password was changed here since. */
    if (arguments->import.format == &import_sasldb && !arguments->import.replace &&
        counts->written > counts->created) {
        tool_say(tool,
                 "note: accounts of the file that the store %s already: %" PRIu64
                 "; they %s back the password they have in the file",
                 dry_run ? "holds" : "held", counts->written - counts->created,
                 dry_run ? "would get" : "got");
    }
    if (counts->locked != 0) {
        tool_say(tool,
                 "note: nothing is taken of locked accounts: saslpasswd-lmdb -c gives one that "
                 "is to log in a password%s",
                 arguments->import.replace
                     ? ""
                     : "; one that the store has already stays as it is there, and \"sasl-lmdb "
                       "disable\" keeps it out");
    }
    if (tool->json) {
        return json_result(tool, counts->skipped == 0, summary_json(counts, &arguments->import));
    }
    if (arguments->import.replace) {
        printf("%s the store's %" PRIu64 " account%s by %" PRIu64,
               dry_run ? "would replace" : "replaced", counts->before, tool_plural(counts->before),
               counts->written);
    } else {
        printf("%s %" PRIu64 " account%s: %" PRIu64 " new, %" PRIu64 " replaced",
               dry_run ? "would import" : "imported", counts->written, tool_plural(counts->written),
               counts->created, counts->written - counts->created);
    }
    printf("; %" PRIu64 " %s%s skipped", counts->skipped, arguments->import.format->unit,
           tool_plural(counts->skipped));
    if (counts->locked != 0) {
        printf(", %" PRIu64 " locked account%s left out", counts->locked,
               tool_plural(counts->locked));
    }
    putchar('\n');
    struct buf mechanisms;
    buf_init(&mechanisms, SUMMARY_MAX);
    if (counts->written != 0) {
        tally_put(&mechanisms, &counts->tally, true);
        printf("usable by: %s\n", buf_text(&mechanisms));
    }
    if (counts->losing != 0) {
        buf_clear(&mechanisms);
        tally_put(&mechanisms, &counts->lost, false);
        printf("%" PRIu64 " account%s %s verifiers: %s\n", counts->losing,
               tool_plural(counts->losing),
               dry_run               ? "would lose"
               : counts->losing == 1 ? "loses"
                                     : "lose",
               buf_text(&mechanisms));
    }
    buf_release(&mechanisms);
    return AUTH_OK;
}

/* Before the store is opened: as root, who may not be root any longer after that. */
static enum auth_status open_input(const struct tool *tool, struct import_options *import,
                                   const char *path, struct buf *text)
{
    struct detail detail = {.text = ""};
    import->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (import->fd < 0) {
        tool_say(tool, "%s: cannot be opened: %s", path, strerror(errno));
        return AUTH_UNAVAILABLE;
    }
    if (import->format->load == NULL) {
        return AUTH_OK;
    }
    enum auth_status status = import->format->load(tool, import->fd, text, &detail);
    if (status == AUTH_OK) {
        import->text = text;
    } else if (status != AUTH_CONTINUE) {
        return tool_report(tool, status, &detail, "%s", path);
    }
    return AUTH_OK;
}

static int import(const struct tool *tool, struct arguments *arguments, const char *path)
{
    struct import_options *options = &arguments->import;
    struct import_counts counts;
    struct buf text;
    enum auth_status status = AUTH_OK;

    buf_init(&text, LINE_READER_MEMORY);
    options->default_realm = arguments->realm;
    options->name = path;
    options->fd = STDIN_FILENO;
    if (strcmp(path, "-") == 0) {
        options->name = "standard input";
    } else {
        status = open_input(tool, options, path, &text);
    }
    if (status == AUTH_OK) {
        status = import_run(tool, options, &counts);
    }
    if (options->fd > STDIN_FILENO) {
        close(options->fd);
    }
    buf_release(&text);
    options->text = NULL;
    if (status != AUTH_OK) {
        return tool_exit_code(status);
    }
    status = print_summary(tool, &counts, arguments);
    if (status == AUTH_OK && counts.skipped != 0) {
        return TOOL_REFUSED;
    }
    return tool_exit_code(status);
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":u:" TOOL_COMMON_LETTERS, longs};
    struct arguments arguments = {.import.from_line = 1, .realm = ""};
    int option;
    int code = TOOL_DONE;
    while ((option = tool_next_option(tool, argc, argv, &options, &code)) >= 0) {
        code = take_option(tool, &arguments, option, optarg);
        if (code != TOOL_DONE) {
            return code;
        }
    }
    if (option == TOOL_OPTIONS_STOP) {
        return code;
    }
    if (arguments.import.format == NULL) {
        return tool_usage_error(tool, "--format is missing");
    }
    if (arguments.import.replace && arguments.import.from_line != 1) {
        return tool_usage_error(tool, "--replace takes the whole input: not with --from-line");
    }
    const char *name = tool_file_argument(tool, argc, argv, "input");
    return name == NULL ? TOOL_USAGE : import(tool, &arguments, name);
}

const struct verb verb_import = {
    .name = "import",
    .summary = "bring in accounts from a file",
    .usage = usage,
    .run = run,
};
