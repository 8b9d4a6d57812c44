/* SPDX-License-Identifier: BSD-2-Clause */
/* The realm that Postfix gives a name without one, and those of its store. */
#include "doctor.h"

/* The realm with the most accounts; there is one. */
static const struct realm_count *largest_realm(const struct store_counts *counts)
{
    unsigned best = 0;
    for (unsigned i = 1; i < counts->realms.n; i++) {
        if (counts->realms.row[i].accounts > counts->realms.row[best].accounts) {
            best = i;
        }
    }
    return &counts->realms.row[best];
}

static const char *some_realms(struct doctor *d, const struct store_counts *counts)
{
    enum { SHOWN = 3 };
    const char *list = "";
    for (unsigned i = 0; i < counts->realms.n && i < SHOWN; i++) {
        list = arena_join(&d->arena, list, ", ", counts->realms.row[i].realm);
    }
    return counts->realms.n > SHOWN ? arena_format(&d->arena, "%s, ...", list) : list;
}

void doctor_check_realm(struct doctor *d, const struct application *a, const char *realm)
{
    const struct store_counts *counts = a->counts;
    if (counts == NULL || counts->status != AUTH_OK || counts->accounts == 0 ||
        counts->more_realms) {
        return;
    }
    const struct realm_count *largest = largest_realm(counts);
    const char *name = arena_copy(&d->arena, slice_str(largest->realm));
    uint64_t here = realm_table_get(&counts->realms, realm);
    if (here == 0) {
        doctor_say(d, DOCTOR_REALM, a->label, realm, a->store_path, some_realms(d, counts),
                   doctor_command(&d->arena, "postconf -c %1 -e smtpd_sasl_local_domain=%2",
                                  d->postfix_at, name, NULL),
                   NULL);
    } else if (here < largest->accounts) {
        doctor_say(d, DOCTOR_REALM_FEW, a->label, realm, arena_number(&d->arena, here),
                   arena_number(&d->arena, counts->accounts), a->store_path,
                   arena_number(&d->arena, largest->accounts), name, NULL);
    }
}
