/* SPDX-License-Identifier: BSD-2-Clause */
#include "unreadable.h"

#include <inttypes.h>

enum {
    NAMED = 1000, /* told one by one; all are counted */
    PLACE_MAX = 256,
};

void unreadable_note(void *ctx, const struct store_unreadable *what)
{
    struct unreadable *unreadable = ctx;
    const char *why = what->status == AUTH_STORE_FOREIGN ? "was written by a later version"
                                                         : "is damaged: its seal does not open";
    unreadable->n++;
    if (unreadable->n > NAMED) {
        return;
    }
    if (unreadable->progress != NULL) {
        progress_clear(unreadable->progress);
    }
    if (what->have_who) {
        tool_say(unreadable->tool, "%s@%s: its record %s", what->who.user, what->who.realm, why);
        return;
    }
    struct buf place;
    buf_init(&place, PLACE_MAX);
    buf_put_hex(&place, what->place.p, what->place.n);
    tool_say(unreadable->tool, "record %s, whose name cannot be told, %s", buf_text(&place), why);
    buf_release(&place);
}

enum auth_status unreadable_end(const struct unreadable *unreadable, enum auth_status status,
                                uint64_t read, const char *became)
{
    const uint64_t n = unreadable->n;

    if (status != AUTH_OK || n == 0) {
        return status;
    }
    tool_say(unreadable->tool,
             "%" PRIu64 " of %" PRIu64
             " account%s cannot be read and %s %s: one with a name can be "
             "deleted (saslpasswd-lmdb -d) and made again, \"sasl-lmdb restore\" brings back all "
             "as they were at a backup",
             n, n + read, tool_plural(n + read), n == 1 ? "is" : "are", became);
    return AUTH_STORE_DAMAGED;
}
