/* SPDX-License-Identifier: BSD-2-Clause */
#include "aside.h"

#include <string.h>
#include <sys/stat.h>

#include "doctor_command.h"

enum { NAMES_MAX = 1000 /* tried; what is then moved to is left alone by mv -n */ };

/* STORE.old, STORE.old2, ...: the first that neither a data file nor a lock file has. */
static const char *free_name(struct arena *arena, const char *store_path, aside_is_there *is_there,
                             const void *context)
{
    const char *name = "";
    bool taken = true;
    for (unsigned i = 1; taken && i <= NAMES_MAX; i++) {
        name = arena_format(arena, "%s.old%s", store_path, i == 1 ? "" : arena_number(arena, i));
        taken = is_there(context, name) || is_there(context, arena_format(arena, "%s-lock", name));
    }
    return name;
}

const char *aside_moves(struct arena *arena, const char *store_path, aside_is_there *is_there,
                        const void *context)
{
    static const char *const suffixes[] = {"", "-lock"};
    const char *old = free_name(arena, store_path, is_there, context);
    const char *commands = "";
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const char *from = arena_format(arena, "%s%s", store_path, suffixes[i]);
        const char *to = arena_format(arena, "%s%s", old, suffixes[i]);
        if (is_there(context, from)) {
            /* -n: who runs this a second time has another store by then. */
            commands = doctor_command(arena, "%r1%r2mv -n %3 %4", commands,
                                      *commands == '\0' ? "" : " && ", from, to, NULL);
        }
    }
    return commands;
}

static bool is_here(const void *context, const char *path)
{
    struct stat st;
    (void)context;
    return lstat(path, &st) == 0;
}

const char *aside_here(struct arena *arena, const char *store_path)
{
    const char *commands = aside_moves(arena, store_path, is_here, NULL);
    return doctor_command_is_usable(commands) && strlen(commands) <= ASIDE_MAX ? commands : "";
}

void aside_tell(const struct tool *tool)
{
    struct arena arena = {.pieces = NULL};
    const char *commands = aside_here(&arena, tool->store_path);
    const char *quote = *commands == '\0' ? "" : "\"";

    tool_say(
        tool,
        "to begin anew from a backup: %s%s%s, then \"sasl-lmdb init\" with the --group it had, "
        "and \"sasl-lmdb restore FILE\"; the key file stays",
        quote, *commands == '\0' ? "put this one aside" : commands, quote);
    arena_release(&arena);
}
