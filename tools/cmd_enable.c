/* SPDX-License-Identifier: BSD-2-Clause */
/* sasl-lmdb enable, disable: whether an account may log in, its verifiers untouched. */
#include <stdio.h>

#include "json_result.h"
#include "names.h"
#include "tool.h"

static const char usage_enable[] =
    "Usage: sasl-lmdb enable [OPTION]... USER[@REALM]\n"
    "Lets a disabled account log in again.\n"
    "\n"
    "  -u REALM                 the realm of a USER without one (default: this host's name)\n"
    "      --json               what was done as JSON\n"
    "  -f STORE, -k KEYFILE     data file and key file\n";

static const char usage_disable[] =
    "Usage: sasl-lmdb disable [OPTION]... USER[@REALM]\n"
    "Refuses every login of an account and keeps it otherwise. It shows to a client as a\n"
    "wrong password does.\n"
    "\n"
    "  -u REALM                 the realm of a USER without one (default: this host's name)\n"
    "      --json               what was done as JSON\n"
    "  -f STORE, -k KEYFILE     data file and key file\n";

static enum store_edit set_disabled(void *ctx, bool exists, struct record *record)
{
    const bool *disabled = ctx;
    bool is_disabled = (record->flags & RECORD_DISABLED) != 0;
    if (!exists || is_disabled == *disabled) {
        return STORE_KEEP;
    }
    record->flags ^= RECORD_DISABLED;
    return STORE_WRITE;
}

static int change(const struct tool *tool, const struct identity *who, bool disabled)
{
    struct detail detail = {.text = ""};
    struct store *store = NULL;
    bool existed = false;
    enum store_edit edit = STORE_KEEP;
    enum auth_status status = tool_open_store(tool, true, &store);
    if (status != AUTH_OK) {
        return tool_exit_code(status);
    }
    status = store_change(store, who, set_disabled, &disabled, &existed, &edit, &detail);
    if (status == AUTH_OK && !existed) {
        status = AUTH_UNKNOWN_USER;
    }
    if (status != AUTH_OK) {
        names_report_account(tool, store, status, &detail, who);
    }
    store_close(store);
    if (status != AUTH_OK) {
        return tool_exit_code(status);
    }
    if (tool->json) {
        return tool_exit_code(json_result(
            tool, true,
            json_pack("{s:s, s:s, s:b, s:b}", "user", who->user, "realm", who->realm, "disabled",
                      disabled ? 1 : 0, "changed", edit == STORE_WRITE ? 1 : 0)));
    }
    printf("%s@%s: %s%s\n", who->user, who->realm, edit == STORE_KEEP ? "was already " : "",
           disabled ? "disabled" : "enabled");
    return TOOL_DONE;
}

static int run(struct tool *tool, int argc, char **argv, bool disabled)
{
    struct identity who;
    int code = TOOL_DONE;
    if (!names_read_account(tool, argc, argv, "takes one argument, USER or USER@REALM", &who,
                            &code)) {
        return code;
    }
    return change(tool, &who, disabled);
}

static int run_enable(struct tool *tool, int argc, char **argv)
{
    return run(tool, argc, argv, false);
}

static int run_disable(struct tool *tool, int argc, char **argv)
{
    return run(tool, argc, argv, true);
}

const struct verb verb_enable = {
    .name = "enable",
    .summary = "let a disabled account log in again",
    .usage = usage_enable,
    .run = run_enable,
};

const struct verb verb_disable = {
    .name = "disable",
    .summary = "refuse the logins of an account, and keep it",
    .usage = usage_disable,
    .run = run_disable,
};
