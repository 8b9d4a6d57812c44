/* SPDX-License-Identifier: BSD-2-Clause */
#include "aside.h"

#include <string.h>
#include <sys/stat.h>

#include "doctor_command.h"

const char *aside_moves(struct arena *arena, const char *store_path, bool data, bool lock)
{
    static const char *const suffixes[] = {"", "-lock"};
    const bool there[] = {data, lock};
    const char *commands = "";
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const char *from = arena_format(arena, "%s%s", store_path, suffixes[i]);
        const char *to = arena_format(arena, "%s.old%s", store_path, suffixes[i]);
        if (there[i]) {
            commands = doctor_command(arena, "%r1%r2mv %3 %4", commands,
                                      *commands == '\0' ? "" : " && ", from, to, NULL);
        }
    }
    return commands;
}

const char *aside_here(struct arena *arena, const char *store_path)
{
    struct stat st;
    const char *lock_path = arena_format(arena, "%s-lock", store_path);
    const char *commands =
        aside_moves(arena, store_path, lstat(store_path, &st) == 0, lstat(lock_path, &st) == 0);
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
