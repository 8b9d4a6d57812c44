/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * saslpasswd-lmdb: sets and deletes passwords with saslpasswd2's options, habits and exit
 * statuses, so that a script needs one word changed. Differences:
 *
 *   -n    saslpasswd2 then leaves out the clear-text password. There never is one here: no effect.
 *   -c    saslpasswd2 creates an account without it too, and so does this.
 *   -a    names the service's configuration there; here it is checked and has no effect.
 *   -p    on a terminal saslpasswd2 asks nothing and shows what is typed; here it is asked for once
 *         and not shown. A line that was typed ahead counts with both.
 *   names and passwords that SASLprep refuses are refused (status 7), as are a second line on
 *   standard input and a password over 1024 bytes, which saslpasswd2 cuts.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "names.h"
#include "privilege.h"
#include "prompt.h"
#include "tool.h"

/* Exit statuses of saslpasswd2: libsasl2's codes without their sign; usage too is SASL_FAIL. */
enum {
    EXIT_OK = 0,
    EXIT_SASL_FAIL = 1,
    EXIT_SASL_NOMEM = 2,
    EXIT_SASL_BADPARAM = 7,
};

static const char usage[] =
    "Usage: saslpasswd-lmdb [-p] [-c] [-n] [-u REALM] [-a APPNAME] [-f STORE] [-k KEYFILE] USER\n"
    "       saslpasswd-lmdb -d [-u REALM] [-a APPNAME] [-f STORE] [-k KEYFILE] USER\n"
    "Sets the password of an account, which is made if there is none, or deletes it.\n"
    "\n"
    "  -p            take the password from standard input, one line, asked for once at most\n"
    "  -c            make the account (done without this option too)\n"
    "  -d            delete the account\n"
    "  -n            accepted: no clear-text password is ever stored\n"
    "  -u REALM      the realm, unless USER is USER@REALM (default: this host's name)\n"
    "  -a APPNAME    accepted: the store is named by -f\n"
    "  -f STORE      data file (default " STORE_DEFAULT_PATH ")\n"
    "  -k KEYFILE    key file (default " STORE_DEFAULT_KEY_PATH ")\n"
    "  -v, --version print the version\n"
    "  -h            this text on standard error, and exit status 1, as saslpasswd2\n"
    "      --help    this text\n";

struct request {
    bool pipe;
    bool create;
    bool remove;
    const char *realm;
    const char *user;
};

static int sasl_exit_code(enum auth_status status)
{
    switch (status) {
    case AUTH_OK:
        return EXIT_OK;
    case AUTH_NO_MEMORY:
        return EXIT_SASL_NOMEM;
    case AUTH_TOO_LONG:
    case AUTH_BAD_NAME:
    case AUTH_BAD_PASSWORD:
    case AUTH_WRONG_PASSWORD:
        return EXIT_SASL_BADPARAM;
    default:
        return EXIT_SASL_FAIL;
    }
}

/* With the whole usage, as saslpasswd2 has it, behind a line that says what is wrong. */
static int usage_error(const struct tool *tool, const char *what)
{
    if (what != NULL) {
        tool_say(tool, "%s", what);
    }
    fputs(usage, stderr);
    return EXIT_SASL_FAIL;
}

/* The second answer must be the first. */
static enum auth_status ask_again(const struct tool *tool, const struct buf *password)
{
    struct detail detail = {.text = ""};
    struct buf again;
    buf_init(&again, IDENTITY_MAX_PASSWORD);
    enum auth_status status =
        prompt_terminal("Again (for verification): ", PROMPT_FORGET, &again, &detail);
    if (status == AUTH_OK &&
        (again.n != password->n || !crypto_equal(again.p, password->p, again.n))) {
        status = AUTH_WRONG_PASSWORD;
        tool_say(tool, "the two passwords differ; nothing was changed");
    } else if (status != AUTH_OK) {
        tool_report(tool, status, &detail, "password");
    }
    buf_release(&again);
    return status;
}

static enum auth_status take_password(const struct tool *tool, const struct request *request,
                                      struct buf *ret)
{
    struct detail detail = {.text = ""};
    const bool terminal = prompt_is_terminal();
    const bool ask = terminal && !request->pipe;
    /* A script that has a terminal need not wait for the question with -p, as with saslpasswd2. */
    enum auth_status status =
        terminal ? prompt_terminal("Password: ", ask ? PROMPT_FORGET : PROMPT_TAKE, ret, &detail)
                 : prompt_pipe(ret, &detail);
    if (status != AUTH_OK) {
        return tool_report(tool, status, &detail, "password");
    }
    if (ret->n == 0) {
        tool_say(tool, "the password is empty");
        return AUTH_BAD_PASSWORD;
    }
    return ask ? ask_again(tool, ret) : AUTH_OK;
}

/* What is wrong with a password the store cannot take. The password itself is not shown. */
static const char *password_fault(struct slice password)
{
    if (slice_find(password, '\0', NULL)) {
        return "the password holds a NUL byte";
    }
    if (!identity_is_utf8(password)) {
        return "the password is not UTF-8";
    }
    if (password.p[password.n - 1] == '\r') {
        return "the password ends in a carriage return: end the line with a line feed alone";
    }
    return "the password holds a character that SASLprep (RFC 4013) does not allow, such as a "
           "control character";
}

static enum auth_status make_verifiers(const struct tool *tool, struct store *store,
                                       const struct identity *who, struct slice password,
                                       struct verifier_set *ret)
{
    struct detail detail = {.text = ""};
    struct store_info info;
    enum auth_status status = store_describe(store, &info, &detail);
    if (status != AUTH_OK) {
        return tool_report_store(tool, status, &detail);
    }
    tool_note_refused(tool, &info.policy);
    status = verifier_make(who, password, &info.policy, ret);
    if (status == AUTH_BAD_PASSWORD) {
        detail_set(&detail, status, "%s", password_fault(password));
    }
    if (status != AUTH_OK) {
        tool_report(tool, status, &detail, "%s@%s", who->user, who->realm);
    } else if (verifier_password_differs(password, info.policy.kinds)) {
        tool_say(tool,
                 "warning: SASLprep (RFC 4013) changes this password: CRAM-MD5, DIGEST-MD5 and "
                 "sasl_checkpass() need it exactly as it was typed now");
    }
    return status;
}

struct new_password {
    struct verifier_set verifiers;
    bool existed; /* the account did */
};

/* A new password leaves the account's flags and expiry as they are. */
static enum store_edit replace_verifiers(void *ctx, bool exists, struct record *record)
{
    struct new_password *password = ctx;
    password->existed = exists;
    record->verifiers = password->verifiers;
    record->changed = (int64_t)time(NULL);
    return STORE_WRITE;
}

static enum auth_status set_password(const struct tool *tool, struct store *store,
                                     const struct identity *who, struct slice password)
{
    struct detail detail = {.text = ""};
    struct new_password new = {.existed = false};
    enum auth_status status = make_verifiers(tool, store, who, password, &new.verifiers);
    if (status == AUTH_OK) {
        status = store_change(store, who, replace_verifiers, &new, NULL, NULL, &detail);
        if (status != AUTH_OK) {
            tool_report(tool, status, &detail, "%s@%s", who->user, who->realm);
        }
    }
    if (status == AUTH_OK && !new.existed && !names_is_host_name(who->realm)) {
        tool_say(
            tool,
            "warning: the realm \"%s\" of the new account is no host name, and may be a typing "
            "error: the same command with -d takes the account away again",
            who->realm);
    }
    crypto_wipe(&new, sizeof new);
    return status;
}

/* An account that is not there counts as deleted, as with saslpasswd2; but it may be a typing
 * error. */
static enum auth_status remove_account(const struct tool *tool, struct store *store,
                                       const struct identity *who)
{
    struct detail detail = {.text = ""};
    bool existed = false;
    bool damaged = false;
    enum auth_status status = store_delete(store, who, &existed, &damaged, &detail);
    if (status != AUTH_OK) {
        tool_report(tool, status, &detail, "%s@%s", who->user, who->realm);
    } else if (damaged) {
        tool_say(tool, "%s@%s: its record was damaged; it is deleted", who->user, who->realm);
    } else if (!existed) {
        names_report_account(tool, store, AUTH_UNKNOWN_USER, &detail, who);
    }
    return status;
}

static enum auth_status perform(const struct tool *tool, const struct request *request)
{
    enum auth_status status = AUTH_INTERNAL;
    struct identity who;
    struct store *store = NULL;
    struct buf password;
    buf_init(&password, IDENTITY_MAX_PASSWORD);

    /* What exists under a name of an older Unicode may be deleted; what is new must be assigned. */
    enum identity_use use = request->remove ? IDENTITY_QUERY : IDENTITY_STORED;
    status = names_argument(tool, request->user, request->realm, use, &who);
    if (status != AUTH_OK) {
        goto out;
    }
    /* Before asking: nobody should type a password for a store that cannot be written. */
    status = tool_open_store(tool, true, &store);
    if (status != AUTH_OK) {
        goto out;
    }
    if (request->remove) {
        status = remove_account(tool, store, &who);
        goto out;
    }
    status = take_password(tool, request, &password);
    if (status != AUTH_OK) {
        goto out;
    }
    status = set_password(tool, store, &who, buf_slice(&password));

out:
    buf_release(&password);
    store_close(store);
    return status;
}

/* What getopt_long() did not like; of several the first is told. code is ':' or '?'. */
static void note_option_fault(struct detail *fault, int code, const char *word)
{
    const char *why = code == ':' ? "needs a value" : "is not an option";
    if (fault->text[0] != '\0') {
        return;
    }
    if (optopt > 0 && optopt < TOOL_LONG_ONLY) {
        detail_set(fault, AUTH_MALFORMED, "-%c %s", optopt, why);
    } else {
        detail_set(fault, AUTH_MALFORMED, "%.*s %s", (int)strcspn(word, "="), word, why);
    }
}

/* True when the options are read; otherwise *ret_exit is the status to exit with. */
static bool read_options(struct tool *tool, struct request *request, int argc, char **argv,
                         int *ret_exit)
{
    enum { OPTION_HELP = TOOL_LONG_ONLY };
    static const struct option longs[] = {{"help", no_argument, NULL, OPTION_HELP},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    struct detail fault = {.text = ""};
    bool asked = false;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":vpcdnhu:a:f:k:", longs, NULL)) != -1) {
        switch (option) {
        case 'p':
            request->pipe = true;
            break;
        case 'c':
            request->create = true;
            break;
        case 'd':
            request->remove = true;
            break;
        case 'n':
            break;
        case 'u':
            request->realm = optarg;
            break;
        case 'a':
            if (strchr(optarg, '/') != NULL) {
                tool_say(tool, "-a: an application name holds no \"/\"");
                *ret_exit = EXIT_SASL_FAIL;
                return false;
            }
            break;
        case 'f':
            tool->store_path = optarg;
            break;
        case 'k':
            tool->key_path = optarg;
            break;
        case 'v':
        case OPTION_HELP:
            fputs(option == 'v' ? "saslpasswd-lmdb " SASL_LMDB_VERSION "\n" : usage, stdout);
            *ret_exit = tool_flush(tool) ? EXIT_OK : EXIT_SASL_FAIL;
            return false;
        case 'h':
            asked = true;
            break;
        default:
            asked = asked || optopt == '?';
            note_option_fault(&fault, option, argv[optind - 1]);
            break;
        }
    }
    if (fault.text[0] == '\0' && request->create && request->remove) {
        detail_set(&fault, AUTH_MALFORMED, "-c and -d exclude each other");
    }
    if (fault.text[0] == '\0' && optind != argc - 1) {
        detail_set(&fault, AUTH_MALFORMED, "takes one argument, USER");
    }
    if (asked || fault.text[0] != '\0') {
        *ret_exit = usage_error(tool, asked ? NULL : fault.text);
        return false;
    }
    request->user = argv[optind];
    return true;
}

int main(int argc, char **argv)
{
    struct tool tool = {
        .program = "saslpasswd-lmdb",
        .store_path = STORE_DEFAULT_PATH,
        .key_path = STORE_DEFAULT_KEY_PATH,
    };
    struct request request = {.user = NULL};
    int code = EXIT_SASL_FAIL;
    privilege_confine();
    if (read_options(&tool, &request, argc, argv, &code)) {
        code = sasl_exit_code(perform(&tool, &request));
    }
    return code;
}
