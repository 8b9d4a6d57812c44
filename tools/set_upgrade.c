/* SPDX-License-Identifier: BSD-2-Clause */
#include "set_upgrade.h"

#include <inttypes.h>
#include <stdio.h>

#include "interrupt.h"
#include "json_result.h"
#include "progress.h"
#include "store/ticket_file.h"
#include "tickets.h"
#include "view.h"

enum { NAMED = 10 }; /* of those refused: who can write the file can make up any number */

struct upgrade {
    const struct tool *tool;
    struct progress progress;
    struct tickets_made made;
    struct ticket_counts counts;
    uint64_t unnamed;
};

static bool go_on(void *ctx, const struct ticket_counts *counts, double share)
{
    struct upgrade *upgrade = ctx;

    progress_show(&upgrade->progress, counts->looked_at, share);
    return interrupt_signal == 0;
}

static void refused(void *ctx, const struct identity *who, enum auth_status why)
{
    struct upgrade *upgrade = ctx;
    const struct ticket_counts *counts = &upgrade->counts;

    if (counts->refused + counts->damaged > NAMED) {
        upgrade->unnamed++;
        return;
    }
    progress_clear(&upgrade->progress);
    tool_say(upgrade->tool, "the ticket of %s@%s is of no use: %s", who->user, who->realm,
             auth_status_is_outage(why) ? "its record cannot be read (see \"sasl-lmdb check\")"
                                        : auth_status_text(why));
}

static enum auth_status print_counts(const struct upgrade *upgrade)
{
    const struct tool *tool = upgrade->tool;
    const struct ticket_counts *counts = &upgrade->counts;

    if (tool->json) {
        return json_result(
            tool, interrupt_signal == 0,
            json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b}", "upgraded",
                      (json_int_t)counts->upgraded, "needless", (json_int_t)counts->needless,
                      "refused", (json_int_t)counts->refused, "unreadable",
                      (json_int_t)counts->unreadable, "damaged", (json_int_t)counts->damaged,
                      "emptied", counts->emptied ? 1 : 0, "made_ticket_file",
                      upgrade->made.file ? 1 : 0, "made_ticket_key", upgrade->made.key ? 1 : 0));
    }
    if (upgrade->made.file) {
        printf("Made %s" TICKET_FILE_SUFFIX ": servers with \"lmdb_upgrade: yes\" leave tickets in "
               "it once they are restarted.\n",
               tool->store_path);
    }
    if (upgrade->made.key) {
        printf("Made %s" TICKET_FILE_SUFFIX ", the private key that opens them; no server needs "
               "it.\n",
               tool->key_path);
    }
    printf("%" PRIu64 " upgraded, %" PRIu64 " in no need, %" PRIu64 " refused, %" PRIu64
           " unreadable\n",
           counts->upgraded, counts->needless, counts->refused + counts->damaged,
           counts->unreadable);
    return AUTH_OK;
}

/* What is no failure and should be known all the same. */
static void tell(const struct upgrade *upgrade)
{
    const struct ticket_counts *counts = &upgrade->counts;

    if (upgrade->unnamed != 0) {
        tool_say(upgrade->tool, "and %" PRIu64 " more ticket%s of no use", upgrade->unnamed,
                 tool_plural(upgrade->unnamed));
    }
    if (!counts->emptied && counts->bytes_left == 0) {
        tool_say(upgrade->tool,
                 "the ticket file is in use by others without a pause; what has been taken "
                 "is overwritten, the file is emptied another time");
    }
}

int set_upgrade(const struct tool *tool)
{
    struct upgrade upgrade = {.tool = tool};
    const struct ticket_watch watch = {go_on, refused, &upgrade};
    struct store *store = NULL;
    enum auth_status status = tickets_prepare(tool, &upgrade.made);

    if (status == AUTH_OK) {
        status = tool_open_store_only(tool, true, &store);
    }
    if (status == AUTH_OK) {
        status = tickets_announce(tool, store);
    }
    if (status == AUTH_OK) {
        interrupt_catch();
        progress_init(&upgrade.progress, "tickets");
        status = tickets_take(tool, store, &watch, &upgrade.counts);
        progress_clear(&upgrade.progress);
    }
    store_close(store);
    if (status == AUTH_OK) {
        status = print_counts(&upgrade);
    }
    if (status == AUTH_OK) {
        tell(&upgrade);
    }
    if (status == AUTH_OK && interrupt_signal != 0) {
        tool_say(tool, "interrupted; the other tickets stay");
        status = AUTH_UNAVAILABLE;
    }
    return tool_exit_code(status);
}
