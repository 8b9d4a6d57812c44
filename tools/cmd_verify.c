/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb verify: is this the password, and would it let the user in? */
#include <stdio.h>
#include <time.h>

#include "base/crypto.h"
#include "json_result.h"
#include "names.h"
#include "prompt.h"
#include "tool.h"
#include "view.h"

static const char usage[] =
    "Usage: sasl-lmdb verify [OPTION]... USER[@REALM]\n"
    "Asks for a password, or reads it as one line from standard input, and says whether\n"
    "the account lets it in. Exit status 0 for yes, 1 for no.\n"
    "\n"
    "  -u REALM                 the realm of a USER without one (default: this host's name)\n"
    "      --json               as a JSON object\n"
    "  -f STORE, -k KEYFILE     data file and key file\n";

/* The verdict as PLAIN and LOGIN would come to it, but with the reason. */
static enum auth_status check(const struct record *record, struct slice password)
{
    enum auth_status status = AUTH_NO_VERIFIER;
    const struct scram_verifier *scram = verifier_for_password(&record->verifiers);
    if (password.n == 0) {
        status = AUTH_WRONG_PASSWORD; /* nothing stored is empty */
    } else if (scram != NULL) {
        status = verifier_check_scram(scram, password);
    } else if (record->verifiers.crypt[0] != '\0') {
        status = slice_find(password, '\0', NULL)
                     ? AUTH_WRONG_PASSWORD
                     : verifier_check_crypt(record->verifiers.crypt, password);
    }
    return status == AUTH_OK ? record_verdict(record, (int64_t)time(NULL)) : status;
}

static enum auth_status answer(const struct tool *tool, const struct identity *who,
                               enum auth_status verdict)
{
    const char *why = verdict == AUTH_OK ? "" : auth_status_text(verdict);
    if (tool->json) {
        enum auth_status printed =
            json_result(tool, verdict == AUTH_OK,
                        json_pack("{s:s, s:s, s:b, s:s}", "user", who->user, "realm", who->realm,
                                  "verified", verdict == AUTH_OK, "reason", why));
        return printed == AUTH_OK ? verdict : printed;
    }
    if (verdict == AUTH_DISABLED || verdict == AUTH_EXPIRED) {
        printf("%s@%s: no: the password is right, but %s\n", who->user, who->realm, why);
    } else {
        printf("%s@%s: %s%s%s\n", who->user, who->realm, verdict == AUTH_OK ? "yes" : "no",
               verdict == AUTH_OK ? "" : ": ", why);
    }
    return verdict;
}

static enum auth_status ask_and_check(const struct tool *tool, const struct record *record)
{
    enum auth_status status = AUTH_INTERNAL;
    struct detail detail = {.text = ""};
    struct buf password;
    buf_init(&password, IDENTITY_MAX_PASSWORD);

    status = prompt_password("Password: ", &password, &detail);
    if (status != AUTH_OK) {
        tool_report(tool, status, &detail, "password");
        goto out;
    }
    status = check(record, buf_slice(&password));
    if (status != AUTH_OK && !auth_status_is_verdict(status)) {
        tool_report(tool, status, NULL, "%s@%s", record->who.user, record->who.realm);
        goto out;
    }
    status = answer(tool, &record->who, status);

out:
    buf_release(&password);
    return status;
}

static int verify(const struct tool *tool, const struct identity *who)
{
    struct detail detail = {.text = ""};
    struct record record = {.flags = 0};
    struct store *store = NULL;
    enum auth_status status = tool_open_store(tool, false, &store);
    if (status != AUTH_OK) {
        return tool_exit_code(status);
    }
    status = store_get(store, who, &record, &detail);
    if (status != AUTH_OK) {
        names_report_account(tool, store, status, &detail, who);
    }
    /* Somebody may take a while to type: no other process has to wait for this one. */
    store_close(store);
    if (status == AUTH_OK) {
        status = ask_and_check(tool, &record);
    }
    crypto_wipe(&record, sizeof record);
    return tool_exit_code(status);
}

static int run(struct tool *tool, int argc, char **argv)
{
    struct identity who;
    int code = TOOL_DONE;
    if (!names_read_account(tool, argc, argv,
                            "takes one argument, USER or USER@REALM; the password is asked for",
                            &who, &code)) {
        return code;
    }
    return verify(tool, &who);
}

const struct verb verb_verify = {
    .name = "verify",
    .summary = "ask for a password and say whether it is right",
    .usage = usage,
    .run = run,
};
