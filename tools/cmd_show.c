/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb show: everything about one account that is not a secret. */
#include <stdio.h>
#include <time.h>

#include "base/crypto.h"
#include "json_result.h"
#include "moment.h"
#include "names.h"
#include "tool.h"
#include "view.h"
#include "worker.h"

static const char usage[] =
    "Usage: sasl-lmdb show [OPTION]... USER[@REALM]\n"
    "Shows one account: its verifiers (not their contents), flags and times.\n"
    "\n"
    "  -u REALM                 the realm of a USER without one (default: this host's name)\n"
    "      --json               as a JSON object\n"
    "  -f STORE, -k KEYFILE     data file and key file\n";

enum { TEXT_MAX = 2048 };

/* "user@realm in realm", as a DIGEST-MD5 client may spell the account. */
static void print_digest(const struct record *record, const struct digest_verifier *digest)
{
    const struct verifier_set *set = &record->verifiers;
    const char *realm = record->who.realm;
    if (digest->realm_kind == DIGEST_REALM_EMPTY) {
        realm = "";
    } else if (digest->realm_kind == DIGEST_REALM_EXTRA && digest->extra < set->n_extra_realms) {
        realm = set->extra_realm[digest->extra];
    }
    printf("             %s%s%s in realm \"%s\"%s\n", record->who.user,
           digest->full_name ? "@" : "", digest->full_name ? record->who.realm : "", realm,
           digest->utf8_names ? ", the password as ISO-8859-1"
           : digest->latin1   ? ", as ISO-8859-1"
                              : "");
}

static void print_verifiers(const struct record *record)
{
    const struct verifier_set *set = &record->verifiers;
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if (set->scram[i].iterations != 0) {
            printf("verifier     %s, %u iteration%s, %u byte%s of salt\n",
                   verifier_scram_name(verifier_scram_hash(i)), (unsigned)set->scram[i].iterations,
                   tool_plural(set->scram[i].iterations), (unsigned)set->scram[i].salt_len,
                   tool_plural(set->scram[i].salt_len));
        }
    }
    if (set->has_cram) {
        printf("verifier     CRAM-MD5\n");
    }
    if (set->n_digest != 0) {
        printf("verifier     DIGEST-MD5, for clients that call themselves\n");
    }
    for (unsigned i = 0; i < set->n_digest; i++) {
        print_digest(record, &set->digest[i]);
    }
    if (set->has_checkpass) {
        printf("verifier     checkpass\n");
    }
    if (set->crypt[0] != '\0') {
        printf("verifier     crypt, for PLAIN and LOGIN only\n");
    }
}

static void print_account(const struct record *record, const struct view *view)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    identity_put(&text, &record->who);
    printf("account      %s\n", buf_text(&text));
    printf("class        %s\n", view_class(view->kinds));
    print_verifiers(record);
    buf_clear(&text);
    view_put_flags(&text, view, (int64_t)time(NULL));
    printf("flags        %s\n", buf_text(&text));
    buf_clear(&text);
    moment_put(&text, view->created);
    printf("created      %s\n", buf_text(&text));
    buf_clear(&text);
    moment_put(&text, view->changed);
    printf("changed      %s\n", buf_text(&text));
    buf_clear(&text);
    moment_put(&text, view->expires);
    printf("expires      %s\n", view->expires == 0 ? "never" : buf_text(&text));
    buf_release(&text);
}

struct task {
    const struct tool *tool;
    const struct identity *who;
};

/* In a process that damaged pages may end. */
static int show(void *ctx)
{
    const struct task *task = ctx;
    const struct tool *tool = task->tool;
    const struct identity *who = task->who;
    enum auth_status status = AUTH_INTERNAL;
    struct detail detail = {.text = ""};
    struct record record = {.flags = 0};
    struct view view = {.user = NULL};
    struct store *store = NULL;

    status = tool_open_store(tool, false, &store);
    if (status != AUTH_OK) {
        return tool_exit_code(status);
    }
    status = store_get(store, who, &record, &detail);
    if (status != AUTH_OK) {
        names_report_account(tool, store, status, &detail, who);
        goto out;
    }
    status = view_init(&view, &record);
    if (status != AUTH_OK) {
        tool_report(tool, status, NULL, "%s@%s", who->user, who->realm);
        goto out;
    }
    if (tool->json) {
        status = json_result_print(tool, view_json(&view, (int64_t)time(NULL)));
    } else {
        print_account(&record, &view);
    }

out:
    view_release(&view);
    crypto_wipe(&record, sizeof record);
    store_close(store);
    return tool_exit_code(status);
}

static int run(struct tool *tool, int argc, char **argv)
{
    struct identity who;
    int code = TOOL_DONE;
    if (!names_read_account(tool, argc, argv, "takes one argument, USER or USER@REALM", &who,
                            &code)) {
        return code;
    }
    struct task task = {tool, &who};
    return worker_run(tool, show, &task);
}

const struct verb verb_show = {
    .name = "show",
    .summary = "show one account",
    .usage = usage,
    .run = run,
};
