/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "privilege.h"
#include "store/store.h"
#include "worker.h"

enum {
    WAIT_MILLISECONDS = 1000,
    KEY_FILE_MAX = 1024 * 1024,
    STALLED = 60, /* waits without an account more: damage, or a hostile lock file */
};

struct counting {
    const char *path;
    const char *key_path;
    struct store_counts *counts;
};

static void count_realm(struct store_counts *counts, const char *realm)
{
    for (unsigned i = 0; i < counts->n_realms; i++) {
        if (strcmp(counts->realms[i].realm, realm) == 0) {
            counts->realms[i].accounts++;
            return;
        }
    }
    if (counts->n_realms == STORE_VIEW_REALMS) {
        counts->more_realms = true;
        return;
    }
    struct realm_count *row = &counts->realms[counts->n_realms++];
    (void)snprintf(row->realm, sizeof row->realm, "%s", realm);
    row->accounts = 1;
}

static enum auth_status visit(void *ctx, const struct record *record)
{
    struct store_counts *counts = ctx;
    counts->accounts++;
    counts->kinds[verifier_kinds(&record->verifiers) % STORE_VIEW_KINDS]++;
    count_realm(counts, record->who.realm);
    return AUTH_OK;
}

/*
 * Whether a key file that its mode keeps from being used would be of no use with a better one
 * either: a copy that nobody else can open has to fit the store.
 */
static bool is_another_stores(const struct counting *counting)
{
    struct detail detail = {.text = ""};
    struct store *store = NULL;
    char copy[sizeof "/proc/self/fd/" + 10];
    int from = open(counting->key_path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int to = memfd_create("key", MFD_CLOEXEC);
    enum auth_status status = AUTH_INTERNAL;
    if (from >= 0 && to >= 0 && fchmod(to, S_IRUSR) == 0 &&
        sendfile(to, from, NULL, KEY_FILE_MAX) > 0) {
        (void)snprintf(copy, sizeof copy, "/proc/self/fd/%d", to);
        /* Who has given up root finds /proc/self closed. Its user can read the key by itself. */
        (void)prctl(PR_SET_DUMPABLE, 1);
        const struct store_options options = {.path = counting->path, .key_path = copy};
        status = store_open(&options, &store, &detail);
    }
    if (status == AUTH_OK) {
        struct store_info info;
        status = store_describe(store, &info, &detail);
    }
    (void)prctl(PR_SET_DUMPABLE, 0);
    store_close(store);
    if (from >= 0) {
        close(from);
    }
    if (to >= 0) {
        close(to);
    }
    return status == AUTH_KEY_WRONG;
}

static int count(void *ctx)
{
    struct counting *counting = ctx;
    struct store_counts *counts = counting->counts;
    struct store *store = NULL;
    const struct store_options options = {.path = counting->path, .key_path = counting->key_path};
    enum auth_status status = privilege_become_owner(counting->path, &counts->detail);
    if (status == AUTH_OK) {
        status = store_open(&options, &store, &counts->detail);
    }
    if (status == AUTH_OK) {
        status = store_each(store, NULL, visit, counts, &counts->detail);
        store_close(store);
    }
    if (status == AUTH_KEY_EXPOSED && is_another_stores(counting)) {
        status = detail_set(&counts->detail, AUTH_KEY_WRONG, "it is another store's");
    }
    counts->status = status;
    return TOOL_DONE;
}

/* The path as system calls take it; where nothing is, the path as it would be. */
static void locate(const struct doctor_files *files, const char *path, char ret[PATH_MAX])
{
    if (doctor_locate(files, path, ret) != 0) {
        (void)snprintf(ret, PATH_MAX, "%s%s", files->root, path);
    }
}

/* Whatever the worker has become, what is read later has ends. */
static void make_safe(struct store_counts *counts)
{
    counts->detail.text[DETAIL_SIZE - 1] = '\0';
    if (counts->n_realms > STORE_VIEW_REALMS) {
        counts->n_realms = STORE_VIEW_REALMS;
    }
    for (unsigned i = 0; i < STORE_VIEW_REALMS; i++) {
        counts->realms[i].realm[IDENTITY_MAX_REALM] = '\0';
    }
}

static struct worker_end watch(pid_t pid, const struct store_counts *counts)
{
    uint64_t last = 0;
    int still = 0;
    for (;;) {
        struct worker_end end = worker_wait(pid, WAIT_MILLISECONDS);
        if (!end.running) {
            return end;
        }
        uint64_t now = *(const volatile uint64_t *)&counts->accounts;
        still = now == last ? still + 1 : 0;
        last = now;
        if (still == STALLED) {
            (void)kill(pid, SIGKILL);
        }
    }
}

const struct store_counts *store_count(const struct tool *tool, const struct doctor_files *files,
                                       const char *path, const char *key_path)
{
    char host_path[PATH_MAX];
    char host_key[PATH_MAX];
    struct store_counts *counts = worker_shared(sizeof *counts);
    pid_t pid = -1;
    if (counts == NULL) {
        tool_report(tool, AUTH_NO_MEMORY, NULL, "%s", path);
        return NULL;
    }
    locate(files, path, host_path);
    locate(files, key_path, host_key);
    struct counting counting = {host_path, host_key, counts};
    counts->status = AUTH_INTERNAL;
    if (!worker_start(tool, count, &counting, &pid)) {
        return NULL;
    }
    struct worker_end end = watch(pid, counts);
    if (end.signal != 0) {
        counts->status = AUTH_STORE_DAMAGED;
        (void)snprintf(counts->detail.text, sizeof counts->detail.text,
                       "reading it ended the process by signal %d: pages of the file are damaged",
                       end.signal);
    }
    make_safe(counts);
    return counts;
}

uint64_t store_counts_without(const struct store_counts *counts, unsigned kinds)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < STORE_VIEW_KINDS; i++) {
        n += (i & kinds) == 0 ? counts->kinds[i] : 0;
    }
    return n;
}

uint64_t store_counts_realm(const struct store_counts *counts, const char *realm)
{
    for (unsigned i = 0; i < counts->n_realms; i++) {
        if (strcasecmp(counts->realms[i].realm, realm) == 0) {
            return counts->realms[i].accounts;
        }
    }
    return 0;
}
