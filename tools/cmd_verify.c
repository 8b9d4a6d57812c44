/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb verify: is this the password, and would it let the user in? */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "json_result.h"
#include "names.h"
#include "prompt.h"
#include "tally.h"
#include "tool.h"
#include "view.h"

static const char usage[] =
    "Usage: sasl-lmdb verify [OPTION]... USER[@REALM]\n"
    "Asks for a password, or reads it as one line from standard input, and says whether\n"
    "the account lets it in, and by which mechanisms only if it has no SCRAM verifier. Exit\n"
    "status 0 for yes, 1 for no.\n"
    "\n"
    "  -u REALM                 the realm of a USER without one (default: this host's name)\n"
    "      --json               as a JSON object\n"
    "  -f STORE, -k KEYFILE     data file and key file\n";

/* Whether a password is the account's, and what it lets in by. */
struct verdict {
    enum auth_status status;
    unsigned only; /* kinds of verifiers that it was compared with and is right for; 0: SCRAM */
};

static bool same_digest(const struct verifier_set *made, const uint8_t ha1[16])
{
    bool same = false;
    for (unsigned i = 0; i < made->n_digest; i++) {
        same = crypto_equal(made->digest[i].ha1, ha1, sizeof made->digest[i].ha1) || same;
    }
    return same;
}

/* Of the kinds that were compared, those it is right for. AUTH_CRYPTO where OpenSSL refuses MD5. */
static enum auth_status compare_md5(const struct record *record, struct slice password,
                                    unsigned *ret_right)
{
    const struct verifier_set *held = &record->verifiers;
    struct verifier_policy policy = {
        .kinds = VERIFIER_CRAM_MD5 | VERIFIER_DIGEST_MD5,
        .n_extra_realms = held->n_extra_realms,
    };
    struct verifier_set made;
    memcpy(policy.extra_realm, held->extra_realm, sizeof policy.extra_realm);
    enum auth_status status = verifier_make(&record->who, password, &policy, &made);
    if (status == AUTH_OK) {
        bool digest = false;
        for (unsigned i = 0; i < held->n_digest; i++) {
            digest = same_digest(&made, held->digest[i].ha1) || digest;
        }
        *ret_right |= digest ? VERIFIER_DIGEST_MD5 : 0U;
        *ret_right |= held->has_cram && crypto_equal(made.cram, held->cram, sizeof made.cram)
                          ? VERIFIER_CRAM_MD5
                          : 0U;
        bool checkpass =
            held->has_checkpass && verifier_check_checkpass(held->checkpass, password) == AUTH_OK;
        *ret_right |= checkpass ? VERIFIER_CHECKPASS_MD5 : 0U;
    }
    crypto_wipe(&made, sizeof made);
    return status == AUTH_BAD_PASSWORD ? AUTH_OK : status; /* nothing stored is of such a one */
}

/* An account without SCRAM: what it has been brought in with, or what was left of it. */
static struct verdict compare_others(const struct record *record, struct slice password)
{
    const unsigned held = verifier_kinds(&record->verifiers);
    struct verdict verdict = {.status = AUTH_OK};
    if ((held & VERIFIER_CRYPT) != 0 && !slice_find(password, '\0', NULL)) {
        verdict.status = verifier_check_crypt(record->verifiers.crypt, password);
        verdict.only = verdict.status == AUTH_OK ? VERIFIER_CRYPT : 0U;
    }
    if ((held & VERIFIER_LEGACY) != 0) {
        verdict.status = compare_md5(record, password, &verdict.only);
    }
    if (verdict.only != 0) {
        verdict.status = AUTH_OK;
    } else if (verdict.status == AUTH_OK) {
        verdict.status = AUTH_WRONG_PASSWORD;
    }
    return verdict;
}

static struct verdict check(const struct record *record, struct slice password)
{
    const struct scram_verifier *scram = verifier_for_password(&record->verifiers);
    struct verdict verdict = {.status = AUTH_WRONG_PASSWORD}; /* nothing stored is empty */
    if (password.n != 0 && scram != NULL) {
        verdict.status = verifier_check_scram(scram, password);
    } else if (password.n != 0) {
        verdict = compare_others(record, password);
    }
    if (verdict.status == AUTH_OK) {
        verdict.status = record_verdict(record, (int64_t)time(NULL));
    }
    return verdict;
}

static enum auth_status print_json(const struct tool *tool, const struct identity *who,
                                   const struct verdict *verdict, const char *why)
{
    bool yes = verdict->status == AUTH_OK;
    json_t *answer = json_pack("{s:s, s:s, s:b, s:s}", "user", who->user, "realm", who->realm,
                               "verified", yes, "reason", why);
    if (answer != NULL && verdict->only != 0) {
        json_object_set_new(answer, "only", tally_names(verdict->only));
    }
    return json_result(tool, yes, answer);
}

/* By which mechanisms, where that is not by all. */
static void print_only(unsigned only)
{
    json_t *names = tally_names(only);
    for (size_t i = 0; i < json_array_size(names); i++) {
        printf("%s%s", i == 0 ? ", by " : ", ", json_string_value(json_array_get(names, i)));
    }
    printf(" only; a new password (saslpasswd-lmdb) lets in by the others");
    json_decref(names);
}

static enum auth_status answer(const struct tool *tool, const struct identity *who,
                               const struct verdict *verdict)
{
    const enum auth_status status = verdict->status;
    const char *why = status == AUTH_OK ? "" : auth_status_text(status);
    if (tool->json) {
        enum auth_status printed = print_json(tool, who, verdict, why);
        return printed == AUTH_OK ? status : printed;
    }
    if (status == AUTH_DISABLED || status == AUTH_EXPIRED) {
        printf("%s@%s: no: the password is right, but %s\n", who->user, who->realm, why);
        return status;
    }
    printf("%s@%s: %s%s%s", who->user, who->realm, status == AUTH_OK ? "yes" : "no",
           status == AUTH_OK ? "" : ": ", why);
    if (status == AUTH_OK && verdict->only != 0) {
        print_only(verdict->only);
    }
    putchar('\n');
    return status;
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
    struct verdict verdict = check(record, buf_slice(&password));
    status = verdict.status;
    if (status != AUTH_OK && !auth_status_is_verdict(status)) {
        tool_report(tool, status, NULL, "%s@%s", record->who.user, record->who.realm);
        goto out;
    }
    status = answer(tool, &record->who, &verdict);

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
