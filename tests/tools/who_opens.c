/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loaded before liblmdb: says on standard error who opens a file with it, and whether that process
 * has a text in its memory. The text comes in WHO_OPENS_TEXT with each byte's lowest bit turned, so
 * that it is not there for being asked for.
 */
#include <dlfcn.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool holds(const volatile unsigned char *from, size_t n, const char *turned)
{
    size_t length = strlen(turned);
    for (size_t i = 0; i + length <= n; i++) {
        size_t same = 0;
        while (same < length && (from[i + same] ^ 1) == (unsigned char)turned[same]) {
            same++;
        }
        if (same == length) {
            return true;
        }
    }
    return false;
}

/* In any memory that can be written, which configuration is read into. */
static bool memory_holds(const char *turned)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    bool found = maps == NULL;
    while (!found && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from = 0;
        uintptr_t to = 0;
        char mode[5] = "";
        if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && strncmp(mode, "rw", 2) == 0) {
            found = holds((const volatile unsigned char *)from, to - from, turned);
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return found;
}

int mdb_env_open(MDB_env *env, const char *path, unsigned int flags, mdb_mode_t mode)
{
    const char *turned = getenv("WHO_OPENS_TEXT");
    union {
        void *symbol;
        int (*call)(MDB_env *, const char *, unsigned int, mdb_mode_t);
    } real = {dlsym(RTLD_NEXT, "mdb_env_open")};
    dprintf(STDERR_FILENO, "uid %u gid %u lock %d text %d\n", (unsigned)geteuid(),
            (unsigned)getegid(), (flags & MDB_NOLOCK) == 0, memory_holds(turned));
    return real.call(env, path, flags, mode);
}
