/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb export: accounts to a file, for another server or for this one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "export.h"
#include "interrupt.h"
#include "json_result.h"
#include "names.h"
#include "new_file.h"
#include "progress.h"
#include "unreadable.h"
#include "worker.h"

enum {
    OPTION_FORMAT = TOOL_LONG_ONLY,
    OPTION_WITH_SECRETS,
    OPTION_LEGACY,
    OPTION_USER,
    OPTION_REALM,
    OPTION_BASE,
};

static const struct option longs[] = {{"format", required_argument, NULL, OPTION_FORMAT},
                                      {"with-secrets", no_argument, NULL, OPTION_WITH_SECRETS},
                                      {"legacy", no_argument, NULL, OPTION_LEGACY},
                                      {"user", required_argument, NULL, OPTION_USER},
                                      {"realm", required_argument, NULL, OPTION_REALM},
                                      {"base", required_argument, NULL, OPTION_BASE},
                                      {"output", required_argument, NULL, 'o'},
                                      TOOL_COMMON_OPTIONS};

static const char usage[] =
    "Usage: sasl-lmdb export --format FORMAT [OPTION]...\n"
    "Writes the accounts to standard output or a file. Without --with-secrets no verifier is\n"
    "among what is written, with it the strong ones are: SCRAM, and crypt(3) hashes where the\n"
    "format has room for them. Verifiers are as good as passwords to some: guard the file.\n"
    "\n"
    "Formats:\n"
    "  jsonl    a JSON object a line, with everything; import --format jsonl reads it back\n"
    "  dovecot  a passwd-file; it has room for one verifier a user: the strongest\n"
    "  ldif     entries for OpenLDAP under --base, with authPassword; they need the schema\n"
    "           sasl-lmdb.schema\n"
    "  sql      statements for the stock sql plugin: SCRAM verifiers in one column\n"
    "In all but jsonl, an account that is disabled or expired goes without verifiers.\n"
    "\n"
    "      --format FORMAT      see above\n"
    "      --with-secrets       with the verifiers; the file becomes readable for its owner\n"
    "                           alone, and a terminal is refused\n"
    "      --legacy             with the CRAM-MD5, DIGEST-MD5 and checkpass verifiers too\n"
    "      --user USER@REALM    this account only\n"
    "      --realm R            the accounts of this realm only\n"
    "      --base DN            LDIF: the entry the accounts go under\n"
    "  -o, --output FILE        a new file, instead of standard output\n"
    "      --json               with -o: what was written, as JSON\n"
    "  -f STORE, -k KEYFILE     data file and key file\n"
    "\n"
    "Exit status: 0 all accounts are written, 1 an account or the output was refused, 3 the\n"
    "store or the output failed; the file is kept where only some accounts are damaged, and\n"
    "these are named.\n";

static const struct export_format *const formats[] = {&export_jsonl, &export_dovecot, &export_ldif,
                                                      &export_sql};

struct request {
    const struct export_format *format;
    bool with_secrets;
    bool legacy;
    const char *user;
    const char *realm;
    const char *base;
    const char *output;
};

/*
 * What came of a run, and what could not be said in the format, for the note at the end. The
 * process that writes leaves it for the one that gives the file its name.
 */
struct outcome {
    bool whole; /* all is written but what is counted as refused or as damaged */
    uint64_t accounts;
    uint64_t withheld; /* disabled or expired: written without verifiers */
    uint64_t bare;     /* nothing this format could carry: written without verifiers */
    uint64_t expiring; /* the date of expiry is lost */
    uint64_t legacy;   /* accounts whose legacy verifiers stayed behind */
    uint64_t refused;
    uint64_t damaged;
};

/* One run, as store_each() hands accounts to it. */
struct exporting {
    struct export export;
    const struct export_format *format;
    struct progress progress;
    uint64_t total; /* accounts of the store */
    struct outcome *outcome;
    struct unreadable unreadable;
};

static enum auth_status put(void *ctx, const struct record *record)
{
    struct exporting *exporting = ctx;
    struct export *export = &exporting->export;
    struct outcome *outcome = exporting->outcome;
    struct detail why = {.text = ""};
    unsigned held = verifier_kinds(&record->verifiers);
    unsigned kinds = held & export->kinds;

    if (interrupt_signal != 0) {
        return AUTH_UNAVAILABLE;
    }
    if (!exporting->format->carries_state) {
        bool usable = record_verdict(record, export->now) == AUTH_OK;
        outcome->withheld += !usable && kinds != 0;
        outcome->expiring += usable && kinds != 0 && record->expires != 0;
        kinds = usable ? kinds : 0;
    }
    enum auth_status status = exporting->format->put(export, record, kinds, &why);
    if (status == AUTH_BAD_NAME) {
        outcome->refused++;
        progress_clear(&exporting->progress);
        tool_report(export->tool, status, &why, "%s@%s", record->who.user, record->who.realm);
        return AUTH_OK;
    }
    if (status != AUTH_OK) {
        return status;
    }
    outcome->accounts++;
    outcome->bare += export->kinds != 0 && (held & export->kinds) == 0;
    outcome->legacy += export->kinds != 0 && (held & ~export->kinds & VERIFIER_LEGACY) != 0;
    if (ferror(export->out) != 0) {
        return AUTH_UNAVAILABLE;
    }
    progress_show(&exporting->progress, outcome->accounts,
                  exporting->total == 0 ? -1
                                        : (double)outcome->accounts / (double)exporting->total);
    return AUTH_OK;
}

static enum auth_status put_one(struct exporting *exporting, struct store *store,
                                const struct identity *who, struct detail *detail)
{
    struct record record;
    enum auth_status status = store_get(store, who, &record, detail);
    if (status == AUTH_OK) {
        status = put(exporting, &record);
        crypto_wipe(&record, sizeof record);
    }
    return status;
}

static enum auth_status print_json(const struct tool *tool, const struct outcome *outcome,
                                   const char *file)
{
    return json_result(
        tool, outcome->refused + outcome->damaged == 0,
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "file", file, "accounts",
                  (json_int_t)outcome->accounts, "withheld", (json_int_t)outcome->withheld,
                  "expiring", (json_int_t)outcome->expiring, "without_verifier",
                  (json_int_t)outcome->bare, "legacy_left_out", (json_int_t)outcome->legacy,
                  "refused", (json_int_t)outcome->refused, "damaged",
                  (json_int_t)outcome->damaged));
}

/* Accounts that were come by. */
static uint64_t met(const struct exporting *exporting)
{
    return exporting->outcome->accounts + exporting->outcome->refused + exporting->unreadable.n;
}

/* What a reader of the file would not see. */
static void say_what_is_lost(const struct exporting *exporting)
{
    const struct export *export = &exporting->export;
    const struct outcome *outcome = exporting->outcome;
    const uint64_t all = met(exporting);
    const struct {
        uint64_t n;
        const char *what;
    } notes[] = {
        {outcome->withheld, "disabled or expired, and written without verifiers"},
        {outcome->expiring, "going to expire, which this format cannot say"},
        {outcome->bare, "without a verifier that may go into this file"},
        {outcome->legacy, "with legacy verifiers that were left out"},
        {outcome->refused, "refused"},
    };
    if (export->kinds == 0 && outcome->accounts != 0 && !exporting->format->carries_state) {
        tool_say(export->tool, "note: without --with-secrets nobody can log in with this file");
    }
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (notes[i].n != 0) {
            tool_say(export->tool, "note: %" PRIu64 " of %" PRIu64 " account%s: %s", notes[i].n,
                     all, tool_plural(all), notes[i].what);
        }
    }
}

/* AUTH_OK if all is written but what is counted as refused or as unreadable. */
static enum auth_status write_accounts(struct exporting *exporting, struct store *store,
                                       const struct request *request, const struct identity *who)
{
    struct detail detail = {.text = ""};
    struct export *export = &exporting->export;
    struct store_info info;
    enum auth_status status = store_describe(store, &info, &detail);
    if (status == AUTH_OK) {
        exporting->total = request->realm == NULL ? info.accounts : 0;
        if (exporting->format->begin != NULL) {
            exporting->format->begin(export);
        }
        const struct store_visitor visitor = {put, exporting, unreadable_note,
                                              &exporting->unreadable};
        status = request->user != NULL ? put_one(exporting, store, who, &detail)
                                       : store_each(store, request->realm, &visitor, &detail);
    }
    if (status == AUTH_OK && exporting->format->end != NULL) {
        exporting->format->end(export);
    }
    progress_clear(&exporting->progress);
    if (interrupt_signal != 0) {
        tool_say(export->tool, "interrupted by signal %d", (int)interrupt_signal);
        return AUTH_UNAVAILABLE;
    }
    if (export->out == stdout && !tool_flush(export->tool)) {
        return AUTH_UNAVAILABLE;
    }
    if (fflush(export->out) != 0 || ferror(export->out) != 0) {
        tool_say(export->tool, "%s: %s", request->output, strerror(errno));
        return AUTH_UNAVAILABLE;
    }
    if (status != AUTH_OK) {
        return request->user != NULL
                   ? names_report_account(export->tool, store, status, &detail, who)
                   : tool_report_store(export->tool, status, &detail);
    }
    if (request->realm != NULL && met(exporting) == 0) {
        tool_say(export->tool, "%s: no account in this realm", request->realm);
        return AUTH_UNKNOWN_USER;
    }
    say_what_is_lost(exporting);
    return AUTH_OK;
}

/*
 * A file that the shell has made for us is made private; anything a person would look at is
 * refused.
 */
static enum auth_status guard_output(const struct tool *tool, int fd)
{
    struct stat file;
    if (isatty(fd) == 1) {
        tool_say(tool, "verifiers do not go to a terminal; name a file with -o");
        return AUTH_NOT_ALLOWED;
    }
    if (fstat(fd, &file) != 0) {
        tool_say(tool, "standard output: %s", strerror(errno));
        return AUTH_UNAVAILABLE;
    }
    if (S_ISREG(file.st_mode) && (file.st_mode & (S_IRWXG | S_IRWXO)) != 0 &&
        fchmod(fd, S_IRUSR | S_IWUSR) != 0) {
        tool_say(tool,
                 "standard output is a file that others may read, and cannot be made "
                 "private: %s",
                 strerror(errno));
        return AUTH_NOT_ALLOWED;
    }
    return AUTH_OK;
}

static unsigned kinds_of(const struct request *request)
{
    if (!request->with_secrets || request->format == NULL) {
        return 0;
    }
    return request->format->kinds & ~(request->legacy ? 0U : (unsigned)VERIFIER_LEGACY);
}

struct task {
    const struct tool *tool;
    const struct request *request;
    const struct identity *who;
    int fd; /* of the file, or of standard output */
    struct outcome *outcome;
};

/* The end of what is written. */
static enum auth_status finish_output(const struct task *task, FILE *out, enum auth_status status)
{
    if (task->request->output == NULL) {
        return status;
    }
    bool lost = fflush(out) != 0 || fsync(fileno(out)) != 0;
    lost = fclose(out) != 0 || lost;
    if (lost && status == AUTH_OK) {
        tool_say(task->tool, "%s: %s", task->request->output, strerror(errno));
        status = AUTH_UNAVAILABLE;
    }
    return status;
}

/* In a process that damaged pages may end, and that becomes the owner of the store. */
static int write_export(void *ctx)
{
    static char buffer[BUFSIZ]; /* static, since stdout outlives this function */
    const struct task *task = ctx;
    const struct tool *tool = task->tool;
    const struct request *request = task->request;
    struct store *store = NULL;
    struct outcome *outcome = task->outcome;
    struct exporting exporting = {
        .format = request->format,
        .outcome = outcome,
        .unreadable = {.tool = tool, .progress = &exporting.progress},
        .export = {.tool = tool,
                   .out = request->output == NULL ? stdout : fdopen(task->fd, "w"),
                   .base = request->base,
                   .kinds = kinds_of(request),
                   .now = (int64_t)time(NULL)},
    };
    if (exporting.export.out == NULL) {
        return tool_exit_code(tool_report(tool, AUTH_NO_MEMORY, NULL, "%s", request->output));
    }
    setvbuf(exporting.export.out, buffer, _IOFBF, sizeof buffer);
    enum auth_status status = tool_open_store(tool, false, &store);
    if (status == AUTH_OK) {
        interrupt_catch();
        progress_init(&exporting.progress, "accounts written");
        status = write_accounts(&exporting, store, request, task->who);
        store_close(store);
    }
    status = finish_output(task, exporting.export.out, status);
    crypto_wipe(buffer, sizeof buffer);
    outcome->whole = status == AUTH_OK;
    outcome->damaged = exporting.unreadable.n;
    status = unreadable_end(&exporting.unreadable, status, outcome->accounts + outcome->refused,
                            "not exported");
    return tool_exit_code(status == AUTH_OK && outcome->refused != 0 ? AUTH_BAD_NAME : status);
}

/* The name is given by whoever started this: root's directory may be closed to the store's owner.
 */
static int export_to_file(struct task *task)
{
    struct new_file file;
    enum auth_status status =
        new_file_begin(task->tool, task->request->output, "accounts are", &file);

    if (status != AUTH_OK) {
        return tool_exit_code(status);
    }
    task->fd = file.fd;
    int code = worker_run(task->tool, write_export, task);
    status = new_file_end(&file, task->outcome->whole);
    if (status == AUTH_OK && task->outcome->whole && task->tool->json) {
        status = print_json(task->tool, task->outcome, task->request->output);
    }
    return status == AUTH_OK ? code : tool_exit_code(status);
}

static int export_accounts(const struct tool *tool, const struct request *request,
                           const struct identity *who)
{
    struct task task = {tool, request, who, STDOUT_FILENO, worker_shared(sizeof *task.outcome)};
    enum auth_status status = AUTH_OK;

    if (task.outcome == NULL) {
        return tool_exit_code(tool_report(tool, AUTH_NO_MEMORY, NULL, "export"));
    }
    if (request->output != NULL) {
        return export_to_file(&task);
    }
    if (request->with_secrets) {
        status = guard_output(tool, STDOUT_FILENO);
    }
    return status == AUTH_OK ? worker_run(tool, write_export, &task) : tool_exit_code(status);
}

static bool take_option(struct request *request, int option, const char *value)
{
    switch (option) {
    case OPTION_FORMAT:
        for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
            if (strcmp(formats[i]->name, value) == 0) {
                request->format = formats[i];
                return true;
            }
        }
        return false;
    case OPTION_WITH_SECRETS:
        request->with_secrets = true;
        return true;
    case OPTION_LEGACY:
        request->legacy = true;
        return true;
    case OPTION_USER:
        request->user = value;
        return true;
    case OPTION_REALM:
        request->realm = value;
        return true;
    case OPTION_BASE:
        request->base = value;
        return true;
    default:
        request->output = value;
        return true;
    }
}

static const char *fault(const struct request *request)
{
    if (request->format == NULL) {
        return "--format is missing";
    }
    if (request->legacy && !request->with_secrets) {
        return "--legacy says which secrets; it goes with --with-secrets";
    }
    if (request->format->needs_base != (request->base != NULL)) {
        return request->base == NULL ? "--base is missing: the entry that the accounts go under"
                                     : "--base is for LDIF";
    }
    if (request->base != NULL && request->base[0] == '\0') {
        return "--base is empty";
    }
    if (request->legacy && (request->format->kinds & VERIFIER_LEGACY) == 0) {
        return "--legacy: this format cannot carry legacy verifiers";
    }
    if (request->output != NULL && request->output[0] == '\0') {
        return "-o: FILE is empty";
    }
    if (request->user != NULL && request->realm != NULL) {
        return "--user and --realm exclude each other";
    }
    return NULL;
}

static int run(struct tool *tool, int argc, char **argv)
{
    const struct tool_options options = {":o:" TOOL_COMMON_LETTERS, longs};
    struct request request = {.format = NULL};
    struct identity who = {.user = ""};
    char realm[IDENTITY_MAX_REALM + 1];
    struct detail detail = {.text = ""};
    enum auth_status status = AUTH_OK;
    int option;
    int code = TOOL_DONE;
    while ((option = tool_next_option(tool, argc, argv, &options, &code)) >= 0) {
        if (!take_option(&request, option, optarg)) {
            return tool_usage_error(
                tool, "--format: \"%s\" is not one of jsonl, dovecot, ldif, sql", optarg);
        }
    }
    if (option == TOOL_OPTIONS_STOP) {
        return code;
    }
    if (optind != argc) {
        return tool_usage_error(tool, "takes no arguments (a file goes behind -o)");
    }
    if (fault(&request) != NULL) {
        return tool_usage_error(tool, "%s", fault(&request));
    }
    if (request.user != NULL) {
        status = names_argument(tool, request.user, NULL, IDENTITY_QUERY, &who);
    } else if (request.realm != NULL) {
        status = names_realm(request.realm, realm, &detail);
        request.realm = realm;
        if (status != AUTH_OK) {
            tool_report(tool, status, &detail, "--realm");
        }
    }
    return status == AUTH_OK ? export_accounts(tool, &request, &who) : tool_exit_code(status);
}

const struct verb verb_export = {
    .name = "export",
    .summary = "write accounts to a file, with or without their verifiers",
    .usage = usage,
    .run = run,
};
