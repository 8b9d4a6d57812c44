/* SPDX-License-Identifier: BSD-2-Clause */
#include "aside.h"

#include <sys/stat.h>

static void put_move(struct buf *b, const char *path, const char *suffix)
{
    buf_put_str(b, "mv ");
    buf_put_str(b, path);
    buf_put_str(b, suffix);
    buf_put_byte(b, ' ');
    buf_put_str(b, path);
    buf_put_str(b, ".old");
    buf_put_str(b, suffix);
}

void aside_put(struct buf *b, const char *store_path)
{
    static const char *const suffixes[] = {"", "-lock"};
    const char *between = "\"";
    struct buf path;

    buf_init(&path, ASIDE_MAX);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        struct stat st;

        buf_clear(&path);
        buf_put_str(&path, store_path);
        buf_put_str(&path, suffixes[i]);
        if (lstat(buf_text(&path), &st) == 0) {
            buf_put_str(b, between);
            put_move(b, store_path, suffixes[i]);
            between = " && ";
        }
    }
    buf_put_byte(b, '"');
    buf_release(&path);
}

void aside_tell(const struct tool *tool)
{
    struct buf commands;

    buf_init(&commands, ASIDE_MAX);
    aside_put(&commands, tool->store_path);
    tool_say(tool,
             "to begin anew from a backup: %s, then \"sasl-lmdb init\" with the --group it had, "
             "and \"sasl-lmdb restore FILE\"; the key file stays",
             buf_text(&commands));
    buf_release(&commands);
}
