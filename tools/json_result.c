/* SPDX-License-Identifier: BSD-2-Clause */
#include "json_result.h"

#include <stdio.h>

enum {
    JSON_FORM = JSON_COMPACT | JSON_PRESERVE_ORDER,
    MESSAGE_MAX = 32768, /* bytes of a message's line; tool.c's are a quarter of that */
};

enum auth_status json_result_print(const struct tool *tool, json_t *value)
{
    if (value == NULL) {
        return tool_report(tool, AUTH_NO_MEMORY, NULL, "JSON");
    }
    json_dumpf(value, stdout, JSON_FORM);
    json_decref(value);
    putchar('\n');
    return tool_flush(tool) ? AUTH_OK : AUTH_UNAVAILABLE;
}

enum auth_status json_result(const struct tool *tool, bool ok, json_t *members)
{
    json_t *object = json_pack("{s:s, s:b}", "verb", tool->verb, "ok", ok ? 1 : 0);

    if (members == NULL || object == NULL || json_object_update(object, members) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(members);
    return json_result_print(tool, object);
}

static int put(const char *piece, size_t n, void *ctx)
{
    struct buf *line = ctx;

    buf_put(line, piece, n);
    return buf_status(line) == AUTH_OK ? 0 : -1;
}

/* Where even this little memory is not to be had, the exit status has to do. */
void json_result_message(const struct tool *tool, const char *text)
{
    json_t *object = json_pack("{s:s, s:s?, s:s}", "program", tool->program, "verb", tool->verb,
                               "message", text);
    struct buf line;

    buf_init(&line, MESSAGE_MAX);
    if (object != NULL && json_dump_callback(object, put, &line, JSON_FORM) == 0) {
        buf_put_byte(&line, '\n');
        fwrite(line.p, 1, line.n, stderr);
    }
    buf_release(&line);
    json_decref(object);
}
