/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor_store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "privilege.h"
#include "store/files.h"
#include "store/store_rekey.h"
#include "worker.h"

enum {
    WAIT_MILLISECONDS = 1000,
    KEY_FILE_MAX = 1024 * 1024,
    STALLED = 60, /* waits without an account more: damage, or a hostile lock file */
    COPY_PATH_SIZE = sizeof "/proc/self/fd/" + 10,
};

/* What is asked of the process that opens stores. */
struct errand {
    char root[PATH_MAX]; /* as in struct doctor_files */
    char path[PATH_MAX]; /* below it; with all links followed if it is "" */
    char key_path[PATH_MAX];
};

struct counting {
    const char *path;
    const char *key_path;
    bool copied; /* both are copies of this process's own */
    struct store_counts *counts;
};

static void count_realm(struct store_counts *counts, struct realm_table *table, const char *realm,
                        const char *user)
{
    for (unsigned i = 0; i < table->n; i++) {
        if (strcmp(table->row[i].realm, realm) == 0) {
            table->row[i].accounts++;
            return;
        }
    }
    if (table->n == STORE_VIEW_REALMS) {
        counts->more_realms = true;
        return;
    }
    struct realm_count *row = &table->row[table->n++];
    (void)snprintf(row->realm, sizeof row->realm, "%s", realm);
    (void)snprintf(row->user, sizeof row->user, "%s", user);
    row->accounts = 1;
}

/* Each realm that a client may have been offered to get in by DIGEST-MD5. */
static void count_digest_realms(struct store_counts *counts, const struct record *record)
{
    const struct verifier_set *set = &record->verifiers;
    bool own = false;
    bool extra[VERIFIER_MAX_EXTRA_REALMS] = {false};
    for (unsigned i = 0; i < set->n_digest; i++) {
        const struct digest_verifier *digest = &set->digest[i];
        own = own || digest->realm_kind == DIGEST_REALM_OWN;
        if (digest->realm_kind == DIGEST_REALM_EXTRA && digest->extra < set->n_extra_realms) {
            extra[digest->extra] = true;
        }
    }
    if (own) {
        count_realm(counts, &counts->digest_realms, record->who.realm, record->who.user);
    }
    for (unsigned i = 0; i < set->n_extra_realms; i++) {
        if (extra[i] && !(own && strcasecmp(set->extra_realm[i], record->who.realm) == 0)) {
            count_realm(counts, &counts->digest_realms, set->extra_realm[i], record->who.user);
        }
    }
}

static enum auth_status visit(void *ctx, const struct record *record)
{
    struct store_counts *counts = ctx;
    counts->accounts++;
    counts->kinds[verifier_kinds(&record->verifiers) % STORE_VIEW_KINDS]++;
    count_realm(counts, &counts->realms, record->who.realm, record->who.user);
    count_digest_realms(counts, record);
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
    char copy[COPY_PATH_SIZE];
    int from = open(counting->key_path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int to = memfd_create("key", MFD_CLOEXEC);
    enum auth_status status = AUTH_INTERNAL;
    if (from >= 0 && to >= 0 && fchmod(to, S_IRUSR) == 0 &&
        sendfile(to, from, NULL, KEY_FILE_MAX) > 0) {
        (void)snprintf(copy, sizeof copy, "/proc/self/fd/%d", to);
        /* Who has given up root finds /proc/self closed. Its user can read the key by itself. */
        (void)prctl(PR_SET_DUMPABLE, 1);
        const struct store_options options = {
            .path = counting->path, .key_path = copy, .nolock = counting->copied};
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

/* --- a foreign tree --- */

/* Whatever the links of the tree say, and whoever exchanges them now: nothing outside is opened. */
static int open_below(const char *root, const char *path)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return -1;
    }
    int fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
    int error = errno;
    close(directory);
    errno = error;
    return fd;
}

/* A file in memory with the contents of another, and a mode of its own. -1 and errno. */
static int copy_of(int from, off_t size, mode_t mode)
{
    int to = memfd_create("copy", MFD_CLOEXEC);
    ssize_t n = 1;
    while (to >= 0 && size > 0 && n > 0) {
        n = sendfile(to, from, NULL, (size_t)size);
        size -= n;
    }
    if (to >= 0 && (n < 0 || fchmod(to, mode) != 0)) {
        int error = errno;
        close(to);
        errno = error;
        return -1;
    }
    return to;
}

/* Both files of a store, copied by a process that cannot open them any more. */
static enum auth_status copy_both(const struct errand *errand, int data, int key,
                                  char ret_path[COPY_PATH_SIZE], char ret_key_path[COPY_PATH_SIZE],
                                  struct detail *detail)
{
    struct stat st;
    struct stat key_st;
    if (fstat(data, &st) != 0 || fstat(key, &key_st) != 0) {
        return detail_set(detail, AUTH_INTERNAL, "%s", strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return detail_set(detail, AUTH_STORE_FOREIGN, "it is not a regular file");
    }
    if (!S_ISREG(key_st.st_mode) || key_st.st_size > KEY_FILE_MAX) {
        return detail_set(detail, AUTH_KEY_DAMAGED, "it is not a file of keys");
    }
    if (st.st_size > STORE_COPY_MAX) {
        return AUTH_TOO_LONG;
    }
    mode_t mode = (key_st.st_mode & 0777) | S_IRUSR;
    /* The copies have one group, so that another's would be taken for the store's. */
    mode |= (mode & S_IRWXG) != 0 && key_st.st_gid != st.st_gid ? S_IROTH : 0;
    int to = copy_of(data, st.st_size, (st.st_mode & 0777) | S_IRUSR);
    int key_to = copy_of(key, key_st.st_size, mode);
    if (to < 0 || key_to < 0) {
        return file_explain("store", errand->path, errno, detail);
    }
    (void)snprintf(ret_path, COPY_PATH_SIZE, "/proc/self/fd/%d", to);
    (void)snprintf(ret_key_path, COPY_PATH_SIZE, "/proc/self/fd/%d", key_to);
    return AUTH_OK;
}

/*
 * Who made the tree chose the owners of its files, and what is in them: this process becomes none
 * of them, nor stays root, and maps no lock file that others may write.
 */
static enum auth_status enter_tree(const struct errand *errand, char ret_path[COPY_PATH_SIZE],
                                   char ret_key_path[COPY_PATH_SIZE], struct detail *detail)
{
    int data = open_below(errand->root, errand->path);
    if (data < 0) {
        return file_explain("store", errand->path, errno, detail);
    }
    int key = open_below(errand->root, errand->key_path);
    if (key < 0) {
        return errno == ENOENT ? AUTH_KEY_MISSING
                               : file_explain("key file", errand->key_path, errno, detail);
    }
    enum auth_status status = privilege_become_nobody(detail);
    if (status == AUTH_OK) {
        status = copy_both(errand, data, key, ret_path, ret_key_path, detail);
    }
    close(data);
    close(key);
    return status;
}

/* Lets a sentence about a copy speak of the file. */
static void name_original(struct detail *detail, const char *copy, const char *original)
{
    struct detail before = *detail;
    const char *at = *copy == '\0' ? NULL : strstr(before.text, copy);
    if (at != NULL) {
        (void)snprintf(detail->text, sizeof detail->text, "%.*s%s%s", (int)(at - before.text),
                       before.text, original, at + strlen(copy));
    }
}

/* --- the process that opens a store --- */

static enum auth_status read_head(struct store *store, struct store_counts *counts)
{
    struct store_key_state keys;
    enum auth_status status = store_key_state(store, &keys, &counts->detail);
    counts->key = keys.active;
    counts->key_since = keys.since;
    counts->previous_key = keys.previous;
    return status;
}

static enum auth_status count_accounts(const struct counting *counting)
{
    struct store_counts *counts = counting->counts;
    struct store *store = NULL;
    const struct store_options options = {
        .path = counting->path, .key_path = counting->key_path, .nolock = counting->copied};
    enum auth_status status = store_open(&options, &store, &counts->detail);
    if (status == AUTH_OK) {
        status = read_head(store, counts);
        if (status == AUTH_OK) {
            counts->opened = true;
            const struct store_visitor visitor = {.visit = visit, .ctx = counts};
            status = store_each(store, NULL, &visitor, &counts->detail);
        }
        store_close(store);
    }
    if (status == AUTH_KEY_EXPOSED && is_another_stores(counting)) {
        status = detail_set(&counts->detail, AUTH_KEY_WRONG, "it is another store's");
    }
    return status;
}

struct task {
    struct store_counter *counter;
    const struct errand *errand;
};

static int count(void *ctx)
{
    const struct task *task = ctx;
    const struct errand *errand = task->errand;
    struct store_counts *counts = task->counter->shared;
    char copy[COPY_PATH_SIZE] = "";
    char key_copy[COPY_PATH_SIZE] = "";
    struct counting counting = {errand->path, errand->key_path, errand->root[0] != '\0', counts};
    /* Whoever takes this process over has nobody to give orders to. */
    close(task->counter->fd);
    if (counting.copied) {
        counting.path = copy;
        counting.key_path = key_copy;
        counts->status = enter_tree(errand, copy, key_copy, &counts->detail);
    } else {
        counts->status = privilege_become_owner(errand->path, &counts->detail);
    }
    if (counts->status == AUTH_OK) {
        counts->status = AUTH_INTERNAL; /* as long as it lasts */
        enum auth_status status = count_accounts(&counting);
        name_original(&counts->detail, copy, errand->path);
        name_original(&counts->detail, key_copy, errand->key_path);
        counts->status = status;
    }
    return TOOL_DONE;
}

/* --- the process that has read nothing --- */

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

static void run_errand(struct store_counter *counter, struct errand *errand)
{
    struct store_counts *counts = counter->shared;
    struct task task = {counter, errand};
    pid_t pid = -1;
    memset(counts, 0, sizeof *counts);
    counts->status = AUTH_INTERNAL;
    if (!worker_start(counter->tool, count, &task, &pid)) {
        return;
    }
    struct worker_end end = watch(pid, counts);
    if (end.signal != 0) {
        counts->status = AUTH_STORE_DAMAGED;
        counts->opened = false;
        (void)snprintf(counts->detail.text, sizeof counts->detail.text,
                       "reading it ended the process by signal %d: pages of the file are damaged",
                       end.signal);
    }
}

static int serve(void *ctx)
{
    static struct errand errand;
    struct store_counter *counter = ctx;
    close(counter->fd);
    counter->fd = counter->other;
    while (recv(counter->fd, &errand, sizeof errand, 0) == (ssize_t)sizeof errand) {
        run_errand(counter, &errand);
        if (send(counter->fd, "", 1, MSG_NOSIGNAL) != 1) {
            break;
        }
    }
    return TOOL_DONE;
}

bool store_counter_start(struct store_counter *counter, const struct tool *tool)
{
    int ends[2];
    *counter = (struct store_counter){.tool = tool, .pid = -1, .fd = -1};
    counter->shared = worker_shared(sizeof *counter->shared);
    if (counter->shared == NULL ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        tool_report(tool, AUTH_NO_MEMORY, NULL, "doctor");
        return false;
    }
    counter->fd = ends[0];
    counter->other = ends[1];
    bool started = worker_start(tool, serve, counter, &counter->pid);
    close(counter->other);
    return started;
}

void store_counter_stop(struct store_counter *counter)
{
    if (counter->fd >= 0) {
        close(counter->fd);
        counter->fd = -1;
    }
    if (counter->pid > 0) {
        (void)worker_wait(counter->pid, -1);
        counter->pid = -1;
    }
}

/* --- what comes of it --- */

static void make_table_safe(struct realm_table *table)
{
    if (table->n > STORE_VIEW_REALMS) {
        table->n = STORE_VIEW_REALMS;
    }
    for (unsigned i = 0; i < STORE_VIEW_REALMS; i++) {
        table->row[i].realm[IDENTITY_MAX_REALM] = '\0';
        table->row[i].user[IDENTITY_MAX_USER] = '\0';
    }
}

/* Whatever the worker has become, what is read later has ends. */
static void make_safe(struct store_counts *counts)
{
    counts->detail.text[DETAIL_SIZE - 1] = '\0';
    make_table_safe(&counts->realms);
    make_table_safe(&counts->digest_realms);
}

static bool put_path(char ret[PATH_MAX], const char *path)
{
    int n = snprintf(ret, PATH_MAX, "%s", path);
    return n >= 0 && n < PATH_MAX;
}

static bool fill_errand(struct errand *errand, const struct doctor_files *files, const char *path,
                        const char *key_path)
{
    *errand = (struct errand){.root = ""};
    if (files->root[0] == '\0' && doctor_resolve(files, path, errand->path) == 0) {
        path = errand->path;
    }
    if (files->root[0] == '\0' && doctor_resolve(files, key_path, errand->key_path) == 0) {
        key_path = errand->key_path;
    }
    return put_path(errand->root, files->root) &&
           (path == errand->path || put_path(errand->path, path)) &&
           (key_path == errand->key_path || put_path(errand->key_path, key_path));
}

const struct store_counts *store_count(struct store_counter *counter, struct arena *arena,
                                       const struct doctor_files *files, const char *path,
                                       const char *key_path)
{
    static struct errand errand;
    char done = 0;
    struct store_counts *counts = arena_new(arena, sizeof *counts);
    if (counts == NULL) {
        return NULL;
    }
    if (!fill_errand(&errand, files, path, key_path) ||
        send(counter->fd, &errand, sizeof errand, MSG_NOSIGNAL) != (ssize_t)sizeof errand ||
        recv(counter->fd, &done, sizeof done, 0) != 1) {
        tool_say(counter->tool, "%s: the process that opens stores does not answer", path);
        return NULL;
    }
    *counts = *counter->shared;
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

uint64_t realm_table_get(const struct realm_table *table, const char *realm)
{
    for (unsigned i = 0; i < table->n; i++) {
        if (strcasecmp(table->row[i].realm, realm) == 0) {
            return table->row[i].accounts;
        }
    }
    return 0;
}
