/* SPDX-License-Identifier: BSD-2-Clause */
#include "set_upgrade.h"

#include <inttypes.h>
#include <stdio.h>

#include "interrupt.h"
#include "json_result.h"
#include "progress.h"
#include "tickets.h"
#include "view.h"

static bool go_on(void *ctx, const struct ticket_counts *counts, double share)
{
    progress_show(ctx, counts->looked_at, share);
    return interrupt_signal == 0;
}

static enum auth_status print_counts(const struct tool *tool, const struct ticket_counts *counts)
{
    if (tool->json) {
        return json_result(
            tool, interrupt_signal == 0,
            json_pack("{s:I, s:I, s:I, s:I, s:I, s:b}", "upgraded", (json_int_t)counts->upgraded,
                      "needless", (json_int_t)counts->needless, "refused",
                      (json_int_t)counts->refused, "unreadable", (json_int_t)counts->unreadable,
                      "kept", (json_int_t)counts->kept, "emptied", counts->emptied ? 1 : 0));
    }
    printf("%" PRIu64 " upgraded, %" PRIu64 " in no need, %" PRIu64 " refused, %" PRIu64
           " unreadable\n",
           counts->upgraded, counts->needless, counts->refused, counts->unreadable);
    return AUTH_OK;
}

/* What is no failure and should be known all the same. */
static void tell(const struct tool *tool, const struct ticket_counts *counts)
{
    if (counts->kept != 0) {
        tool_say(tool,
                 "%" PRIu64 " ticket%s left, for records that cannot be read (see \"sasl-lmdb "
                 "check\")",
                 counts->kept, tool_plural(counts->kept));
    } else if (!counts->emptied && counts->bytes_left == 0) {
        tool_say(tool, "the ticket file is in use by others without a pause; what has been taken "
                       "is overwritten, the file is emptied another time");
    }
}

int set_upgrade(const struct tool *tool)
{
    struct ticket_counts counts = {.looked_at = 0};
    struct progress progress;
    const struct ticket_watch watch = {go_on, &progress};
    struct store *store = NULL;
    enum auth_status status = tickets_prepare(tool);

    if (status == AUTH_OK) {
        status = tool_open_store_only(tool, true, &store);
    }
    if (status == AUTH_OK) {
        status = tickets_announce(tool, store);
    }
    if (status == AUTH_OK) {
        interrupt_catch();
        progress_init(&progress, "tickets");
        status = tickets_take(tool, store, &watch, &counts);
        progress_clear(&progress);
    }
    store_close(store);
    if (status == AUTH_OK) {
        status = print_counts(tool, &counts);
    }
    if (status == AUTH_OK) {
        tell(tool, &counts);
    }
    if (status == AUTH_OK && interrupt_signal != 0) {
        tool_say(tool, "interrupted; the other tickets stay");
        status = AUTH_UNAVAILABLE;
    }
    return tool_exit_code(status);
}
