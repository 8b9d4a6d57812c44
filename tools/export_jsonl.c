/* SPDX-License-Identifier: BSD-2-Clause */
/* A JSON object a line with everything in it (account_json.h); `import --format jsonl` reads it. */
#include "account_json.h"
#include "export.h"

static enum auth_status put(struct export *export, const struct record *record, unsigned kinds,
                            struct detail *why)
{
    (void)why;
    json_t *object = account_json(record, kinds);
    if (object == NULL) {
        return AUTH_NO_MEMORY;
    }
    json_dumpf(object, export->out, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(object);
    putc('\n', export->out);
    return AUTH_OK;
}

const struct export_format export_jsonl = {
    .name = "jsonl",
    .carries_state = true,
    .kinds = VERIFIER_DEFAULT | VERIFIER_CRYPT,
    .put = put,
};
