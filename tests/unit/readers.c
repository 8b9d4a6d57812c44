/* SPDX-License-Identifier: BSD-2-Clause */
#include "readers.h"

#include <stdio.h>
#include <string.h>

#include <lmdb.h>

struct search {
    pid_t pid;
    bool found;
};

static int find_reader(const char *line, void *ctx)
{
    struct search *search = ctx;
    int pid = 0;
    char thread[32];
    char txn[32];

    /* A slot without a transaction shows "-" in the third column. */
    if (sscanf(line, "%d %31s %31s", &pid, thread, txn) == 3 && pid == search->pid &&
        strcmp(txn, "-") != 0) {
        search->found = true;
    }
    return 0;
}

bool readers_has(const char *store_path, pid_t pid, bool *ret_known)
{
    struct search search = {pid, false};
    MDB_env *env = NULL;

    *ret_known = mdb_env_create(&env) == 0 &&
                 mdb_env_open(env, store_path, MDB_NOSUBDIR | MDB_RDONLY, 0600) == 0 &&
                 mdb_reader_list(env, find_reader, &search) >= 0;
    if (env != NULL) {
        mdb_env_close(env);
    }
    return search.found;
}
